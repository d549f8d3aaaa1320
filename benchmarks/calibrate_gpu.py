"""Fit the kernel constants of the GPU device files to measured kernels, and score them on shapes held out.

    pip install 'earspan[calibrate]'
    python -m earspan.benchmarks.calibrate_gpu            # all GPUs with tables; writes backends/devices/*.toml
    python -m earspan.benchmarks.calibrate_gpu h100 --check   # fit and print only

The tables ship inside the PyPI package aiconfigurator-core (Apache-2.0) and stay there. A shape goes to the half
that is fitted or to the half that is scored by a hash of the shape; nothing is chosen by looking at the scored half.
"""

import argparse
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..backends.devices.files import FOLDER, read_device
from ..backends.devices.kernels import COLUMNS, QUERY_TILE, Kernel, Surface, soft_maximum
from ..backends.errors import InputError, unknown
from .kernel_fit import Problem, fit

Array = NDArray[np.float64]
MARK = "# ---- written by benchmarks/calibrate_gpu.py: do not edit below this line ----"
PACKAGE = "aiconfigurator-core"

# where each GPU's tables lie: one library per GPU, the newest in the package, as the kernels differ between them
TABLES = {
    "a100": {
        "gemm": "a100_sxm/gemm/sglang/0.5.10",
        # no table of bidirectional attention: a causal one, whose queries see half of the keys on average
        "causal": "a100_sxm/attention/vllm/0.14.0",
        "decode": "a100_sxm/attention/vllm/0.14.0",
    },
    **{
        gpu: {
            "gemm": f"{folder}/gemm/vllm/0.24.0",
            "context": f"{folder}/encoder_attention/vllm/0.24.0",
            "decode": f"{folder}/attention/vllm/0.24.0",
        }
        for gpu, folder in {
            "h100": "h100_sxm",
            "h200": "h200_sxm",
            "b200": "b200_sxm",
            "b300": "b300_sxm",
            "gb200": "gb200",
            "l40s": "l40s",
            "rtx-pro-6000": "rtx_pro_6000_server",
        }.items()
    },
}
FILES = {
    "gemm": "gemm_perf",
    "context": "encoder_attention_perf",
    "causal": "context_attention_perf",
    "decode": "generation_attention_perf",
}
ROWS = {
    "gemm": "bf16; n, k 256..8192, n 51200 with k <= 2048; m 1..32768",
    "context": "bf16, bidirectional, head size 64, 64..3136 positions",
    "causal": "bf16, causal, as many key heads as heads, head size 128, 64..3072 positions",
    "decode": "bf16, as many key heads as heads, 1..2048 keys, head size 64 (A100: 128)",
}
# the project's own bars for the median error, written beside it
GEMM_BARS = {"a100": 0.09, "l40s": 0.12}
BARS = {"gemm": 0.08, "context": 0.12, "causal": 0.12, "decode": 0.15}


@dataclass(frozen=True, slots=True)
class Table:
    """Measured kernels: feature rows (shape = (shapes, columns)), seconds, which are held out, classes."""

    rows: Array
    seconds: Array
    held_out: NDArray[np.bool_]
    classes: dict[str, NDArray[np.bool_]]


def held_out(shape: tuple[int, ...]) -> bool:
    """Whether a shape is scored rather than fitted: the first bit of the SHA-256 of its numbers."""
    return bool(hashlib.sha256("x".join(map(str, shape)).encode()).digest()[0] & 1)


def read_table(path: Path, kernel: str, l2_bytes: float) -> Table:
    """The rows of one table that Whisper's shapes are near to; equal shapes become their median."""
    parquet = importlib.import_module("pyarrow.parquet")  # an optional extra

    columns = {name: np.asarray(values) for name, values in parquet.read_table(path).to_pydict().items()}
    shapes, keep = _SELECT[kernel](columns)
    shapes, seconds = shapes[keep], columns["latency"][keep] / 1e3  # the tables are in ms
    unique, index = np.unique(shapes, axis=0, return_inverse=True)
    order = np.argsort(index.ravel(), kind="stable")
    groups = np.split(seconds[order], np.cumsum(np.bincount(index.ravel()))[:-1])
    median = np.array([np.median(group) for group in groups])
    split = np.array([held_out(tuple(map(int, shape))) for shape in unique])
    rows, classes = _FEATURES[kernel](unique.astype(float), l2_bytes)
    return Table(rows, median, split, {"all": np.ones(len(rows), bool)} | classes)


def _select_gemm(c: dict[str, NDArray]) -> tuple[NDArray, NDArray]:
    m, n, k = c["m"], c["n"], c["k"]
    near = (k >= 256) & (k <= 8192) & (n >= 256) & ((n <= 8192) | ((n == 51200) & (k <= 2048)))
    return np.stack([m, n, k], 1), near & (c["gemm_dtype"] == "bfloat16")


