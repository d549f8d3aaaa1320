"""Continuous batching: a device that takes up new calls between two decode steps, and lets each go when it ends.

Between two events, which are an arrival and the end of a call, all decode steps take equally long: so the run jumps
from event to event, however many steps lie between them.
"""

import math
from dataclasses import dataclass, replace
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .station import Array, Served, factors_of


@dataclass(frozen=True, slots=True)
class Continuous:
    """A station with continuous batching.

    name: for messages. before_s[n - 1]: seconds to encode n calls and their prompts, while other calls wait.
    step_s[n - 1]: seconds of one decode step of n calls.
    jitter: as in `Timing`; drawn anew whenever calls are taken up. servers: always 1.
    """

    name: str
    before_s: tuple[float, ...]
    step_s: tuple[float, ...]
    jitter: float = 0.0
    servers: int = 1

    def __post_init__(self) -> None:
        if not self.before_s or len(self.before_s) != len(self.step_s) or self.servers != 1:
            raise InputError(f"{self.name}: expected as many times before decoding as of steps, and one server")

    @property
    def max_batch(self) -> int:
        """The most calls in flight."""
        return len(self.step_s)

    def calls_per_s(self, tokens: float) -> float:
        """Return the most calls per second with `tokens` decode steps each, if all in flight are taken up at once."""
        sizes = enumerate(zip(self.before_s, self.step_s, strict=True), 1)
        return max(size / max(before + tokens * step, 1e-12) for size, (before, step) in sizes)

    def alone_s(self, tokens: float) -> float:
        """Return the seconds of one call with `tokens` decode steps that has the station to itself."""
        return self.before_s[0] + tokens * self.step_s[0]

    def scale(self, factor: float) -> "Continuous":
        """Return the same station with all times `factor` times as long."""
        before, step = (tuple(factor * one for one in times) for times in (self.before_s, self.step_s))
        return replace(self, before_s=before, step_s=step)


def serve_continuously(
    device: Continuous,
    arrival_s: Array,
    tokens: NDArray[np.int64],
    rng: np.random.Generator,
    again: NDArray[np.bool_] | None = None,
) -> Served:
    """Return when calls that arrive at rising times are served, in the order in which they were given.

    A call begins when it is taken up and ends after its last decode step; its `batch` is the number of calls in flight
    once it has been taken up, itself among them. again: which calls are encoded a second time, when they are taken up.
    """
    arrivals, lengths, count = arrival_s.tolist(), tokens.tolist(), len(arrival_s)
    before, each, largest = device.before_s, device.step_s, device.max_batch
    factors = factors_of(device.jitter, rng)
    start_s, finish_s, batch = [0.0] * count, [0.0] * count, [0] * count
    twice = None if again is None else np.concatenate(([0], np.cumsum(again))).tolist()
    flying: list[tuple[int, int]] = []  # (step after which the call ends, call)
    now, step, first, factor, busy = 0.0, 0, 0, 1.0, 0.0
    while first < count or flying:
        if not flying and arrivals[first] > now:
            now = arrivals[first]
        room = largest - len(flying)
        taken = first
        while taken < count and room and arrivals[taken] <= now:
            taken, room = taken + 1, room - 1
        if taken > first:
            factor = next(factors)
            more = twice[taken] - twice[first] if twice else 0
            took = (before[taken - first - 1] + (before[more - 1] if more else 0.0)) * factor
            for call in range(first, taken):
                heappush(flying, (step + lengths[call], call))
            start_s[first:taken] = [now] * (taken - first)
            batch[first:taken] = [len(flying)] * (taken - first)
            now, busy, first = now + took, busy + took, taken
        else:
            one = each[len(flying) - 1] * factor
            steps = flying[0][0] - step
            if first < count and room and one > 0:
                steps = min(steps, max(1, math.ceil((arrivals[first] - now) / one)))
            now, busy, step = now + steps * one, busy + steps * one, step + steps
        while flying and flying[0][0] <= step:
            finish_s[heappop(flying)[1]] = now
    return Served(np.array(start_s), np.array(finish_s), np.array(batch, np.int64), busy)
