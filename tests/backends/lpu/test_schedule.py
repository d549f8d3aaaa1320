from dataclasses import replace
from itertools import pairwise

import pytest
from earspan.backends.lpu.chip import tile
from earspan.backends.lpu.compile import compile_block
from earspan.backends.lpu.lpu import Lpu
from earspan.backends.lpu.passes import ALL
from earspan.backends.lpu.plan import list_events, make_plan
from earspan.backends.lpu.schedule import Schedule
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings

from .cases import CHIP, GROQ, LARGE, lpu, workloads


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
def test_the_schedule_keeps_its_rules(chips, group, name):
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
        for cached in (make_plan, compile_block):
            cached.cache_clear()
        backend, work = lpu(16), Workload(LARGE, decode_tokens=20)
        plan = backend.plan(work)
        return [(start, stage, block.bookings) for start, stage, _, block, _ in list_events(plan, backend.adapt(work))]

    assert cycles() == cycles()


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
