from dataclasses import replace
from types import MappingProxyType

import pytest
from earspan.backends.device import Device, Figure, load_device
from earspan.backends.gpu import MODES, gpu_backend
from earspan.backends.models import DIMENSIONS, Dimensions
from earspan.backends.timing import CapacityError
from earspan.backends.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

LARGE = DIMENSIONS["large-v3"]
GPUS = ("t4", "l4", "l40s", "a100", "h100", "h200", "b200")
H100 = load_device("h100")


def scaled(device, factors):
    """The device with some figures multiplied."""
    figures = {
        key: Figure(f.value * factors.get(key, 1), f.unit, f.quantity, f.basis, f.source, f.density)
        for key, f in device.figures.items()
    }
    return Device("made-up", device.title, device.kind, MappingProxyType(figures))


LARGER_IS_BETTER = sorted(
    key
    for key, figure in H100.figures.items()
    if figure.quantity in ("arithmetic", "bandwidth", "memory", "fraction") or key == "gemm_softmax_order"
)
SMALLER_IS_BETTER = sorted(key for key, figure in H100.figures.items() if figure.quantity == "time")

workloads = st.builds(
    Workload,
    st.sampled_from([DIMENSIONS[name] for name in ("tiny.en", "base", "small", "turbo")]),
    batch=st.integers(1, 8),
    audio_s=st.floats(0.1, 30),
    padding=st.sampled_from(["full", "fit"]),
    decode_tokens=st.integers(0, 200),
    dtype=st.sampled_from(["fp16", "fp32"]),
)


@settings(max_examples=100, deadline=None)
@given(work=workloads, gpu=st.sampled_from(GPUS), mode=st.sampled_from(MODES))
def test_nothing_beats_its_ceiling_and_phases_sum_up(work, gpu, mode):
    timing = gpu_backend(gpu, load_device(gpu), mode).time(work)
    assert timing.seconds >= timing.ceiling_s > 0
    assert sum(timing.phases.values()) == pytest.approx(timing.seconds)
    assert timing.interval_s == timing.seconds


@settings(max_examples=100, deadline=None)
@given(
    work=workloads,
    gpu=st.sampled_from(GPUS),
    mode=st.sampled_from(MODES),
    more=st.sampled_from(["tokens", "batch", "audio", "encoder layers", "decoder layers", "prompt"]),
)
def test_more_work_never_costs_less(work, gpu, mode, more):
    dims = work.dims.to_dict()
    larger = {
        "tokens": replace(work, decode_tokens=work.decode_tokens + 1),
        "batch": replace(work, batch=work.batch + 1),
        "audio": replace(work, audio_s=min(30.0, work.audio_s + 0.5)),
        "encoder layers": replace(work, dims=Dimensions(**dims | {"n_audio_layer": dims["n_audio_layer"] + 1})),
        "decoder layers": replace(work, dims=Dimensions(**dims | {"n_text_layer": dims["n_text_layer"] + 1})),
        "prompt": replace(work, prompt_tokens=work.prompt_tokens + 1),
    }[more]
    backend = gpu_backend(gpu, load_device(gpu), mode)
    assert backend.time(larger).seconds >= backend.time(work).seconds * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(
    work=workloads,
    gains=st.dictionaries(st.sampled_from(LARGER_IS_BETTER + SMALLER_IS_BETTER), st.floats(1, 3), min_size=1),
)
def test_a_device_better_in_every_figure_is_never_slower(work, gains):
    # efficiencies stay at most 1: start from a device that has room
    fractions = {key: 0.3 for key, figure in H100.figures.items() if figure.quantity == "fraction"}
    base = scaled(H100, fractions)
    better = scaled(base, {key: 1 / gain if key in SMALLER_IS_BETTER else gain for key, gain in gains.items()})
    slower, faster = gpu_backend("base", base).time(work), gpu_backend("better", better).time(work)
    assert faster.seconds <= slower.seconds * (1 + 1e-12)


