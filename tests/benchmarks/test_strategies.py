"""`earspan strategies` and `study` end to end, and what is derived from a planted run."""

import dataclasses
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from earspan.benchmarks import strategies
from earspan.benchmarks.store import Reference, Run, Track
from earspan.benchmarks.strategy_page import render_strategies
from earspan.benchmarks.strategy_results import derive_strategies, front
from earspan.benchmarks.xy_chart import Axis, Frame, Point, Series, xy_figure
from earspan.datasets.recording import Word
from earspan.speech.strategies import OVERLOADS, strategy_names
from hypothesis import given
from hypothesis import strategies as st

QUICK = ("--windows", "2,4", "--live-audio", "4", "--streams", "4")


@pytest.mark.parametrize("weights", ["random", pytest.param("tiny.en", marks=pytest.mark.weights)])
def test_the_whole_way(weights: str, earspan, small_folder, tmp_path, tiny_options, request, monkeypatch):
    if weights == "tiny.en":
        tiny_en = request.getfixturevalue("tiny_en")
        monkeypatch.setattr(strategies, "recogniser_of", lambda args: tiny_en)
    names = "disjoint,overlap,sliding,alignatt,sequential"
    given = ("--dataset", small_folder, "--backends", "t4,h100", "--strategies", names, *QUICK, *tiny_options)
    code, out, _ = earspan("strategies", *given)
    assert code == 0
    folder = tmp_path / "runs/strategies"
    results = json.loads((folder / "results.json").read_text())
    settings = {(row["strategy"], row["window_s"], row["backend"]) for row in results["rows"]}
    assert settings == {(n, w, b) for n in names.split(",") for w in (2.0, 4.0) for b in (None, "t4", "h100")}
    by_key = {(row["strategy"], row["window_s"], row["backend"]): row for row in results["rows"]}
    assert weights == "random" or any(row["latency_p50_s"] is not None for row in results["rows"])
    for (strategy, window_s, backend), row in by_key.items():
        unaware = by_key[strategy, window_s, None]
        assert row["wer"] == unaware["wer"]  # under `lag` time changes no text
        assert row["unheard_s"] == 0
        assert (row["load"] == 0) == (backend is None)
        if row["latency_p50_s"] is not None:
            assert row["latency_p50_s"] >= unaware["latency_p50_s"]
    for sentence in results["summary"]:
        assert sentence in out
    page = (folder / "report.html").read_text()

    before = (folder / "results.json").read_text()
    assert earspan("score", folder)[0] == 0
    assert (folder / "results.json").read_text() == before
    assert earspan("report", folder)[0] == 0
    assert (folder / "report.html").read_text() == page
    # Again: all transcripts are known.
    code, out, _ = earspan("strategies", *given, "--json")
    again = json.loads(out)
    assert (code, again["environment"]["calls_computed"]) == (0, 0)
    assert again["rows"] == results["rows"]


def test_the_study_is_the_same_with_its_own_settings(earspan, small_folder, tmp_path, tiny_options):
    given = ("--dataset", small_folder, "--strategies", "disjoint", *QUICK, *tiny_options, "--backends", "t4")
    code, out, _ = earspan("study", *given, "--json")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert {row["backend"] for row in rows} == {None, "t4"}
    assert {row["window_s"] for row in rows} == {2.0, 4.0}
    assert (tmp_path / "runs/study/report.html").exists()


def test_overload_policies_are_played(earspan, small_folder, tiny_options):
    base = ("--dataset", small_folder, "--strategies", "disjoint", "--windows", "2", "--live-audio", "7",
            "--backends", "t4", *tiny_options)  # fmt: skip
    rows = {}
    for overload in OVERLOADS:
        code, out, _ = earspan("strategies", *base, "--streams", "64", "--overload", overload, "--json")
        assert code == 0
        rows[overload] = next(row for row in json.loads(out)["rows"] if row["backend"])
    assert rows["lag"]["backlog_s"] > 5
    assert rows["lag"]["calls"] > rows["coalesce"]["calls"]
    assert rows["drop"]["unheard_s"] > 0
    assert all(rows[name]["unheard_s"] == 0 for name in ("lag", "coalesce", "grow"))


