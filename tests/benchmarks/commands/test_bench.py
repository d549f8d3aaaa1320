"""The main job end to end on two short recordings, and what bad input does to it."""

import html
import json
import re
from dataclasses import replace

import pytest
from earspan.benchmarks.results.records import read_results

from ...conftest import put_nan

QUICK = ("--windows", "2,7", "--live-windows", "2,8,30", "--backends", "l4,h100", "--head", "5")


@pytest.fixture
def bench(earspan, tiny_options):
    def run(*argv):
        return earspan("bench", *QUICK, *tiny_options, "--out", "out", *argv)

    return run


def test_what_is_printed_stored_and_shown_is_one_thing(bench, small_folder, tmp_path):
    code, out, _ = bench("--dataset", small_folder)
    assert code == 0
    results = read_results(tmp_path / "out")
    assert [row.backend for row in results.played] == ["l4", "h100"]
    page = (tmp_path / "out/report.html").read_text()
    for row in results.played:
        assert row.backend in out
        assert row.backend in page
        assert f"{row.span_s:g} s" in out
        assert row.plan.ceiling_s <= row.plan.service_s <= row.plan.step_s
    for sentence in results.summary:
        assert sentence in out
        assert html.escape(sentence) in page
    assert "measured" in results.summary[-1]
    assert "large-v3" in results.summary[-1]
    # What longer spans buy is the difference of the rows that have them, under each load and for each timed Whisper.
    rows = {(row.plan.model, row.load, row.backend): row for row in (*results.rows, *results.as_heard)}
    assert results.gains
    for gain in results.gains:
        slower, faster = (rows[gain.model, gain.load, names[0]] for names in (gain.slower, gain.faster))
        assert (slower.window_s, faster.window_s) == (gain.from_s, gain.to_s)
        assert gain.from_s < gain.to_s
        assert gain.difference.difference == pytest.approx(faster.wer - slower.wer)


def test_spans_are_rounded_down_to_windows_that_are_heard(earspan, small_folder, tmp_path, tiny_options):
    code, out, err = earspan("bench", "--windows", "2", "--live-windows", "2,3,30", "--backends", "l4,h100",
                             "--head", "4", "--loads", "6x1,256x2", "--out", "out", "--dataset", small_folder,
                             *tiny_options)  # fmt: skip
    assert code == 0
    assert "first 4 s of 2 recordings, 0.1 min" in out + err  # of two that are nearly 7 s long
    results = read_results(tmp_path / "out")
    [live] = [curve for curve in results.curves if curve.strategy == "sliding"]
    assert [point.window_s for point in live.points] == [2.0, 3.0, 30.0]
    heard = {point.window_s: point.wer for point in live.points}
    for row in (*results.rows, *results.as_heard):
        windows = [w for w in heard if w and row.span_s and w <= row.span_s]
        assert row.window_s == max(windows, default=None)
        assert row.wer == (heard[row.window_s] if windows else None)
    assert {row.load for row in results.rows} == {"6x1", "256x2"}
    # The model that is heard, timed as itself, takes less time than large-v3.
    spans = {(row.load, row.backend): row.span_s or 0 for row in results.rows}
    assert all((row.span_s or 0) >= spans[row.load, row.backend] for row in results.as_heard)
    assert len(results.as_heard) == 4


def test_a_second_run_computes_nothing_and_gives_the_same_results(bench, small_folder, tmp_path):
    bench("--dataset", small_folder)
    first, calls = read_results(tmp_path / "out"), (tmp_path / "out/calls.jsonl").read_text()
    bench("--dataset", small_folder)
    second = read_results(tmp_path / "out")
    assert second.provenance.calls_computed == 0
    assert (tmp_path / "out/calls.jsonl").read_text() == calls
    assert replace(second, provenance=first.provenance) == first


def test_score_again_changes_the_rules_and_not_the_words(bench, earspan, small_folder, tmp_path):
    bench("--dataset", small_folder)
    before, calls = (tmp_path / "out/results.json").read_text(), (tmp_path / "out/calls.jsonl").read_text()
    assert earspan("score", "out")[0] == 0
    assert (tmp_path / "out/results.json").read_text() == before
    assert earspan("score", "out", "--normaliser", "none")[0] == 0
    assert read_results(tmp_path / "out").scoring.startswith("none (")
    assert (tmp_path / "out/calls.jsonl").read_text() == calls


def test_an_lpu_row_holds_its_schedule(bench, small_folder, tmp_path):
    assert bench("--dataset", small_folder, "--backends", "h100,groq-v1x16")[0] == 0
    gpu, lpu = read_results(tmp_path / "out").played
    assert gpu.plan.schedule == ()
    ends_us = {phase: end_us for unit, phase, _, end_us in lpu.plan.schedule if unit == "program"}
    # the whole of one call is no longer than serving all streams one after another
    assert ends_us["encode"] < ends_us["decode"] <= lpu.plan.service_s * 1e6 <= 8 * ends_us["decode"] * 1.1


