import math
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.serving.arrivals import Traffic, calls_of
from earspan.backends.serving.capacity import capacity, simulate_span, trial
from earspan.backends.serving.cost import Price, bill_of, read_price
from earspan.backends.serving.fleet import Option, Tier, cheapest_fleet, demand_after
from earspan.backends.serving.server import Server, server_of
from earspan.backends.serving.simulate import verdict
from earspan.backends.serving.station import Line, Station
from earspan.backends.span import span
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

TINY = Workload(DIMENSIONS["tiny.en"])
CALL = replace(TINY, decode_tokens=33)


def once(streams, window_s, step_s, strategy="sliding", **rest):
    """Streams whose calls take one pass each."""
    return Traffic(streams, window_s, step_s, strategy, continuing=False, **rest)


def fixed(seconds, batch=1):
    """A server that takes so long for a batch of any size up to `batch`."""
    lines = tuple(Line(seconds, 0) for _ in range(batch))
    return Server("fixed", (Station("fixed", lines, lines),))


def test_capacity_of_a_periodic_queue_is_known():
    # at most one call at a time, each 50 ms, one a second from each stream: all 20 fit, whatever their phases,
    # as a stream waits at most for the 19 others
    found = capacity(fixed(0.05), once(1, 5, 1))
    assert found.streams == 20
    assert found.limited_by == "falls behind"
    assert found.batch == 1
    assert found.busy == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seconds", [0.01, 0.02])
def test_a_server_that_falls_behind_slowly_is_seen_to(seconds):
    found = capacity(fixed(seconds), once(1, 5, 1))
    assert found.streams == pytest.approx(1 / seconds, rel=0.01)  # 4 % more are late only after 24 steps


@pytest.mark.parametrize(
    ("often", "seldom", "carried"), [(60, 80, True), (61, 80, False), (51, 100, False), (98, 2, True)]
)
def test_tiers_that_fall_behind_together_are_seen_to(often, seldom, carried):
    """Calls of 10 ms, one a second or one in two: a hundred a second can be served, one more shows only in time."""
    outcome = trial(fixed(0.01), (once(often, 5, 1), once(seldom, 10, 2)))
    assert verdict(outcome).valid == carried


@settings(max_examples=20, deadline=None)
@given(activity=st.floats(0.05, 0.95), step_s=st.floats(0.2, 2), sliding=st.booleans())
def test_the_part_of_the_steps_that_call(activity, step_s, sliding):
    strategy, window_s = ("sliding", 5) if sliding else ("disjoint", step_s)
    load = Traffic(400, window_s, step_s, strategy, activity=activity, skip_silence=True)
    made = len(calls_of((load,), 100 * step_s)) / (400 * 100)
    assert made == pytest.approx(load.calls_per_step, rel=0.1, abs=0.01)


@pytest.mark.parametrize("activity", [0.05, 0.2, 0.5])
def test_silence_that_is_skipped_leaves_room_for_other_streams(activity):
    load = Traffic(1, 0.5, 0.5, "disjoint", activity=activity, skip_silence=True)
    found = capacity(fixed(0.05), load)
    # 10 streams that always speak; calls of the others come by chance, so that not all of the room can be used
    assert 10 < found.streams < 10 / load.calls_per_step


def test_capacity_within_a_budget():
    # a word takes 1 s to the second call, up to 1 s to the first, and 0.05 s for each call before its own
    found = capacity(fixed(0.05), once(1, 5, 1), latency_s=2.2)
    assert 1 < found.streams < 20
    assert found.limited_by == "latency budget"
    assert found.word_latency_s[0.99] <= 2.2
    with_more = trial(fixed(0.05), (once(found.streams + 1, 5, 1),))
    assert not verdict(with_more, 2.2).valid


def test_a_server_that_is_too_slow_carries_nothing():
    found = capacity(fixed(2.0), once(1, 5, 1))
    assert (found.streams, found.limited_by) == (0, "falls behind")
    found = capacity(fixed(0.5), once(1, 5, 1), latency_s=1.0)
    assert (found.streams, found.limited_by) == (0, "latency budget")


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 0.2), st.integers(1, 8))
def test_a_faster_server_carries_no_less(seconds, batch):
    load = once(1, 5, 1)
    assert capacity(fixed(seconds * 0.8, batch), load).streams >= capacity(fixed(seconds, batch), load).streams


def test_simulated_span_beside_the_planners():
    # one stream on a device without jitter: the mean of the tokens decides for the planner, their scatter here
    lpu, load = get_backend("groq-v1x8"), Traffic(1, 1, 0.5, scatter=False)
    planned = span(lpu, TINY.dims, step_s=0.5, streams=1).span_s
    assert simulate_span(lpu, TINY, load) == (planned, "nothing")
    # a call that has just missed a batch waits for it and takes part in the next, so less than the planner's is left
    gpu = get_backend("t4")
    found, limited_by = simulate_span(gpu, TINY, Traffic(8, 1, 0.1))
    planned = span(gpu, TINY.dims, step_s=0.1, streams=8).span_s
    assert planned is not None
    assert found is not None
    assert (found <= planned, limited_by) == (True, "falls behind")


