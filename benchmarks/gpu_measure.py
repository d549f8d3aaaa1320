"""Measure Whisper on this machine's GPU: `python -m earspan.benchmarks.gpu_measure --out measured.json`.

Encoder, prefill and decode steps of openai-whisper's own modules with random weights in fp16, at the dimensions of the
official sizes, for several batch sizes, eager and as CUDA graphs; the kernels alone, by shape; the host's work for a
call; and how equal calls scatter. Times are medians of wall time around a synchronised device, so that host costs are
in them. The run ends within `--budget` seconds, what matters most first, and says what it left out; the file is
written after each size. `--device cpu` runs the same on the CPU in fp32, to check the script. The JSON says device,
driver, versions and date, and beside each value the model's prediction.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from whisper.model import MultiHeadAttention, Whisper

from ..backends.errors import InputError, unknown
from ..backends.registry import get_backend
from ..backends.workload.models import DIMENSIONS, Dimensions
from ..backends.workload.workload import Workload
from .gpu_host import host_work, scatter, whole_call

# in the order in which they are measured: if time is short, the ends are there
MODELS = ("large-v3", "tiny", "small", "medium", "base")
BATCHES = (1, 8, 64, 320, 2, 32, 256, 4, 16, 128)
# beyond, a graph of the encoder saves nothing and takes memory
GRAPHED_ENCODERS = 16
PROMPT = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--backend", help="simulated backend to compare with, such as h100 (default: none)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="SIZE")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), metavar="N")
    parser.add_argument("--positions", type=int, default=1500, help="encoder positions (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=20, help="timed runs of each (default: %(default)s)")
    parser.add_argument("--each", type=float, default=0.4, metavar="S", help="seconds for one value (default: 0.4)")
    parser.add_argument("--budget", type=float, default=540.0, metavar="S", help="most seconds in all (default: 540)")
    parser.add_argument("--calls", type=int, default=300, help="equal calls whose scatter is measured (default: 300)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")


def environment(device: str) -> dict[str, Any]:
    """What the numbers were measured on and with."""
    found: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "host": platform.platform(),
        "device": platform.processor() or platform.machine(),
    }
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"device": properties.name, "processors": properties.multi_processor_count}
        found |= {"memory_bytes": properties.total_memory, "cuda": torch.version.cuda}
        found["driver"] = _driver()
    return found


def _driver() -> str:
    path = Path("/proc/driver/nvidia/version")
    return path.read_text(encoding="utf-8").splitlines()[0] if path.exists() else "unknown"


def median_s(run: Callable[[], object], device: str, repeats: int, most_s: float = 60.0) -> dict[str, float]:
    """Median and 99th percentile (the largest, for fewer than 100 runs) of wall seconds, after a warm-up.

    Slow runs are warmed up once and timed no longer than `most_s`, but three times at least, if `repeats` allows.
    """
    seconds, began, warm = [], time.perf_counter(), 0
    while len(seconds) < repeats:
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        now = time.perf_counter()
        if warm < 3 and (warm == 0 or now - began < most_s / 2):
            warm += 1
            continue
        seconds.append(now - start)
        if now - began > most_s and len(seconds) >= 3:
            break
    seconds.sort()
    return {"median_s": statistics.median(seconds), "p99_s": seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))]}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def captured(run: Callable[[], object]) -> Callable[[], object]:
    """The same work as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def halved(model: Whisper) -> Whisper:
    """The same model with weights in fp16, but for layer norms, which Whisper computes in fp32."""
    for module in model.modules():
        if not isinstance(module, nn.LayerNorm):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.half()
    return model


