from dataclasses import replace

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.errors import InputError
from earspan.backends.gpu.gpu import gpu_backend
from earspan.backends.gpu.runtimes import RUNTIMES
from earspan.backends.registry import get_backend
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import DIMENSIONS, Dimensions
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from .cases import GPUS, H100, LARGE, ideal, scale, workloads

LARGER_IS_BETTER = sorted(
    key
    for key, figure in H100.figures.items()
    if figure.quantity in ("arithmetic", "bandwidth", "memory") or key == "memory_efficiency"
)


SMALLER_IS_BETTER = sorted(key for key, figure in H100.figures.items() if figure.quantity == "time")


@settings(max_examples=150, deadline=None)
@given(
    work=workloads,
    gpu=st.sampled_from(GPUS),
    mode=st.sampled_from(list(RUNTIMES)),
    factors=st.dictionaries(st.sampled_from(LARGER_IS_BETTER + SMALLER_IS_BETTER), st.floats(0.1, 10)),
)
def test_nothing_beats_its_ceiling_and_phases_sum_up(work, gpu, mode, factors):
    factors = {key: min(factor, 1.0) if key == "memory_efficiency" else factor for key, factor in factors.items()}
    backend = gpu_backend(gpu, scale(load_device(gpu), factors), mode)
    if backend.largest_batch(work) < work.batch:
        with pytest.raises(CapacityError):
            backend.time(work)
        return
    timing = backend.time(work)
    assert timing.seconds >= timing.ceiling_s > 0
    assert sum(timing.phases.values()) == pytest.approx(timing.seconds)
    assert timing.interval_s == timing.seconds


@settings(max_examples=300, deadline=None)
@given(
    work=workloads,
    gpu=st.sampled_from(GPUS),
    mode=st.sampled_from(list(RUNTIMES)),
    more=st.sampled_from(
        [
            "tokens",
            "batch",
            "beam",
            "audio",
            "encoder layers",
            "decoder layers",
            "prompt",
            "heads",
            "head size",
            "vocabulary",
        ]
    ),
)
def test_more_work_never_costs_less(work, gpu, mode, more):
    dims = work.dims.to_dict()

    def dimensions(**changes):
        return replace(work, dims=Dimensions(**dims | changes))

    audio, text = dims["n_audio_head"], dims["n_text_head"]
    larger = {
        "tokens": lambda: replace(work, decode_tokens=work.decode_tokens + 1),
        "batch": lambda: replace(work, batch=work.batch + 1),
        "beam": lambda: replace(work, beam=work.beam + 1),
        "audio": lambda: replace(work, audio_s=min(30.0, work.audio_s + 0.5)),
        "encoder layers": lambda: dimensions(n_audio_layer=dims["n_audio_layer"] + 1),
        "decoder layers": lambda: dimensions(n_text_layer=dims["n_text_layer"] + 1),
        "prompt": lambda: replace(work, prompt_tokens=work.prompt_tokens + 1),
        "vocabulary": lambda: dimensions(n_vocab=dims["n_vocab"] + 999),
        "heads": lambda: dimensions(
            n_audio_head=audio + 1,
            n_audio_state=dims["n_audio_state"] // audio * (audio + 1),
            n_text_head=text + 1,
            n_text_state=dims["n_text_state"] // text * (text + 1),
        ),
        "head size": lambda: dimensions(
            n_audio_state=dims["n_audio_state"] + 2 * audio, n_text_state=dims["n_text_state"] + 2 * text
        ),
    }[more]()
    backend = gpu_backend(gpu, load_device(gpu), mode)
    assert backend.time(larger).seconds >= backend.time(work).seconds * (1 - 1e-12)


@settings(max_examples=100, deadline=None)
@given(
    work=workloads,
    gpu=st.sampled_from(GPUS),
    mode=st.sampled_from(list(RUNTIMES)),
    gains=st.dictionaries(st.sampled_from(LARGER_IS_BETTER + SMALLER_IS_BETTER), st.floats(1, 3), min_size=1),
    floor=st.floats(0.2, 1),
)
def test_a_device_better_in_every_figure_is_never_slower(work, gpu, mode, gains, floor):
    # efficiencies stay at most 1: start from a device that has room
    base = scale(load_device(gpu), {"memory_efficiency": 0.3})
    better = scale(base, {key: 1 / gain if key in SMALLER_IS_BETTER else gain for key, gain in gains.items()})
    kernels_ = {name: replace(kernel, floor_s=kernel.floor_s * floor) for name, kernel in better.kernels.items()}
    better = replace(better, kernels=kernels_)
    slower, faster = (gpu_backend("made-up", device, mode).time(work) for device in (base, better))
    assert faster.seconds <= slower.seconds * (1 + 1e-12)


def test_the_encoder_by_hand():
    # an ideal device with unlimited bandwidth and no floors leaves FLOPs / peak
    gpu = gpu_backend("ideal", ideal(H100))
    encode = gpu.time(Workload(LARGE)).phases["encode"]
    gemm, attention = 17.694e9 + 1_887.44e9, 368.64e9
    # thread blocks of 128 queries: 1500 are run as 1536
    assert encode == pytest.approx((gemm + attention * 1536 / 1500) / 989e12, rel=1e-3)


