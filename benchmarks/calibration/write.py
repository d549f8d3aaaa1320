"""All kernels of a GPU, fitted to public tables, scored on the shapes held out, and written into its device file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...backends.devices.files import FOLDER, read_device
from ...backends.devices.kernels import Kernel, soft_maximum
from .fit import Problem, fit_kernel
from .read import KINDS, PACKAGE, TABLES, Array, Table, read_table
from .validation import KernelError

MARK = "# ---- written by `earspan calibrate fit`: do not edit below this line ----"
# the project's own bars for the median error, written beside it
GEMM_BARS = {"a100": 0.09, "l40s": 0.12}
BARS = {"gemm": 0.08, "context": 0.12, "decode": 0.15}


@dataclass(frozen=True, slots=True)
class Fitted:
    """One kernel of a GPU by its name, with its errors on the shapes held out: of all first, then class by class."""

    name: str
    kernel: Kernel
    errors: tuple[KernelError, ...]


def calibrate(gpu: str, systems: Path, version: str) -> Iterator[Fitted]:
    """Yield the kernels of one GPU, fitted to its tables in `systems`, which are of this version of the package."""
    device = read_device(FOLDER / f"{gpu}.toml", kernels=False)
    peak, bandwidth, streamed = device["fp16_peak"], device["memory_bandwidth"], device["memory_efficiency"]
    for name, folder in TABLES[gpu].items():
        kind = KINDS[name]
        table = read_table(systems / "data" / folder / f"{kind.file}.parquet", kind, device["l2_cache"])
        problem = Problem(kind.kernel, table.rows, table.seconds, ~table.held_out, peak, bandwidth, streamed)
        source = f"{PACKAGE} {version}: systems/data/{folder}/{kind.file}.parquet; {kind.about}"
        kernel = fit_kernel(problem, device["processors"], source)
        seconds = predict_s(kernel, table.rows, peak, bandwidth, streamed)
        yield Fitted(kind.kernel, kernel, tuple(score(gpu, kind.kernel, table, seconds)))


def predict_s(kernel: Kernel, rows: Array, peak: float, bandwidth: float, streamed: float) -> Array:
    """Return seconds by the same code that times a workload."""
    floor, compute, memory = kernel.seconds(rows, peak, bandwidth, streamed)
    return floor + soft_maximum(compute, memory, kernel.order)


def score(gpu: str, kernel: str, table: Table, seconds: Array) -> Iterator[KernelError]:
    """Yield the errors of predicted seconds on the shapes held out, for each class that has some."""
    off = np.abs(seconds / table.seconds - 1)
    for shapes, members in table.classes.items():
        chosen = off[members & table.held_out]
        if len(chosen):
            bar = (GEMM_BARS.get(gpu, BARS["gemm"]) if kernel == "gemm" else BARS[kernel]) if shapes == "all" else None
            median, p90 = float(np.median(chosen)), float(np.quantile(chosen, 0.9))
            yield KernelError(gpu, kernel, shapes, len(chosen), median, p90, bar)


def write_kernels(path: Path, kernels: list[Fitted]) -> None:
    """Write what was fitted into a device file, below the mark, in place of what is there."""
    head = path.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    parts = [part for one in kernels for part in (format_kernel(one.name, one.kernel), *map(_format_error, one.errors))]
    path.write_text("\n".join([head, "", MARK, "", *parts]), encoding="utf-8")


def format_kernel(name: str, kernel: Kernel) -> str:
    """Return the tables of a kernel in a device file."""
    lines = [f"[kernels.{name}]", f'basis = "{kernel.basis}"', f'source = "{kernel.source}"']
    lines += [f"floor_us = {kernel.floor_s * 1e6:.4g}", f"order = {kernel.order:.4g}"]
    for part in ("compute", "depth", "memory"):
        if surface := getattr(kernel, part):
            lines += ["", f"[kernels.{name}.{part}]", f"x = {_format_list(np.exp(surface.x))}"]
            factors = np.exp(surface.factor)
            if len(surface.y) > 1:
                lines.append(f"y = {_format_list(np.exp(surface.y))}")
                lines += ["factor = [", *(f"    {_format_list(row)}," for row in factors), "]"]
            else:
                lines.append(f"factor = {_format_list(factors[:, 0])}")
    return "\n".join([*lines, ""])


def _format_error(error: KernelError) -> str:
    lines = [
        "[[validation]]",
        f'kernel = "{error.kernel}"',
        f'class = "{error.shapes}"',
        f"held_out = {error.held_out}",
    ]
    lines += [f"median = {error.median:.4f}", f"p90 = {error.p90:.4f}"]
    return "\n".join([*lines, *([] if error.bar is None else [f"bar = {error.bar}"]), ""])


def _format_list(values: Array) -> str:
    return "[" + ", ".join(f"{value:.5g}" for value in values) + "]"
