"""How long a GPU kernel takes: a floor plus the soft maximum of a compute and a memory ceiling.

    t = floor + (a^q + b^q)^(1/q)
    a = FLOPs / peak * max(1, C(x, y) * D(z))
    b = (stationary bytes * M(u, v) + moving bytes / streamed) / bandwidth

C, D and M are functions of the shape with values of at least 1 (only D may be less). They say how much longer than at
peak arithmetic and nominal bandwidth the kernel takes, because of tiles, waves, split-k and short streams. Between the
knots of a device's file they are interpolated in logarithms; outside they stay as they are at the border. No factor
may fall faster than its own coordinate grows, so x C(x) never falls: a larger shape is never faster. As the factors
know nothing of peak and bandwidth, a device with better figures and the same factors is never slower.

    kernel    x             y     z  stationary (u, v)              moving
    gemm      m             n     k  weights (their bytes, -)       activations
    context   tiles of 128  keys  -  -                              queries, keys, values, output
              queries
    decode    -             -     -  keys, values (streams, keys)   output

Weights always come from memory. The collectors of the public tables reuse a few copies, so that small weights sit
in the second-level cache: those rows are predicted too slow on purpose, as a decoder streams all of its layers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..workload.op import Op

KERNELS = ("gemm", "context", "decode")
OTHER = len(KERNELS)  # index of memory-bound kernels, which have no factors
QUERY_TILE = 128  # rows of queries that one thread block of FlashAttention 2 and 3 handles
COLUMNS: tuple[str, ...] = (
    "kernel",
    "count",
    "flops",
    "stationary",
    "moving",
    "x",
    "y",
    "z",
    "u",
    "v",
    "fp32",
    "least_flops",
    "least_bytes",
)
# how much slower a factor may fall than its coordinate grows, for rounding in the files
_SLACK = 1e-3
# What narrow weights cost beside fp16: time of the arithmetic, time for each byte of weights. Medians over the GEMMs of
# aiconfigurator-core 0.12.0, against bf16 in the same library: int8, weight only (a100_sxm/gemm/trtllm/1.0.0): 0.69 of
# the time at m 1-8 and 8 MB or more, 1.03 at m 1024-4096. fp8 (h100_sxm, three libraries): 0.66-0.89 of it at m 1-8,
# 0.67-1.1 at m 1024-4096, 0.84-0.90 at m 16384-40000. w8a8, int8 products (a100_sxm/gemm/trtllm/1.0.0, sq): 0.59 at
# m 1-8, 0.55 at m 1024-4096.
_NARROW = {"int8": (1.03, 1.3), "w8a8": (0.55, 1.1), "fp8": (0.8, 1.3)}
# the least of a factor where tensor cores, not the kernel, set the pace: 97 % of peak (facts: best GEMM over peak)
_LEAST_FACTOR = 1 / 0.97

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Surface:
    """A factor as a function of one or two coordinates.

    x, y: knots, positive and rising. factor: at the knots, shape = (len(x), len(y)). The three are kept as logarithms.
    Raises ValueError if a larger shape would be faster.
    """

    x: Array
    y: Array
    factor: Array

    def __post_init__(self) -> None:
        logs = [np.log(np.asarray(axis, dtype=float)) for axis in (self.x, self.y)]
        factor = np.log(np.asarray(self.factor, dtype=float))
        if factor.shape != (len(logs[0]), len(logs[1])):
            raise ValueError(f"factor has shape {factor.shape}; expected {len(logs[0])} rows of {len(logs[1])}")
        for axis, log in enumerate(logs):
            steps = np.diff(log)
            if not (np.isfinite(log).all() and (steps > 0).all()):
                raise ValueError("knots must be positive and rise")
            if not np.isfinite(factor).all():
                raise ValueError("factors must be positive numbers")
            steps = steps[:, None] if axis == 0 else steps[None, :]
            if (np.diff(factor, axis=axis) < -steps - _SLACK).any():
                raise ValueError("a factor falls faster than its coordinate grows: larger shapes would be faster")
        for name, value in zip(("x", "y", "factor"), (*logs, factor), strict=True):
            object.__setattr__(self, name, value)

    def log(self, x: Array, y: Array) -> Array:
        """Return the logarithm of the factor at the points (x, y); shape = that of x."""
        i, right = _cell(self.x, x)
        if len(self.y) == 1:
            column = self.factor[:, 0]
            return column[i] * (1 - right) + column[np.minimum(i + 1, len(column) - 1)] * right
        j, up = _cell(self.y, y)
        f = self.factor
        low, high = f[i, j] * (1 - up) + f[i, j + 1] * up, f[i + 1, j] * (1 - up) + f[i + 1, j + 1] * up
        return low * (1 - right) + high * right


def _cell(knots: Array, at: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the index of the knot below, and how far it is towards the next one: 0 to 1, also outside of the knots."""
    if len(knots) == 1:
        return np.zeros(len(at), np.intp), np.zeros(len(at))
    log = np.log(at).clip(knots[0], knots[-1])
    i = np.searchsorted(knots[1:-1], log, side="right")
    return i, (log - knots[i]) / (knots[i + 1] - knots[i])


