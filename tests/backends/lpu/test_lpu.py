import math
from dataclasses import replace
from itertools import pairwise

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.errors import InputError
from earspan.backends.host import CALL_S, JITTER
from earspan.backends.hybrid.part import Part
from earspan.backends.lpu.chip import Chip, tile
from earspan.backends.lpu.compile import compile_block
from earspan.backends.lpu.lpu import Lpu, lpu_backend
from earspan.backends.lpu.plan import ALL, finish_cycles, interval_cycles, list_events, make_plan, together_cycles
from earspan.backends.lpu.schedule import Schedule
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import DIMENSIONS, Dimensions
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

GROQ = load_device("groq-v1")
CHIP = Chip.of(GROQ)
LARGE, TURBO = DIMENSIONS["large-v3"], DIMENSIONS["turbo"]


def lpu(chips=None, weights="int8"):
    return lpu_backend("groq", GROQ, chips, weights)


@pytest.mark.parametrize(("dims", "int8", "fp16"), [(LARGE, 8, 16), (TURBO, 5, 9)])
def test_chips_that_hold_the_weights_alone_match_the_facts(dims, int8, fp16):
    def chips(weight_dtype):
        return math.ceil(Workload(dims, weight_dtype=weight_dtype).weights_bytes / GROQ["sram_usable"])

    assert (chips("int8"), chips("fp16")) == (int8, fp16)


def test_caches_take_chips_as_well():
    # 1.54 GB of int8 weights, 0.246 + 0.017 GB of caches, at 200 MB a chip: 10 at least
    call = Workload(LARGE, decode_tokens=99)
    assert lpu().chips_needed(call) == 11
    assert lpu(weights="fp16").chips_needed(call) == 19  # 3.07 + 0.26 GB: 17 at least, layers cut
    assert lpu().chips_needed(Workload(TURBO, decode_tokens=99)) == 5
    # each of 8 more streams brings its own cache and activations
    least = math.ceil((1.543 + 9 * 0.2626) / 0.2)
    assert lpu().chips_needed(replace(call, batch=9)) >= least


def test_too_few_chips_are_refused_with_the_number_needed():
    with pytest.raises(CapacityError, match="takes 11 chips"):
        lpu(8).time(Workload(LARGE, decode_tokens=99))
    with pytest.raises(CapacityError, match="takes 19 chips"):
        lpu(16, "fp16").time(Workload(LARGE, decode_tokens=99))
    assert lpu(11).time(Workload(LARGE, decode_tokens=99)).seconds > 0


def test_without_a_number_of_chips_the_least_is_used():
    call = Workload(TURBO, decode_tokens=30)
    assert lpu().time(call) == lpu(5).time(call)


@pytest.mark.parametrize("chips", [8, 16, 24])
def test_a_chip_too_many_is_left_idle(chips):
    call = Workload(TURBO, decode_tokens=33)
    enough, more = lpu(chips).time(call), lpu(chips + 1).time(call)
    assert more.seconds <= enough.seconds
    assert lpu(chips + 1).serve(call, 16).seconds <= lpu(chips).serve(call, 16).seconds


def test_one_matmul_by_hand():
    # 1500 x 1280 times 1280 x 1280: 8 x 4 tiles over 2 planes = 16 passes of 1500 rows, then the fill of 150
    plan = tile(CHIP, 1500, 1280, 1280)
    assert (plan.passes, plan.rows, plan.load, plan.cycles) == (16, 1500, 20, 16 * 1500)
    # one row: 16 passes, the first tile in place, then 20 cycles each to load 102,400 bytes at 5,120 a cycle
    assert tile(CHIP, 1, 1280, 1280).cycles == 15 * 20 + 1
    # a single tile of many rows goes on both planes, half of the rows on each
    assert tile(CHIP, 3000, 160, 320).cycles == 1500
    # head size 64 fills 64 of 160 rows and 64 of 320 columns; with the left operand in the planes, all columns
    assert tile(CHIP, 1500, 1500, 64).cycles == 10 * 1500 / 2
    assert tile(CHIP, 1500, 1500, 64, either=True).cycles == 10 * 5 * 64 / 2
    assert CHIP.fill == 150
    schedule = Schedule(CHIP)
    schedule.matmul("a", plan, 1, [schedule.given("x", 1)])
    # the first tile has to be loaded first
    assert schedule.block().cycles == 20 + 16 * 1500 + 150