def test_decode_streams_its_weights():
    # with no floors and no compute limit, a token costs at least the decoder weights over the bandwidth
    device = scale(ideal(H100), {"fp16_peak": 1e9, "memory_bandwidth": 1e-9})
    step_s = gpu_backend("ideal", device).time(Workload(LARGE, decode_tokens=100)).phases["decode"] / 100
    # 800 M parameters touched per token (facts), 246 MB of cross-attention cache
    assert step_s == pytest.approx((2 * 800e6 + 246e6) / 3350e9, rel=0.03)


def test_weights_in_one_byte_halve_the_stream_and_leave_arithmetic_alone():
    device = scale(ideal(H100), {"fp16_peak": 1e9, "memory_bandwidth": 1e-9})
    gpu = gpu_backend("ideal", device)
    works = {dtype: Workload(LARGE, decode_tokens=100, weight_dtype=dtype) for dtype in ("fp16", "int8", "fp8")}
    step_s = {dtype: gpu.time(work).phases["decode"] / 100 for dtype, work in works.items()}
    assert step_s["int8"] == step_s["fp8"]
    # a byte of narrow weights takes 1.3 times as long as one of fp16
    assert step_s["fp16"] - step_s["int8"] == pytest.approx((2 - 1.3) * 800e6 / 3350e9, rel=0.03)
    bound = gpu_backend("ideal", ideal(H100))
    # arithmetic is that of fp16 and 3 % for making the weights fp16, but for attention
    encode_s = {dtype: bound.time(work).phases["encode"] for dtype, work in works.items()}
    matmuls = 17.694e9 + 1_887.44e9
    assert encode_s["int8"] - encode_s["fp16"] == pytest.approx(0.03 * (matmuls - 17.694e9) / 989e12, rel=0.01)
    assert encode_s["fp8"] < encode_s["fp16"]


def test_halves_of_a_model_are_stored_apart():
    call = Workload(LARGE, decode_tokens=50)
    both, encoder, decoder, plain = (
        get_backend(f"h100{name}").time(call).phases for name in ("-fp8", "-fp8enc", "-fp8dec", "")
    )
    assert encoder["encode"] == both["encode"] < plain["encode"] == decoder["encode"]
    assert decoder["decode"] == both["decode"] < plain["decode"] == encoder["decode"]
    t4 = load_device("t4")
    whole, half = gpu_backend("t4-int8", t4, weights="int8"), gpu_backend("t4-int8dec", t4, decoder_weights="int8")
    assert whole.largest_batch(call) > half.largest_batch(call)


@pytest.mark.parametrize("name", ["t4-bf16", "a100-fp8", "v100-w8a8", "xeon-6980p-fp8"])
def test_formats_that_a_device_does_not_multiply_are_refused(name):
    with pytest.raises(InputError, match="does not multiply"):
        get_backend(name)


def test_a_beam_shares_the_audio_and_not_the_weights_stream():
    gpu, call = get_backend("h100"), Workload(LARGE, decode_tokens=50)
    beam, batch = (gpu.time(replace(call, **more)) for more in ({"beam": 5}, {"batch": 5}))
    alone = gpu.time(call)
    assert beam.phases["encode"] == alone.phases["encode"]
    assert alone.phases["decode"] < beam.phases["decode"] < batch.phases["decode"] < 5 * alone.phases["decode"]
    # caches: of the audio once, of the text five times
    text = 2 * 32 * (4 + 50) * 1280 * 2
    assert replace(call, beam=5).kv_bytes - call.kv_bytes == 4 * text
    # openai-whisper goes over its texts in Python
    slow = get_backend("h100-openai")
    assert slow.time(replace(call, beam=5)).phases["decode"] > slow.time(call).phases["decode"] + 50 * 4 * 10e-3


@settings(max_examples=40, deadline=None)
@given(tokens=st.lists(st.integers(1, 100), min_size=1, max_size=6), mode=st.sampled_from(list(RUNTIMES)))
def test_unequal_calls_lie_between_their_mean_and_their_longest(tokens, mode):
    gpu, longest = gpu_backend("h100", H100, mode), max(tokens)
    work = Workload(DIMENSIONS["base"], batch=len(tokens), decode_tokens=longest)
    alive = sum(tokens) / len(tokens) / longest
    timing, full = gpu.time_unequal(work, alive), gpu.time(work)
    assert timing.seconds <= full.seconds
    assert timing.seconds >= timing.ceiling_s
    if RUNTIMES[mode].ended != "skipped":
        assert timing.seconds == full.seconds
    shortest = gpu.time(replace(work, decode_tokens=max(1, round(alive * longest) - 1)))
    assert timing.seconds >= shortest.seconds * 0.98


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


def test_provenance_follows_the_kernels():
    work = Workload(LARGE)
    by_name = {name: gpu_backend(name, load_device(name)).time(work).provenance for name in GPUS}
    own = {"a100", "h100", "h200", "b200", "b300", "gb200", "l40s", "rtx-pro-6000"}
    borrowed = set(GPUS) - own
    assert by_name == {name: "estimate" if name in borrowed else "fitted" for name in GPUS}
    assert gpu_backend("h100", H100, "eager").time(work).provenance == "estimate"
