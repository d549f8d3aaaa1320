"""Recommendations: confirmed by the simulation with other draws, never dominated, and what brute force finds."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import earspan
import pytest
from earspan.backends.devices import files
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.serving.arrivals import Traffic
from earspan.backends.serving.capacity import capacity, trial
from earspan.backends.serving.server import MAX_BATCH, server_of
from earspan.backends.serving.simulate import verdict
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.recommend.answer import recommend
from earspan.benchmarks.recommend.demand import Demand
from earspan.benchmarks.recommend.records import Recommendation
from earspan.benchmarks.recommend.search import SURE, open_search
from earspan.benchmarks.recommend.summary import CELLS, fill_rows, summarise
from earspan.benchmarks.results.accuracy import read_accuracy
from hypothesis import given, settings
from hypothesis import strategies as st

QUICK = ("l4", "h100")
demands = st.builds(
    Demand,
    streams=st.integers(1, 300),
    latency_s=st.floats(1.0, 8.0),
    quantile=st.sampled_from([0.95, 0.99]),
    wer_within=st.floats(0.0, 0.05),
    measure=st.sampled_from(["usd", "joules"]),
    backends=st.just(QUICK),
)


@settings(max_examples=30)
@given(demands)
def test_the_first_choice_keeps_its_slo_under_other_draws_and_no_other_dominates_it(demand: Demand):
    search = open_search(demand)
    choices = search.rank()
    if not choices:
        return
    first, *others = choices
    assert first.servers * first.streams_given >= demand.streams
    assert first.streams_given <= max(1, first.streams_per_server * (1 - demand.headroom) + 1)
    assert first.wer <= search.accuracy.best.wer + demand.wer_within + 1e-9
    load = Traffic(first.streams_given, first.window_s, first.step_s, first.strategy)
    call = load.call(Workload(DIMENSIONS[demand.model]))
    server = server_of(get_backend(first.backend), call, max_batch=min(MAX_BATCH, demand.streams))
    outcome = trial(server, (load,), seed=demand.seed + 1)
    kept = verdict(outcome, demand.latency_s, quantile=demand.quantile)
    assert kept.valid, kept.reason

    def figures(choice):
        cost = choice.usd_per_h if demand.measure == "usd" else choice.joules_per_audio_h
        return cost, choice.wer, choice.latency_p99_s

    for other in others:
        pairs = list(zip(figures(other), figures(first), strict=True))
        assert not (all(a <= b for a, b in pairs) and any(a < b for a, b in pairs))


@settings(max_examples=6)
@given(st.integers(1, 60), st.floats(1.5, 6.0), st.floats(0.0, 0.02), st.sampled_from(QUICK))
def test_brute_force_finds_nothing_cheaper(streams: int, latency_s: float, wer_within: float, name: str):
    demand = Demand(streams=streams, latency_s=latency_s, wer_within=wer_within, backends=(name,))
    backend, costs = get_backend(name), []
    for way in read_accuracy(None).within(wer_within):
        stream = Traffic(1, way.window_s, way.step_s, way.strategy)
        call = stream.call(Workload(DIMENSIONS["large-v3"]))
        server = server_of(backend, call, max_batch=min(MAX_BATCH, streams))
        found = capacity(server, stream, latency_s=SURE * latency_s)
        if found.streams:
            costs.append(math.ceil(streams / max(1, math.floor(found.streams * 0.9))))
    choices = open_search(demand).rank()
    assert [choice.servers for choice in choices] == ([min(costs)] if costs else [])


def answer(**keywords) -> Recommendation:
    return recommend(Demand(**{"backends": QUICK, **keywords}))


def said(found: Recommendation) -> str:
    return "\n".join(sentence for sentences in summarise(found).values() for sentence in sentences)


def test_more_streams_cost_no_less_and_more_latency_no_more():
    few, many = answer(streams=10), answer(streams=200)
    assert (few.choices[0].usd_per_h or 0) <= (many.choices[0].usd_per_h or 0)
    slow = answer(streams=200, latency_s=8.0)
    assert (slow.choices[0].usd_per_h or 0) <= (many.choices[0].usd_per_h or 0)


def test_a_price_that_is_not_known_is_asked_for_and_then_used():
    bare = answer(streams=40, backends=("groq-v1x16",))
    assert (bare.choices, bare.unpriced) == ((), ("groq-v1",))
    assert "--price groq-v1=USD" in said(bare)
    [priced] = answer(streams=40, backends=("groq-v1x16",), prices=("groq-v1=0.5",)).choices
    assert priced.usd_per_h == pytest.approx(0.5 * priced.units * priced.servers)


def test_ones_own_run_says_the_error_rates(tmp_path):
    from earspan.benchmarks.results.records import write_results
    from earspan.benchmarks.results.score import score

    from ..results.test_score import spans_run

    write_results(tmp_path, score(spans_run()))
    accuracy = read_accuracy(str(tmp_path))
    assert [(way.strategy, way.window_s, way.wer) for way in accuracy.ways] == [
        ("sliding", 2.0, 0.5), ("sliding", 10.0, 0.0),
    ]  # fmt: skip
    [choice] = recommend(Demand(run=str(tmp_path), backends=("h100",), wer_within=0.1, latency_s=8.0)).choices
    assert (choice.window_s, choice.wer) == (10.0, 0.0)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"streams": 0}, "at least 1"),
        ({"streams": 10**10}, "at most 1,000,000,000"),
        ({"latency_s": float("nan")}, "latency_s is nan"),
        ({"quantile": 0.9}, "expected one of"),
        ({"headroom": 1.0}, "less than 1"),
        ({"measure": "dollars"}, "unknown measure"),
        ({"backends": ()}, "no backend"),
        ({"prices": ("h100",)}, "DEVICE=USD_PER_HOUR"),
        ({"prices": ("h100=1e-300",)}, "0.000001 to 1000000"),
        ({"prices": ("mine=2",)}, "unknown device"),
    ],
)
def test_what_cannot_be_asked_is_refused(keywords, expected: str):
    with pytest.raises(InputError, match=expected):
        Demand(**keywords)


def test_a_choice_says_how_it_is_run_and_what_it_costs():
    names = ("h100-trtllm-int8enc", "groq-v1x16", "h100+groq-v1x16")
    choices = open_search(Demand(streams=4, backends=names, prices=("groq-v1=0.1",), wer_within=0.002)).rank()
    assert {one.backend: (one.runtime, one.weights) for one in choices} == {
        "h100-trtllm-int8enc": ("trtllm", "int8 encoder and fp16 decoder"),
        "groq-v1x16": ("static schedule", "int8"),
        "h100+groq-v1x16": ("graph + static schedule", "fp16 + int8"),
    }
    for choice, row in zip(choices, fill_rows(choices, [*CELLS]), strict=True):
        shown = {f"{choice.servers} x {choice.backend}", choice.runtime, choice.weights, f"{choice.usd_per_h:,.2f}"}
        assert shown <= set(row)
        assert choice.latency_s == choice.latency_p99_s


def test_the_command_prints_what_the_api_says(earspan_command, capsys):
    code, out, _ = earspan_command("recommend", "--streams", 40, "--backends", "l4,h100")
    found = earspan.recommend(streams=40, backends=QUICK)
    assert code == 0
    for choice in found.choices:
        assert f"{choice.streams_given} of {choice.streams_per_server}" in out
    assert all(sentence in out for sentence in said(found).splitlines())
    code, out, _ = earspan_command("recommend", "--streams", 40, "--budget", "0.5", "--backends", "l4,h100", "--json")
    assert (code, json.loads(out)["refusal"]["fails"]) == (1, ["budget"])


@pytest.fixture
def earspan_command(request):
    """The command, under a name that leaves that of the package free."""
    return request.getfixturevalue("earspan")


def test_the_device_of_a_file_of_ones_own_has_a_price_by_its_name(tmp_path):
    path = shutil.copy(Path(files.__file__).with_name("l4.toml"), tmp_path / "mine.toml")
    found = answer(backends=(str(path), "l4"), prices=("mine=0.2..0.8",))
    assert [one.usd_per_h for one in found.choices] == [pytest.approx(0.4), pytest.approx(0.8)]


def test_as_many_streams_as_there_may_be_are_answered_at_once():
    found = answer(streams=10**9)
    first = found.choices[0]
    assert first.servers * first.streams_given >= 10**9
    assert found.changes.streams.least <= 10**9 <= found.changes.streams.most
    assert "1,000,000,000 streams" in said(found)


def test_a_demand_is_kept_with_its_answer():
    demand = Demand(streams=3, backends=("h100",))
    assert recommend(demand).demand == demand
    assert recommend(replace(demand, streams=4)).choices[0].streams_given == 4
