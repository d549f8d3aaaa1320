"""Claims 15 and 16: what cheaper hours do to all work, and what nested calls of agents do to a fleet."""

import math
from functools import lru_cache
from itertools import pairwise

from ...backends.registry import get_backend
from ...backends.serving.fleet import demand_after
from ...backends.timing import Backend, CapacityError
from ...backends.workload.decoder_only import decoder_only
from ...backends.workload.workload import Workload
from ..capacity.claims import VARIATIONS, Variation, vary
from ..capacity.other_users import AGENT, DEPTH, FANOUT, NEW, READ, WRITTEN
from ..capacity.scenario import Scenario
from ..capacity.settings import CapacitySettings, Slo
from .ground import AS_MODELLED, ERRORS, Ground, judge, put_off
from .records import Case, Evidence, Figure

BEFORE = "l4"  # what was there; what replaces it is the GPU of the ground
STREAMS = 10_000
ELASTICITIES = (0.5, 0.9, 1.1, 2.0)
SLO = Slo(10.0, 4.0)
EXPONENTIAL = 2.0  # times as much with each level


@lru_cache(maxsize=4)
def _streams(ground: Ground, variation: Variation) -> tuple[tuple[int, float], ...]:
    """Streams of a server, and its dollars an hour, on the old device and on the new one."""
    backends = get_backend(BEFORE), ground.gpu
    scenario = Scenario(CapacitySettings(), backends, Workload(ground.dims), ground.prices)
    varied = scenario if variation is AS_MODELLED else vary(scenario, variation)
    points = [varied.find_best(backend, SLO) for backend in backends]
    return tuple((one.streams, (one.usd_per_audio_h or math.inf) * one.streams) for one in points)


def check_demand(ground: Ground) -> Evidence:
    """Claim 15: does a fleet cost more in all once an hour of audio is cheaper, by price elasticity of demand?"""

    def spend(elasticity: float, variation: Variation) -> tuple[float, float, float]:
        """The price after, of that before; dollars an hour of the fleet before and after."""
        (old, old_usd), (new, new_usd) = _streams(ground, variation)
        if not (old and new):
            return math.inf, math.inf, math.inf
        ratio = (new_usd / new) / (old_usd / old)
        after = STREAMS * demand_after(ratio, elasticity).audio
        return ratio, math.ceil(STREAMS / old) * old_usd, math.ceil(after / new) * new_usd

    cases = []
    for elasticity in ELASTICITIES:
        ratio, before, after = spend(elasticity, AS_MODELLED)

        def is_more(variation: Variation, elasticity: float = elasticity) -> bool | None:
            ratio, before, after = spend(elasticity, variation)
            return after > before if ratio < 1 else None

        figures = [
            Figure("price after, of that before", 100 * ratio, "%"),
            Figure("audio after, of that before", 100 * demand_after(ratio, elasticity).audio, "%"),
            Figure("fleet before", before, "USD/h"),
            Figure("fleet after", after, "USD/h"),
        ]
        where = f"price elasticity {elasticity:g}: all servers together cost more than before"
        cases.append(judge(where, is_more, figures, VARIATIONS))
    return Evidence(
        f"{STREAMS:,} live streams on {BEFORE}; then {ground.gpu.name} makes an hour of audio cheaper, and demand "
        "grows by a constant elasticity: whole servers before and after.",
        tuple(cases),
        (
            "demand = constant x price ** -elasticity; hours of audio grow at any elasticity above 0",
            f"words within {SLO.latency_s:g} s, windows of {SLO.window_s:g} s, prices of the device files",
        ),
        "which elasticity the demand for transcription has: nothing public was found",
    )


def check_agents(ground: Ground) -> Evidence:
    """Claim 16: do calls, and the time of a task on a fixed fleet, grow by a constant factor with each level?"""
    cases: list[Case] = []
    depths = range(1, DEPTH + 1)
    for fanout in (1, FANOUT):
        calls = [sum(fanout**level for level in range(depth)) for depth in depths]
        figures = [Figure(f"calls, {depth} deep", count) for depth, count in zip(depths, calls, strict=True)]
        where = f"each call makes {fanout} more: calls at least double with each level"
        grows = all(b >= EXPONENTIAL * a for a, b in pairwise(calls))
        cases.append(Case(where, grows, tuple(figures), basis="assumed"))
    for backend in (ground.gpu, ground.rack):
        seconds = {depth: time_task(backend, depth, FANOUT, AS_MODELLED) for depth in depths}

        def doubles(variation: Variation, backend: Backend = backend) -> bool | None:
            found = [time_task(backend, depth, FANOUT, variation) for depth in depths]
            return all(b >= EXPONENTIAL * a for a, b in pairwise(found)) if found[0] < math.inf else None

        figures = [Figure(f"{depth} deep", found, "s") for depth, found in seconds.items()]
        where = f"each call makes {FANOUT} more, on {backend.name}: the time of a task at least doubles with each level"
        cases.append(judge(where, doubles, figures, ERRORS))
    return Evidence(
        f"A task of an agent: a call, then those it makes, all at once, and so on to {DEPTH} levels, each waiting for "
        f"the one before; {AGENT} on one server of each kind.",
        tuple(cases),
        (f"a call has {READ} tokens kept, {NEW} new and {WRITTEN} written; each call makes {FANOUT} more, or 1",),
        "how many calls agents really make",
    )


def time_task(backend: Backend, depth: int, fanout: int, variation: Variation) -> float:
    """Return the seconds of a task whose calls nest `depth` deep, each making `fanout` more; inf if none fits."""
    call, put = decoder_only(AGENT, NEW, WRITTEN, READ), put_off(backend, variation)
    try:
        return sum(put.serve(call, fanout**level).seconds for level in range(depth))
    except CapacityError:
        return math.inf
