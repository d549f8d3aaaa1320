"""The command, its results and its page, on a study of small.en with a run that knows the WER of two windows."""

import json
from dataclasses import replace

import pytest
from earspan.benchmarks.capacity.page import render_capacity
from earspan.benchmarks.capacity.records import CapacityStudy, is_study, read_study
from earspan.benchmarks.capacity.tables import list_capacities, list_costs, list_windows, print_study
from earspan.benchmarks.capacity.words import describe_winners, write_summary
from earspan.benchmarks.commands import cli
from earspan.benchmarks.results.records import write_results

from ..report.planted import curve, spans
from .planted import scenario

QUICK = ("--timed-as", "small.en", "--backends", "l4,groq-v1x8", "--latencies", "1,2", "--windows", "5,10",
         "--loads", "2x1", "--max-batch", "16")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("capacity")
    write_results(root / "bench", replace(spans(), curves=(curve("sliding", 1.0, {5.0: 0.2, 10.0: 0.15}),)))
    wer = ("--wer", str(root / "bench"), "--tiers", "free=0.5:2,premium=0.5:1:0.16")
    assert cli.main(["capacity", *QUICK, *wer, "--price", "groq-v1=0.5..2", "--out", str(root / "out")]) == 0
    return root / "out"


@pytest.fixture(scope="module")
def study(folder) -> CapacityStudy:
    return read_study(folder)


