"""How many streams a server carries, and how long a window it sustains for a number of them: both by simulation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..gpu.gpu import Gpu
from ..lpu.lpu import Lpu
from ..timing import Backend, CapacityError, Timing
from ..workload.op import LONGEST_S
from ..workload.windows import GRID_PER_S, window_call
from ..workload.workload import Workload
from .arrivals import Load, longest_step_s, replica_period_s
from .server import MAX_BATCH, Server, server_of
from .simulate import LATE_ALLOWED, QUANTILES, Outcome, Verdict, simulate, verdict

STEPS = 24  # of each stream in a replica; the first fifth is not counted
_LONGER = 10  # times as many, where calls come in time but ever later
_GROWTH = 0.01  # of a step, from one half of a replica to the next
_CALLS = 3000  # of each load in all replicas, at least
_TICKS = 1500  # at which synchronised streams call together, at least: their calls are late together
# The search ends when it knows the number of streams to within this part.
_RESOLUTION = 0.01


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most streams a server carries, and how it fares with them.

    load: with that many streams, or with one if it carries none. streams: 0 if not even one. limited_by: what fails
    with more, in a word; reason: in a sentence. word_latency_s: by quantile (0.5, 0.95, 0.99, 0.999). batch: mean size
    at the first station. busy: part of the time of the busiest station.
    """

    load: Load
    streams: int
    limited_by: str
    reason: str
    word_latency_s: dict[float, float]
    batch: float
    busy: float
    late: float


def trial(server: Server, loads: tuple[Load, ...], seed: int = 0) -> Outcome:
    """The server under the loads, for long enough, and with enough draws of phases, to judge by.

    A server that is a little too slow falls behind a little with each step, so it is watched for longer.
    """
    outcome = _trial(server, loads, STEPS, seed)
    every = range(len(loads))
    if all(outcome.late(index) <= LATE_ALLOWED for index in every) and any(_grows(outcome, index) for index in every):
        outcome = _trial(server, loads, _LONGER * STEPS, seed)
    return outcome


def _trial(server: Server, loads: tuple[Load, ...], steps: int, seed: int) -> Outcome:
    duration_s = steps * longest_step_s(loads)
    needed = max(
        load.step_s * max(_CALLS / load.streams / load.calls_per_step, _TICKS if load.synchronised else 0)
        for load in loads
    )
    return simulate(server, loads, duration_s, replicas=max(1, math.ceil(needed / duration_s)), seed=seed)


def _grows(outcome: Outcome, index: int) -> bool:
    """Whether calls of a load take longer at the end of a first, short replica than at the end of its first half."""
    mine = outcome.calls.load == index
    arrival_s, longest_s = outcome.calls.arrival_s[mine], longest_step_s(outcome.loads)
    duration_s = STEPS * longest_s
    part = 4 * np.mod(arrival_s, replica_period_s(duration_s, longest_s)) / duration_s
    response_s = outcome.finish_s[mine] - arrival_s
    before_s, after_s = (response_s[(part >= first) & (part < first + 1)] for first in (1, 3))
    growth_s = _GROWTH * outcome.loads[index].step_s
    return bool(len(before_s) and len(after_s) and after_s.mean() - before_s.mean() > growth_s)


def capacity(server: Server, load: Load, *, latency_s: float | None = None, seed: int = 0) -> Capacity:
    """The most streams like those of `load` that the server carries; how many those are in `load` does not matter.

    Carried are those for which `verdict` is VALID. The number is exact up to a hundred streams, beyond that to 1 %.
    """

    def attempt(streams: int) -> tuple[Outcome, Verdict]:
        outcome = trial(server, (replace(load, streams=streams),), seed)
        return outcome, verdict(outcome, latency_s)

    # more than the calls per second that all stations keep up with cannot be carried
    too_many = math.ceil(server.calls_per_s(load.mean_tokens) * load.step_s / load.calls_per_step * 1.05) + 2
    best, low = attempt(1), 0
    failed = best[1]
    if best[1].valid:
        low, high, failed = 1, too_many, Verdict(False, "more calls than it can serve", "falls behind")
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
        {quantile: outcome.word_latency_s(quantile) for quantile in QUANTILES},
        outcome.stations[0].batch,
        max(use.utilisation for use in outcome.stations),
        outcome.late(),
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """What simulating a load says. cause: "nothing" if it is carried, else what fails, in a word.

    timing: of one call alone, stretched to the median of a call's wait and service, with their 99th percentile; None
    if the device cannot hold one call.
    """

    cause: str
    timing: Timing | None


def streams_verdict(
    backend: Backend, call: Workload, load: Load, latency_s: float | None = None, *, batching: str | None = None
) -> Carried:
    """Whether the backend carries the streams of `load`, whose calls are like `call`."""
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
    """The layout of an LPU and the largest batch with which calls that are all due at once are done first.

    A GPU takes all. Where batches are in flight together, smaller ones keep the pipeline full.
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
    backend: Backend, template: Workload, load: Load, *, latency_s: float | None = None, batching: str | None = None
) -> tuple[float | None, str]:
    """The largest window (s, on the planner's grid) that the streams of `load` can have, and what limits it.

    The dual of `capacity`: streams and step are given, the window is sought; None if no window holds. The planner of
    the span asks the same with its policy "own phases"; for synchronised streams it has a formula, and this checks it.
    `load.window_s` does not matter.
    """
    if load.strategy == "disjoint":
        raise InputError("the simulated span is for sliding windows; type --strategy sliding")

    def attempt(tick: int) -> str:
        window_s = tick / GRID_PER_S
        call = window_call(template, window_s, load.tokens_per_s)
        return streams_verdict(backend, call, replace(load, window_s=window_s), latency_s, batching=batching).cause

    first, last = max(1, math.ceil(round(load.step_s * GRID_PER_S, 6))), round(LONGEST_S * GRID_PER_S)
    best, limited_by = search_largest(attempt, first, last)
    return (best / GRID_PER_S if best else None), limited_by


def search_largest(attempt: Callable[[int], str], first: int, last: int) -> tuple[int | None, str]:
    """The largest of first..last for which `attempt` says "nothing", as up to it; and what the next fails on."""
    low, high, cause = first - 1, last, "nothing"
    while low < high:
        middle = (low + high + 1) // 2
        said = attempt(middle)
        if said == "nothing":
            low = middle
        else:
            high, cause = middle - 1, said
    return (low if low >= first else None), cause