def test_exchange_by_hand():
    # one token: 2560 bytes to all peers at once, one hop of 722 ns; 3.84 MB: in shares, there and back
    assert CHIP.hop == 650
    per_cycle = 12.2 / 0.9
    assert CHIP.exchange_cycles(2560, 8) == 650 + math.ceil(2560 / per_cycle)
    assert CHIP.exchange_cycles(3.84e6, 8) == 2 * (650 + math.ceil(3.84e6 / 8 / per_cycle))
    assert CHIP.exchange_cycles(2560, 1) == 0


def test_gemm_utilisation_is_at_least_80_percent_over_the_published_range():
    # [2304 x 4096] x [4096 x N] at fp16, TSM paper: at least 80 % for N = 1376..3500
    for n in range(1376, 3501, 4):
        cycles = tile(CHIP, 2304, 4096, n, either=True).cycles + CHIP.fill
        assert 0.8 <= 2304 * 4096 * n / cycles / (2 * 160 * 320) <= 1


workloads = st.builds(
    Workload,
    st.sampled_from([DIMENSIONS[name] for name in ("tiny.en", "small", "turbo")]),
    batch=st.integers(1, 4),
    audio_s=st.floats(0.1, 30),
    padding=st.sampled_from(["full", "fit"]),
    decode_tokens=st.integers(0, 200),
)


@settings(max_examples=80, deadline=None)
@given(work=workloads, chips=st.sampled_from([None, 16, 24, 72]))
def test_nothing_beats_its_ceiling_and_the_timing_is_deterministic(work, chips):
    backend = lpu(chips) if chips else lpu(lpu().chips_needed(work))
    timing = backend.time(work)
    assert timing.seconds >= timing.interval_s >= timing.ceiling_s > 0
    assert sum(timing.phases.values()) == pytest.approx(timing.seconds)
    assert timing.jitter == pytest.approx(JITTER * CALL_S / timing.seconds)  # the chips themselves do not scatter
    served = backend.serve(replace(work, batch=1), work.batch)
    assert served.seconds >= served.ceiling_s * (1 - 1e-12)


@settings(max_examples=80, deadline=None)
@given(work=workloads, more=st.sampled_from(["tokens", "batch", "audio", "encoder layers", "decoder layers"]))
def test_more_work_never_costs_less(work, more):
    dims = work.dims.to_dict()
    larger = {
        "tokens": replace(work, decode_tokens=work.decode_tokens + 1),
        "batch": replace(work, batch=work.batch + 1),
        "audio": replace(work, audio_s=min(30.0, work.audio_s + 0.5)),
        "encoder layers": replace(work, dims=Dimensions(**dims | {"n_audio_layer": dims["n_audio_layer"] + 1})),
        "decoder layers": replace(work, dims=Dimensions(**dims | {"n_text_layer": dims["n_text_layer"] + 1})),
    }[more]
    assert lpu(40).time(larger).seconds >= lpu(40).time(work).seconds * (1 - 1e-12)


def test_streams_are_pipelined_over_stages():
    call, backend = Workload(TURBO, decode_tokens=50), lpu(16)
    one = backend.time(call)
    # 16 chips are two groups of 8: at best two calls in the time of one
    assert one.seconds / 2 <= one.interval_s < one.seconds
    assert backend.serve(call, 1).seconds == pytest.approx(one.seconds)
    for streams in (2, 5, 16):
        served = backend.serve(call, streams).seconds
        assert one.seconds * (1 - 1e-9) <= served <= streams * one.seconds


def test_sram_that_holds_one_call_keeps_the_pipeline_empty():
    call = Workload(LARGE, decode_tokens=99)
    served, backend = lpu(11).serve(call, 4), lpu(11)
    assert served.bound == "capacity"
    host_s = 3 * (2 * 10e-6 + CALL_S)  # while the chips are at the next
    assert served.seconds == pytest.approx(4 * backend.time(call).seconds - host_s, rel=0.02)


