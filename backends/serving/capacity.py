"""How many streams a server carries, and how long a window it sustains for a given number: both by simulation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..gpu.gpu import Gpu
from ..lpu.lpu import Lpu
from ..timing import Backend, CapacityError, Timing
from ..workload.op import LONGEST_S
from ..workload.windows import GRID_PER_S
from ..workload.workload import Workload
from .arrivals import Traffic, longest_step_s, replica_period_s
from .server import MAX_BATCH, Server, server_of
from .simulate import LATE_ALLOWED, QUANTILES, Outcome, Verdict, simulate, verdict

STEPS = 24  # steps of each stream in a replica; the first fifth is not counted
_LONGER = 10  # how many times longer a run is where calls come in time but ever later
_GROWTH = 0.01  # part of a step by which response times may grow from one half of a replica to the next
_CALLS = 3000  # the least number of calls of each load, over all replicas
_TICKS = 1500  # the least number of times that synchronised streams call: all their calls are late together
_RESOLUTION = 0.01  # the search ends when it knows the number of streams to within this part


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most streams that a server carries, and how it does with them.

    load: with that many streams, or with one if it carries none.
    streams: how many; 0 if not even one.
    limited_by, reason: what fails with more streams, in a word and in a sentence.
    word_latency_s: latency of words in seconds, by quantile (see `simulate.QUANTILES`).
    batch: mean size of a batch at the first station.
    busy: part of the time in which the busiest station is busy.
    late: part of the calls that end after the next of their stream is due.
    """

    load: Traffic
    streams: int
    limited_by: str
    reason: str
    word_latency_s: dict[float, float]
    batch: float
    busy: float
    late: float


def trial(server: Server, loads: tuple[Traffic, ...], seed: int = 0) -> Outcome:
    """Return what becomes of the loads on the server, over enough time and draws of phases to judge by.

    A server that is a little too slow falls behind a little with each step, so it is watched for longer.
    """
    outcome = _trial(server, loads, STEPS, seed)
    every = range(len(loads))
    if all(outcome.late(index) <= LATE_ALLOWED for index in every) and any(_grows(outcome, index) for index in every):
        outcome = _trial(server, loads, _LONGER * STEPS, seed)
    return outcome


def _trial(server: Server, loads: tuple[Traffic, ...], steps: int, seed: int) -> Outcome:
    duration_s = steps * longest_step_s(loads)
    needed = max(
        load.step_s * max(_CALLS / load.streams / load.calls_per_step, _TICKS if load.synchronised else 0)
        for load in loads
    )
    return simulate(server, loads, duration_s, replicas=max(1, math.ceil(needed / duration_s)), seed=seed)


def _grows(outcome: Outcome, index: int) -> bool:
    """Return whether calls of a load take longer at the end of a short replica than at the end of its first half."""
    mine = outcome.calls.load == index
    arrival_s, longest_s = outcome.calls.arrival_s[mine], longest_step_s(outcome.loads)
    duration_s = STEPS * longest_s
    part = 4 * np.mod(arrival_s, replica_period_s(duration_s, longest_s)) / duration_s
    response_s = outcome.finish_s[mine] - arrival_s
    before_s, after_s = (response_s[(part >= first) & (part < first + 1)] for first in (1, 3))
    growth_s = _GROWTH * outcome.loads[index].step_s
    return bool(len(before_s) and len(after_s) and after_s.mean() - before_s.mean() > growth_s)


