import math
from dataclasses import replace

import pytest
from earspan.backends.serving.arrivals import Traffic
from earspan.backends.serving.capacity import trial
from earspan.backends.serving.server import server_of
from earspan.backends.serving.simulate import verdict
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.capacity.settings import Slo
from earspan.benchmarks.capacity.study import find_break_even, share_out
from hypothesis import given
from hypothesis import strategies as st

from .planted import scenario


def test_break_even_price_makes_ends_meet():
    slo = Slo(10, 2)
    priced = scenario("l4", "groq-v1x8")
    gpu = priced.find_best(priced.backends[0], slo)
    (found,) = find_break_even(priced, slo)
    assert (found.backend, found.device, found.against) == ("groq-v1x8", "groq-v1", "l4")
    again = scenario("groq-v1x8", prices=(f"groq-v1={found.usd_per_h}",))
    assert again.find_best(again.backends[0], slo).usd_per_audio_h == pytest.approx(gpu.usd_per_audio_h)


def test_the_batch_curve_is_the_backends_own():
    one = scenario("h100")
    (backend,) = one.backends
    curve = one.time_batches(backend)
    work = Workload(DIMENSIONS["small.en"], decode_tokens=33)
    for row in curve.rows:
        assert row.calls_per_s == pytest.approx(row.batch / backend.time(replace(work, batch=row.batch)).seconds)
    assert [row.batch for row in curve.rows] == [2**power for power in range(9)]
    best, enough = max(row.calls_per_s for row in curve.rows), curve.enough
    assert enough is not None
    assert enough.calls_per_s >= 0.9 * best
    assert all(row.calls_per_s < 0.9 * best for row in curve.rows if row.batch < enough.batch)


def test_a_backend_that_holds_no_call_has_no_rows_and_no_streams():
    one = scenario("groq-v1x2", timed_as="large-v3")
    (backend,) = one.backends
    curve, best = one.time_batches(backend), one.find_best(backend, Slo(10, 2))
    assert curve.rows == ()
    assert curve.enough is curve.enough_to_decode is None
    assert (best.streams, best.step_s, best.limited_by) == (0, None, "capacity")


@pytest.mark.parametrize("strategy", ["sliding", "alignatt", "disjoint"])
def test_the_point_of_a_strategy_keeps_its_latency_and_one_stream_more_does_not(strategy):
    one = scenario("l4")
    (backend,) = one.backends
    found = one.find_best(backend, Slo(2.0, 4.0, strategy))
    assert found.streams
    assert found.step_s is not None
    load = Traffic(found.streams, 2.0, found.step_s, strategy)
    server = server_of(backend, load.call(one.template), max_batch=16)
    assert verdict(trial(server, (load,)), 4.0).valid
    assert not verdict(trial(server, (replace(load, streams=math.ceil(found.streams * 1.03) + 1),)), 4.0).valid
    too_soon = one.find_best(backend, Slo(2.0, 0.05, strategy))
    assert too_soon.streams == 0


@given(st.integers(1, 10**6), st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_streams_are_shared_out_whole_and_all(size, weights):
    shares = [weight / sum(weights) for weight in weights]
    counts = share_out(size, shares)
    assert sum(counts) == size
    assert all(abs(count - share * size) <= 1 for count, share in zip(counts, shares, strict=True))
