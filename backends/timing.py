"""What every backend answers, and what the planner may ask of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .errors import InputError
from .workload.workload import Workload

PHASES = ("mel", "encode", "prefill", "decode", "transfer")
BOUNDS = ("compute", "memory", "launch", "link", "capacity")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a batch of calls takes.

    seconds: service time of the batch. interval_s: time after which the next batch may start, shorter than
    `seconds` where calls are pipelined over chips. phases: seconds by phase, which sum to `seconds`.
    ceiling_s: speed of light, the time at peak arithmetic and nominal bandwidth and no other cost.
    bound: what most of the time goes to: "compute", "memory", "launch" (fixed cost of starting operations),
    "link" (host or chip-to-chip transfers) or "capacity" (memory keeps calls from running together).
    provenance: "measured", "fitted" (to published measurements), "published" or "estimate".
    jitter: excess of the 99th percentile of the service time over `seconds`, relative; 0 is deterministic.
    batch: calls that run together and end together, with the longest of them (1 where each ends by itself).
    """

    seconds: float
    interval_s: float
    phases: Mapping[str, float]
    ceiling_s: float
    bound: str
    provenance: str
    jitter: float = 0.0
    batch: int = 1

    @property
    def p99_s(self) -> float:
        """Service time that 99 of 100 batches keep within."""
        return self.seconds * (1 + self.jitter)


@dataclass(slots=True)
class Tally:
    """Seconds while they are being added up, by phase and by what they go to."""

    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    bounds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BOUNDS, 0.0))
    ceiling_s: float = 0.0

    def add(self, phase: str, bound: str, seconds: float) -> None:
        """Add `seconds` of `phase` that go to `bound`."""
        self.phases[phase] += seconds
        self.bounds[bound] += seconds

    def include(self, other: "Tally") -> None:
        """Add all of another tally."""
        for phase, seconds in other.phases.items():
            self.phases[phase] += seconds
        for bound, seconds in other.bounds.items():
            self.bounds[bound] += seconds
        self.ceiling_s += other.ceiling_s

    @property
    def seconds(self) -> float:
        """The sum."""
        return sum(self.phases.values())

    def timing(self, provenance: str, interval_s: float | None = None) -> Timing:
        """The sum as a `Timing`; `interval_s` where it is less than the service time."""
        seconds = self.seconds
        bound = max(self.bounds, key=self.bounds.__getitem__)
        interval_s = seconds if interval_s is None else interval_s
        return Timing(seconds, interval_s, self.phases, self.ceiling_s, bound, provenance)


def in_sequence(timings: Iterable[tuple[Timing, int]]) -> Timing:
    """One `Timing` for batches served one after another, given with how often each occurs."""
    parts = [(timing, times) for timing, times in timings if times]
    longest = max(parts, key=lambda part: part[0].seconds * part[1])[0]
    seconds = sum(timing.seconds * times for timing, times in parts)
    phases = {phase: sum(timing.phases[phase] * times for timing, times in parts) for phase in PHASES}
    ceiling_s = sum(timing.ceiling_s * times for timing, times in parts)
    batch = max(timing.batch for timing, _ in parts)
    rest = longest.bound, longest.provenance, longest.jitter, batch
    return Timing(seconds, seconds, phases, ceiling_s, *rest)


class CapacityError(InputError):
    """The device cannot hold the weights, caches and activations of the workload."""


class Backend(Protocol):
    """Says how long work takes on some device. Both methods raise `CapacityError` if it does not fit."""

    @property
    def name(self) -> str:
        """What to type to get this backend."""
        ...

    def time(self, workload: Workload) -> Timing:
        """One batch of calls."""
        ...

    def serve(self, call: Workload, streams: int) -> Timing:
        """One call (`call.batch` is 1) for each of `streams` streams, all due at once, till the last is done.

        How the calls share the device, in one batch, several or a pipeline, is the backend's choice.
        """
        ...

    def describe(self) -> str:
        """One line: the device, how it is run, and how far the figures can be trusted."""
        ...