def check_block(block, planes):
    """What a schedule must keep, worked out from its bookings alone."""
    by_unit = {}
    for booking in block.bookings:
        assert 0 <= booking.start <= booking.end <= block.cycles, booking
        by_unit.setdefault(booking.unit, []).append((booking.start, booking.end))
    for unit, times in by_unit.items():
        times.sort()
        for (_, end), (start, _) in pairwise(times):
            assert end <= start, f"{unit} is booked twice at {start}"
    assert all(booking.planes <= planes for booking in block.bookings)
    written = {}
    for booking in block.bookings:
        if booking.writes is not None:
            written[booking.writes] = max(written.get(booking.writes, 0), booking.ready)
            assert booking.ready >= booking.end
    for booking in block.bookings:
        for read in booking.reads:
            assert written.get(read, 0) <= booking.start, f"{booking.name} reads what is not there yet"
        if booking.follows is not None:
            source = block.bookings[booking.follows]
            assert source.start < booking.start
            assert booking.end >= source.end
        if booking.unit == "MXM":
            # every tile is loaded before its rows stream past, and no two tiles in less time than one load takes
            loading = next(
                b
                for b in block.bookings
                if b.unit == "LOAD"
                and b.name == f"load {booking.name}"
                and b.start <= booking.start
                and b.end <= booking.end
                and b.end >= booking.start
            )
            assert booking.end - booking.start >= booking.passes * booking.rows
            assert loading.start < booking.start
    # bytes held at any time: from the first write to the last read
    ends = [b.ready for b in block.buffers]
    for booking in block.bookings:
        for read in booking.reads:
            ends[read] = max(ends[read], booking.end)
    moments = {buffer.born for buffer in block.buffers}
    for moment in moments:
        live = sum(b.size for b, end in zip(block.buffers, ends, strict=True) if b.born <= moment < end)
        assert live <= block.peak_bytes


def check_plan(plan, work, usable):
    kv_layers = sum(decoder for _, decoder in plan.layers)
    copies = len(plan.stages) if plan.spread else 1  # where rows are shared, each stage holds the whole encoder
    assert kv_layers == pytest.approx(work.dims.n_text_layer)
    assert sum(encoder for encoder, _ in plan.layers) == pytest.approx(copies * work.dims.n_audio_layer)
    encoder_bytes = sum(op.count * op.weight_bytes for op in work.ops() if op.phase in ("mel", "encode"))
    held = work.weights_bytes + (copies - 1) * encoder_bytes
    assert sum(stage.weight_bytes for stage in plan.stages) == pytest.approx(held, rel=5e-3 if copies > 1 else 1e-6)
    blocks = {}
    for run in plan.passes(work):
        for leg in run.legs:
            for _, block, _ in leg.parts:
                blocks[id(block)] = block
                for stage in plan.stages if leg.stage == ALL else [plan.stages[leg.stage]]:
                    caches = work.batch * work.kv_bytes * stage.kv_share
                    assert stage.weight_bytes + caches + stage.chips * block.peak_bytes <= stage.chips * usable
    for block in blocks.values():
        check_block(block, plan.chip.planes)
    # stages work one after another, each from where the one before ended
    clock, began, busy, at_once = 0, -1, 0, set()
    for start, stage, _, block, _ in list_events(plan, work):
        assert 0 <= stage < len(plan.stages)
        if start == began:
            # the same block, on a stage that is not at it yet
            assert stage not in at_once
            at_once.add(stage)
            continue
        assert start >= clock
        began, at_once, clock = start, {stage}, start + block.cycles
        busy += block.cycles
    return busy


@pytest.mark.parametrize("chips", [5, 11, 16, 72])
@pytest.mark.parametrize("group", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["tiny.en", "turbo", "large-v3"])
def test_the_schedule_keeps_its_promises(chips, group, name):
    work = Workload(DIMENSIONS[name], decode_tokens=7, prompt_tokens=155)
    backend = Lpu("groq", GROQ, chips, "int8", group)
    if backend.chips_needed(work) > chips:
        pytest.skip("does not fit")
    stored = backend.adapt(work)
    busy = check_plan(backend.plan(work), stored, GROQ["sram_usable"])
    timing = backend.time(work)
    assert timing.seconds >= busy / GROQ["clock"] + 20e-6
    assert timing.ceiling_s <= timing.seconds


