from dataclasses import replace

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.devices.kernels import rows_of, soft_maximum
from earspan.backends.gpu.gpu import gpu_backend
from earspan.backends.gpu.launches import list_kernels
from earspan.backends.gpu.runtimes import RUNTIMES
from earspan.backends.host import CALL_S, JITTER
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

from .cases import H100, LARGE, scale


def test_host_costs_and_jitter_are_the_same_for_every_device():
    call = Workload(DIMENSIONS["base"], decode_tokens=5)
    for name in ("h100", "t4", "b200"):
        timing = get_backend(name).time(call)
        assert timing.phases["transfer"] == pytest.approx(CALL_S, rel=0.1)
        assert timing.jitter == JITTER
    one, two = (get_backend("h100-trtllm").time(replace(call, batch=n)).phases["transfer"] for n in (1, 2))
    assert two - one == pytest.approx(CALL_S, rel=0.05)
    bare = get_backend("h100-eager").time(call)
    assert bare.phases["transfer"] < 1e-3


def test_unfused_attention_moves_its_scores():
    work = Workload(LARGE)
    flash, math = (
        [op for op, *_ in list_kernels(work, RUNTIMES[mode], work.ops()) if op.phase == "encode"]
        for mode in ("hf", "ct2")
    )
    softmax = next(op for op in math if op.kind == "softmax")
    # 20 heads of 1500 x 1500 in fp32, four times through memory, in each of 32 layers
    assert softmax.count * softmax.read_bytes == 32 * 4 * 4 * 20 * 1500**2
    attention = sum(op.flops * op.count for op in flash if op.kind == "attention")
    assert sum(op.flops * op.count for op in math) == sum(op.flops * op.count for op in flash)
    assert attention == pytest.approx(368.64e9)


def test_half_rate_tensor_cores_reach_more_of_their_peak():
    half = load_device("geforce-4090")
    full = scale(half, {"fp16_peak": 2, "matrix_rate": 2, "tensor_rate": 2})
    work = Workload(LARGE, batch=8)
    slow, fast = (gpu_backend("made-up", device).time(work).phases["encode"] for device in (half, full))
    assert fast < slow < 2 * fast


@pytest.mark.parametrize(
    ("gpu", "published_us"),
    [("h100", (49.7, 435, 1680)), ("b200", (27.2, 277, 1071)), ("l40s", (69.1, 999, 4026))],
)
def test_encoder_attention_lies_near_the_published_rows(gpu, published_us):
    device = load_device(gpu)
    for batch, expected in zip((1, 16, 64), published_us, strict=True):
        ops = Workload(LARGE, batch=batch).ops()
        op = next(op for op in ops if (op.kind, op.phase) == ("attention", "encode"))
        kernel, figures = device.kernels["context"], ("fp16_peak", "memory_bandwidth", "memory_efficiency")
        floor, compute, memory = kernel.seconds(rows_of([(op, 1.0)]), *(device[key] for key in figures))
        seconds = floor + soft_maximum(compute, memory, kernel.order)
        # one call alone is few waves of thread blocks, where the libraries' choice of tiles jumps about
        assert seconds[0] * 1e6 == pytest.approx(expected, rel=0.18 if batch == 1 else 0.1)


def test_eager_mode_is_bound_by_the_host_on_a_fast_gpu():
    eager, graph = (
        gpu_backend("h100", H100, mode).time(Workload(LARGE, decode_tokens=50)) for mode in ("eager", "graph")
    )
    assert eager.seconds > 2 * graph.seconds
    assert eager.bound == "launch"
    # each dispatched operation costs the host 10 us, as does sampling's kernel; its other work 300 us
    per_step = len([op for op in Workload(LARGE, decode_tokens=1).each_op() if op.phase == "decode"])
    assert eager.phases["decode"] == pytest.approx(50 * ((per_step + 1) * 10e-6 + 300e-6))


@pytest.mark.parametrize("name", ["tiny.en", "large-v3", "turbo"])
def test_a_fused_runtime_does_the_same_arithmetic_in_fewer_kernels(name):
    work = Workload(DIMENSIONS[name], batch=3, decode_tokens=20)
    runs = {mode: list(list_kernels(work, RUNTIMES[mode], work.ops())) for mode in ("eager", "graph", "trtllm")}
    flops = {mode: sum(op.flops * op.count for op, _, _ in run) for mode, run in runs.items()}
    launched = {mode: sum(op.count for op, _, own in run if own) for mode, run in runs.items()}
    weights = {mode: sum(op.weight_bytes * op.count for op, _, _ in run) for mode, run in runs.items()}
    assert flops["eager"] == flops["graph"] == flops["trtllm"]
    assert weights["eager"] == weights["graph"] == weights["trtllm"]
    # queries, keys and values of each self-attention in one, and no kernel for a GELU
    layers = work.dims.n_audio_layer + work.dims.n_text_layer * 20
    gelus = layers + 2 + work.dims.n_text_layer
    joined = 2 * layers + work.dims.n_text_layer * (1 + 1)
    assert launched["graph"] - launched["trtllm"] == joined + gelus
    assert launched["eager"] > launched["graph"]
