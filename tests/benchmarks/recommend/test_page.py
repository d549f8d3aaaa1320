"""The page and its files: each figure of a choice is in it, and what is written is read again as it was."""

import json
import re
import shlex
from functools import cache

import earspan
import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.commands import capacity, cli
from earspan.benchmarks.recommend.answer import recommend
from earspan.benchmarks.recommend.demand import Demand, type_command
from earspan.benchmarks.recommend.page import render_recommendation
from earspan.benchmarks.recommend.records import is_recommendation, read_recommendation
from earspan.benchmarks.recommend.summary import summarise

answer = cache(recommend)
DEMAND = Demand(streams=40, latency_s=2.5, backends=("l4", "h100"), prices=("h100=2..3.5",))


def charts_of(page: str) -> list[dict]:
    [given] = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', page)
    return list(json.loads(given)["charts"].values())


def values_of(chart: dict) -> list[dict]:
    """What the marks of a chart are drawn from."""
    found = [layer.get("data", {}).get("values", []) for layer in chart["layer"]]
    sets = [*chart.get("datasets", {}).values(), *found, chart.get("data", {}).get("values", [])]
    return [value for values in sets for value in values]


def test_the_picture_has_a_mark_for_each_choice_and_the_latency_that_is_asked_for():
    found = answer(DEMAND)
    [chart] = charts_of(render_recommendation(found))
    placed = {(value["backend"], value["cost"], value["late"]) for value in values_of(chart) if "cost" in value}
    assert placed == {(one.backend, one.usd_per_h, one.latency_p99_s) for one in found.choices}
    assert {value["late"] for value in values_of(chart) if "said" in value} == {2.5}
    energy = recommend(streams=40, backends=("l4", "h100"), measure="joules")
    [chart] = charts_of(render_recommendation(energy))
    drawn = {value["cost"] for value in values_of(chart) if "cost" in value}
    assert sorted(drawn) == pytest.approx(sorted(one.joules_per_audio_h / 1000 for one in energy.choices))


@pytest.mark.parametrize("changes", [{}, {"latency_s": 0.05}, {"backends": ("groq-v1x4",)}])
def test_the_page_says_what_the_sentences_say(changes):
    found = recommend(**{"streams": 40, "backends": ("l4", "h100"), **changes})
    page = render_recommendation(found)
    for heading, sentences in summarise(found).items():
        assert heading in page or heading in ("The answer", "No answer")
        for sentence in sentences:
            assert sentence.replace("'", "&#x27;") in page
    assert type_command(found.demand) in page


def test_files_are_written_read_again_and_their_page_made_again(tmp_path, capsys):
    folder = tmp_path / "mine"
    found = earspan.recommend(DEMAND, out=folder)
    assert read_recommendation(folder) == found
    assert is_recommendation(folder)
    before = (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    assert cli.main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text() == before
    typed = type_command(DEMAND).split()[1:]
    assert cli.main([*typed, "--out", str(tmp_path / "other"), "--json"]) == 0
    assert (tmp_path / "other" / "results.json").read_text() == (folder / "results.json").read_text()


@pytest.mark.parametrize("text", ["", "{", '{"schema": 2, "benchmark": "recommend"}', '{"benchmark": "recommend"}'])
def test_torn_results_are_told_in_one_line(tmp_path, capsys, text: str):
    (tmp_path / "results.json").write_text(text)
    assert cli.main(["report", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "results.json") in said
    assert said.count("\n") == 1


def test_what_cannot_be_written_is_told_before_anything_is_searched(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        recommend(DEMAND, out=tmp_path / "file" / "mine")
    assert cli.main(["recommend", "--weigh", "--out", str(tmp_path / "mine")]) == 2
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "demand",
    [
        DEMAND,
        Demand(),
        Demand(streams=7, quantile=0.95, wer_within=0.0035, budget_usd_per_h=12.34, measure="joules", seed=3),
        Demand(model="base", backends=("a b.toml",), headroom=0.25, padding="fit", run="it's mine"),
    ],
)
def test_the_command_that_is_shown_asks_the_same(demand: Demand, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(capacity, "recommend", lambda given, out=None: asked.append(given) or answer(DEMAND))
    assert cli.main(shlex.split(type_command(demand))[1:]) == 0
    assert asked == [demand]
