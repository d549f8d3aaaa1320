"""A backend as a server: the stations that calls pass through, with the times that the backend predicts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import InputError, unknown
from ..gpu.gpu import Gpu
from ..hybrid.hybrid import Hybrid
from ..timing import Backend, CapacityError, Timing
from ..workload.workload import Workload
from .continuous import Continuous
from .station import Line, Station

BATCHING = ("dynamic", "continuous")
MAX_BATCH = 256


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
    provenance = backend.time(call).provenance
    if batching == "continuous":
        if not isinstance(backend, Gpu):
            raise InputError(f"{backend.name}: continuous batching is for GPUs; type --batching dynamic")
        return Server(backend.name, (_continuous(backend, call, max_batch),), provenance)
    lengths = _lengths(call)
    if isinstance(backend, Hybrid) and backend.mode == "phase" and call.decode_tokens:
        there = _station(
            f"{backend.name}: GPU", _by_batch(backend.time_gpu_stage, call, max_batch), lengths, max_wait_s
        )
        here = _station(f"{backend.name}: LPUs", _by_batch(backend.time_lpu_stage, call, max_batch), lengths, 0.0)
        return Server(backend.name, (there, here), provenance)
    station = _station(backend.name, _by_batch(backend.time, call, max_batch), lengths, max_wait_s)
    return Server(backend.name, (station,), provenance)


def _lengths(call: Workload) -> tuple[int, int]:
    """Return two numbers of decode steps, the higher that of the call: times in between are nearly on a line."""
    high = max(2, call.decode_tokens)
    return high // 2, high


def _by_batch(time: Callable[[Workload], Timing], call: Workload, max_batch: int) -> list[tuple[Timing, Timing]]:
    """Return the timings of both lengths for every size of a batch that fits."""
    low, high = _lengths(call)
    found = []
    for batch in range(1, max_batch + 1):
        work = replace(call, batch=batch)
        try:
            found.append((time(replace(work, decode_tokens=low)), time(replace(work, decode_tokens=high))))
        except CapacityError:
            if batch == 1:
                raise
            break
    return found


def _station(name: str, timings: list[tuple[Timing, Timing]], lengths: tuple[int, int], max_wait_s: float) -> Station:
    # a larger batch does not always take less time per call: on an LPU it leaves room for fewer in flight
    best = max(range(len(timings)), key=lambda index: (index + 1) / timings[index][1].interval_s)
    timings = timings[: best + 1]
    seconds = tuple(_line(lengths, low.seconds, high.seconds) for low, high in timings)
    intervals = tuple(_line(lengths, low.interval_s, high.interval_s) for low, high in timings)
    return Station(name, seconds, intervals, max_wait_s, timings[0][1].jitter)


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
