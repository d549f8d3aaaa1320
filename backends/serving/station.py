"""A station of a server: it forms batches of waiting calls, and serves them one after another or in a pipeline.

Calls are served in the order of their arrival, which makes the whole run one pass over sorted arrivals: no event list
is needed but a heap of the times at which servers are free.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heapreplace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..scatter import spread_of

Array = NDArray[np.float64]
_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds as a straight line over decode steps. base_s: without any. token_s: for each."""

    base_s: float
    token_s: float

    def at(self, tokens: float) -> float:
        """Return the seconds at `tokens` decode steps; never below 0, where the line of short calls may lie."""
        return max(0.0, self.base_s + self.token_s * tokens)

    def scale(self, factor: float) -> "Line":
        """Return the line, `factor` times as high."""
        return Line(self.base_s * factor, self.token_s * factor)


@dataclass(frozen=True, slots=True)
class Station:
    """A queue and the servers that take batches of calls from it.

    name: for messages. seconds[n - 1]: service time of a batch of n calls, until its longest call ends.
    intervals[n - 1]: time until the next batch may begin; shorter where batches are in flight together.
    max_wait_s: how long the first call of a batch that is not full waits for others while a server is free.
    jitter: as in `Timing`. servers: how many equal ones share the queue.
    """

    name: str
    seconds: tuple[Line, ...]
    intervals: tuple[Line, ...]
    max_wait_s: float = 0.0
    jitter: float = 0.0
    servers: int = 1

    def __post_init__(self) -> None:
        if not self.seconds or len(self.seconds) != len(self.intervals):
            counts = f"{len(self.seconds)} service times and {len(self.intervals)} intervals"
            raise InputError(f"{self.name}: {counts}; expected one of each for every size of a batch")
        if self.servers < 1 or self.max_wait_s < 0 or self.jitter < 0:
            raise InputError(f"{self.name}: servers at least 1, wait and jitter at least 0 expected")

    @property
    def max_batch(self) -> int:
        """The most calls that are served together."""
        return len(self.seconds)

    def calls_per_s(self, tokens: float) -> float:
        """Return the most calls per second, with `tokens` decode steps each, that all servers together keep up with."""
        sizes = enumerate(self.intervals, 1)
        return self.servers * max(size / max(line.at(tokens), 1e-12) for size, line in sizes)

    def alone_s(self, tokens: float) -> float:
        """Return the seconds of one call with `tokens` decode steps that has the station to itself."""
        return self.seconds[0].at(tokens)

    def scale(self, factor: float) -> "Station":
        """Return the same station with all times `factor` times as long."""
        seconds, intervals = (tuple(line.scale(factor) for line in lines) for lines in (self.seconds, self.intervals))
        return replace(self, seconds=seconds, intervals=intervals)


@dataclass(frozen=True, slots=True)
class Served:
    """What became of calls at a station; arrays are in the order in which calls were given, shape = (calls,).

    start_s, finish_s: when the batch of each call began and ended. batch: calls in that batch.
    busy_s: seconds in which no further batch could have begun, summed over servers.
    """

    start_s: Array
    finish_s: Array
    batch: NDArray[np.int64]
    busy_s: float


def serve(
    station: Station,
    arrival_s: Array,
    tokens: NDArray[np.int64],
    rng: np.random.Generator,
    again: NDArray[np.bool_] | None = None,
) -> Served:
    """Return when calls that arrive at rising times are served, first come first served.

    A free server takes what waits, up to the largest batch. If that is less, it waits until the batch is full or its
    first call has waited `max_wait_s`.
    tokens: decode steps of each call, over all its passes.
    again: which calls take a second pass; None for none. Those of a batch are passed together, before the next batch
        begins, which takes as long as a batch of so many without decode steps.
    """
    arrivals, count = arrival_s.tolist(), len(arrival_s)
    same = int(tokens[0]) if count and (tokens == tokens[0]).all() else None
    lengths = tokens.tolist() if same is None else []
    factors, largest, wait = factors_of(station.jitter, rng), station.max_batch, station.max_wait_s
    served = [(line.base_s, line.token_s) for line in station.seconds]
    gaps = [(line.base_s, line.token_s) for line in station.intervals]
    pipelined = station.seconds != station.intervals
    # how many of the calls before each take a second pass
    twice = None if again is None else np.concatenate(([0], np.cumsum(again))).tolist()
    free, until = [0.0] * station.servers, 0.0
    starts, ends, sizes = [], [], []
    busy, first = 0.0, 0
    while first < count:
        head, at = arrivals[first], free[0]
        if head > at:
            at = head
        last = first + largest
        if last > count or arrivals[last - 1] > at:
            if wait and head + wait > at:
                at = head + wait
                if last <= count and arrivals[last - 1] < at:
                    at = arrivals[last - 1]
            last = bisect_right(arrivals, at, first + 1, min(last, count))
        size = last - first
        longest = same if same is not None else max(lengths[first:last])
        base, slope = served[size - 1]
        more = twice[last] - twice[first] if twice else 0
        if more:
            base += max(0.0, served[more - 1][0])
        factor = next(factors)
        seconds = gap = max(0.0, (base + slope * longest) * factor)
        if pipelined:
            base, slope = gaps[size - 1]
            if more:
                base += max(0.0, gaps[more - 1][0])
            gap = max(0.0, (base + slope * longest) * factor)
            if until > at and 0 < gap < seconds:
                # calls in flight take turns: the pipeline moves in slots, and this one is in `depth` of them
                seconds = max(seconds, math.ceil(seconds / gap - 1e-9) * gap)
            until = at + seconds
        heapreplace(free, at + gap)
        busy += gap
        starts.append(at)
        ends.append(at + seconds)
        sizes.append(size)
        first = last
    batch = np.array(sizes, np.int64)
    start_s, finish_s = (np.repeat(np.array(times, float), batch) for times in (starts, ends))
    return Served(start_s, finish_s, np.repeat(batch, batch), busy)


def factors_of(jitter: float, rng: np.random.Generator) -> Iterator[float]:
    """Yield the factor of each batch's predicted time: their median is 1, their 99th percentile 1 + jitter."""
    spread = spread_of(jitter)
    while True:
        yield from (np.exp(spread * rng.standard_normal(_BLOCK)) if spread else np.ones(_BLOCK)).tolist()
