"""Whisper measured on this machine's GPU, with the models' predictions beside it.

Encoder, prefill and decode steps of openai-whisper's own modules with random weights in fp16, at the dimensions of the
official sizes, for several batch sizes, eager and as CUDA graphs; the kernels alone, by shape; the host's work for a
call; and how equal calls scatter. Times are medians of wall time around a synchronised device, so that host costs are
in them. What matters most is measured first, within a budget, and what was left out is said.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from whisper.model import Whisper

from ...backends.errors import InputError, unknown
from ...backends.registry import get_backend
from ...backends.workload.models import DIMENSIONS
from ...backends.workload.workload import Workload
from ..experiment.records import describe_machine
from .tasks import PROMPT, Task, capture_graph, list_host_work, list_kernels, list_phases, make_model, run_call

# beyond, a graph of the encoder saves nothing and takes memory
GRAPHED_ENCODERS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    device: cuda, or cpu to check this program. backend: whose predictions stand beside it, if any. models, batches: in
    the order in which they are measured. positions: of the encoder. repeats: timed runs of each value. each_s: the most
    seconds for one value. budget_s: for all. calls: equal calls whose scatter is measured. Raises `InputError` for what
    cannot be measured.
    """

    device: str
    backend: str | None
    models: tuple[str, ...]
    batches: tuple[int, ...]
    positions: int
    repeats: int
    each_s: float
    budget_s: float
    calls: int

    def __post_init__(self) -> None:
        for size in self.models:
            if size not in DIMENSIONS:
                raise unknown("Whisper size", size, DIMENSIONS)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("no CUDA device found; type --device cpu to check the program without one")
        if min(*self.batches, self.repeats, self.calls) < 1 or not 1 <= self.positions <= 1500:
            raise InputError("batches, repeats and calls are at least 1, positions 1 to 1500")
        if not (self.each_s > 0 and self.budget_s > 0):
            raise InputError("seconds for one value and in all are above 0")
        if self.backend:
            get_backend(self.backend)

    @property
    def dtype(self) -> torch.dtype:
        """Half precision on a GPU."""
        return torch.float16 if self.device == "cuda" else torch.float32


@dataclass(frozen=True, slots=True)
class Timed:
    """A phase, a kernel, or a piece of the host's work: median and 99th percentile of its seconds (see `time_task`).

    kind: phase, kernel or host. mode: eager or graph. predicted_s: what the backend's model says of a phase.
    """

    kind: str
    name: str
    median_s: float
    p99_s: float
    mode: str = "eager"
    batch: int = 1
    model: str | None = None
    predicted_s: float | None = None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Quantiles of the seconds of equal whole calls; excess: p99 over p50, less 1."""

    model: str
    batch: int
    runs: int
    p50_s: float
    p95_s: float
    p99_s: float
    excess: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A size and batch that was not measured, and why."""

    model: str
    batch: int
    why: str


@dataclass(frozen=True, slots=True)
class Measurements:
    """All that was measured so far; environment: what it was measured on and with; seconds: what it took."""

    schema: int
    environment: dict[str, Any]
    settings: dict[str, Any]
    runs: tuple[Timed, ...]
    host: tuple[Timed, ...]
    scatter: tuple[Scatter, ...]
    left_out: tuple[LeftOut, ...]
    seconds: float


@torch.inference_mode()
def measure(plan: Plan, keep: Callable[[Measurements], None]) -> Measurements:
    """Return all measurements; `keep` gets those so far after each size, should the machine be taken away."""
    began = time.monotonic()
    environment = describe_device(plan.device)
    settings = {"dtype": "fp16" if plan.device == "cuda" else "fp32", "positions": plan.positions, "prompt": PROMPT}
    host = tuple(_time_host(plan))
    runs, scatter, left_out, seen = list[Timed](), list[Scatter](), list[LeftOut](), set[str]()

    def found() -> Measurements:
        took_s = time.monotonic() - began
        return Measurements(3, environment, settings, tuple(runs), host, tuple(scatter), tuple(left_out), took_s)

    for size in plan.models:
        model = make_model(DIMENSIONS[size], plan.positions, plan.device)
        for batch in plan.batches:
            if time.monotonic() - began >= plan.budget_s:
                left_out.append(LeftOut(size, batch, "time is up"))
                continue
            try:
                runs += _time_size(plan, size, model, batch, seen)
                if batch in (1, 8) and size == plan.models[0]:
                    scatter.append(_measure_scatter(plan, size, model, batch))
            except torch.OutOfMemoryError:
                left_out.append(LeftOut(size, batch, "out of memory"))
                torch.cuda.empty_cache()
        keep(found())
    return found()


