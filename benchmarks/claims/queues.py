"""Claims 5 and 6: how large a batch has to be, how long calls wait for one, and what jitter does to a queue."""

import numpy as np

from ...backends.host import JITTER
from ...backends.registry import get_backend
from ...backends.scatter import spread_of
from ...backends.serving.arrivals import Traffic
from ...backends.serving.capacity import search_largest, trial
from ...backends.serving.server import Server, server_of
from ...backends.serving.station import Array
from ...backends.timing import Backend
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ..capacity.claims import Variation, error_factors, take_end
from ..capacity.records import BatchCurve
from ..capacity.scenario import Scenario, kind_of
from ..capacity.settings import CapacitySettings
from .ground import AS_MODELLED, Ground, judge
from .records import Case, Evidence, Figure

WINDOW_S, STEP_S = 10.0, 1.0
HUNDREDS, ABOUT_TEN = 100, 20  # calls of a batch: what "in the hundreds" and "about ten" are read as
STREAMS = (16, 48, 80)
OTHERS = ("l4", "h200", "lp30x16")


def check_batches(ground: Ground) -> Evidence:
    """Claim 5: do GPUs need batches in the hundreds, LPUs about ten, and do calls wait less for the smaller ones?"""
    cases = [
        _size_batch(ground, backend) for backend in (ground.gpu, ground.lpu, ground.rack, *map(get_backend, OTHERS))
    ]
    cases += [_compare_waits(ground, streams) for streams in STREAMS]
    return Evidence(
        "The least batch with 90 % of the most decoded tokens a second, as far as the memory holds it: at least "
        f"{HUNDREDS} on GPUs, at most {ABOUT_TEN} on LPUs. Then how long 99 of 100 calls wait, at equal load.",
        tuple(cases),
        (f"windows of {WINDOW_S:g} s, a call every {STEP_S:g} s, each stream at its own time",),
    )


def _size_batch(ground: Ground, backend: Backend) -> Case:
    scenario = Scenario(CapacitySettings(), (backend,), Workload(ground.dims), ground.prices)
    gpu = kind_of(backend) == "GPU"

    def curve(variation: Variation) -> BatchCurve:
        return scenario.time_batches(take_end(backend, variation.figures), WINDOW_S)

    def is_so(variation: Variation) -> bool:
        found = curve(variation).enough_to_decode
        return found is not None and (found.batch >= HUNDREDS if gpu else found.batch <= ABOUT_TEN)

    found = curve(AS_MODELLED)
    enough = found.enough_to_decode
    figures = [
        Figure("batch for 90 %", enough and enough.batch),
        Figure("batch that the memory holds (256 tried)", found.rows[-1].batch if found.rows else None),
    ]
    bound = f"at least {HUNDREDS}" if gpu else f"at most {ABOUT_TEN}"
    # a common factor on all times does not move a batch: only assumed figures do
    return judge(f"{backend.name}: {bound} calls a batch", is_so, figures)


def _compare_waits(ground: Ground, streams: int) -> Case:
    call = window_call(Workload(ground.dims), WINDOW_S, TOKENS_PER_S)

    def wait_s(backend: Backend, variation: Variation) -> float:
        server = server_of(take_end(backend, variation.figures), call, max_batch=128)
        return _wait_s(server.scale(*error_factors(backend, variation)), streams)

    pair = (ground.gpu, ground.lpu)
    figures = [Figure(f"wait on {one.name}, 99 of 100 calls", wait_s(one, AS_MODELLED), "s") for one in pair]
    where = f"{streams} streams: calls wait less on {ground.lpu.name} than on {ground.gpu.name}"
    return judge(where, lambda one: wait_s(ground.lpu, one) < wait_s(ground.gpu, one), figures)


def _wait_s(server: Server, streams: int) -> float:
    outcome = trial(server, (Traffic(streams, WINDOW_S, STEP_S),))
    waits_s = (outcome.begin_s - outcome.calls.arrival_s)[outcome.calls.counted]
    return float(np.quantile(waits_s, 0.99))


