import math
from dataclasses import replace

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.errors import InputError
from earspan.backends.host import CALL_S, JITTER
from earspan.backends.hybrid.part import Part
from earspan.backends.lpu.lpu import lpu_backend
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import Dimensions
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from .cases import GROQ, LARGE, TURBO, lpu, workloads


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
