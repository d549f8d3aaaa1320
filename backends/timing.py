"""What a backend is, and what it answers: the protocol `Backend` and the record `Timing`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from .errors import InputError
from .workload.workload import Workload

PHASES = ("mel", "encode", "prefill", "decode", "transfer")
BOUNDS = ("compute", "memory", "launch", "link", "capacity")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a batch of calls takes.

    seconds: service time of the batch.
    interval_s: time until the next batch may start; less than `seconds` where batches are pipelined over chips.
    phases: seconds by phase (see `PHASES`), which sum to `seconds`.
    ceiling_s: the speed of light, which is the time at peak arithmetic and nominal bandwidth without any other cost.
    bound: what most of the time goes to: "compute", "memory", "launch" (the fixed cost of starting operations),
        "link" (transfers to the host or between chips) or "capacity" (the memory keeps calls from running together).
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
        """The service time in seconds that 99 of 100 batches do not exceed."""
        return self.seconds * (1 + self.jitter)


@dataclass(slots=True)
class Tally:
    """A sum of seconds in the making, by phase and by what they go to.

    ceiling_s: the speed of light of what has been added, kept by whoever adds.
    """

    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    bounds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BOUNDS, 0.0))
    ceiling_s: float = 0.0

    def add(self, phase: str, bound: str, seconds: float) -> None:
        """Add `seconds` of `phase` (see `PHASES`) that go to `bound` (see `BOUNDS`)."""
        self.phases[phase] += seconds
        self.bounds[bound] += seconds

    @property
    def seconds(self) -> float:
        """All seconds added so far."""
        return sum(self.phases.values())

    def timing(self, provenance: str, interval_s: float | None = None) -> Timing:
        """Return the sum as a `Timing` with this provenance.

        interval_s: seconds until the next batch may start, where that is less than the service time.
        """
        seconds = self.seconds
        bound = max(self.bounds, key=self.bounds.__getitem__)
        interval_s = seconds if interval_s is None else interval_s
        return Timing(seconds, interval_s, self.phases, self.ceiling_s, bound, provenance)


def in_sequence(timings: Iterable[tuple[Timing, int]]) -> Timing:
    """Return the `Timing` of several batches served one after another.

    timings: the timing of each kind of batch, and how many of them there are.
    """
    parts = [(timing, times) for timing, times in timings if times]
    longest = max(parts, key=lambda part: part[0].seconds * part[1])[0]
    seconds = sum(timing.seconds * times for timing, times in parts)
    phases = {phase: sum(timing.phases[phase] * times for timing, times in parts) for phase in PHASES}
    ceiling_s = sum(timing.ceiling_s * times for timing, times in parts)
    batch = max(timing.batch for timing, _ in parts)
    rest = longest.bound, longest.provenance, longest.jitter, batch
    return Timing(seconds, seconds, phases, ceiling_s, *rest)


def add_part(timing: Timing, more: Timing, times: float) -> Timing:
    """Return `timing` with `times` times the work of `more` after it, in the same service."""
    return replace(
        timing,
        seconds=timing.seconds + times * more.seconds,
        interval_s=timing.interval_s + times * more.interval_s,
        phases={phase: part + times * more.phases[phase] for phase, part in timing.phases.items()},
        ceiling_s=timing.ceiling_s + times * more.ceiling_s,
    )


class CapacityError(InputError):
    """The device cannot hold the weights, caches and activations of the workload."""


class Backend(Protocol):
    """Says how long work takes on some device.

    `time` and `serve` raise `CapacityError` if the work does not fit into the memory of the device.
    """

    @property
    def name(self) -> str:
        """What to type to get this backend, as in `--backend NAME`."""
        ...

    def time(self, workload: Workload) -> Timing:
        """Return how long one batch of calls takes."""
        ...

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return how long one call for each of `streams` streams takes, all due at once, until the last is done.

        call: the call of one stream; its `batch` is 1. How the calls share the device, in one batch, in several or in
        a pipeline, is the backend's choice.
        """
        ...

    def describe(self) -> str:
        """Return one line: the device, how it is run, and how far its figures can be trusted."""
        ...
