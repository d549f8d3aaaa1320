"""Public tables of measured kernels, read as the features on which a kernel's time depends, and seconds.

The tables ship inside the PyPI package aiconfigurator-core (Apache-2.0) and stay there. A shape goes to the half
that is fitted or to the half that is scored by a hash of the shape; nothing is chosen by looking at the scored half.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...backends.devices.kernels import COLUMNS, QUERY_TILE
from ...backends.errors import InputError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
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


@dataclass(frozen=True, slots=True)
class Table:
    """Measured kernels: feature rows (shape = (shapes, columns)), seconds, which are held out, classes of shapes."""

    rows: Array
    seconds: Array
    held_out: Mask
    classes: dict[str, Mask]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of table is read.

    kernel: whose constants it gives. file: its name. about: which rows are kept, in words. select: shapes of all rows,
    and which are kept. features: feature rows and classes of shapes, given the bytes of the second-level cache.
    """

    kernel: str
    file: str
    about: str
    select: Callable[[dict[str, NDArray]], tuple[NDArray, Mask]]
    features: Callable[[Array, float], tuple[Array, dict[str, Mask]]]


def find_tables(given: Path | None) -> tuple[Path, str]:
    """Return the folder of the tables, and the version of the package. Raises `InputError` where there is none."""
    if given is None:
        spec = importlib.util.find_spec("aiconfigurator_core")
        if spec is None or not spec.submodule_search_locations:
            raise InputError("the package aiconfigurator is not installed; type: pip install 'earspan[calibrate]'")
        given = Path(next(iter(spec.submodule_search_locations))) / "systems"
    if not (given / "data").is_dir():
        raise InputError(f"no folder data in {given}; give the systems folder of {PACKAGE}")
    return given, importlib.metadata.version(PACKAGE)


def hold_out(shape: tuple[int, ...]) -> bool:
    """Return whether a shape is scored rather than fitted: the first bit of the SHA-256 of its numbers."""
    return bool(hashlib.sha256("x".join(map(str, shape)).encode()).digest()[0] & 1)


def read_table(path: Path, kind: Kind, l2_bytes: float) -> Table:
    """Return the rows of one table that Whisper's shapes are near to; equal shapes become their median."""
    parquet = importlib.import_module("pyarrow.parquet")  # an optional extra

    columns = {name: np.asarray(values) for name, values in parquet.read_table(path).to_pydict().items()}
    shapes, keep = kind.select(columns)
    shapes, seconds = shapes[keep], columns["latency"][keep] / 1e3  # the tables are in ms
    unique, index = np.unique(shapes, axis=0, return_inverse=True)
    order = np.argsort(index.ravel(), kind="stable")
    groups = np.split(seconds[order], np.cumsum(np.bincount(index.ravel()))[:-1])
    median = np.array([np.median(group) for group in groups])
    split = np.array([hold_out(tuple(map(int, shape))) for shape in unique])
    rows, classes = kind.features(unique.astype(float), l2_bytes)
    return Table(rows, median, split, {"all": np.ones(len(rows), bool)} | classes)


def _select_gemm(c: dict[str, NDArray]) -> tuple[NDArray, Mask]:
    m, n, k = c["m"], c["n"], c["k"]
    near = (k >= 256) & (k <= 8192) & (n >= 256) & ((n <= 8192) | ((n == 51200) & (k <= 2048)))
    return np.stack([m, n, k], 1), near & (c["gemm_dtype"] == "bfloat16")


def _select_context(c: dict[str, NDArray]) -> tuple[NDArray, Mask]:
    near = (c["head_dim"] == 64) & (c["isl"] >= 64) & (c["isl"] <= 3136) & (c["attn_dtype"] == "bfloat16")
    return np.stack([c["batch_size"], c["num_heads"], c["isl"]], 1), near


def _as_whisper(c: dict[str, NDArray], head: int) -> Mask:
    """Return the rows of attention with as many key heads as heads, in bf16, without a window."""
    near = (c["num_heads"] == c["num_key_value_heads"]) & (c["kv_cache_dtype"] == "bfloat16") & (c["head_dim"] == head)
    return near & (c["window_size"] == 0) if "window_size" in c else near


def _select_causal(c: dict[str, NDArray]) -> tuple[NDArray, Mask]:
    near = _as_whisper(c, 128) & (c["isl"] >= 64) & (c["isl"] <= 3072)
    return np.stack([c["batch_size"], c["num_heads"], c["isl"]], 1), near


def _select_decode(c: dict[str, NDArray]) -> tuple[NDArray, Mask]:
    shapes = np.stack([c["batch_size"], c["num_heads"], c["step"] + 1, c["head_dim"]], 1)
    return shapes, _as_whisper(c, 64 if (c["head_dim"] == 64).any() else 128) & (c["step"] <= 2047)


def _columns(count: int, **given: Array | float) -> Array:
    return np.stack([np.broadcast_to(given.get(name, 1.0), count) for name in COLUMNS], 1)


def gemm_features(shapes: Array, l2_bytes: float) -> tuple[Array, dict[str, Mask]]:
    """Return the features of matrix products, shape = (products, columns), and their classes. shapes: m, n, k."""
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


def _context_features(shapes: Array, _: float) -> tuple[Array, dict[str, Mask]]:
    batch, _heads, length = shapes.T
    whisper = length == 1500
    return _attention(shapes, length, 64), {
        "1500 positions, batch 1": whisper & (batch == 1),
        "1500 positions, batch 2-64": whisper & (batch > 1),
        "shorter": length < 1500,
        "longer": length > 1500,
    }


def _causal_features(shapes: Array, _: float) -> tuple[Array, dict[str, Mask]]:
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


def _decode_features(shapes: Array, l2_bytes: float) -> tuple[Array, dict[str, Mask]]:
    batch, heads, keys, head = shapes.T
    streams, cache = batch * heads, 2 * 2 * batch * heads * keys * head
    flops, out = 4 * streams * keys * head, 2 * streams * head
    rows = _columns(len(batch), flops=flops, stationary=cache + out, moving=out, u=streams * head / 64, v=keys, fp32=0)
    return rows, {
        "cache below 1 MB": cache < 1e6,
        "cache 1 MB to L2": (cache >= 1e6) & (cache < l2_bytes),
        "cache above L2": cache >= l2_bytes,
    }


KINDS = {
    "gemm": Kind("gemm", "gemm_perf", "bf16; n, k 256..8192, n 51200 with k <= 2048; m 1..32768",
                 _select_gemm, gemm_features),
    "context": Kind("context", "encoder_attention_perf", "bf16, bidirectional, head size 64, 64..3136 positions",
                    _select_context, _context_features),
    "causal": Kind("context", "context_attention_perf",
                   "bf16, causal, as many key heads as heads, head size 128, 64..3072 positions",
                   _select_causal, _causal_features),
    "decode": Kind("decode", "generation_attention_perf",
                   "bf16, as many key heads as heads, 1..2048 keys, head size 64 (A100: 128)",
                   _select_decode, _decode_features),
}  # fmt: skip