def describe_device(device: str) -> dict[str, Any]:
    """Return what numbers are measured on and with: machine, versions, date, and the device with its driver."""
    found = describe_machine() | {"device": platform.processor() or platform.machine()}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"device": properties.name, "processors": properties.multi_processor_count}
        found |= {"memory_bytes": properties.total_memory, "cuda": torch.version.cuda}
        driver = Path("/proc/driver/nvidia/version")
        found["driver"] = driver.read_text(encoding="utf-8").splitlines()[0] if driver.exists() else "unknown"
    return found


def time_task(run: Task, device: str, repeats: int, most_s: float = 60.0) -> tuple[float, float]:
    """Return median and 99th percentile (the largest, for fewer than 100 runs) of wall seconds, after a warm-up.

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
    return statistics.median(seconds), _quantile(seconds, 0.99)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _quantile(values: list[float], quantile: float) -> float:
    return sorted(values)[min(len(values) - 1, int(quantile * len(values)))]


def _time_host(plan: Plan) -> list[Timed]:
    """Return the host's work for a call, each value for one of it."""
    found = []
    for name, run, times in list_host_work(plan.device, plan.dtype, DIMENSIONS[plan.models[0]].n_vocab):
        median_s, p99_s = time_task(run, plan.device, plan.repeats, plan.each_s)
        found.append(Timed("host", name, median_s / times, p99_s / times))
    return found


def _time_size(plan: Plan, size: str, model: Whisper, batch: int, seen: set[str]) -> list[Timed]:
    """Return phases and kernels of one size and batch; kernels whose names are in `seen` are left out."""
    found, given = [], (batch, plan.positions, plan.device, plan.dtype)
    modes = ("eager", "graph") if plan.device == "cuda" else ("eager",)
    # each is timed while its generator waits, as the hooks of the decode step go when it goes on
    phases = (("phase", *part) for part in list_phases(model, *given))
    for kind, name, run in chain(phases, (("kernel", *part) for part in list_kernels(DIMENSIONS[size], *given))):
        if kind == "kernel" and name in seen:
            continue
        seen.add(name if kind == "kernel" else "")
        for mode in modes[-1:] if kind == "kernel" else modes:
            if mode == "graph" and name == "encode" and batch > GRAPHED_ENCODERS:
                continue
            task = capture_graph(run) if mode == "graph" else run
            timed = Timed(kind, name, *time_task(task, plan.device, plan.repeats, plan.each_s), mode, batch)
            if kind == "phase":
                timed = replace(timed, model=size, predicted_s=_predict_s(plan, size, batch, name, mode))
            found.append(timed)
            print(f"{size} batch {batch} {name} {mode}: {timed.median_s * 1e3:.3f} ms", file=sys.stderr)
    return found


def _predict_s(plan: Plan, size: str, batch: int, phase: str, mode: str) -> float | None:
    """Return the model's seconds for a measured phase; None without a backend."""
    if plan.backend is None:
        return None
    steps = 1 if phase == "decode" else 0
    work = Workload(DIMENSIONS[size], batch, plan.positions / 50, "fit", PROMPT, steps)
    return get_backend(plan.backend if mode == "graph" else f"{plan.backend}-eager").time(work).phases[phase]


def _measure_scatter(plan: Plan, size: str, model: Whisper, batch: int) -> Scatter:
    """Return how equal calls scatter: `calls` of them after a warm-up, or as many as a share of the budget allows."""
    seconds, began, most_s = list[float](), time.perf_counter(), max(plan.each_s, plan.budget_s / 15)
    with closing(list_phases(model, batch, plan.positions, plan.device, plan.dtype)) as phases:
        step = next(run for name, run in phases if name == "decode")
        step = capture_graph(step) if plan.device == "cuda" else step
        for number in range(plan.calls + 3):
            start = time.perf_counter()
            run_call(model, batch, plan.device, step, plan.dtype)
            _wait(plan.device)
            now = time.perf_counter()
            if number >= 3:
                seconds.append(now - start)
            if now - began > most_s and len(seconds) >= 3:
                break
    p50_s, p95_s, p99_s = (_quantile(seconds, quantile) for quantile in (0.5, 0.95, 0.99))
    return Scatter(size, batch, len(seconds), p50_s, p95_s, p99_s, p99_s / p50_s - 1)