def test_disjoint_rows(bench, small_folder, tmp_path):
    code, out, _ = bench("--dataset", small_folder, "--backends", "h100", "--strategy", "disjoint", "--latency", "4")
    assert code == 0
    assert "At 10 streams per device, disjoint windows: h100 sustains" in out  # the step is the window
    for row in read_results(tmp_path / "out").played:
        assert row.span_s + row.plan.service_s <= 4
        assert row.plan.limited_by == "latency budget"
        assert row.plan.step_s == row.span_s


def test_live_windows_are_those_of_the_strategy_that_spans_are_rounded_down_to(bench, small_folder, tmp_path):
    code, out, _ = bench("--dataset", small_folder, "--strategy", "alignatt", "--loads", "6x1,16x1", "--windows", "5")
    assert code == 0
    results = read_results(tmp_path / "out")
    assert {curve.strategy for curve in results.curves} == {"disjoint", "alignatt"}
    assert {row.window_s for row in results.rows} <= {2.0, 8.0, 30.0, None}
    assert "6 streams, a call every 1 s" in out


def test_one_bad_recording_among_good_ones_is_skipped_and_the_exit_code_says_so(bench, broken, tmp_path):
    folder = broken(lambda f: (f / "the-storm.wav").write_bytes((f / "the-storm.wav").read_bytes()[:5000]))
    code, out, err = bench("--dataset", folder)
    assert code == 1
    assert "the-storm" in err
    results = read_results(tmp_path / "out")
    assert [failure.recording for failure in results.failed] == ["the-storm"]
    assert results.curves[0].points[0].recordings == 1
    assert "the-storm" in out
    assert any("one recording" in warning for warning in results.warnings)


def _keep_one(folder):
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    (folder / "manifest.jsonl").write_text(lines[1] + "\n")


def _change_line(key, value):
    def change(folder):
        lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
        if value is None:
            del lines[1][key]
        else:
            lines[1][key] = value
        (folder / "manifest.jsonl").write_text(json.dumps(lines[1]) + "\n")

    return change


def _only_recording(damage):
    def change(folder):
        _keep_one(folder)
        damage(folder / "the-storm.wav")

    return change


DAMAGE = {
    "empty audio": (_only_recording(lambda path: path.write_bytes(b"")), "the-storm"),
    "truncated audio": (_only_recording(lambda path: path.write_bytes(path.read_bytes()[:9000])), "truncated|cut|end"),
    "NaN samples": (_only_recording(put_nan), "NaN|not a number|finite"),
    "missing audio": (_only_recording(lambda path: path.unlink()), "manifest.jsonl:1"),
    "no JSON": (lambda folder: (folder / "manifest.jsonl").write_text("{nonsense\n"), "manifest.jsonl:1"),
    "no text field": (_change_line("text", None), "manifest.jsonl:1.*text"),
    "no duration field": (_change_line("duration", None), "manifest.jsonl:1.*duration"),
    "points nowhere": (_change_line("audio_filepath", "nowhere.wav"), "manifest.jsonl:1.*nowhere.wav"),
    "empty manifest": (lambda folder: (folder / "manifest.jsonl").write_text(""), "manifest.jsonl"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_bad_data_is_one_line_and_exit_2_and_nothing_is_written(bench, broken, tmp_path, name):
    change, expected = DAMAGE[name]
    code, out, err = bench("--dataset", broken(change))
    complaint = err.strip().splitlines()[-1]
    assert code == 2
    assert complaint.startswith("earspan: ")
    assert re.search(expected, complaint), complaint
    assert out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--backends", "h10"), "did you mean 'h100'"),
        (("--model", "tinyen"), "did you mean 'tiny.en'"),
        (("--model", "gone.pt"), "gone.pt: no such checkpoint"),
        (("--timed-as", "large-v4"), "did you mean 'large-v"),
        (("--dataset", "tallks"), "did you mean 'talks'"),
        (("--dataset", "no/such/folder"), "no/such/folder"),
        (("--step", "3", "--live-windows", "2"), "shorter than --step 3"),
        (("--step", "0"), "--step"),
        (("--step", "nan"), "--step"),
        (("--streams", "0"), "at least 1"),
        (("--streams", "many"), "'many'"),
        (("--windows", "31"), "at most 30 s"),
        (("--windows", ""), "--windows"),
        (("--latency", "-1"), "--latency"),
        (("--strategy", "slide"), "sliding"),
        (("--frobnicate",), "--frobnicate"),
        (("--config", "no.toml"), "no.toml"),
    ],
)
def test_bad_settings_are_one_line_and_exit_2_and_nothing_is_written(bench, tmp_path, argv, expected):
    code, out, err = bench(*argv)
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1
    assert expected in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_out_must_not_be_a_file(earspan, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, _, err = earspan("bench", *QUICK, "--out", "taken")
    assert (code, (tmp_path / "taken").read_text()) == (2, "mine")
    assert "taken" in err


def test_a_device_that_cannot_hold_the_model_is_a_row_without_a_span(bench, small_folder, tmp_path):
    code, out, _ = bench("--dataset", small_folder, "--backends", "groq-v1x1,h100")
    row, _ = read_results(tmp_path / "out").played
    assert code == 0
    assert (row.span_s, row.plan.limited_by, row.wer) == (None, "capacity", None)
    assert "groq-v1x1 cannot hold the model" in out