def phases(
    model: Whisper, batch: int, positions: int, device: str, dtype: torch.dtype
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Encoder, prefill, and one decode step with all keys and values cached, as functions to time."""
    dims = model.dims
    mel = torch.randn(batch, dims.n_mels, 2 * positions, device=device, dtype=dtype)
    audio = torch.randn(batch, positions, dims.n_audio_state, device=device, dtype=dtype)
    tokens = torch.zeros(batch, PROMPT, dtype=torch.long, device=device)
    yield "encode", lambda: model.encoder(mel)

    def prefill() -> Tensor:
        return model.decoder(tokens, audio)

    yield "prefill", prefill
    cache, hooks = _static_cache(model, batch, positions, device, dtype)
    try:
        yield "decode", lambda: model.decoder(tokens[:, :1], audio, kv_cache=cache)
    finally:
        for hook in hooks:
            hook.remove()


def _static_cache(model: Whisper, batch: int, positions: int, device: str, dtype: torch.dtype) -> tuple[Any, list[Any]]:
    """A cache of fixed size, as graphs need it: PROMPT keys for self-attention, all positions for cross-attention.

    Whisper asks for key and value by projection; the one token's own projection is run and then replaced by the cache.
    """
    cache: dict[Any, Tensor] = {}
    hooks = []
    for block in model.decoder.blocks:
        for attention, length in ((block.attn, PROMPT), (block.cross_attn, positions)):
            if not isinstance(attention, MultiHeadAttention):
                continue
            for projection in (attention.key, attention.value):
                fixed = torch.randn(batch, length, model.dims.n_text_state, device=device, dtype=dtype)
                cache[projection] = fixed
                if attention is block.attn:
                    hooks.append(projection.register_forward_hook(lambda _m, _i, _o, fixed=fixed: fixed))
    return cache, hooks


def kernels(dims: Dimensions, batch: int, positions: int, device: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The kernels of one layer alone: matmuls of encoder, decoder and logits, convolution, attention, norm, GELU."""
    dtype = torch.float16 if device == "cuda" else torch.float32

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, dtype=dtype)

    width, heads = dims.n_text_state, dims.n_text_head
    for m in (batch * positions, batch):
        for n, k in ((width, width), (4 * width, width), (width, 4 * width)):
            x, weight = random(m, k), random(n, k)
            yield f"matmul {m}x{n}x{k}", lambda x=x, weight=weight: functional.linear(x, weight)
    x, weight = random(batch, width), random(dims.n_vocab, width)
    yield f"logits {batch}x{dims.n_vocab}x{width}", lambda: functional.linear(x, weight)
    sound, taps = random(batch, dims.n_mels, 2 * positions), random(width, dims.n_mels, 3)
    yield f"conv1d {batch}x{dims.n_mels}x{2 * positions}", lambda: functional.conv1d(sound, taps, padding=1)
    keys = random(batch, heads, positions, 64)
    for queries in (positions, 1):
        query = random(batch, heads, queries, 64)
        name = f"attention {batch}x{heads}x{queries}x{positions}x64"
        yield name, lambda query=query: functional.scaled_dot_product_attention(query, keys, keys)
    rows = random(batch, positions, width)
    yield f"layer_norm {batch}x{positions}x{width}", lambda: functional.layer_norm(rows, (width,))
    yield f"gelu {batch}x{positions}x{width}", lambda: functional.gelu(rows)


def predicted_s(backend: str | None, size: str, batch: int, positions: int, phase: str, mode: str) -> float | None:
    """The model's seconds for a measured phase; None without a backend."""
    if backend is None:
        return None
    steps = 1 if phase == "decode" else 0
    work = Workload(DIMENSIONS[size], batch, positions / 50, "fit", PROMPT, steps)
    name = backend if mode == "graph" else f"{backend}-eager"
    return get_backend(name).time(work).phases[phase]


