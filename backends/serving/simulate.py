"""Simulates a server under load, call by call, and judges whether it carries the load."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..scatter import quantiles_of_spread
from .arrivals import Calls, Traffic, calls_of
from .continuous import Continuous, serve_continuously
from .server import Server
from .station import Array, Served, Station, serve

QUANTILES = (0.5, 0.95, 0.99, 0.999)
# The part of calls that may be late, which is to end after the next call of their stream is due. The planner of the
# span keeps up by the 99th percentile of service times, so it is one in a hundred.
LATE_ALLOWED = 0.01
# with fewer calls, the 99th percentile would rest on less than ten of them
LEAST_CALLS = 1000


@dataclass(frozen=True, slots=True)
class StationUse:
    """How busy a station was. utilisation: part of the time in which it could not begin a batch. batch: mean size."""

    name: str
    utilisation: float
    batch: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every call; arrays are in the order of arrival, shape = (calls,).

    loads, calls: what was served. begin_s: when the first station took the call up. finish_s: when its text was ready.
    stations: how busy each was.
    """

    loads: tuple[Traffic, ...]
    calls: Calls
    begin_s: Array
    finish_s: Array
    stations: tuple[StationUse, ...]

    def response_s(self, load: int | None = None) -> Array:
        """Return the seconds from arrival to finish of the calls that count, of one load or all; shape = (counted,)."""
        return (self.finish_s - self.calls.arrival_s)[self._of(load)]

    def late(self, load: int | None = None) -> float:
        """Return the part of the calls, of one load or all, that ended after the next of their stream was due."""
        mine = self._of(load)
        return float(np.mean(self.finish_s[mine] > self.calls.due_s[mine])) if mine.any() else 0.0

    def word_latency_s(self, quantile: float, load: int = 0) -> float:
        """Return a quantile of word latency in seconds, from the end of a spoken word until it is shown."""
        return self.word_latencies_s((quantile,), load)[quantile]

    def word_latencies_s(self, quantiles: Iterable[float], load: int = 0) -> dict[float, float]:
        """Return quantiles of word latency in seconds, as `word_latency_s`, by quantile: all for the price of one.

        Words end evenly over the audio that a call shows; they wait for the call, for the one that agrees if the
        strategy needs it, and for its text. The mixture of these even spreads, one for each call, is inverted exactly.
        """
        mine = self._of(load) & self.calls.shows
        if not mine.any():
            raise InputError("no call shows words; simulate for longer")
        begin_s = (self.finish_s - self.calls.arrival_s + self.calls.wait_s)[mine]
        return quantiles_of_spread(begin_s, self.calls.shown_s[mine], quantiles)

    def queue(self, at_s: Array) -> NDArray[np.int64]:
        """Return how many calls have arrived and are not taken up yet, at each of these times; shape = (times,)."""
        begun = np.sort(self.begin_s)
        return np.searchsorted(self.calls.arrival_s, at_s, "right") - np.searchsorted(begun, at_s, "right")

    def backlog(self, at_s: Array) -> NDArray[np.int64]:
        """Return how many calls have arrived and are not finished yet, at each of these times; shape = (times,)."""
        ended = np.sort(self.finish_s)
        return np.searchsorted(self.calls.arrival_s, at_s, "right") - np.searchsorted(ended, at_s, "right")

    def _of(self, load: int | None) -> NDArray[np.bool_]:
        counted = self.calls.counted
        return counted if load is None else counted & (self.calls.load == load)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a server carries a load. reason: why not, or "" if it does. cause: the reason in a word."""

    valid: bool
    reason: str = ""
    cause: str = ""

    def __str__(self) -> str:
        return "VALID" if self.valid else f"INVALID: {self.reason}"


def simulate(
    server: Server, loads: tuple[Traffic, ...], duration_s: float, *, replicas: int = 1, seed: int = 0
) -> Outcome:
    """Return what becomes of the loads over `duration_s` seconds in each of `replicas` runs, by seed."""
    return run(server, loads, calls_of(loads, duration_s, replicas=replicas, seed=seed), seed)


def run(server: Server, loads: tuple[Traffic, ...], calls: Calls, seed: int = 0) -> Outcome:
    """Return what becomes of these calls."""
    rng = np.random.default_rng([seed, 1])
    ready, order = calls.arrival_s, np.arange(len(calls))
    begin_s: Array | None = None
    used = []
    for station in server.stations:
        # what leaves one station in another order than it came in queues at the next as it leaves
        turn = np.argsort(ready, kind="stable")
        order, ready = order[turn], ready[turn]
        served = _serve(station, ready, calls.tokens[order], calls.again[order], rng)
        if begin_s is None:
            begin_s = served.start_s
        ready = served.finish_s
        used.append(_use(station, served, calls.duration_s))
    finish_s = np.empty(len(calls))
    finish_s[order] = ready
    return Outcome(loads, calls, begin_s if begin_s is not None else ready, finish_s, tuple(used))


def _serve(
    station: Station | Continuous,
    ready: Array,
    tokens: NDArray[np.int64],
    again: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Served:
    twice = again if again.any() else None
    if isinstance(station, Continuous):
        return serve_continuously(station, ready, tokens, rng, twice)
    return serve(station, ready, tokens, rng, twice)


def _use(station: Station | Continuous, served: Served, duration_s: float) -> StationUse:
    batch = float(served.batch.mean()) if len(served.batch) else 0.0
    # what is left when the last call has arrived is served after the end
    return StationUse(station.name, min(1.0, served.busy_s / (duration_s * station.servers)), batch)


def verdict(outcome: Outcome, *latency_s: float | None, quantile: float = 0.99) -> Verdict:
    """Return whether every load is carried: by enough calls to say so, calls in time, and words in time.

    latency_s: what that quantile of word latency must keep, one for each load or one for all; None for no budget.
    """
    budgets = latency_s if len(latency_s) == len(outcome.loads) else (latency_s or (None,)) * len(outcome.loads)
    for index, (load, budget_s) in enumerate(zip(outcome.loads, budgets, strict=True)):
        counted = len(outcome.response_s(index))
        if counted < LEAST_CALLS:
            reason = f"only {counted} calls; expected {LEAST_CALLS} for a 99th percentile"
            return Verdict(False, reason, "too few calls")
        late = outcome.late(index)
        if late > LATE_ALLOWED:
            busiest = max(outcome.stations, key=lambda use: use.utilisation)
            where = f"{busiest.name} is busy {busiest.utilisation:.0%} of the time"
            reason = f"{late:.1%} of calls end after the next is due ({LATE_ALLOWED:.0%} may); {where}"
            return Verdict(False, reason, "falls behind")
        if budget_s is not None and (found_s := outcome.word_latency_s(quantile, index)) > budget_s:
            budget = f"budget {budget_s:g} s, of which the strategy takes {load.least_latency_s(1.0):.3g} s"
            return Verdict(False, f"{100 * quantile:g} % of words within {found_s:.3g} s; {budget}", "latency budget")
    return Verdict(True)