def test_what_there_is_is_listed(earspan):
    code, out, _ = earspan("strategies", "--list")
    assert code == 0
    for name, line in {**strategy_names(), **OVERLOADS}.items():
        assert name in out
        assert line in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strategies", "slide"), "unknown strategy 'slide'; did you mean 'sliding'?"),
        (("--strategies", "nowhere:Mine"), "No module named 'nowhere'"),
        (("--strategies", "sliding", "--windows", "1,2", "--step", "3"), "is shorter than --step 3"),
        (("--windows", "31"), "at most 30 s"),
        (("--overload", "lags"), "invalid choice: 'lags'"),
        (("--backends", "h1000"), "did you mean 'h100'"),
    ],
)
def test_bad_input_is_told_in_one_line(earspan, options, message, tmp_path):
    code, out, err = earspan("strategies", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


# ---- derived from a planted run --------------------------------------------------------------------------------


def planted_run(latency_s: float | None = None) -> Run:
    """Two recordings of four words; disjoint chunks of 2 s miss every second word, sliding ones none."""
    words = tuple(Word(text, i * 1.0, i * 1.0 + 0.5) for i, text in enumerate(("one", "two", "three", "four")))
    references = {name: Reference(name, "one two three four", words, "planted", None, 4.0) for name in "ab"}

    def calls(committed: list[list[str]], service_s: float) -> list[dict]:
        made, free_s = [], 0.0
        for number, texts in enumerate(committed):
            arrival_s = 2.0 * (number + 1)
            start_s = max(arrival_s, free_s)
            free_s = start_s + service_s
            times = {"arrival_at_s": arrival_s, "start_at_s": start_s, "finish_at_s": free_s}
            made.append(
                {
                    "start_s": arrival_s - 2,
                    "end_s": arrival_s,
                    **times,
                    "cut_off": False,
                    "text": "",
                    "committed": texts,
                }
            )
        return made

    said = {"disjoint": [["one"], ["three"]], "sliding": [["one", "two"], ["three", "four"]]}
    tracks = [
        Track(name, strategy, 2.0, None, backend, calls(said[strategy], service_s))
        for name in "ab"
        for strategy in said
        for backend, service_s in ((None, 0.0), ("quick", 0.5), ("slow", 3.0))
    ]
    backends = [
        {"backend": b, "describe": b, "service_s": s, "provenance": "estimate"}
        for b, s in (("quick", 0.5), ("slow", 3.0))
    ]
    meta = {
        "benchmark": "strategies", "command": "earspan strategies", "model": "m", "timed_as": "t",
        "timed_dtype": "fp16", "timed_padding": "full", "backends": backends,
        "failed": [], "warnings": [], "environment": {},
        "dataset": {"name": "planted", "recordings": 2, "words": 8, "audio_s": 8.0},
        "settings": {
            "streams": 1, "step_s": 2.0, "latency_s": latency_s, "overload": "lag", "live_audio_s": 60.0,
            "seed": 0, "normaliser": "none",
        },
    }  # fmt: skip
    return Run(meta, references, tracks)


def test_rows_of_a_planted_run():
    results = derive_strategies(planted_run())
    rows = {(row["backend"], row["strategy"]): row for row in results["rows"]}
    assert [rows[b, "disjoint"]["wer"] for b in (None, "quick", "slow")] == [0.5] * 3
    assert [rows[b, "sliding"]["wer"] for b in (None, "quick", "slow")] == [0.0] * 3
    assert [rows[b, "sliding"]["load"] for b in (None, "quick", "slow")] == [0.0, 0.25, 1.5]
    assert [rows[b, "sliding"]["keeps_up"] for b in (None, "quick", "slow")] == [True, True, False]
    # Words end at 0.5, 1.5, 2.5, 3.5; calls at 2 and 4. Slow: finishes at 5 and 8.
    assert rows[None, "sliding"]["latency_p50_s"] == pytest.approx(1.0)
    assert rows["quick", "sliding"]["latency_p50_s"] == pytest.approx(1.5)
    assert rows["slow", "sliding"]["latency_p50_s"] == pytest.approx(np.median([4.5, 3.5, 5.5, 4.5]))
    # The other clocks: without a queue the second call ends at 7; with all work added at 4 + 6.
    assert rows["slow", "sliding"]["no_queue_p50_s"] == pytest.approx(np.median([4.5, 3.5, 4.5, 3.5]))
    assert rows["slow", "sliding"]["summed_p50_s"] == pytest.approx(np.median([4.5, 3.5, 7.5, 6.5]))
    assert rows["slow", "sliding"]["last_wait_s"] == 1.0


def test_audio_after_the_last_call_was_not_heard():
    """Two recordings of 5 s whose last call ends at 4 s; runs of before do not say how long they are."""
    run = planted_run()

    def lasting(duration_s: float | None) -> dict:
        references = {k: dataclasses.replace(r, duration_s=duration_s) for k, r in run.references.items()}
        return derive_strategies(Run(run.meta, references, run.tracks))["rows"][-1]

    assert [lasting(s)["unheard_s"] for s in (5.0, 4.0, None)] == [2.0, 0.0, 0.0]
    assert [lasting(s)["load"] for s in (5.0, None)] == [1.2, 1.5]


def test_what_keeps_a_budget():
    results = derive_strategies(planted_run())
    within = {(e["backend"], e["budget_s"]): e["strategy"] for e in reversed(results["within"])}
    # p95 of sliding on `quick` is 2.0 - 0.05 * ...: below 3 s; nothing on `slow` keeps up.
    assert {backend for backend, _ in within} == {"quick"}
    assert all(strategy == "sliding" for strategy in within.values())
    entry = next(e for e in results["within"] if e["strategy"] == "sliding")
    assert entry["against_disjoint"]["difference"] == -0.5
    assert entry["against_disjoint"]["intervals_overlap"] is False
    assert results["fronts"] == {"quick": [["sliding", 2.0]], "slow": []}
    assert any("slow keeps no budget" in sentence for sentence in results["summary"])
    assert "within 2 to 20 s: sliding at 2 s (0.0 %" in results["summary"][0]
    assert {e["budget_s"] for e in derive_strategies(planted_run(2.5))["within"]} == {2.5}
    page = render_strategies(results)
    assert page.count("<svg") == 4
    for part in page.split("<svg")[1:]:
        ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]):
    rows = [{"latency_p95_s": at, "wer": wer} for at, wer in points]
    found = [(row["latency_p95_s"], row["wer"]) for row in front(rows)]
    best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert found == sorted(best)