@dataclass(frozen=True, eq=False, slots=True)
class Kernel:
    """How long one kind of kernel takes on one device; the formula is that of this module.

    floor_s: seconds that it takes at least. order: q of the soft maximum.
    basis, source: as of a device's figures.
    compute, depth, memory: the factors C, D and M; None is 1 everywhere.
    """

    floor_s: float
    order: float
    basis: str
    source: str
    compute: Surface | None = None
    depth: Surface | None = None
    memory: Surface | None = None

    def seconds(
        self,
        rows: Array,
        peak: Array | float,
        bandwidth: float,
        streamed: float,
        share: float = 1.0,
        rate: float = 1.0,
        sustained: float = 1.0,
    ) -> tuple[Array, Array, Array]:
        """Return floor, compute and memory seconds of every kernel, each of shape = (rows,).

        rows: shape = (rows, len(COLUMNS)), as of `rows_of`.
        peak: FLOP/s. bandwidth: bytes/s. streamed: part of the bandwidth that moving data reach.
        share: processors of this device over those of the device that the factors were fitted on.
        rate: speed of its tensor cores relative to those; half as fast ones keep the rest of a kernel less busy.
        sustained: part of the peak that the device's power allows for.
        """
        _, _, flops, stationary, moving, x, y, z, u, v, _, _, _ = rows.T
        log = np.zeros(len(rows))
        if self.compute is not None:
            log = self.compute.log(x / share, y)
        if self.depth is not None:
            log = log + self.depth.log(z, z)
        slower = np.exp(self.memory.log(u / (share if self.memory.factor.shape[1] > 1 else 1), v)) if self.memory else 1
        if rate < 1:
            log = np.maximum(log + np.log(rate), np.log(_LEAST_FACTOR))
        compute = flops / peak * np.exp(np.maximum(log, 0.0)) / sustained
        memory = (stationary * slower + moving / streamed) / bandwidth
        return np.full(len(rows), self.floor_s), compute, memory


def soft_maximum(a: Array, b: Array, order: float) -> Array:
    """Return (a^q + b^q)^(1/q) for q = `order`, without overflow; `a` and `b` are at least 0."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    ratio = low / np.maximum(high, np.finfo(float).tiny)
    return high * np.power(1 + np.power(ratio, order), 1 / order)


def rows_of(ops: Iterable[tuple[Op, float]]) -> Array:
    """Return operations as features; shape = (operations, len(COLUMNS)).

    ops: each operation with the part of its bytes that is moved.
    """
    rows = [_row(op, moved) for op, moved in ops]
    return np.array(rows, dtype=float).reshape(-1, len(COLUMNS))


def _row(op: Op, moved: float) -> tuple[float, ...]:
    fp32 = float(op.dtype == "fp32")
    active = op.read_bytes + op.write_bytes
    least_bytes = active + op.weight_bytes
    if op.kind == "attention":
        batch, heads, queries, keys, head = op.shape
        if op.phase == "decode":
            streams = batch * heads
            # factors are over streams of 64 features, so that more width never costs less
            wide = streams * head / 64
            return (
                2,
                op.count,
                op.flops,
                op.read_bytes,
                op.write_bytes,
                1,
                1,
                1,
                wide,
                keys,
                fp32,
                op.flops,
                least_bytes,
            )
        tiles = -(-queries // QUERY_TILE)
        flops = 4 * batch * heads * tiles * QUERY_TILE * keys * head
        return 1, op.count, flops, 0, active, batch * heads * tiles, keys, 1, 1, 1, fp32, op.flops, least_bytes
    if op.kind == "conv1d":
        batch, inputs, outputs, taps, positions = op.shape
        m, n, k = batch * positions, outputs, inputs * taps
    elif op.kind in ("matmul", "logits"):
        *batch, m, n, k = op.shape
        m *= batch[0] if batch else 1
    else:
        return OTHER, op.count, 0, 0, op.bytes * moved, 1, 1, 1, 1, 1, fp32, 0, op.bytes * moved
    arithmetic, stream = _NARROW.get(op.weights, (1.0, 1.0))
    # tensor cores multiply bytes at twice the rate, which bounds the time from below
    least_flops = op.flops / 2 if op.weights in ("w8a8", "fp8") else op.flops
    # the weights' size in elements, in bytes of fp16: quantised weights are read in fewer bytes, in as many tiles
    sizes = op.flops * arithmetic, op.weight_bytes * stream, active, m, n, k, 2 * n * k, 1
    return 0, op.count, *sizes, fp32, least_flops, least_bytes


def read_kernel(table: Mapping[str, Any]) -> Kernel:
    """Return the kernel of a `[kernels.NAME]` table; ValueError says what is wrong with the table."""
    known = {"basis", "source", "floor_us", "order", "compute", "depth", "memory"}
    if extra := sorted(table.keys() - known):
        raise ValueError(f"unknown key {extra[0]!r}; expected {', '.join(sorted(known))}")
    if missing := sorted(known - {"compute", "depth", "memory"} - table.keys()):
        raise ValueError(f"{missing[0]} is missing")
    floor_us, order = table["floor_us"], table["order"]
    if not (isinstance(floor_us, int | float) and 0 < floor_us < 1e3):
        raise ValueError(f"floor_us is {floor_us!r}; expected microseconds, above 0 and below 1000")
    if not (isinstance(order, int | float) and 1 <= order < 1e3):
        raise ValueError(f"order is {order!r}; expected at least 1")
    surfaces = {name: _surface(name, table[name]) for name in ("compute", "depth", "memory") if name in table}
    return Kernel(floor_us * 1e-6, float(order), table["basis"], table["source"], **surfaces)


def _surface(name: str, table: Mapping[str, Any]) -> Surface:
    try:
        factor = np.array(table["factor"], dtype=float)
        y = table.get("y", [1.0])
        surface = Surface(np.array(table["x"], dtype=float), np.array(y, dtype=float), factor.reshape(len(factor), -1))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
    if name != "depth" and surface.factor.min() < 0:
        raise ValueError(f"{name}: a factor is below 1: the kernel would beat peak arithmetic or nominal bandwidth")
    return surface
