import math
from dataclasses import replace

import pytest
from earspan.backends.errors import InputError
from earspan.backends.host import CALL_S
from earspan.backends.hybrid.hybrid import MODES, Hybrid, Link, hybrid_backend
from earspan.backends.hybrid.part import Part
from earspan.backends.registry import get_backend
from earspan.backends.span import span
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

TURBO, LARGE = DIMENSIONS["turbo"], DIMENSIONS["large-v3"]
GPU, LPU = get_backend("h100"), get_backend("groq-v1x16")


def hybrid(mode="phase", latency_s=0.0, bytes_per_s=math.inf):
    return hybrid_backend("both", GPU, LPU, mode, Link(latency_s, bytes_per_s))


calls = st.builds(
    Workload,
    st.sampled_from([DIMENSIONS[name] for name in ("tiny.en", "turbo")]),
    batch=st.sampled_from([1, 2, 4]),
    decode_tokens=st.sampled_from([1, 10, 99]),
)


@settings(max_examples=30, deadline=None)
@given(work=calls, mode=st.sampled_from(MODES))
def test_with_a_free_link_it_is_no_faster_than_either_part(work, mode):
    shares = hybrid(mode).shares(work)
    assert shares.link_s == 0
    assert shares.seconds >= max(shares.gpu_s, shares.lpu_s) * (1 - 1e-12)
    assert shares.seconds >= shares.ceiling_s
    assert shares.interval_s <= shares.seconds
    assert sum(shares.phases.values()) == pytest.approx(shares.seconds)
    assert min(shares.phases.values()) >= -1e-12


@settings(max_examples=30, deadline=None)
@given(work=calls, mode=st.sampled_from(MODES))
def test_with_a_slow_link_it_tends_to_the_sum_of_its_parts(work, mode):
    shares = hybrid(mode, latency_s=10.0, bytes_per_s=1e6).shares(work)
    assert shares.seconds <= shares.gpu_s + shares.lpu_s + shares.link_s + 1e-9
    assert shares.seconds == pytest.approx(shares.gpu_s + shares.lpu_s + shares.link_s, rel=0.01)
    assert hybrid(mode, latency_s=10.0, bytes_per_s=1e6).time(work).bound == "link"


@settings(max_examples=30, deadline=None)
@given(
    work=calls,
    mode=st.sampled_from(MODES),
    latency_s=st.floats(0, 1e-3),
    slower=st.floats(1, 10),
    bytes_per_s=st.floats(1e9, 1e12),
)
def test_a_slower_link_never_helps(work, mode, latency_s, slower, bytes_per_s):
    quick = hybrid(mode, latency_s, bytes_per_s).time(work)
    slow = hybrid(mode, latency_s * slower, bytes_per_s / slower).time(work)
    assert slow.seconds >= quick.seconds * (1 - 1e-12)


def test_phase_split_by_hand():
    work = Workload(LARGE, decode_tokens=99)
    encoded = GPU.time(replace(Part.of(work, "encode"), decode_tokens=0)).seconds
    decoded = LPU.time(Part.of(work, "prefill", "attend", "project")).seconds
    # 1500 x 1280 fp16 numbers once, 3.84 MB: 20 us + 0.16 ms over PCIe
    assert get_backend("h100+groq-v1x16").time(work).seconds == pytest.approx(encoded + decoded + 20e-6 + 3.84e6 / 24e9)
    # the GPU's share is its encoder and the host, to the kernel launches of phases it does not run
    assert encoded - CALL_S == pytest.approx(sum(GPU.time(work).phases[p] for p in ("mel", "encode")), rel=0.05)


def test_operator_split_crosses_four_times_a_layer_and_token():
    work = Workload(TURBO, decode_tokens=10)
    free, slow = hybrid("operator").time(work), hybrid("operator", 1e-6).time(work)
    assert slow.seconds - free.seconds == pytest.approx(4 * 4 * 10 * 1e-6)


