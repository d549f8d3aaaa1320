"""The queue of claim 6 against a call by call count, and what scatter must do to it."""

import numpy as np
import pytest
from earspan.benchmarks.claims.queues import STALL, check_jitter, draw_services, responses

from .planted import ground


def test_responses_call_by_call():
    rng = np.random.default_rng(3)
    services, shares, used = rng.exponential(1.0, 600), rng.random((20, 30)), 0.8
    found = responses(services, used, shares)
    period = 30 / used
    arrivals = sorted(period * (row + share) for row in range(20) for share in shares[row])
    free = 0.0
    for arrival, service, took in zip(arrivals, services, found, strict=True):
        free = max(free, arrival) + service
        assert took == pytest.approx(free - arrival)


def test_services_have_the_same_mean():
    rng = np.random.default_rng(1)
    for jitter in (0.0, 0.048, 1.0, None):
        assert draw_services(jitter, 400_000, rng).mean() == pytest.approx(1.0, rel=0.02)
    assert np.quantile(draw_services(1.0, 400_000, rng), 0.99) / np.median(draw_services(1.0, 400_000, rng)) == (
        pytest.approx(2.0, rel=0.03)
    )
    stalls = draw_services(None, 400_000, rng)
    assert stalls.max() / stalls.min() == pytest.approx(STALL[1])


def test_wider_scatter_never_leaves_more_of_the_server():
    cases = check_jitter(ground()).cases
    booked, scattered = ([case.figures[at].value for case in cases] for at in (0, 1))
    assert all(b >= s for b, s in zip(booked, scattered, strict=True))
    assert scattered[0] >= scattered[2] >= scattered[4]