@settings(max_examples=25, deadline=None)
@given(work=workloads)
def test_every_schedule_is_free_of_conflicts(work):
    backend = lpu(40)
    check_plan(backend.plan(work), backend.adapt(work), GROQ["sram_usable"])


def test_the_checker_finds_planted_conflicts():
    schedule = Schedule(CHIP)
    first = schedule.matmul("a", tile(CHIP, 300, 160, 320), 100, [schedule.given("x", 100)])
    schedule.vector("b", 50, 100, [first])
    good = schedule.block()
    check_block(good, 2)
    last = good.bookings[-1]
    for spoilt in (replace(last, start=last.start - 100, end=last.end - 100), replace(last, end=10**6)):
        with pytest.raises(AssertionError):
            check_block(replace(good, bookings=(*good.bookings[:-1], spoilt)), 2)
    with pytest.raises(AssertionError):
        check_block(replace(good, peak_bytes=99), 2)


def test_the_same_call_has_the_same_schedule():
    def cycles():
        for cached in (make_plan, compile_block, tile):
            cached.cache_clear()
        backend, work = lpu(16), Workload(LARGE, decode_tokens=20)
        plan = backend.plan(work)
        return [(start, stage, block.bookings) for start, stage, _, block, _ in list_events(plan, backend.adapt(work))]

    assert cycles() == cycles()


def test_calls_in_flight_never_share_a_stage():
    backend, work = lpu(16), Workload(TURBO, decode_tokens=9)
    stored = backend.adapt(work)
    plan = make_plan(backend.chip, GROQ["sram_usable"], 16, 8, stored)
    passes = plan.passes(stored)
    # slot by slot, as the schedule of several calls promises: call c is one stage behind call c - 1
    slots = [run.slot for run in passes for _ in range(run.times) for _ in range(2)]
    two = slots[0] + sum(max(a, b) for a, b in pairwise(slots)) + slots[-1]
    assert finish_cycles(passes, 2, 2) == pytest.approx(two, rel=0.25)
    assert together_cycles(passes, 2) >= sum(slots)
    assert interval_cycles(passes, 2) * 2 <= two


def test_what_all_stages_do_together_is_done_for_one_call_after_another():
    backend, work = lpu(16), Workload(TURBO, decode_tokens=9)
    stored = backend.adapt(work)
    passes = make_plan(backend.chip, GROQ["sram_usable"], 16, 8, stored, spread=True).passes(stored)
    first, rest = passes[0], passes[1:]
    assert first.together
    assert not any(run.together for run in rest)
    assert together_cycles(passes, 2) == 2 * first.cycles + together_cycles(rest, 2)


def test_more_chips_encode_one_call_sooner():
    call = Workload(LARGE, decode_tokens=99)
    one, two, four = (lpu(chips).time(call).phases["encode"] for chips in (16, 32, 64))
    # every chip has a share of the rows; links, hops and what keys and values travel keep it from halving
    assert 1.3 < one / two <= 2
    assert 1.2 < two / four <= 2


def test_layers_are_cut_only_where_whole_ones_do_not_fit():
    call = Workload(LARGE, decode_tokens=99)
    assert not lpu(24).plan(call).cut
    # pairs that hold 150 MB: two decoder layers of 52 MB and one encoder layer of 39 MB, so a layer is left over
    backend = Lpu("groq", GROQ, 46, "fp16", 2, "groqflow")
    plan = backend.plan(call)
    assert plan.cut
    assert all(stage.weight_bytes <= 150e6 for stage in plan.stages)
    busy = check_plan(plan, backend.adapt(call), GROQ["sram_usable"])
    assert backend.time(call).seconds >= busy / GROQ["clock"]


