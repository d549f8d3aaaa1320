"""Claims held against planted curves, devices and prices whose verdict is known."""

from dataclasses import replace

import pytest
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.capacity.claims import GPU_ERROR, LPU_ERROR, VARIATIONS
from earspan.benchmarks.claims import demand, prices
from earspan.benchmarks.claims.check import CLAIMS, check_claims, find
from earspan.benchmarks.claims.decoders import check_routing
from earspan.benchmarks.claims.ground import put_off
from earspan.benchmarks.claims.hearing import check_speed, check_window
from earspan.benchmarks.claims.records import DOES_NOT, HOLDS, HOLDS_WHERE, NOT_TESTABLE, conclude
from earspan.benchmarks.claims.speeds import PRODUCTS, Without, check_kinds

from .planted import Device, curve, ground, points


def test_faster_hardware_has_fewer_errors_where_a_slow_one_cannot_hear_enough():
    # a step of 0.25 s: 0.03 s a token is some 8 tokens, 2.5 s of speech at most; the fast one hears all 30 s
    case = check_speed(ground()).cases[0]
    assert case.settled
    assert case.holds
    by_name = {figure.name: figure.value for figure in case.figures}
    assert by_name["fast sustains"] == 30
    assert by_name["slow sustains"] < 2.5
    assert by_name["fast less slow"] == pytest.approx(100 * (0.02 - 0.2))


def test_faster_hardware_buys_nothing_where_errors_do_not_fall_or_all_hear_everything():
    assert conclude(check_speed(ground(falls=False)).cases) == DOES_NOT
    quick = (Device("one", 1e-8), Device("other", 1e-9))
    assert conclude(check_speed(ground(backends=quick)).cases) == DOES_NOT


def test_short_windows_by_planted_rates():
    few = replace(ground(), series=(curve("disjoint", None, {5.0: 0.1, 30.0: 0.02}),))
    assert conclude(check_window(few).cases) == HOLDS
    same = replace(ground(), series=(curve("disjoint", None, {5.0: 0.02, 30.0: 0.02}),))
    assert conclude(check_window(same).cases) == DOES_NOT
    # half as many again: more, but not twice
    some = replace(ground(), series=(curve("disjoint", None, {5.0: 0.09, 30.0: 0.06}),))
    assert [case.holds for case in check_window(some).cases] == [True, False]
    assert conclude(check_window(replace(ground(), series=())).cases) == NOT_TESTABLE


ORDERLY = {
    0.3: {"LPU": 0.5, "hybrid": 0.7},
    1.0: {"GPU": 0.4, "LPU": 0.3, "hybrid": 0.2},
    4.0: {"GPU": 0.1, "LPU": 0.3, "hybrid": 0.2},
}


def test_prices_decide_frontier_and_tiers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prices, "list_points", lambda ground: points(ORDERLY))
    held = ground()
    assert conclude(prices.check_frontier(held).cases) == HOLDS
    assert conclude(prices.check_tiers(held).cases) == HOLDS
    cheap_gpu = {latency_s: of | {"GPU": 0.01} for latency_s, of in ORDERLY.items()}
    monkeypatch.setattr(prices, "list_points", lambda ground: points(cheap_gpu))
    assert [case.holds for case in prices.check_frontier(held).cases] == [False, False, True]
    assert [case.holds for case in prices.check_tiers(held).cases] == [False, False, True]


def test_prices_at_the_end_of_their_range_unsettle(monkeypatch: pytest.MonkeyPatch):
    found = points(ORDERLY)
    turning = next(one.name for one in VARIATIONS if one.prices == "LPU")
    found[turning] = points({latency_s: of | {"LPU": 0.01} for latency_s, of in ORDERLY.items()})[turning]
    monkeypatch.setattr(prices, "list_points", lambda ground: found)
    case = prices.check_tiers(ground()).cases[-1]
    assert (case.holds, case.turned_by) == (True, (turning,))


def test_a_fleet_costs_more_in_all_only_where_demand_is_elastic(monkeypatch: pytest.MonkeyPatch):
    # ten streams for a dollar, then a hundred for two: a fifth of the price
    monkeypatch.setattr(demand, "_streams", lambda ground, variation: ((10, 1.0), (100, 2.0)))
    evidence = demand.check_demand(ground())
    assert [case.holds for case in evidence.cases] == [elasticity > 1 for elasticity in demand.ELASTICITIES]
    spent = {figure.name: figure.value for figure in evidence.cases[-1].figures}
    assert spent["price after, of that before"] == pytest.approx(20)
    assert spent["fleet before"] == 1000
    assert spent["fleet after"] == pytest.approx(2 * 10_000 * 5**2 / 100, rel=1e-3)  # whole servers
    dearer = ((10, 1.0), (10, 2.0))
    monkeypatch.setattr(demand, "_streams", lambda ground, variation: dearer)
    assert all(case.holds is None for case in demand.check_demand(ground()).cases)


def test_models_are_put_off_by_their_errors():
    work = Workload(ground().dims, decode_tokens=20)
    slower, faster = VARIATIONS[0], VARIATIONS[1]
    for name, factors in (
        ("h100", (1 + GPU_ERROR, 1 - GPU_ERROR)),
        ("groq-v1x8", (1 - LPU_ERROR, 1 + LPU_ERROR)),
    ):
        backend = get_backend(name)
        for variation, factor in zip((slower, faster), factors, strict=True):
            assert put_off(backend, variation).time(work).seconds == pytest.approx(factor * backend.time(work).seconds)
    # of a pair each device by its own error, and the link not at all: so it is between the two
    pair = get_backend("h100+groq-v1x8")
    ratio = put_off(pair, slower).time(work).seconds / pair.time(work).seconds
    assert 1 - LPU_ERROR < ratio < 1 + GPU_ERROR


def test_a_call_without_its_products_has_none_left():
    work = Workload(ground().dims, decode_tokens=5)
    left = Without.of(work, *PRODUCTS)
    assert not any(op.flops for op in left.ops())
    assert [op for op in work.ops() if op.kind not in PRODUCTS] == list(left.ops())
    for case in check_kinds(ground()).cases:
        assert all(0 <= figure.value <= 100 for figure in case.figures if figure.unit == "%")


def test_bubbles_are_longer_the_more_routing_is_skewed():
    bubbles = [case.figures[1].value for case in check_routing(ground()).cases]
    assert len(bubbles) == 6
    assert bubbles[3] <= bubbles[4] <= bubbles[5]
    assert all(0 <= one < 100 for one in bubbles)


def test_numbers_that_no_claim_has_are_refused():
    for number in (0, 17):
        with pytest.raises(InputError, match="1 to 16"):
            check_claims(number)
    assert len(CLAIMS) == 16


def test_what_is_out_of_reach_has_no_verdict_whatever_its_cases(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prices, "list_points", lambda ground: points(ORDERLY))
    monkeypatch.setattr(prices, "_compare_voices", lambda ground: prices.check_tiers(ground).cases[0])
    found = find(14, CLAIMS[13], ground())
    assert conclude(found.cases) == HOLDS
    assert found.verdict == NOT_TESTABLE
    assert found.untested


def test_measured_claims_of_the_reference_curve():
    (found,) = check_claims(2)
    assert found.verdict == HOLDS_WHERE
    assert all(case.basis == "measured" for case in found.cases)
    assert any("sliding" in where for where in found.list_where(False))
