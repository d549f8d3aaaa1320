"""Kernel constants fitted to measured kernels: robust least squares in the logarithm of time, on shapes not held out.

What physics forbids is out of reach of the fit, not only penalised: factors are at least 1, and after it each factor
is lifted where it would make a larger shape faster.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backends.devices.kernels import COLUMNS, Kernel, Surface, soft_maximum

Array = NDArray[np.float64]

M_KNOTS = (1, 8, 17, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
N_KNOTS = (256, 512, 1024, 2048, 4096, 8192)
K_KNOTS = (256, 512, 1024, 2048, 4096, 8192)
WEIGHT_KNOTS = tuple(mb * 2**20 for mb in (0.125, 0.5, 2, 8, 32, 128))
# knots (x, y) of the surfaces compute, depth, memory; () where a kernel has none
KNOTS: dict[str, dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "gemm": {"compute": (M_KNOTS, N_KNOTS), "depth": (K_KNOTS, (1,)), "memory": (WEIGHT_KNOTS, (1,))},
    "context": {
        "compute": ((1, 4, 16, 64, 132, 264, 528, 1056, 2112, 8448), (64, 128, 256, 512, 1024, 2048)),
    },
    "decode": {"memory": ((1, 4, 16, 64, 128, 256, 512, 2048), (8, 32, 128, 512, 1024, 2048))},
}
# the best that a copy reaches of nominal bandwidth: 93 % (simllm, GH200); for weights, not below what a factor allows
LEAST_MEMORY_FACTOR, MOST_WEIGHT_FACTOR = 1 / 0.93, 1 / 0.75
# threads of one block work on about 128 x 128 outputs; half of it is where the fit starts
TILE = 8192
RIDGE, WALL, STEEPEST, SCALE, MOST_STEPS = 0.02, 30.0, -0.98, 0.03, 150
FIT_ROWS = 6000


@dataclass(frozen=True, slots=True)
class Problem:
    """Measured kernels, and the device that they ran on.

    rows: features, shape = (shapes, columns). fitted: which to fit. peak: FLOP/s. bandwidth: bytes/s. streamed: part of
    it that moving data reach.
    """

    kernel: str
    rows: Array
    seconds: Array
    fitted: NDArray[np.bool_]
    peak: float
    bandwidth: float
    streamed: float


@dataclass(slots=True)
class _Block:
    """The parameters of one surface: a slice of the vector, and the weight of each of its knots in each row."""

    name: str
    x: Array
    y: Array
    start: int
    design: Array

    @property
    def stop(self) -> int:
        return self.start + len(self.x) * len(self.y)

    def grid(self, parameters: Array) -> Array:
        return parameters[self.start : self.stop].reshape(len(self.x), len(self.y))

    def slopes(self, size: int) -> Array:
        """Return the matrix from all parameters to the slopes of this surface along its axes."""
        eye = np.eye(size)[:, self.start : self.stop].reshape(size, len(self.x), len(self.y))
        along_x = np.diff(eye, axis=1) / np.diff(self.x)[None, :, None]
        along_y = np.diff(eye, axis=2) / np.diff(self.y)[None, None, :]
        return np.hstack([along_x.reshape(size, -1), along_y.reshape(size, -1)]).T


def _hat(knots: Array, at: Array) -> Array:
    """Return the weights of linear interpolation, constant outside; shape = (len(at), len(knots))."""
    if len(knots) == 1:
        return np.ones((len(at), 1))
    return np.stack([np.interp(at, knots, row) for row in np.eye(len(knots))], 1)


def fit_kernel(problem: Problem, processors: float, source: str) -> Kernel:
    """Return the better kernel of two starts, by the fitted half. processors: of the device; source: of the figures."""
    tries = [_Fit(problem, processors).solve(start, source) for start in ("tiles", "flat")]
    return min(tries, key=lambda found: found[0])[1]


class _Fit:
    """The least-squares problem of one kernel. The parameters are the logarithms of all factors, floor and order."""

    def __init__(self, problem: Problem, processors: float) -> None:
        index = np.flatnonzero(problem.fitted)
        # every few rows are enough for some 90 constants, and save time
        index = index[:: max(1, round(len(index) / FIT_ROWS))]
        column = dict(zip(COLUMNS, problem.rows[index].T, strict=True))
        self.compute, self.stationary = column["flops"] / problem.peak, column["stationary"] / problem.bandwidth
        self.moving = column["moving"] / problem.streamed / problem.bandwidth
        self.log_seconds = np.log(problem.seconds[index])
        self.kernel, self.processors, self.blocks = problem.kernel, processors, []
        at = {"compute": ("x", "y"), "depth": ("z", "z"), "memory": ("u", "v")}
        start = 0
        for name, (x, y) in KNOTS[problem.kernel].items():
            log_x, log_y = np.log(np.array(x, dtype=float)), np.log(np.array(y, dtype=float))
            hats = (_hat(log_x, np.log(column[at[name][0]])), _hat(log_y, np.log(column[at[name][1]])))
            design = (hats[0][:, :, None] * hats[1][:, None, :]).reshape(len(index), -1)
            self.blocks.append(_Block(name, log_x, log_y, start, design))
            start = self.blocks[-1].stop
        self.size = start + 2  # and the logarithms of the floor in us and of the order less 1
        self.slopes = np.vstack([block.slopes(self.size) for block in self.blocks])
        self.prior = np.zeros(self.size)
        self.ridge = RIDGE * np.sqrt(len(index) / self.size)

    def parts(self, p: Array) -> tuple[Array, Array, Array, float, float]:
        """Return compute and memory seconds, the varying part of the latter, order, and the floor in seconds."""
        log = np.zeros(len(self.compute))
        varying = self.stationary
        for block in self.blocks:
            factor = block.design @ p[block.start : block.stop]
            if block.name == "memory":
                varying = self.stationary * np.exp(factor)
            else:
                log = log + factor
        return self.compute * np.exp(log), varying + self.moving, varying, 1 + np.exp(p[-1]), np.exp(p[-2]) * 1e-6

    def residuals(self, p: Array) -> Array:
        a, b, _, order, floor = self.parts(p)
        wall = np.minimum(0.0, self.slopes @ p - STEEPEST)
        error = np.log(floor + soft_maximum(a, b, order)) - self.log_seconds
        return np.r_[error, self.ridge * (p - self.prior), WALL * wall]

    def jacobian(self, p: Array) -> Array:
        a, b, varying, order, floor = self.parts(p)
        both = soft_maximum(a, b, order)
        total = floor + both
        of_a, of_b = (a / both) ** (order - 1), (b / both) ** (order - 1)
        tiny = np.finfo(float).tiny
        low = np.minimum(a, b) / np.maximum(a, b)
        s = 1 + low**order
        of_order = both * (low**order * np.log(np.maximum(low, tiny)) / (order * s) - np.log(s) / order**2)
        rows = [
            block.design * ((of_b * varying if block.name == "memory" else of_a * a) / total)[:, None]
            for block in self.blocks
        ]
        ends = np.stack([floor / total, of_order * (order - 1) / total], 1)
        hit = (self.slopes @ p < STEEPEST)[:, None]
        return np.vstack([np.hstack([*rows, ends]), self.ridge * np.eye(self.size), WALL * self.slopes * hit])

    def solve(self, how: str, source: str) -> tuple[float, Kernel]:
        """Return the mean absolute error of the fitted half in logarithms, and the kernel."""
        from scipy.optimize import least_squares

        low, high, start = np.empty(self.size), np.empty(self.size), np.zeros(self.size)
        for block in self.blocks:
            part = slice(block.start, block.stop)
            low[part], high[part], start[part] = 0.0, 14.0, 0.15
            if block.name == "depth":
                low[part], start[part] = -3.0, 0.0
            if block.name == "memory":
                low[part], start[part] = np.log(LEAST_MEMORY_FACTOR), np.log(1.2)
                if self.kernel == "gemm":
                    high[part] = np.log(MOST_WEIGHT_FACTOR)
            if block.name == "compute" and how == "tiles":
                tiles = np.exp(block.x[:, None] + (block.y if self.kernel == "gemm" else 0 * block.y))
                full = self.processors * (TILE if self.kernel == "gemm" else 1)
                start[part] = (0.2 + 0.9 * np.log1p(full / tiles)).ravel()
        low[-2:], high[-2:], start[-2:] = (np.log(0.5), -1.5), (np.log(20.0), 2.3), (np.log(2.0), 0.8)
        self.prior = start
        found = least_squares(
            self.residuals,
            np.clip(start, low + 1e-6, high - 1e-6),
            jac=self.jacobian,  # pyright: ignore[reportArgumentType]
            bounds=(low, high),
            loss="soft_l1",
            f_scale=SCALE,
            max_nfev=MOST_STEPS,
        ).x
        found[: self.size - 2] = np.concatenate([_lift(block, found).ravel() for block in self.blocks])
        loss = float(np.abs(self.residuals(found)[: len(self.log_seconds)]).mean())
        surfaces = {b.name: Surface(np.exp(b.x), np.exp(b.y), np.exp(b.grid(found))) for b in self.blocks}
        floor_s, order = float(np.exp(found[-2])) * 1e-6, float(1 + np.exp(found[-1]))
        return loss, Kernel(floor_s, order, "fitted", source, **surfaces)


def _lift(block: _Block, parameters: Array) -> Array:
    """Return factors such that coordinate times factor never falls along either axis."""
    work = block.grid(parameters) + block.x[:, None] + block.y[None, :]
    work = np.maximum.accumulate(np.maximum.accumulate(work, axis=0), axis=1)
    return work - block.x[:, None] - block.y[None, :]