def test_a_group_wider_than_a_node_takes_three_turns():
    # 256 chips, a small message: three hops of 722 ns (TSM22), and the share of each chip on its way
    small = CHIP.exchange_cycles(32, 256)
    assert 3 * CHIP.hop <= small <= 3 * CHIP.hop + 60
    # 3.28 MB over two nodes: an eighth there and back within the node, half of that eighth each way between
    link, wide = 12.2 / 0.9, 48.8 / 0.9
    eighth = 3.28e6 / 8
    by_hand = 2 * (650 + eighth / link) + min(650 + eighth / wide, 2 * (650 + eighth / 2 / wide))
    assert CHIP.exchange_cycles(3.28e6, 16) == pytest.approx(by_hand, abs=4)


def test_stored_weights_are_made_operands_by_the_vector_unit():
    # a tile of 160 x 320 for each of 2 planes: 102,400 values over 5,120 ALUs, as long as the load takes
    plain, stored = tile(CHIP, 1, 1280, 1280), tile(CHIP, 1, 1280, 1280, convert=1.0)
    assert stored.convert == 32 * 160 * 320 / 5120
    assert stored.load == plain.load == 20
    slow = tile(CHIP, 1, 1280, 1280, convert=2.0)
    assert (slow.load, slow.cycles) == (40, 15 * 40 + 1)
    # with many rows it is hidden
    assert tile(CHIP, 1500, 1280, 1280, convert=2.0).cycles == tile(CHIP, 1500, 1280, 1280).cycles
    call = Workload(TURBO, decode_tokens=99)
    int8, fp16 = (lpu(16, weights).time(call).phases["decode"] for weights in ("int8", "fp16"))
    assert fp16 <= int8 <= 1.2 * fp16


def test_fp8_is_multiplied_as_it_is_where_the_device_does_that():
    call = Workload(LARGE, decode_tokens=99)
    chosen, converted, wide = (lpu_backend("x", load_device("lp30"), 16, kind) for kind in ("", "int8", "fp16"))
    assert chosen.weights == "fp8"
    encode = {kind.weights: kind.time(call).phases["encode"] for kind in (chosen, converted, wide)}
    assert encode["fp8"] < encode["fp16"] <= encode["int8"] * (1 + 1e-9)
    for backend in (chosen, converted, wide):
        assert backend.time(call).seconds >= backend.time(call).ceiling_s
    with pytest.raises(InputError, match="int8 or fp16"):
        lpu(16, "fp8")


def test_packing_as_published_takes_more_chips():
    # GroqFlow: about 25-50 M fp16 parameters a chip, so 75 MB; large-v3 in 8 bits is 1.54 GB
    packed = lpu_backend("packed", GROQ, packing="groqflow")
    call = Workload(LARGE, decode_tokens=99)
    assert packed.chips_needed(call) >= math.ceil(1.54e9 / 75e6)
    plan = packed.plan(call)
    assert all(stage.weight_bytes <= stage.chips * 75e6 for stage in plan.stages)
    with pytest.raises(InputError, match="packing"):
        lpu_backend("packed", load_device("lp30"), packing="groqflow")


def test_the_host_prepares_what_has_audio():
    call = Workload(TURBO, batch=4, decode_tokens=9)
    moved_s = 4 * (30 * 16000 * 4 + 10 * 8) / 24e9 + 20e-6
    assert lpu(8).time(call).phases["transfer"] == pytest.approx(moved_s + CALL_S)
    # of a hybrid, the other device takes in the audio
    there = lpu(8).time(Part.of(call, "prefill", "attend", "project"))
    assert there.phases["transfer"] < CALL_S
    assert there.jitter == 0


def test_short_audio_is_compiled_in_whole_seconds():
    one, two, whole = (Workload(TURBO, audio_s=s, padding="fit", decode_tokens=9) for s in (4.2, 4.9, 5.0))
    assert lpu(16).time(one) == lpu(16).time(two) == lpu(16).time(whole)
    assert lpu(16).time(replace(whole, audio_s=5.1)).seconds > lpu(16).time(whole).seconds


def test_what_the_chip_does_not_do_is_refused():
    with pytest.raises(InputError, match="fp32 given"):
        lpu(16).time(Workload(TURBO, dtype="fp32"))
    with pytest.raises(InputError, match="at least 1"):
        lpu(0)
    with pytest.raises(InputError, match="int8 or fp16"):
        lpu(16, "int4")