@pytest.mark.parametrize("batch", [2, 16])
def test_two_halves_of_a_batch_take_turns_where_that_helps(batch):
    work = Workload(TURBO, batch=batch, decode_tokens=50)
    backend = hybrid("operator", 1e-6, 24e9)
    shares, half = backend.shares(work), backend.shares(replace(work, batch=batch // 2))
    before = GPU.time(replace(Part.of(work, "encode", "prefill"), decode_tokens=0)).seconds
    half_before = GPU.time(replace(Part.of(half_work(work), "encode", "prefill"), decode_tokens=0)).seconds
    # two halves, of which the slower device is never idle, or one after the other
    half_gpu_s = half.gpu_s - half_before
    turns_s = max(half.gpu_s - half_before + half.lpu_s + half.link_s, 2 * max(half_gpu_s, half.lpu_s, half.link_s))
    in_turn_s = shares.gpu_s - before + shares.lpu_s + shares.link_s
    assert shares.seconds == pytest.approx(before + min(turns_s, in_turn_s))


def half_work(work):
    return replace(work, batch=work.batch // 2)


def test_parts_make_the_whole():
    work = Workload(LARGE, batch=2, decode_tokens=9)
    whole = sum(op.count * op.flops for op in work.ops())
    split = [Part.of(work, *parts) for parts in (("encode",), ("prefill",), ("attend",), ("project",))]
    assert sum(op.count * op.flops for part in split for op in part.ops()) == pytest.approx(whole)
    decoder = Part.of(work, "prefill", "attend", "project")
    assert decoder.weights_bytes + split[0].weights_bytes == pytest.approx(work.weights_bytes, rel=2e-3)
    assert (split[0].kv_bytes, decoder.kv_bytes) == (0, work.kv_bytes)


def test_the_planner_takes_a_hybrid():
    answer = span(get_backend("h100+groq-v1x16"), LARGE, step_s=0.25, streams=16)
    assert answer.span_s is None or 0 < answer.span_s <= 30
    alone = [span(get_backend(name), LARGE, step_s=0.25, streams=16).span_s or 0 for name in ("h100", "groq-v1x16")]
    assert (answer.span_s or 0) >= max(alone)


@settings(max_examples=15, deadline=None)
@given(work=calls, mode=st.sampled_from(MODES), streams=st.sampled_from([1, 3, 16]))
def test_serving_streams_keeps_above_the_ceiling(work, mode, streams):
    one = replace(work, batch=1)
    served = hybrid(mode, 20e-6, 24e9).serve(one, streams)
    assert served.seconds >= served.ceiling_s * (1 - 1e-9)
    assert served.seconds >= hybrid(mode, 20e-6, 24e9).time(one).seconds * (1 - 1e-9) or streams > 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("h100+a100", "expected a GPU and an LPU"),
        ("h100+groq-v1x16@layers", "unknown split"),
        ("h1000+groq-v1x16", "did you mean 'h100'"),
        ("h100+", "unknown backend"),
    ],
)
def test_impossible_pairs_are_refused(name, says):
    with pytest.raises(InputError, match=says.replace("'", ".")):
        get_backend(name)


def test_names_of_hybrids():
    for mode in MODES:
        backend = get_backend(f"h100+groq-v1x16@{mode}")
        assert isinstance(backend, Hybrid)
        assert backend.mode == mode
        assert "\n" not in backend.describe()
    assert get_backend("h100+groq-v1x16").time(Workload(TURBO)).seconds > 0


def test_a_part_that_does_not_fit_is_refused():
    with pytest.raises(CapacityError, match="takes"):
        get_backend("h100+groq-v1x2").time(Workload(LARGE, decode_tokens=9))


def test_a_gpu_pays_for_no_launch_and_no_sampling_of_phases_that_it_does_not_run():
    gpu, work = get_backend("h100"), Workload(DIMENSIONS["large-v3"], decode_tokens=20)
    whole = gpu.time(work).phases
    encoded = gpu.time(replace(Part.of(work, "encode"), decode_tokens=0)).phases
    attended = gpu.time(Part.of(work, "attend")).phases
    assert [phase for phase, seconds in encoded.items() if seconds] == ["mel", "encode", "transfer"]
    assert [phase for phase, seconds in attended.items() if seconds] == ["decode", "transfer"]
    assert encoded["encode"] == pytest.approx(whole["encode"])
    assert attended["decode"] < whole["decode"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("streams", [17, 18, 20])
def test_streams_are_served_in_the_best_of_all_sizes(mode, streams):
    call = Workload(TURBO, audio_s=10, decode_tokens=33)
    both = hybrid_backend("both", GPU, LPU, mode)
    every = []
    for size in {1, 4, 16, 64, streams}:
        if size <= streams:
            shares = both.shares(replace(call, batch=size))
            every.append(shares.seconds + (-(-streams // size) - 1) * shares.interval_s)
    assert both.serve(call, streams).seconds == pytest.approx(min(every))


def test_all_tokens_of_a_pass_cross_the_link():
    plain = Workload(TURBO, decode_tokens=12)
    one, four = (hybrid("operator", 0.0, 1e6).shares(replace(plain, pass_tokens=tokens)).link_s for tokens in (1, 4))
    assert four == pytest.approx(4 * one)


def test_a_split_that_drafts_takes_no_drafted_call():
    with pytest.raises(InputError, match="drafts by itself; leave out --draft"):
        get_backend("h100+groq-v1x16@draft").time(Workload(TURBO, decode_tokens=12, pass_tokens=4))
