import itertools
import math

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.serving.continuous import Continuous, serve_continuously
from earspan.backends.serving.station import Line, Station, factors_of, serve
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracle import Batches, Steps

CALLS = 1_000_000
MICRO = 1e-6


def single(seconds, servers=1):
    """Serves one call at a time in `seconds`."""
    return Station("one", (Line(seconds, 0.0),), (Line(seconds, 0.0),), servers=servers)


def events_of(served, arrivals):
    """(time, what, call), by time."""
    columns = {"arrival": arrivals, "start": served.start_s, "finish": served.finish_s}
    return sorted((float(at), what, call) for what, times in columns.items() for call, at in enumerate(times))


def agree(mine, theirs):
    """Same events in the same order, at the same times but for rounding; events of one moment may be listed anyhow."""
    assert len(mine) == len(theirs)
    by_call = {(what, call): at for at, what, call in theirs}
    assert len(by_call) == len(theirs)
    for at, what, call in mine:
        assert at == pytest.approx(by_call[what, call], rel=1e-9, abs=1e-9)


def test_m_d_1():
    # mean wait of M/D/1: rho / (2 (1 - rho)) services (Pollaczek-Khinchine)
    load, rng = 0.7, np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / load, CALLS))
    served = serve(single(1.0), arrivals, np.zeros(CALLS, np.int64), rng)
    assert (served.start_s - arrivals).mean() == pytest.approx(load / (2 * (1 - load)), rel=0.01)
    assert served.busy_s == pytest.approx(CALLS)


# the mean of a million waits itself scatters by 0.5 to 1 %, so the seed matters; simpy below settles what is left
@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (4, 2.4)])
def test_m_m_c(servers, load):
    # Erlang C: chance to wait, and mean wait = C / (c mu - lambda)
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / load, CALLS))
    micros = np.round(rng.exponential(1 / MICRO, CALLS)).astype(np.int64)
    line = (Line(0.0, MICRO),)
    served = serve(Station("c", line, line, servers=servers), arrivals, micros, rng)
    wait = served.start_s - arrivals
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    chance = last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)
    assert (wait > 1e-12).mean() == pytest.approx(chance, rel=0.01)
    assert wait.mean() == pytest.approx(chance / (servers - load), rel=0.01)


def test_d_d_1_exactly():
    arrivals, none, rng = np.arange(1000.0), np.zeros(1000, np.int64), np.random.default_rng(0)
    at_ease = serve(single(0.75), arrivals, none, rng)
    assert (at_ease.finish_s - arrivals == 0.75).all()
    # a quarter of a second more behind with every call
    overloaded = serve(single(1.25), arrivals, none, rng)
    assert (overloaded.start_s - arrivals == 0.25 * np.arange(1000)).all()


def random_case(seed):
    """A small station, and calls for it."""
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(1, 6)), int(rng.integers(1, 40))
    seconds = [Line(*rng.uniform(0.01, (1.0, 0.05))) for _ in range(size)]
    pipelined = rng.random() < 0.4
    gaps = [line.scale(rng.uniform(0.2, 0.9)) for line in seconds] if pipelined else seconds
    station = Station(
        "random",
        tuple(seconds),
        tuple(gaps),
        max_wait_s=float(rng.choice([0.0, 0.3, 2.0])),
        jitter=float(rng.choice([0.0, 0.2])),
        servers=1 if pipelined else int(rng.integers(1, 4)),
    )
    arrivals = np.sort(rng.uniform(0, rng.uniform(2, 20), count))
    tokens = rng.integers(1, 20, count) if rng.random() < 0.7 else np.full(count, 7)
    return station, arrivals, tokens


@pytest.mark.parametrize("seed", range(100))
def test_heap_and_simpy_agree_event_by_event(seed):
    station, arrivals, tokens = random_case(seed)
    served = serve(station, arrivals, tokens, np.random.default_rng(seed))
    factors = factors_of(station.jitter, np.random.default_rng(seed))
    agree(events_of(served, arrivals), Batches(station, arrivals, tokens, factors).events)