# ---- the chart -------------------------------------------------------------------------------------------------


def test_points_are_where_their_values_are():
    series = (Series("a", 0, (Point(1.0, 0.1, "p", (0.05, 0.2)), Point(10.0, 0.4, "q", solid=False))),)
    frame = Frame("one", series, ((1.0, 0.1), (10.0, 0.05)), diagonal=True)
    chart = xy_figure("T", [frame], Axis("x", logarithmic=True), Axis("y", factor=100))
    root = ET.fromstring(chart)
    marks = {path.findtext("title"): path.attrib for path in root.iter("path")}
    assert marks["q"]["class"] == "hollow"
    ticks = [(text.text, text.attrib) for text in root.iter("text") if text.get("class") == "tick"]
    across = {name: float(at["x"]) for name, at in ticks if at["text-anchor"] == "middle"}
    upward = {name: float(at["y"]) - 4 for name, at in ticks if at["text-anchor"] == "end"}
    # A circle is drawn from its left end, 4 to the left of the point.
    (x1, y1), (x10, _) = (map(float, marks[name]["d"][1:].split("a")[0].split()) for name in "pq")
    assert x1 + 4 == pytest.approx(across["1"], abs=0.02)
    assert x10 + 4 == pytest.approx(across["10"], abs=0.02)
    assert across["10"] - across["5"] == pytest.approx(across["2"] - across["1"], abs=0.02)
    assert y1 == pytest.approx(upward["10"], abs=0.02)


def test_a_chart_without_points_says_so():
    assert "No point" in xy_figure("T", [Frame("", ())], Axis("x"), Axis("y"))