def capacity(
    server: Server,
    load: Traffic,
    *,
    latency_s: float | None = None,
    seed: int = 0,
    quantile: float = 0.99,
    at_least: int = 1,
) -> Capacity:
    """Return the most streams like those of `load` that the server carries, which are those with a valid `verdict`.

    load: its number of streams does not matter. latency_s: budget for that quantile of word latency; None for
    no budget. at_least: streams that are asked for; a server that carries fewer is not searched, and the answer is 0.
    The result is exact up to a hundred streams, and to 1 % beyond.
    """

    def attempt(streams: int) -> tuple[Outcome, Verdict]:
        outcome = trial(server, (replace(load, streams=streams),), seed)
        return outcome, verdict(outcome, latency_s, quantile=quantile)

    # more than the calls per second that all stations keep up with cannot be carried
    too_many = math.ceil(server.calls_per_s(load.mean_tokens) * load.step_s / load.calls_per_step * 1.05) + 2
    best, low = attempt(at_least), 0
    failed = best[1]
    if best[1].valid:
        low, high, failed = (
            at_least,
            max(too_many, at_least + 1),
            Verdict(False, "more calls than it can serve", "falls behind"),
        )
        while high - low > max(1, low * _RESOLUTION):
            middle = (low + high) // 2
            found = attempt(middle)
            if found[1].valid:
                low, best = middle, found
            else:
                high, failed = middle, found[1]
    outcome = best[0]
    return Capacity(
        outcome.loads[0],
        low,
        failed.cause,
        failed.reason,
        outcome.word_latencies_s(QUANTILES),
        outcome.stations[0].batch,
        max(use.utilisation for use in outcome.stations),
        outcome.late(),
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """Whether a backend carries a load.

    cause: "nothing" if it does, else what fails, in a word.
    timing: that of one call alone, stretched to the median of a call's wait and service and with their 99th percentile;
        None if the device cannot hold one call.
    """

    cause: str
    timing: Timing | None


def streams_verdict(
    backend: Backend, call: Workload, load: Traffic, latency_s: float | None = None, *, batching: str | None = None
) -> Carried:
    """Return whether the backend carries the streams of `load`, whose calls are like `call`.

    latency_s: budget for the 99th percentile of word latency. batching: as of `server_of`.
    """
    try:
        alone, size = backend.time(call), min(MAX_BATCH, load.streams)
        if load.synchronised:
            backend, size = _set_for_all_at_once(backend, call, size)
        outcome = trial(server_of(backend, call, max_batch=size, batching=batching), (load,))
    except CapacityError:
        return Carried("capacity", None)
    found = verdict(outcome, latency_s)
    median_s, p99_s = (float(part) for part in np.quantile(outcome.response_s(), (0.5, 0.99)))
    phases = {phase: part * median_s / alone.seconds for phase, part in alone.phases.items()}
    timing = replace(alone, seconds=median_s, phases=phases, jitter=max(0.0, p99_s / median_s - 1))
    return Carried("nothing" if found.valid else found.cause, timing)


def _set_for_all_at_once(backend: Backend, call: Workload, streams: int) -> tuple[Backend, int]:
    """Return the backend and the size of a batch with which calls that are all due at once are done first.

    A GPU takes all calls in one batch. On an LPU batches are in flight together, so smaller ones keep the pipeline
    full, and another size of its groups may be quicker.
    """
    if isinstance(backend, Gpu):
        return backend, streams
    layouts: list[Backend] = [backend]
    if isinstance(backend, Lpu):
        layouts = [replace(backend, group=group) for group in backend.groups(backend.chips_for(call))]
    best = (math.inf, backend, streams)
    for layout in layouts:
        for size in sorted({2**power for power in range(streams.bit_length())} | {streams}):
            try:
                timing = layout.time(replace(call, batch=size))
            except CapacityError:
                break
            finish_s = timing.seconds + (math.ceil(streams / size) - 1) * timing.interval_s
            best = min(best, (finish_s, layout, size), key=lambda found: found[0])
    return best[1:]


def simulate_span(
    backend: Backend, template: Workload, load: Traffic, *, latency_s: float | None = None, batching: str | None = None
) -> tuple[float | None, str]:
    """Return the largest window in seconds, on the planner's grid, that the streams of `load` can have.

    It comes with what limits it, and is None if no window holds. This is the dual of `capacity`: streams and step are
    given, the window is sought, so `load.window_s` does not matter. The planner of the span asks the same with its
    policy "own phases"; for synchronised streams it has a formula, which this checks.
    """
    if not load.kind.stepping:
        raise InputError("the simulated span is for windows that slide; type --strategy sliding or alignatt")

    def attempt(tick: int) -> str:
        asked = replace(load, window_s=tick / GRID_PER_S)
        return streams_verdict(backend, asked.call(template), asked, latency_s, batching=batching).cause

    first, last = max(1, math.ceil(round(load.step_s * GRID_PER_S, 6))), round(LONGEST_S * GRID_PER_S)
    best, limited_by = search_largest(attempt, first, last)
    return (best / GRID_PER_S if best else None), limited_by


def search_largest(attempt: Callable[[int], str], first: int, last: int) -> tuple[int | None, str]:
    """Return the largest of first..last for which `attempt` says "nothing", and what the next larger one fails on.

    It is None if none does. attempt: must say "nothing" for all numbers up to some number, and for none above it.
    """
    low, high, cause = first - 1, last, "nothing"
    while low < high:
        middle = (low + high + 1) // 2
        said = attempt(middle)
        if said == "nothing":
            low = middle
        else:
            high, cause = middle - 1, said
    return (low if low >= first else None), cause