def test_every_backend_has_a_point_at_every_slo(study):
    found = {(one.backend, one.slo.strategy, one.slo.window_s, one.slo.latency_s) for one in study.points}
    cuts = [(cut, w, s) for cut in ("sliding", "alignatt") for w, s in ((10, 1), (10, 2), (5, 2))]
    assert found == {(name, *cut) for name in ("l4", "groq-v1x8") for cut in cuts}  # no chunk fits into 2 s
    for one in study.points:
        assert one.latency_p50_s <= one.latency_p99_s <= one.slo.latency_s
        assert one.usd_per_audio_h == pytest.approx((0.8 if one.backend == "l4" else 8 * 1.0) / one.streams)
        if one.slo.strategy == "alignatt":
            assert one.heard is None
        else:
            assert (one.heard.window_s, one.heard.wer) == (one.slo.window_s, 0.2 if one.slo.window_s == 5 else 0.15)
        watts = 72 if one.backend == "l4" else 8 * 215
        assert one.streams_per_kw == pytest.approx(one.streams * 1000 / watts)
        assert one.streams_per_rack == one.streams * (22_400 // watts)


def test_more_time_carries_more_streams(study):
    streams = {(one.backend, one.slo.strategy, one.slo.latency_s): one.streams for one in study.by_latency}
    for name in ("l4", "groq-v1x8"):
        assert streams[name, "sliding", 2] > streams[name, "sliding", 1] > 0
        # what a better strategy buys: the window is fed, and only what is new is decoded
        assert streams[name, "alignatt", 2] > streams[name, "sliding", 2]


def test_claims_name_what_overturns_them(study):
    assert len(study.claims) == 2 * 2 * 2
    for claim in study.claims:
        assert set(claim.others) <= set(study.variations)
        assert claim.answer == min(claim.figures, key=claim.figures.__getitem__)
    text = " ".join(study.summary)
    assert "Settled" in text or "Not settled by the model's accuracy" in text
    assert "WER is tiny.en's on talks-clean" in text
    assert "Nobody has heard talks-clean in disjoint and alignatt windows" in text


def test_tables_have_a_column_for_each_backend_and_a_row_for_each_promise(study):
    streams, costs, windows = list_capacities(study), list_costs(study), list_windows(study)
    assert [column.rstrip(">") for column in streams.columns] == ["Windows", "within", "l4", "groq-v1x8"]
    assert [row[:2] for row in streams.rows] == [row[:2] for row in costs.rows] == [
        [f"{strategy} 10 s", f"{latency_s} s"] for strategy in ("sliding", "alignatt") for latency_s in (1, 2)
    ]  # fmt: skip
    point = next(p for p in study.by_latency if (p.backend, p.slo.strategy, p.slo.latency_s) == ("l4", "sliding", 2))
    assert [int(part.replace(",", "")) for part in streams.rows[1][2].split("/")] == [
        point.streams, round(point.streams_per_kw), point.streams_per_rack,
    ]  # fmt: skip
    usd, kilojoules = map(float, costs.rows[1][2].replace(",", "").split("/"))
    assert (usd, 1e3 * kilojoules) == pytest.approx((0.8 / point.streams, 72 * 3600 / point.streams), rel=0.01)
    assert {row[0]: row[1].split("/")[1] for row in windows.rows} == {
        "sliding 5 s": "20.0", "sliding 10 s": "15.0", "alignatt 5 s": "-", "alignatt 10 s": "-",
    }  # fmt: skip


def test_the_terminal_says_who_wins_and_leaves_each_conclusion_to_the_page(study, capsys):
    print_study(study)
    out = capsys.readouterr().out
    for sentence in (*study.summary[:3], study.summary[-1]):
        assert sentence in out
    each = [sentence for sentence in study.summary if sentence.startswith("At ")]
    assert len(each) == len(study.claims)
    assert not any(sentence in out for sentence in each)


def test_fleets_grow_and_are_checked(study):
    assert list(study.fleets) == [10**power for power in range(7)]
    assert all(fleet.checked for fleet in study.fleets.values())
    costs = [fleet.usd_per_h for fleet in study.fleets.values()]
    assert costs == sorted(costs)
    assert costs[-1] / 10**6 <= costs[1] / 10
    for size, fleet in study.fleets.items():
        assert sum(sum(group.streams.values()) for group in fleet.groups) == size


def test_the_page_is_closed_and_says_what_is_measured(folder, study, capsys):
    page = (folder / "report.html").read_text()
    assert page == render_capacity(study)
    for said in (
        "Streams for each kilowatt",
        "what streams cost",
        "cost, USD per hour of audio",
        "Every conclusion, and what overturns it",
        "No accelerator ran",
    ):
        assert said in page
    assert study.summary[0].replace("'", "&#x27;") in page
    (folder / "report.html").unlink()
    assert cli.main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    assert (folder / "report.html").read_text() == page


def test_a_wrong_record_is_one_line(folder, tmp_path, capsys):
    whole = json.loads((folder / "results.json").read_text())
    whole["points"][0]["streams"] = "many"
    for content in ({"benchmark": "capacity"}, whole):
        (tmp_path / "results.json").write_text(json.dumps(content))
        assert cli.main(["report", str(tmp_path)]) == 2
        error = capsys.readouterr().err.strip()
        assert "\n" not in error
        assert "results.json" in error
    assert "$.points[0].streams" in error


def test_studies_are_told_from_runs(folder, tmp_path):
    assert is_study(folder)
    assert not is_study(folder.parent / "bench")
    assert not is_study(tmp_path)


def test_without_price_or_run(earspan):
    quick = (
        *QUICK[:4],
        "--latencies",
        2,
        "--windows",
        10,
        "--max-batch",
        4,
        "--loads",
        "1x1",
        "--strategies",
        "sliding",
    )
    code, out, _ = earspan("capacity", *quick, "--out", "o")
    assert code == 0
    assert "The price of groq-v1 is not known: type --price groq-v1=USD" in out
    assert "groq-v1x8 costs as much as l4 at" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tiers", "free=0.5:4"), "add up to 0.5; expected 1"),
        (("--tiers", "free=1:4:0.00001"), "no sliding window has a WER of 1e-05; the least is"),
        (("--wer", "nowhere"), "neither a run nor a dataset of the reference curve"),
        (("--strategies", "slidding"), "did you mean"),
        (("--loads", "16by1"), "expected STREAMSxSTEP"),
        (("--timed-as", "larg-v3"), "did you mean"),
        (("--seed", "-1"), "whole number, 0 or more"),
    ],
)
def test_bad_input_is_one_line(options, said, tmp_path, earspan):
    given = ["--backends", "h100", "--latencies", "2", "--windows", "10", "--max-batch", "1"]
    code, _, err = earspan("capacity", *given, *options)
    error = err.strip().splitlines()[-1]
    assert code == 2
    assert error.startswith("earspan: ")
    assert said in error
    assert not (tmp_path / "runs").exists()


def test_what_has_no_place_leaves_no_mark(study):
    one = scenario("groq-v1x2", timed_as="large-v3")
    curves = (*study.batches, one.time_batches(one.backends[0]))
    changed = replace(study, batches=curves, points=tuple(replace(point, heard=None) for point in study.points))
    assert "groq-v1x2 cannot hold one call" in " ".join(write_summary(changed))
    assert render_capacity(changed)


def test_winners_are_told_by_ranges_of_latency(study):
    claim = next(claim for claim in study.claims if claim.measure.startswith("joules"))
    answers = {0.5: ("none", {}), 1.0: ("LPU", {"GPU faster": "GPU"}), 2.0: ("GPU", {}), 4.0: ("GPU", {})}
    claims = [replace(claim, slo=replace(claim.slo, latency_s=at), answer=answer, others=others)
              for at, (answer, others) in answers.items()]  # fmt: skip
    said = describe_winners(claims)
    assert "no backend at 0.5 s; LPU at 1 s; GPU at 2 to 4 s" in said
    assert "not settled at 1 s" in said