def _select_context(c: dict[str, NDArray]) -> tuple[NDArray, NDArray]:
    near = (c["head_dim"] == 64) & (c["isl"] >= 64) & (c["isl"] <= 3136) & (c["attn_dtype"] == "bfloat16")
    return np.stack([c["batch_size"], c["num_heads"], c["isl"]], 1), near


def _select_causal(c: dict[str, NDArray]) -> tuple[NDArray, NDArray]:
    near = (c["num_heads"] == c["num_key_value_heads"]) & (c["head_dim"] == 128) & (c["kv_cache_dtype"] == "bfloat16")
    near &= (c["isl"] >= 64) & (c["isl"] <= 3072)
    if "window_size" in c:
        near &= c["window_size"] == 0
    return np.stack([c["batch_size"], c["num_heads"], c["isl"]], 1), near


def _select_decode(c: dict[str, NDArray]) -> tuple[NDArray, NDArray]:
    near = (c["num_heads"] == c["num_key_value_heads"]) & (c["kv_cache_dtype"] == "bfloat16") & (c["step"] <= 2047)
    head = 64 if (c["head_dim"] == 64).any() else 128
    if "window_size" in c:
        near &= c["window_size"] == 0
    shapes = np.stack([c["batch_size"], c["num_heads"], c["step"] + 1, c["head_dim"]], 1)
    return shapes, near & (c["head_dim"] == head)


def _columns(count: int, **given: Array | float) -> Array:
    return np.stack([np.broadcast_to(given.get(name, 1.0), count) for name in COLUMNS], 1)


Features = tuple[Array, dict[str, NDArray[np.bool_]]]


def _gemm(shapes: Array, l2_bytes: float) -> Features:
    m, n, k = shapes.T
    weights = 2 * n * k
    rows = _columns(
        len(m), flops=2 * m * n * k, stationary=weights, moving=2 * m * (n + k), x=m, y=n, z=k, u=weights, fp32=0
    )
    few = m <= 17
    # the collectors go round six copies of the weights
    warm = few & (6 * weights < l2_bytes)
    return rows, {
        "m 1-17, weights from memory": few & ~warm,
        "m 1-17, weights left in L2 by the collector": warm,
        "m 32-257": (m > 17) & (m <= 257),
        "m 512-4352": (m > 257) & (m <= 4352),
        "m > 4352": m > 4352,
    }


def _context(shapes: Array, _: float) -> Features:
    length = shapes[:, 2]
    rows = _attention(shapes, length, 64)
    batch = shapes[:, 0]
    whisper = length == 1500
    return rows, {
        "1500 positions, batch 1": whisper & (batch == 1),
        "1500 positions, batch 2-64": whisper & (batch > 1),
        "shorter": length < 1500,
        "longer": length > 1500,
    }


def _causal(shapes: Array, _: float) -> Features:
    length = shapes[:, 2]
    # a tile of queries sees all keys before it and its own
    keys = (np.ceil(length / QUERY_TILE) + 1) / 2 * QUERY_TILE
    return _attention(shapes, np.minimum(keys, length), 128), {"up to 512": length <= 512, "longer": length > 512}


def _attention(shapes: Array, keys: Array, head: int) -> Array:
    batch, heads, length = shapes.T
    tiles = batch * heads * np.ceil(length / QUERY_TILE)
    flops = 4 * tiles * QUERY_TILE * keys * head
    moving = 2 * 4 * batch * heads * length * head
    return _columns(len(batch), flops=flops, stationary=0, moving=moving, x=tiles, y=keys, fp32=0)


def _decode(shapes: Array, l2_bytes: float) -> Features:
    batch, heads, keys, head = shapes.T
    streams, cache = batch * heads, 2 * 2 * batch * heads * keys * head
    flops, out = 4 * streams * keys * head, 2 * streams * head
    rows = _columns(len(batch), flops=flops, stationary=cache + out, moving=out, u=streams * head / 64, v=keys, fp32=0)
    return rows, {
        "cache below 1 MB": cache < 1e6,
        "cache 1 MB to L2": (cache >= 1e6) & (cache < l2_bytes),
        "cache above L2": cache >= l2_bytes,
    }


_SELECT: dict[str, Callable[[dict[str, NDArray]], tuple[NDArray, NDArray]]] = {
    "gemm": _select_gemm,
    "context": _select_context,
    "causal": _select_causal,
    "decode": _select_decode,
}
_FEATURES: dict[str, Callable[[Array, float], Features]] = {
    "gemm": _gemm,
    "context": _context,
    "causal": _causal,
    "decode": _decode,
}


