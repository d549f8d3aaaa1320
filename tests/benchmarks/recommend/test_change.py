"""What would change the first choice: each claim is asked again as a demand of its own, and comes true."""

from dataclasses import replace
from functools import cache

import pytest
from earspan.backends.serving.cost import Bill, Part, Price
from earspan.benchmarks.recommend.answer import recommend
from earspan.benchmarks.recommend.change import compare_prices
from earspan.benchmarks.recommend.demand import Demand
from earspan.benchmarks.recommend.records import Choice
from earspan.benchmarks.recommend.search import open_search
from earspan.benchmarks.recommend.settle import first_at
from earspan.benchmarks.recommend.summary import CHANGES, summarise

DEMANDS = (
    Demand(streams=40, backends=("l4", "h100", "groq-v1x16")),
    Demand(streams=30, latency_s=5.0, wer_within=0.02, backends=("l40s", "a100"), measure="joules"),
)
answer = cache(recommend)
ASKED = pytest.mark.parametrize("demand", DEMANDS, ids=lambda demand: str(demand.streams))


def first_of(demand: Demand) -> str | None:
    ranked = open_search(demand).rank(far=1, at_least=1)
    return ranked[0].backend if ranked else None


def priced(demand: Demand, device: str, usd_per_h: float) -> Demand:
    others = [price for price in demand.prices if not price.startswith(f"{device}=")]
    return replace(demand, prices=(*others, f"{device}={usd_per_h}"))


@ASKED
def test_another_is_first_just_beyond_the_price_and_not_just_before(demand: Demand):
    found = answer(demand)
    for one in found.changes.prices:
        assert (one.usd_per_h is None) == (one.device in found.unpriced)
        beyond = 1.0001 if one.side == "above" else 0.9999
        assert first_of(priced(demand, one.device, one.limit_usd_per_h * beyond)) == one.backend
        assert first_of(priced(demand, one.device, one.limit_usd_per_h / beyond)) == found.choices[0].backend
    assert bool(found.changes.prices) == (demand.measure == "usd")


@ASKED
def test_the_first_stays_over_the_range_of_streams_and_no_further(demand: Demand):
    found = answer(demand)
    first, streams = found.choices[0].backend, found.changes.streams
    assert streams.looked_from <= streams.least <= demand.streams <= streams.most <= streams.looked_to
    at = {streams.least: first, streams.most: first, streams.least - 1: streams.below, streams.most + 1: streams.above}
    assert {n: first_of(replace(demand, streams=n)) for n, name in at.items() if name} == {
        n: name for n, name in at.items() if name
    }


@ASKED
def test_a_tighter_latency_and_a_larger_tolerance_are_answered_as_if_they_were_asked(demand: Demand):
    found = answer(demand)
    first, changes = found.choices[0], found.changes
    assert changes.kept_s == first.latency_s <= demand.latency_s
    assert changes.sooner.demand.latency_s == demand.latency_s / 2
    sooner = open_search(changes.sooner.demand).rank()[:1]
    assert [(one.backend, one.servers) for one in sooner] == [
        (one.backend, one.servers) for one in [changes.sooner.choice] if one
    ]
    looser = open_search(changes.looser.demand).rank()[0]
    best = changes.looser.choice or first
    assert (looser.usd_per_h, looser.joules_per_audio_h) == (best.usd_per_h, best.joules_per_audio_h)


def test_both_ends_of_every_range_of_prices_are_tried():
    demand = Demand(streams=40, backends=("l40s", "h100"), prices=("h100=1..4",))
    found = recommend(demand)
    assert found.choices[0].backend == "l40s"
    assert [(turn.when, turn.backend) for turn in found.turns if turn.cause == "prices"] == [("h100 at 1 USD", "h100")]
    assert first_of(priced(demand, "h100", 1)) == "h100"
    assert "with h100 at 1 USD, h100 is first" in " ".join(summarise(found)["The answer"])
    sure = recommend(replace(demand, prices=("h100=3..4",)))
    assert not [turn for turn in sure.turns if turn.cause == "prices"]


def test_prices_that_turn_only_together_are_told_so():
    demand = Demand(streams=40, backends=("l40s", "h100"), prices=("l40s=1.5..2.4", "h100=2.3..4"))
    [turn] = [turn for turn in recommend(demand).turns if turn.cause == "prices"]
    assert (set(turn.when.split(" and ")), turn.backend) == ({"l40s at 2.4 USD", "h100 at 2.3 USD"}, "h100")
    assert first_of(priced(demand, "l40s", 2.4)) == first_of(priced(demand, "h100", 2.3)) == "l40s"
    assert first_of(priced(priced(demand, "l40s", 2.4), "h100", 2.3)) == "h100"


def test_a_price_beyond_the_budget_turns_it_and_one_that_may_be_within_does():
    demand = Demand(streams=40, backends=("l40s", "h100"), budget_usd_per_h=2.0, prices=("l40s=1..3", "h100=0.9..6"))
    found = recommend(demand)
    assert [one.backend for one in found.choices] == ["l40s"]
    turns = {(turn.when, turn.backend) for turn in found.turns if turn.cause == "prices"}
    assert turns == {("l40s at 3 USD", None), ("h100 at 0.9 USD", "h100")}


def test_the_same_device_is_off_in_the_same_way():
    assert recommend(Demand(streams=4, backends=("h100", "h100-graph"), prices=("h100=2",))).settled


def test_what_the_models_may_be_off_is_tried_on_backends_that_do_not_keep_the_demand_too():
    found = recommend(Demand(latency_s=0.9, wer_within=0.02, backends=("t4", "l4")))
    assert [choice.backend for choice in found.choices] == ["l4"]
    assert [(turn.cause, turn.backend) for turn in found.turns] == [("times", "t4")]
    assert not found.settled


def planted(name: str, servers: int, **units: int) -> Choice:
    """A choice of servers with so many units of each device, at a dollar each."""
    choice = answer(DEMANDS[0]).choices[0]
    parts = tuple(Part(device, "GPU", count, Price(1.0, 1.0, 1.0, "planted"), None) for device, count in units.items())
    usd = float(servers * sum(units.values()))
    return replace(choice, backend=name, servers=servers, bill=Bill(parts), usd_per_h=usd)


def test_backends_that_share_a_device_are_compared_by_how_much_of_it_they_have():
    first, other = planted("small", 2, a=1, b=3), planted("large", 3, a=4)  # 8 and 12 dollars
    limits = {(one.device, one.side): one.limit_usd_per_h for one in compare_prices(first, other)}
    # 2 a + 6 b against 12 a: a below 0.6, b above 5 / 3
    assert limits == {("a", "below"): pytest.approx(0.6), ("b", "above"): pytest.approx(5 / 3)}
    assert first_at([first, other], {"a": 0.59}) == "large"
    assert first_at([first, other], {"a": 0.61}) == "small"
    assert first_at([first, other], {"a": 0.61}, budget=7.0) is None


def test_what_would_change_it_is_told_in_few_lines():
    found = answer(DEMANDS[0])
    told = summarise(found)[CHANGES]
    assert len(told) == 4
    for one in found.changes.prices:
        assert f"{one.device} {one.side}" in told[0]