@torch.inference_mode()
def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All measurements, as the JSON that is written."""
    began, dtype = time.monotonic(), torch.float16 if args.device == "cuda" else torch.float32
    settings = {"dtype": "fp16" if args.device == "cuda" else "fp32", "positions": args.positions, "prompt": PROMPT}
    found: dict[str, Any] = {"schema": 2, "environment": environment(args.device), "settings": settings}
    found |= {"runs": [], "host": _host(args, dtype), "scatter": [], "left_out": []}
    seen: set[str] = set()
    for size in args.models:
        with torch.device(args.device):
            model = Whisper(_model_dimensions(DIMENSIONS[size], args.positions)).eval()
        if args.device == "cuda":
            model = halved(model)
        for batch in args.batches:
            left_s = args.budget - (time.monotonic() - began)
            if left_s <= 0:
                found["left_out"].append({"model": size, "batch": batch, "why": "time is up"})
                continue
            try:
                found["runs"] += _runs(args, size, model, batch, dtype, seen)
                if batch in (1, 8) and size == args.models[0]:
                    found["scatter"].append(_scatter(args, size, model, batch, dtype))
            except torch.OutOfMemoryError:
                found["left_out"].append({"model": size, "batch": batch, "why": "out of memory"})
                torch.cuda.empty_cache()
        found["seconds"] = time.monotonic() - began
        # what is there survives if the machine is taken away
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _runs(
    args: argparse.Namespace, size: str, model: Whisper, batch: int, dtype: torch.dtype, seen: set[str]
) -> list[dict[str, Any]]:
    """Phases and kernels of one size and batch; kernels that have been seen are left out."""
    modes = ("eager", "graph") if args.device == "cuda" else ("eager",)
    runs = []
    parts = [("phase", *part) for part in phases(model, batch, args.positions, args.device, dtype)]
    parts += [("kernel", *part) for part in kernels(DIMENSIONS[size], batch, args.positions, args.device)]
    for kind, name, run in parts:
        if kind == "kernel" and name in seen:
            continue
        seen.add(name if kind == "kernel" else "")
        for mode in modes[-1:] if kind == "kernel" else modes:
            if mode == "graph" and name == "encode" and batch > GRAPHED_ENCODERS:
                continue
            timed = median_s(captured(run) if mode == "graph" else run, args.device, args.repeats, args.each)
            record = {"kind": kind, "name": name, "mode": mode, "batch": batch, **timed}
            if kind == "phase":
                guess = predicted_s(args.backend, size, batch, args.positions, name, mode)
                record |= {"model": size, "predicted_s": guess}
            runs.append(record)
            print(f"{size} batch {batch} {name} {mode}: {timed['median_s'] * 1e3:.3f} ms", file=sys.stderr)
    return runs


def _host(args: argparse.Namespace, dtype: torch.dtype) -> list[dict[str, Any]]:
    """The host's work for a call, each value for one of it."""
    found = []
    for name, run, times in host_work(args.device, dtype, DIMENSIONS[args.models[0]].n_vocab):
        timed = median_s(run, args.device, args.repeats, args.each)
        found.append({"name": name, **{key: value / times for key, value in timed.items()}})
    return found


def _scatter(args: argparse.Namespace, size: str, model: Whisper, batch: int, dtype: torch.dtype) -> dict[str, Any]:
    """How whole calls of one size and batch scatter."""
    step = next(run for name, run in phases(model, batch, args.positions, args.device, dtype) if name == "decode")
    step = captured(step) if args.device == "cuda" else step

    def call() -> object:
        return whole_call(model, batch, args.device, step, dtype)

    quantiles = scatter(call, lambda: _wait(args.device), args.calls, max(args.each, args.budget / 15))
    return {"model": size, "batch": batch, **quantiles}


def _model_dimensions(dims: Dimensions, positions: int) -> Any:
    from whisper.model import ModelDimensions

    return ModelDimensions(**dims.to_dict() | {"n_audio_ctx": positions})


def main(argv: list[str] | None = None) -> int:
    """Measure and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        for size in args.models:
            if size not in DIMENSIONS:
                raise unknown("Whisper size", size, DIMENSIONS)
        if args.device == "cuda" and not torch.cuda.is_available():
            raise InputError("no CUDA device found; type --device cpu to check the script without one")
        if min(*args.batches, args.repeats, args.calls) < 1 or not 1 <= args.positions <= 1500:
            raise InputError("batches, repeats and calls are at least 1, positions 1 to 1500")
        if not (args.each > 0 and args.budget > 0):
            raise InputError("seconds for one value and in all are above 0")
        if args.backend:
            get_backend(args.backend)
    except InputError as error:
        print(f"gpu_measure: {error}", file=sys.stderr)
        return 2
    found = measure(args)
    print(f"{len(found['runs'])} values, {len(found['left_out'])} settings left out: {args.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
