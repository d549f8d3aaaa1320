"""Demands that cannot be kept: what fails is right, and the nearest, asked again, is answered."""

from dataclasses import replace
from pathlib import Path

import pytest
from earspan.backends.devices import files
from earspan.benchmarks.recommend.answer import recommend
from earspan.benchmarks.recommend.demand import Demand
from earspan.benchmarks.recommend.records import Choice
from earspan.benchmarks.recommend.refuse import refuse
from earspan.benchmarks.recommend.search import open_search
from earspan.benchmarks.recommend.summary import describe_nearest, summarise
from hypothesis import given, settings
from hypothesis import strategies as st

QUICK = ("l4", "h100")


def rank(demand: Demand) -> list[Choice]:
    return open_search(demand).rank()


CASES = {
    "budget": ({"streams": 40, "budget_usd_per_h": 0.5}, ("budget",), False),
    "latency": ({"latency_s": 0.05}, ("latency",), False),
    "errors or latency": (
        {"streams": 8, "latency_s": 2.2, "wer_within": 0.0, "backends": ("l4",)}, ("latency", "word error rate"), True,
    ),
    "budget and latency": ({"streams": 40, "budget_usd_per_h": 0.01, "latency_s": 0.05}, ("budget", "latency"), False),
    "no price": ({"streams": 40, "backends": ("groq-v1x16", "b200")}, ("prices",), False),
    "no price, and too soon": ({"backends": ("groq-v1x16",), "latency_s": 0.05}, ("prices", "latency"), False),
    "a budget without a price": (
        {"backends": ("groq-v1x16",), "budget_usd_per_h": 1.0, "measure": "joules"}, ("budget",), False,
    ),
    "a model that is too large": ({"backends": ("groq-v1x4",)}, ("backends",), False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_fails_is_named_and_the_nearest_works(name: str):
    keywords, fails, together = CASES[name]
    found = recommend(Demand(**{"backends": QUICK, **keywords}))
    assert (found.choices, found.changes, found.settled) == ((), None, False)
    assert (found.refusal.fails, found.refusal.together) == (fails, together)
    assert found.refusal.nearest
    for nearest in found.refusal.nearest:
        assert rank(nearest.demand)[0].backend == nearest.choice.backend
        assert describe_nearest(found.demand, nearest) in " ".join(summarise(found)["No answer"])


def test_a_budget_that_cannot_be_held_against_a_price_is_left_out():
    for measure in ("usd", "joules"):
        found = recommend(Demand(backends=("groq-v1x16",), budget_usd_per_h=1.0, measure=measure))
        [nearest] = found.refusal.nearest
        assert nearest.demand.budget_usd_per_h is None
        assert "without --budget: 1 x groq-v1x16" in " ".join(summarise(found)["No answer"])


def test_a_nearest_demand_is_as_near_as_can_be():
    late = recommend(Demand(backends=QUICK, latency_s=0.5)).refusal.nearest[0].demand
    assert not rank(replace(late, latency_s=0.98 * late.latency_s))
    dear = recommend(Demand(streams=40, backends=QUICK, budget_usd_per_h=0.5)).refusal.nearest[0].demand
    assert not rank(replace(dear, budget_usd_per_h=dear.budget_usd_per_h - 0.01))
    strict = Demand(streams=8, latency_s=2.2, wer_within=0.0, backends=("l4",))
    wrong = recommend(strict).refusal.nearest[1].demand
    assert not rank(replace(wrong, wer_within=wrong.wer_within - 1e-4))


@settings(max_examples=15)
@given(
    st.builds(
        Demand,
        streams=st.integers(1, 100),
        latency_s=st.floats(0.2, 2.0),
        wer_within=st.floats(0.0, 0.01),
        budget_usd_per_h=st.none() | st.floats(0.01, 5.0),
        measure=st.sampled_from(["usd", "joules"]),
        backends=st.just(QUICK),
    )
)
def test_every_refusal_comes_with_demands_that_are_answered(demand: Demand):
    search = open_search(demand)
    for nearest in () if search.rank() else refuse(search).nearest:
        choice = rank(nearest.demand)[0]
        assert (choice.backend, choice.servers) == (nearest.choice.backend, nearest.choice.servers)
        assert choice.latency_s < nearest.demand.latency_s
        assert nearest.demand.budget_usd_per_h is None or choice.usd_per_h <= nearest.demand.budget_usd_per_h + 1e-9


def test_where_nothing_is_known_what_to_type_is_told(tmp_path):
    device = tmp_path / "mine.toml"
    lines = Path(files.__file__).with_name("l4.toml").read_text(encoding="utf-8").splitlines()
    device.write_text("\n".join(line for line in lines if not line.startswith(("price", "power"))))
    found = recommend(Demand(backends=(str(device),)))
    assert (found.refusal.fails, found.refusal.nearest) == (("prices",), ())
    assert recommend(Demand(backends=(str(device),), measure="joules")).refusal.fails == ("power",)