# service times of mean 1, by name: log-normal with the published scatter of a GPU, and wider; and rare long stalls
CALLS, SEEDS, STREAMS_IN_TURN = 20_000, 5, 100
STALL = (100, 10.0)  # one call in so many takes so many times as long
KINDS = {
    f"scatter as published ({JITTER:.1%})": JITTER,
    "scatter of 25 %": 0.25,
    "scatter of 100 %": 1.0,
    f"one call in {STALL[0]} {STALL[1]:g} times as long": None,
}
LATENCIES = (5.0, 20.0)  # times the mean service time, kept by 99 of 100 calls
LOST = 0.1  # of all time: a loss of utilisation that counts


def check_jitter(ground: Ground) -> Evidence:
    """Claim 6: how much less of a server can be used within a latency when equal mean times scatter?"""
    cases = [_lose_utilisation(name, jitter, times) for name, jitter in KINDS.items() for times in LATENCIES]
    return Evidence(
        f"One queue and one server; {STREAMS_IN_TURN} live streams, each calling once in a period, at any time of it; "
        "service times with the same mean, booked to the cycle or scattered. How much of the server can be used while "
        f"99 of 100 calls are done within a latency; the claim holds where scatter costs at least {LOST:.0%} of the "
        "server. Turned by: other draws.",
        tuple(cases),
        (
            "scatter: excess of the 99th percentile over the median; published is that of an L4 in MLPerf v3.1",
            "wider scatter, and stalls, are assumptions: a busy or shared host",
        ),
    )


def _lose_utilisation(name: str, jitter: float | None, times: float) -> Case:
    def reach(seed: int, scatter: float | None) -> int:
        """The most percent of the time that the server can be busy."""
        calls, own = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
        shares, services = calls.random((CALLS // STREAMS_IN_TURN, STREAMS_IN_TURN)), draw_services(scatter, CALLS, own)

        def attempt(percent: int) -> str:
            found = responses(services, percent / 100, shares)
            return "nothing" if np.quantile(found, 0.99) <= times else "latency"

        return search_largest(attempt, 1, 99)[0] or 0

    reached = [(reach(seed, 0.0), reach(seed, jitter)) for seed in range(SEEDS)]
    answers = [booked - scattered >= 100 * LOST for booked, scattered in reached]
    figures = [Figure(f"utilisation, {how}", reached[0][at], "%") for at, how in enumerate(("booked", "scattered"))]
    turned = tuple(f"draw {seed}" for seed, answer in enumerate(answers) if answer != answers[0])
    return Case(f"{name}, done within {times:g} times the mean service time", answers[0], tuple(figures), turned)


def draw_services(jitter: float | None, calls: int, rng: np.random.Generator) -> Array:
    """Return service times with mean 1; shape = (calls,). jitter: as in `Timing`; None for rare stalls."""
    if jitter is None:
        every, longer = STALL
        slow = rng.random(calls) < 1 / every
        return np.where(slow, longer, 1.0) / (1 + (longer - 1) / every)
    spread = spread_of(jitter)
    return np.exp(spread * rng.standard_normal(calls) - spread**2 / 2)


def responses(services: Array, used: float, shares: Array) -> Array:
    """Return how long each call takes from arrival to end at a server that is busy `used` of the time.

    services: seconds of each call, on average 1; shape = (calls,).
    shares: when streams call in each period, as parts of it; shape = (periods, streams), with as many calls in all.
    Lindley's recursion: a call starts when it arrives or when the one before ends. shape = (calls,).
    """
    periods, streams = shares.shape
    arrivals = ((np.arange(periods)[:, None] + np.sort(shares, axis=1)) * (streams / used)).ravel()
    ends = np.cumsum(services)
    ends = ends + np.maximum.accumulate(arrivals - (ends - services))
    return ends - arrivals