@pytest.mark.parametrize("seed", range(100))
def test_jumps_and_single_decode_steps_agree_event_by_event(seed):
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(1, 6)), int(rng.integers(1, 30))
    before, step = np.sort(rng.uniform(0.05, 1.0, size)), np.sort(rng.uniform(0.01, 0.1, size))
    device = Continuous("random", tuple(before.tolist()), tuple(step.tolist()), float(rng.choice([0.0, 0.2])))
    arrivals = np.sort(rng.uniform(0, rng.uniform(2, 20), count))
    tokens = rng.integers(0, 20, count)
    served = serve_continuously(device, arrivals, tokens, np.random.default_rng(seed))
    factors = factors_of(device.jitter, np.random.default_rng(seed))
    agree(events_of(served, arrivals), Steps(device, arrivals, tokens, factors).events)


@settings(max_examples=60, deadline=None)
@given(st.integers(1000, 10**6))
def test_calls_are_conserved_and_servers_not_overbooked(seed):
    station, arrivals, tokens = random_case(seed)
    served = serve(station, arrivals, tokens, np.random.default_rng(seed))
    assert len(served.start_s) == len(served.finish_s) == len(arrivals)
    assert (served.start_s >= arrivals).all()
    assert (served.finish_s > served.start_s).all()
    assert (np.diff(served.start_s) >= 0).all()
    assert (served.batch <= station.max_batch).all()
    batches = sorted({(start, end) for start, end in zip(served.start_s, served.finish_s, strict=True)})
    assert sum(served.batch[served.start_s == start].mean() for start, _ in batches) == len(arrivals)
    if station.seconds == station.intervals:
        for start, _ in batches:
            assert sum(begin <= start < end for begin, end in batches) <= station.servers


def test_waiting_for_a_batch_ends_when_it_is_full_or_its_first_call_is_due():
    lines = tuple(Line(1.0, 0.0) for _ in range(3))
    station = Station("waits", lines, lines, max_wait_s=2.0)
    arrivals, none = np.array([0.0, 0.5, 10.0, 10.1, 10.2]), np.zeros(5, np.int64)
    served = serve(station, arrivals, none, np.random.default_rng(0))
    assert served.start_s.tolist() == [2.0, 2.0, 10.2, 10.2, 10.2]
    assert served.batch.tolist() == [2, 2, 3, 3, 3]


def test_calls_in_flight_take_turns():
    # alone 3 s; every 2 s another may begin, so two are in flight and each takes two slots
    station = Station("pipe", (Line(3.0, 0.0),), (Line(2.0, 0.0),))
    served = serve(station, np.array([0.0, 0.0, 0.0, 50.0]), np.zeros(4, np.int64), np.random.default_rng(0))
    assert served.start_s.tolist() == [0.0, 2.0, 4.0, 50.0]
    assert served.finish_s.tolist() == [3.0, 6.0, 8.0, 53.0]


def test_continuous_batching_by_hand():
    device = Continuous("gpu", (1.0, 1.5), (0.1, 0.2))
    # the second arrives during the first's tokens, which wait while it is encoded
    served = serve_continuously(device, np.array([0.0, 1.25]), np.array([5, 2]), np.random.default_rng(0))
    # 1.0 encoded, 3 steps to 1.3, encode to 2.3, two steps of two to 2.7: both end
    assert served.start_s == pytest.approx([0.0, 1.3])
    assert served.finish_s == pytest.approx([2.7, 2.7])


def test_jitter_has_its_99th_percentile():
    factors = np.array(list(itertools.islice(factors_of(0.11, np.random.default_rng(0)), 200_000)))
    assert np.quantile(factors, 0.99) == pytest.approx(1.11, rel=0.003)
    assert np.median(factors) == pytest.approx(1.0, rel=0.003)
    assert next(factors_of(0.0, np.random.default_rng(0))) == 1.0


def test_nothing_to_serve():
    none = np.zeros(0)
    for served in (
        serve(single(1.0), none, none.astype(np.int64), np.random.default_rng(0)),
        serve_continuously(Continuous("g", (1.0,), (1.0,)), none, none.astype(np.int64), np.random.default_rng(0)),
    ):
        assert len(served.finish_s) == 0
        assert served.busy_s == 0


def test_bad_stations_are_refused():
    with pytest.raises(InputError, match="one of each"):
        Station("bad", (Line(1, 0),), ())
    with pytest.raises(InputError, match="servers at least 1"):
        single(1.0, servers=0)
    with pytest.raises(InputError, match="one server"):
        Continuous("bad", (1.0,), ())
