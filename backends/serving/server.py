"""A backend as a server: the stations that calls pass through, with the times that the backend predicts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import InputError, unknown
from ..gpu.gpu import Gpu, sweep
from ..hybrid.hybrid import Hybrid
from ..timing import Backend, CapacityError, Timing
from ..workload.workload import Workload
from .continuous import Continuous
from .station import Line, Station

BATCHING = ("dynamic", "continuous")
MAX_BATCH = 256
Pairs = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Server:
    """A backend that serves calls. stations: in the order in which calls pass them. provenance: as of `Timing`."""

    name: str
    stations: tuple[Station | Continuous, ...]
    provenance: str = "estimate"

    def calls_per_s(self, tokens: float) -> float:
        """Return the most calls per second, with `tokens` decode steps each, with which every station keeps up."""
        return min(station.calls_per_s(tokens) for station in self.stations)

    def alone_s(self, tokens: float) -> tuple[float, ...]:
        """Return the seconds of one call with `tokens` decode steps that has the server to itself, by station."""
        return tuple(station.alone_s(tokens) for station in self.stations)

    def scale(self, *factors: float) -> "Server":
        """Return the same server with times `factors` times as long: one factor for each station, or one for all."""
        each = factors * len(self.stations) if len(factors) == 1 else factors
        return replace(self, stations=tuple(one.scale(by) for one, by in zip(self.stations, each, strict=True)))


def server_of(
    backend: Backend,
    call: Workload,
    *,
    max_batch: int = MAX_BATCH,
    max_wait_s: float = 0.0,
    batching: str | None = None,
) -> Server:
    """Return the server that a backend is for calls like `call`, whose batch is 1.

    max_batch: the largest batch, unless the memory holds less. max_wait_s: how long the first call of a batch waits
    for others. batching: one of `BATCHING`; None is as the runtime does.

    A GPU is one station; with continuous batching it takes up calls between decode steps. An LPU is one station with
    calls in flight. A hybrid split by phase is two stations with a queue each; in its other splits both devices work
    on the same batch, so it is one station. Raises `CapacityError` if not even one call fits.
    """
    if batching is None:
        continuous = isinstance(backend, Gpu) and backend.runtime.batching == "continuous"
        batching = "continuous" if continuous else "dynamic"
    if batching not in BATCHING:
        raise unknown("batching", batching, BATCHING)
    if max_batch < 1 or not 0 <= max_wait_s < float("inf"):
        raise InputError(f"largest batch {max_batch}, wait {max_wait_s:g} s; expected at least 1 and at least 0")
    alone = backend.time(call)
    provenance, jitter = alone.provenance, alone.jitter
    if batching == "continuous":
        if not isinstance(backend, Gpu):
            raise InputError(f"{backend.name}: continuous batching is for GPUs; type --batching dynamic")
        return Server(backend.name, (_continuous(backend, call, max_batch),), provenance)
    station = _Forming(call, max_batch, max_wait_s, jitter)
    if isinstance(backend, Hybrid) and backend.mode == "phase" and call.decode_tokens:
        there = station.of(f"{backend.name}: GPU", backend.time_gpu_stage)
        here = replace(station, max_wait_s=0.0).of(f"{backend.name}: LPUs", backend.time_lpu_stage)
        return Server(backend.name, (there, here), provenance)
    if isinstance(backend, Gpu):
        return Server(backend.name, (station.of_gpu(backend),), provenance)
    return Server(backend.name, (station.of(backend.name, backend.time),), provenance)


@dataclass(frozen=True, slots=True)
class _Forming:
    """How batches of calls like `call` form, and how much their times scatter."""

    call: Workload
    max_batch: int
    max_wait_s: float
    jitter: float

    def of(self, name: str, time: Callable[[Workload], Timing]) -> Station:
        """Return the station whose batches take so long."""
        found: list[tuple[Timing, Timing]] = []
        for batch in range(1, self.max_batch + 1):
            try:
                low, high = (time(work) for work in self.lengths(batch))
            except CapacityError:
                if batch == 1:
                    raise
                break
            found.append((low, high))
        return self.make(
            name, [(a.seconds, b.seconds) for a, b in found], [(a.interval_s, b.interval_s) for a, b in found]
        )

    def of_gpu(self, gpu: Gpu) -> Station:
        """Return the same for a GPU, whose batches are timed all at once and follow one another."""
        most = min(self.max_batch, gpu.largest_batch(self.call))
        works = [work for batch in range(1, most + 1) for work in self.lengths(batch)]
        pairs = [(float(low), float(high)) for low, high in sweep([gpu], works).reshape(-1, 2)]
        return self.make(gpu.name, pairs, pairs)

    def lengths(self, batch: int) -> tuple[Workload, Workload]:
        """Return batches of two numbers of decode steps, the higher that of the call: between, times are on a line."""
        low, high = (replace(self.call, batch=batch, decode_tokens=tokens) for tokens in _lengths(self.call))
        return low, high

    def make(self, name: str, seconds: Pairs, intervals: Pairs) -> Station:
        """Return the station, given times by the size of a batch, each of both lengths."""
        # a larger batch does not always take less time per call: on an LPU it leaves room for fewer in flight
        best = max(range(len(intervals)), key=lambda index: (index + 1) / intervals[index][1])
        lengths = _lengths(self.call)
        lines, gaps = (tuple(_line(lengths, *pair) for pair in pairs[: best + 1]) for pairs in (seconds, intervals))
        return Station(name, lines, gaps, self.max_wait_s, self.jitter)


def _lengths(call: Workload) -> tuple[int, int]:
    high = max(2, call.decode_tokens)
    return high // 2, high


def _line(lengths: tuple[int, int], low_s: float, high_s: float) -> Line:
    slope = (high_s - low_s) / (lengths[1] - lengths[0])
    return Line(high_s - slope * lengths[1], slope)


def _continuous(gpu: Gpu, call: Workload, max_batch: int) -> Continuous:
    most = min(max_batch, gpu.largest_batch(call))
    before, step = [], []
    for batch in range(1, most + 1):
        timing = gpu.time(replace(call, batch=batch, decode_tokens=max(1, call.decode_tokens)))
        step.append(timing.phases["decode"] / max(1, call.decode_tokens))
        before.append(timing.seconds - timing.phases["decode"])
    return Continuous(gpu.name, tuple(before), tuple(step), gpu.time(call).jitter)