def test_bills():
    hybrid = bill_of(get_backend("h100+groq-v1x16"), {}, CALL)
    assert [(part.device, part.units) for part in hybrid.parts] == [("h100", 1), ("groq-v1", 16)]
    assert hybrid.unpriced == ("groq-v1",)
    assert hybrid.usd_per_h() is None
    assert hybrid.power_w == 700 + 16 * 215
    assert hybrid.joules_per_audio_h(100) == pytest.approx((700 + 16 * 215) * 36)
    # 2.69 for the GPU and 16 chips: at 0.1 an hour of audio and 100 streams, 7.31 are left for the chips
    assert hybrid.break_even_usd_per_h(100, 0.1) == pytest.approx((10 - 2.69) / 16)
    name, price = read_price("groq-v1=0.4..1.6")
    priced = bill_of(get_backend("h100+groq-v1x16"), {name: price}, CALL)
    assert priced.usd_per_h() == pytest.approx(2.69 + 16 * 0.8)
    assert priced.usd_per_h("low") == pytest.approx(2.69 + 16 * 0.4)
    assert priced.usd_per_h("high") == pytest.approx(6.88 + 16 * 1.6)
    assert priced.usd_per_audio_h(10) == pytest.approx((2.69 + 12.8) / 10)
    assert priced.break_even_usd_per_h(10, 1.0) is None
    assert bill_of(get_backend("h100"), {"h100": Price(1, 1, 1, "")}, CALL).usd_per_h() == 1
    assert bill_of(get_backend("geforce-4090"), {}, CALL).power_w is None


@pytest.mark.parametrize("text", ["h100", "h100=", "h100=-1", "h100=2..1", "h100=nan", "h100=1..2..3", "h10=2"])
def test_bad_prices_are_refused(text):
    with pytest.raises(InputError, match=r"price|did you mean"):
        read_price(text)


def brute(free, premium, kinds):
    """The least cost of two kinds of servers by trying every way to divide the streams between them."""
    best = float("inf")
    for of_free, of_premium in product(range(free + 1), range(premium + 1)):
        usd = 0.0
        for (price, *room), wanted in zip(
            kinds, ((of_free, of_premium), (free - of_free, premium - of_premium)), strict=True
        ):
            if any(want and not most for want, most in zip(wanted, room, strict=True)):
                usd = float("inf")
                break
            used = sum(Fraction(want, most) for want, most in zip(wanted, room, strict=True) if want)
            usd += price * math.ceil(used)
        best = min(best, usd)
    return best


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=2),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_the_cheapest_fleet_is_the_cheapest(kinds, free, premium):
    options = [Option(f"k{i}", float(usd), {"free": a, "premium": b}) for i, (usd, a, b) in enumerate(kinds)]
    tiers = [Tier("free", free, 5), Tier("premium", premium, 1)]
    least = brute(free, premium, kinds)
    if least == float("inf"):
        with pytest.raises(InputError, match="no server keeps"):
            cheapest_fleet(tiers, options)
        return
    fleet = cheapest_fleet(tiers, options)
    assert fleet.usd_per_h == pytest.approx(least)
    for tier in tiers:
        assert sum(group.streams[tier.name] for group in fleet.groups) == tier.streams


def test_a_planted_fleet():
    # premium needs the dear server, free is twice as cheap on the other
    options = [Option("gpu", 2.0, {"free": 100}), Option("lpu", 10.0, {"free": 100, "premium": 50})]
    tiers = [Tier("free", 1000, 5), Tier("premium", 75, 0.3)]
    fleet = cheapest_fleet(tiers, options)
    # two LPUs for 75 premium streams have half a server left, which takes 50 of the free ones
    assert {group.option.name: group.servers for group in fleet.groups} == {"lpu": 2, "gpu": 10}
    assert fleet.usd_per_h == 40


def test_a_mix_that_fails_its_simulation_is_given_up():
    options = [Option("big", 10.0, {"free": 100, "premium": 100})]
    tiers = [Tier("free", 60, 5), Tier("premium", 30, 0.3)]
    assert cheapest_fleet(tiers, options, lambda name, streams: True).usd_per_h == 10
    apart = cheapest_fleet(tiers, options, lambda name, streams: len(streams) == 1)
    assert (apart.usd_per_h, apart.servers, apart.checked) == (20, 2, True)
    assert "do not go together" in apart.notes[0]
    fewer = cheapest_fleet(tiers[:1], options, lambda name, streams: streams["free"] <= 50)
    assert (fewer.servers, fewer.checked) == (2, True)
    assert "too many in the check" in fewer.notes[-1]


def test_no_server_for_a_tier():
    with pytest.raises(InputError, match=r"tier premium: no server keeps 0.1 s and 5.0% WER"):
        cheapest_fleet([Tier("premium", 1, 0.1, 0.05)], [Option("a", 1, {"free": 3})])


def test_demand_with_elasticity():
    # a third of the price: with elasticity 1 the same is spent, above it more, below it less
    assert demand_after(1 / 3, 1).spend == pytest.approx(1)
    assert demand_after(1 / 3, 2).spend == pytest.approx(3)
    assert demand_after(1 / 3, 2).audio == pytest.approx(9)
    assert demand_after(1 / 3, 0.5).work < 1
    with pytest.raises(InputError):
        demand_after(0, 1)


def test_a_mixed_server_serves_each_tier_at_its_window():
    server = server_of(get_backend("h100"), Traffic(1, 20, 1).call(TINY))
    assert server.calls_per_s(10) > server.calls_per_s(66)
    assert np.isfinite(server.calls_per_s(66))


def test_a_server_that_carries_fewer_than_are_asked_for_is_not_searched():
    found = capacity(fixed(0.05), once(1, 5, 1))
    assert capacity(fixed(0.05), once(1, 5, 1), at_least=found.streams).streams == found.streams
    assert capacity(fixed(0.05), once(1, 5, 1), at_least=found.streams // 2).streams == found.streams
    none = capacity(fixed(0.05), once(1, 5, 1), at_least=found.streams + 1)
    assert (none.streams, none.limited_by) == (0, "falls behind")
