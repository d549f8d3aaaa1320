"""`earspan strategies` and `study` end to end."""

import pytest
from earspan.benchmarks.experiment import run as pipeline
from earspan.benchmarks.results.records import Results, read_results
from earspan.speech.strategies import OVERLOADS, strategy_names

QUICK = ("--windows", "2,4", "--head", "4", "--streams", "4")


def rows_of(results: Results) -> dict:
    """Every setting by strategy, window and backend; those on infinitely fast hardware have none."""
    rows = [*results.rows, *(row for curve in results.curves for row in curve.points)]
    return {(row.strategy, row.window_s, row.backend): row for row in rows}


@pytest.mark.parametrize("weights", ["random", pytest.param("tiny.en", marks=pytest.mark.weights)])
def test_the_whole_way(weights: str, earspan, small_folder, tmp_path, tiny_options, request, monkeypatch):
    if weights == "tiny.en":
        tiny_en = request.getfixturevalue("tiny_en")
        monkeypatch.setattr(pipeline, "load_recogniser", lambda *asked: tiny_en)
    names = "disjoint,overlap,sliding,alignatt,sequential"
    given = ("--dataset", small_folder, "--backends", "t4,h100", "--strategies", names, *QUICK, *tiny_options)
    code, out, _ = earspan("strategies", *given)
    assert code == 0
    folder = tmp_path / "runs/strategies"
    results = read_results(folder)
    rows = rows_of(results)
    assert set(rows) == {(n, w, b) for n in names.split(",") for w in (2.0, 4.0) for b in (None, "t4", "h100")}
    assert weights == "random" or any(row.latency_p50_s is not None for row in rows.values())
    for (strategy, window_s, backend), row in rows.items():
        unaware = rows[strategy, window_s, None]
        assert row.wer == unaware.wer  # under `lag` time changes no text
        assert row.work.unheard_s == 0
        assert (row.work.busy == 0) == (backend is None)
        if row.latency_p50_s is not None:
            assert row.latency_p50_s >= unaware.latency_p50_s
    for sentence in results.summary:
        assert sentence in out
    page = (folder / "report.html").read_text()

    before = (folder / "results.json").read_text()
    assert earspan("score", folder)[0] == 0
    assert (folder / "results.json").read_text() == before
    assert earspan("report", folder)[0] == 0
    assert (folder / "report.html").read_text() == page
    # Again: all transcripts are known.
    assert earspan("strategies", *given)[0] == 0
    again = read_results(folder)
    assert again.provenance.calls_computed == 0
    assert again.rows == results.rows


def test_the_study_is_the_same_with_its_own_settings(earspan, small_folder, tmp_path, tiny_options):
    given = ("--dataset", small_folder, "--strategies", "disjoint", *QUICK, *tiny_options, "--backends", "t4")
    assert earspan("study", *given)[0] == 0
    rows = rows_of(read_results(tmp_path / "runs/study"))
    assert set(rows) == {("disjoint", window_s, backend) for window_s in (2.0, 4.0) for backend in (None, "t4")}
    assert (tmp_path / "runs/study/report.html").exists()


def test_overload_policies_are_played(earspan, small_folder, tmp_path, tiny_options):
    base = ("--dataset", small_folder, "--strategies", "disjoint", "--windows", "2", "--head", "7",
            "--backends", "t4", *tiny_options)  # fmt: skip
    rows = {}
    for overload in OVERLOADS:
        assert earspan("strategies", *base, "--streams", "64", "--overload", overload)[0] == 0
        [rows[overload]] = read_results(tmp_path / "runs/strategies").rows
    assert rows["lag"].latency.backlog_s > 5
    assert rows["lag"].work.calls > rows["coalesce"].work.calls
    assert rows["drop"].work.unheard_s > 0
    assert all(rows[name].work.unheard_s == 0 for name in ("lag", "coalesce", "grow"))


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