def test_one_gemm_by_hand():
    # an ideal device with unlimited bandwidth and no floors leaves FLOPs / peak
    huge, tiny = 1e9, 1e-9
    ideal = dict.fromkeys(SMALLER_IS_BETTER, tiny) | {"memory_bandwidth": huge, "host_bandwidth": huge}
    ideal |= {"gemm_compute_efficiency": 1 / 0.82, "decoder_attention_head_bandwidth": huge}
    gpu = gpu_backend("ideal", scaled(H100, ideal))
    encode = gpu.time(Workload(LARGE)).phases["encode"]
    gemm, attention = 17.694e9 + 1_887.44e9, 368.64e9
    assert encode == pytest.approx(gemm / 989e12 + attention / (0.435 * 989e12), rel=1e-3)


def test_decode_streams_its_weights():
    # with no floors and no compute limit, a token costs at least the decoder weights over the bandwidth
    ideal = dict.fromkeys(SMALLER_IS_BETTER, 1e-09) | {
        "fp16_peak": 1e9,
        "decoder_attention_head_bandwidth": 1e9,
    }
    gpu = gpu_backend("ideal", scaled(H100, ideal))
    step_s = gpu.time(Workload(LARGE, decode_tokens=100)).phases["decode"] / 100
    # 800 M parameters touched per token (facts), 246 MB of cross-attention cache, at 86 % of 3350 GB/s
    assert step_s == pytest.approx((2 * 800e6 + 246e6) / (0.86 * 3350e9), rel=0.03)


@pytest.mark.parametrize(
    ("gpu", "published_us"),
    [("h100", (49.7, 435, 1680)), ("b200", (27.2, 277, 1071)), ("l40s", (69.1, 999, 4026))],
)
def test_encoder_attention_lies_near_the_published_rows(gpu, published_us):
    from earspan.backends.gpu import _Kernels

    kernels = _Kernels(load_device(gpu), True)
    for batch, expected in zip((1, 16, 64), published_us, strict=True):
        ops = Workload(LARGE, batch=batch).ops()
        op = next(op for op in ops if (op.kind, op.phase) == ("attention", "encode"))
        floor, compute, memory, _ = kernels.cost(op)
        assert (floor + max(compute, memory)) * 1e6 == pytest.approx(expected, rel=0.21)


def test_eager_mode_is_bound_by_the_host_on_a_fast_gpu():
    eager, graph = (gpu_backend("h100", H100, mode).time(Workload(LARGE, decode_tokens=50)) for mode in MODES[::-1])
    assert eager.seconds > 2 * graph.seconds
    assert eager.bound == "launch"
    # every dispatched operation costs the host 10 us
    per_step = len([op for op in Workload(LARGE, decode_tokens=1).each_op() if op.phase == "decode"])
    assert eager.phases["decode"] == pytest.approx(50 * per_step * 10e-6)


def test_memory_limits_the_batch_and_serve_splits_it():
    gpu = gpu_backend("t4", load_device("t4"))
    call = Workload(LARGE, decode_tokens=99)
    most = gpu.largest_batch(call)
    # 16 GiB * 0.9 less 3.1 GB of weights, over 0.246 + 0.017 GB of caches and 0.03 GB of activations each
    assert most == pytest.approx((16 * 2**30 * 0.9 - 3.09e9) / 0.29e9, abs=3)
    assert gpu.time(replace(call, batch=most)).seconds > 0
    with pytest.raises(CapacityError, match=f"at most {most} fit"):
        gpu.time(replace(call, batch=most + 1))
    halves = [gpu.time(replace(call, batch=b)).seconds for b in ((most + 1) // 2, (most + 2) // 2)]
    assert gpu.serve(call, most + 1).seconds == pytest.approx(sum(halves))
    assert gpu.serve(call, most).seconds == gpu.time(replace(call, batch=most)).seconds


def test_provenance_follows_the_figures():
    work = Workload(LARGE)
    by_name = {name: gpu_backend(name, load_device(name)).time(work).provenance for name in GPUS}
    assert by_name == dict.fromkeys(GPUS, "fitted") | {"t4": "estimate", "l4": "estimate"}
    assert gpu_backend("h100", H100, "eager").time(work).provenance == "estimate"