def predicted(kernel: Kernel, rows: Array, peak: float, bandwidth: float, streamed: float) -> Array:
    """Seconds by the same code that times a workload."""
    floor, compute, memory = kernel.seconds(rows, peak, bandwidth, streamed)
    return floor + soft_maximum(compute, memory, kernel.order)


def score(table: Table, seconds: Array) -> Iterator[tuple[str, int, float, float]]:
    """Class, shapes held out, median and 90th percentile of |predicted / measured - 1| over them."""
    error = np.abs(seconds / table.seconds - 1)
    for name, members in table.classes.items():
        chosen = error[members & table.held_out]
        if len(chosen):
            yield name, len(chosen), float(np.median(chosen)), float(np.quantile(chosen, 0.9))


def calibrate(gpu: str, systems: Path, version: str, say: Callable[[str], None]) -> str:
    """Fit all kernels of one GPU; the text that goes below MARK in its device file."""
    device, parts = read_device(FOLDER / f"{gpu}.toml", kernels=False), []
    peak, bandwidth, streamed = device["fp16_peak"], device["memory_bandwidth"], device["memory_efficiency"]
    for name, folder in TABLES[gpu].items():
        path = systems / "data" / folder / f"{FILES[name]}.parquet"
        table = read_table(path, name, device["l2_cache"])
        kernel_name = "context" if name == "causal" else name
        problem = Problem(kernel_name, table.rows, table.seconds, ~table.held_out, peak, bandwidth, streamed)
        source = f"{PACKAGE} {version}: systems/data/{folder}/{FILES[name]}.parquet; {ROWS[name]}"
        kernel, floor_us, order, surfaces = fit(problem, device["processors"], source)
        parts.append(_kernel_toml(kernel_name, source, floor_us, order, surfaces))
        bar = GEMM_BARS.get(gpu, BARS[name]) if name == "gemm" else BARS[name]
        for cls, count, median, p90 in score(table, predicted(kernel, table.rows, peak, bandwidth, streamed)):
            say(f"{gpu:5s} {kernel_name:8s} {cls:44s} {count:6d} held out: median {median:6.1%}, p90 {p90:6.1%}")
            lines = ["[[validation]]", f'kernel = "{kernel_name}"', f'class = "{cls}"', f"held_out = {count}"]
            lines += [f"median = {median:.4f}", f"p90 = {p90:.4f}"] + ([f"bar = {bar}"] if cls == "all" else [])
            parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def _kernel_toml(name: str, source: str, floor_us: float, order: float, surfaces: dict[str, Surface]) -> str:
    lines = [f"[kernels.{name}]", 'basis = "fitted"', f'source = "{source}"']
    lines += [f"floor_us = {floor_us:.4g}", f"order = {order:.4g}"]
    for part, surface in surfaces.items():
        lines += ["", f"[kernels.{name}.{part}]", f"x = {_list(np.exp(surface.x))}"]
        if len(surface.y) > 1:
            lines.append(f"y = {_list(np.exp(surface.y))}")
            lines += ["factor = [", *(f"    {_list(row)}," for row in np.exp(surface.factor)), "]"]
        else:
            lines.append(f"factor = {_list(np.exp(surface.factor[:, 0]))}")
    return "\n".join([*lines, ""])


def _list(values: Array) -> str:
    return "[" + ", ".join(f"{value:.5g}" for value in values) + "]"


def _systems(given: Path | None) -> tuple[Path, str]:
    if given is None:
        spec = importlib.util.find_spec("aiconfigurator_core")
        if spec is None or not spec.submodule_search_locations:
            raise InputError("the package aiconfigurator is not installed; type: pip install 'earspan[calibrate]'")
        given = Path(next(iter(spec.submodule_search_locations))) / "systems"
    if not (given / "data").is_dir():
        raise InputError(f"no folder data in {given}; give the systems folder of {PACKAGE}")
    return given, importlib.metadata.version(PACKAGE)


def main(argv: list[str] | None = None) -> int:
    """Fit, print errors on the shapes held out, and write the device files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("gpus", nargs="*", help=f"of {', '.join(TABLES)} (default: all)")
    parser.add_argument("--systems", type=Path, help="systems folder of the package, if not the installed one's")
    parser.add_argument("--check", action="store_true", help="print only, write no device file")
    args = parser.parse_args(argv)
    try:
        systems, version = _systems(args.systems)
        for gpu in args.gpus or TABLES:
            if gpu not in TABLES:
                raise unknown("GPU with tables", gpu, TABLES)
            text = calibrate(gpu, systems, version, print)
            if not args.check:
                path = FOLDER / f"{gpu}.toml"
                head = path.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
                path.write_text(f"{head}\n\n{MARK}\n\n{text}", encoding="utf-8")
    except InputError as error:
        print(f"calibrate_gpu: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
