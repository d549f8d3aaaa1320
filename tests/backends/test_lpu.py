import math
from dataclasses import replace

import pytest
from earspan.backends.device import load_device
from earspan.backends.errors import InputError
from earspan.backends.lpu import lpu_backend
from earspan.backends.models import DIMENSIONS, Dimensions
from earspan.backends.timing import CapacityError
from earspan.backends.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

GROQ = load_device("groq-v1")
LARGE, TURBO = DIMENSIONS["large-v3"], DIMENSIONS["turbo"]


def lpu(chips=None, weights="int8"):
    return lpu_backend("groq", GROQ, chips, weights)


@pytest.mark.parametrize(("dims", "int8", "fp16"), [(LARGE, 8, 16), (TURBO, 5, 9)])
def test_chips_that_hold_the_weights_alone_match_the_facts(dims, int8, fp16):
    def chips(weight_dtype):
        return math.ceil(Workload(dims, weight_dtype=weight_dtype).weights_bytes / GROQ["sram_usable"])

    assert (chips("int8"), chips("fp16")) == (int8, fp16)


def test_caches_take_chips_as_well():
    # 1.54 GB of int8 weights, 0.246 + 0.017 GB of caches, 0.02 GB of activations, at 200 MB a chip
    call = Workload(LARGE, decode_tokens=99)
    assert lpu().chips_needed(call) == math.ceil((1.543 + 0.246 + 0.017 + 0.019) / 0.2) == 10
    assert lpu(weights="fp16").chips_needed(call) == math.ceil((3.084 + 0.246 + 0.017 + 0.019) / 0.2) == 17
    assert lpu().chips_needed(Workload(TURBO, decode_tokens=99)) == 5
    # another stream brings its own cache
    assert lpu().chips_needed(replace(call, batch=9)) == math.ceil((1.543 + 9 * 0.2826) / 0.2)


def test_too_few_chips_are_refused_with_the_number_needed():
    with pytest.raises(CapacityError, match="takes 10 chips"):
        lpu(8).time(Workload(LARGE, decode_tokens=99))
    with pytest.raises(CapacityError, match="takes 17 chips"):
        lpu(16, "fp16").time(Workload(LARGE, decode_tokens=99))
    assert lpu(10).time(Workload(LARGE, decode_tokens=99)).seconds > 0


def test_without_a_number_of_chips_the_least_is_used():
    call = Workload(TURBO, decode_tokens=30)
    assert lpu().time(call) == lpu(5).time(call)


def test_one_matmul_by_hand():
    from earspan.backends.lpu import _Node

    # 1500 x 1280 times 1280 x 1280 on 8 chips: 8 x 4 tiles over 16 planes = 2 rounds of 1500 cycles, fill 150
    parts = dict(_Node(GROQ, 8).matmul(1500, 1280, 1280, copies=1, chips=8))
    assert parts == pytest.approx({"compute": 3000 / 0.9e9, "launch": 150 / 0.9e9})
    # one row: 2 rounds of 20 cycles, the time to load 102,400 bytes per plane at 5,120 bytes a cycle
    parts = dict(_Node(GROQ, 8).matmul(1, 1280, 1280, copies=1, chips=8))
    assert parts == pytest.approx({"memory": 40 / 0.9e9, "launch": 150 / 0.9e9})


def test_exchange_by_hand():
    from earspan.backends.lpu import _Node

    # one token: 2560 bytes to all peers at once, one hop; 3.84 MB: in shares, there and back
    assert _Node(GROQ, 8).exchange(2560) == pytest.approx(722e-9 + 2560 / 12.2e9)
    assert _Node(GROQ, 8).exchange(3.84e6) == pytest.approx(2 * (722e-9 + 3.84e6 / 8 / 12.2e9))
    assert _Node(GROQ, 1).exchange(2560) == 0


def test_gemm_utilisation_is_at_least_80_percent_over_the_published_range():
    from earspan.backends.lpu import _Node

    # [2304 x 4096] x [4096 x N] at fp16, TSM paper: at least 80 % for N = 1376..3500
    peak = 2 * 160 * 320 * 2 * 0.9e9
    for n in range(1376, 3501, 4):
        seconds = sum(s for _, s in _Node(GROQ, 1).matmul(2304, 4096, n, copies=1, chips=1))
        assert 0.8 <= 2 * 2304 * 4096 * n / seconds / peak <= 1


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
    assert timing.jitter == 0.0
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


def test_streams_are_pipelined_over_nodes():
    call, backend = Workload(TURBO, decode_tokens=50), lpu(16)
    one = backend.time(call)
    assert one.interval_s == pytest.approx(one.seconds / 2)  # 16 chips are two nodes of 8
    assert backend.serve(call, 1).seconds == one.seconds
    # never slower than calls of one stream in the pipeline, never faster than its rate at full batches
    for streams in (2, 5, 16):
        served = backend.serve(call, streams).seconds
        assert one.seconds <= served <= one.seconds + (streams - 1) * one.interval_s + 1e-12


def test_sram_that_holds_one_call_keeps_the_pipeline_empty():
    call = Workload(LARGE, decode_tokens=99)
    served = lpu(10).serve(call, 4)
    assert served.bound == "capacity"
    assert served.seconds == pytest.approx(4 * lpu(10).time(call).seconds)


def test_what_the_chip_does_not_do_is_refused():
    with pytest.raises(InputError, match="fp32 given"):
        lpu(16).time(Workload(TURBO, dtype="fp32"))
    with pytest.raises(InputError, match="at least 1"):
        lpu(0)
    with pytest.raises(InputError, match="int8 or fp16"):
        lpu(16, "int4")
