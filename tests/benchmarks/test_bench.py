"""The main job end to end on two short recordings, and what bad input does to it."""

import itertools
import json
import re

import pytest
from earspan.benchmarks.bench import head
from earspan.benchmarks.summary import _gain
from earspan.datasets import open_dataset
from earspan.speech.metrics.wer import ErrorRate, score_text

from ..conftest import put_nan

QUICK = ("--windows", "2,7", "--live-windows", "2", "--backends", "l4,h100", "--head", "5")


@pytest.fixture
def bench(earspan, tiny_options):
    def run(*argv):
        return earspan("bench", *QUICK, *tiny_options, "--out", "out", *argv)

    return run


def test_every_figure_follows_from_the_raw_calls(bench, small_folder, tmp_path):
    code, out, _ = bench("--dataset", small_folder)
    assert code == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    raw = json.loads((tmp_path / "out/run.json").read_text())
    calls = [json.loads(line) for line in (tmp_path / "out/calls.jsonl").read_text().splitlines()]
    texts = {reference["id"]: reference["text"] for reference in raw["references"]}
    for curve in results["curves"]:
        for point in curve["points"]:
            heard: dict[str, list[str]] = {}
            for call in calls:
                if (
                    call["strategy"] == curve["strategy"]
                    and call["window_s"] == point["window_s"]
                    and not call["backend"]
                ):
                    heard.setdefault(call["recording"], []).extend(call["committed"])
            rate = sum((score_text(texts[i], " ".join(words)) for i, words in heard.items()), ErrorRate.zero())
            assert (point["wer"], point["ref_words"]) == (rate.rate, rate.ref_words)
        # Pooled over the same recordings, the paired difference is that of the rates; its interval holds it.
        first, last = curve["points"][0], curve["points"][-1]
        change = curve["last_less_first"]
        assert change["difference"] == pytest.approx(last["wer"] - first["wer"])
        assert change["ci95"][0] <= change["difference"] <= change["ci95"][1]
    assert [row["backend"] for row in results["rows"]] == ["l4", "h100"]
    by_span = {row["span_s"]: row["wer"] for row in results["rows"]}
    assert [(gain["from_s"], gain["to_s"]) for gain in results["gains"]] == list(itertools.pairwise(sorted(by_span)))
    for gain in results["gains"]:
        assert gain["difference"] == pytest.approx(by_span[gain["to_s"]] - by_span[gain["from_s"]])
    for row in results["rows"]:
        assert row["backend"] in out
        assert f"{row['span_s']:g} s" in out
        assert row["ceiling_s"] <= row["service_s"] <= row["step_s"]
    page = (tmp_path / "out/report.html").read_text()
    assert all(row["backend"] in page for row in results["rows"])
    for sentence in results["summary"]:
        assert sentence in out
    assert "measured" in results["summary"][-1]
    assert "large-v3" in results["summary"][-1]


def test_a_row_plays_the_clock_of_its_own_backend(bench, small_folder, tmp_path):
    bench("--dataset", small_folder)
    calls = [json.loads(line) for line in (tmp_path / "out/calls.jsonl").read_text().splitlines()]
    for backend in ("l4", "h100"):
        timed = [call for call in calls if call["backend"] == backend]
        assert timed
        free_at_s: dict[str, float] = {}
        for call in timed:
            start_s = max(call["end_s"], free_at_s.get(call["recording"], 0.0))
            assert call["start_at_s"] == pytest.approx(start_s, abs=1e-5)
            assert call["finish_at_s"] > call["start_at_s"]
            free_at_s[call["recording"]] = call["finish_at_s"]
    service = {
        backend: [c["finish_at_s"] - c["start_at_s"] for c in calls if c["backend"] == backend and c["window_s"] > 1]
        for backend in ("l4", "h100")
    }
    assert min(service["l4"]) > max(service["h100"])


def test_without_windows_of_its_own_the_live_curve_has_a_point_at_every_span(
    earspan, small_folder, tmp_path, tiny_options
):
    code, _, _ = earspan("bench", "--windows", "2", "--backends", "l4,h100", "--head", "4", "--out", "out",
                         "--dataset", small_folder, *tiny_options)  # fmt: skip
    assert code == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    [live] = [curve for curve in results["curves"] if curve["strategy"] == "sliding"]
    rows = {row["span_s"]: row["wer"] for row in results["rows"]}
    points = {point["window_s"]: point["wer"] for point in live["points"]}
    assert set(points) == {2.0, 30.0, *rows}
    assert {span_s: points[span_s] for span_s in rows} == rows


def test_a_second_run_computes_nothing_and_gives_the_same_results(bench, small_folder, tmp_path):
    bench("--dataset", small_folder)
    first = json.loads((tmp_path / "out/results.json").read_text())
    first_calls = (tmp_path / "out/calls.jsonl").read_text()
    bench("--dataset", small_folder)
    second = json.loads((tmp_path / "out/results.json").read_text())
    assert second["environment"]["calls_computed"] == 0
    assert (tmp_path / "out/calls.jsonl").read_text() == first_calls
    assert {k: v for k, v in second.items() if k != "environment"} == {
        k: v for k, v in first.items() if k != "environment"
    }


def test_score_again_changes_the_rules_and_not_the_words(bench, earspan, small_folder, tmp_path):
    bench("--dataset", small_folder)
    before = json.loads((tmp_path / "out/results.json").read_text())
    calls = (tmp_path / "out/calls.jsonl").read_text()
    assert earspan("score", "out")[0] == 0
    assert json.loads((tmp_path / "out/results.json").read_text()) == before
    assert earspan("score", "out", "--normaliser", "none")[0] == 0
    strict = json.loads((tmp_path / "out/results.json").read_text())
    assert strict["scoring"] != before["scoring"]
    assert (tmp_path / "out/calls.jsonl").read_text() == calls


def test_an_lpu_row_holds_its_schedule_and_the_page_draws_it(bench, small_folder, tmp_path):
    assert bench("--dataset", small_folder, "--backends", "h100,groq-v1x16")[0] == 0
    gpu, lpu = json.loads((tmp_path / "out/results.json").read_text())["rows"]
    assert gpu["schedule"] is None
    ends = {phase: end_us for unit, phase, _, end_us in lpu["schedule"] if unit == "program"}
    # the whole of one call is no longer than serving all streams one after another
    assert ends["encode"] < ends["decode"] <= lpu["service_s"] * 1e6 <= 8 * ends["decode"] * 1.1
    assert 'class="slot decode"' in (tmp_path / "out/report.html").read_text()


def test_disjoint_rows(bench, small_folder, tmp_path):
    code, *_ = bench("--dataset", small_folder, "--backends", "h100", "--strategy", "disjoint", "--latency", "4")
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert code == 0
    for row in results["rows"]:
        assert row["span_s"] + row["service_s"] <= 4
        assert row["limited_by"] == "latency budget"
        assert row["step_s"] == row["span_s"]


def test_one_bad_recording_among_good_ones_is_skipped_and_the_exit_code_says_so(bench, broken, tmp_path):
    folder = broken(lambda f: (f / "the-storm.wav").write_bytes((f / "the-storm.wav").read_bytes()[:5000]))
    code, out, err = bench("--dataset", folder)
    assert code == 1
    assert "the-storm" in err
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert [failure["recording"] for failure in results["failed"]] == ["the-storm"]
    assert results["curves"][0]["recordings"] == 1
    assert "failed: the-storm" in out
    assert any("one recording" in warning for warning in results["warnings"])


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
        (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

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
    "missing audio": (lambda folder: (folder / "the-storm.wav").unlink(), "manifest.jsonl:2"),
    "no JSON": (lambda folder: (folder / "manifest.jsonl").write_text("{nonsense\n"), "manifest.jsonl:1"),
    "no text field": (_change_line("text", None), "manifest.jsonl:2.*text"),
    "no duration field": (_change_line("duration", None), "manifest.jsonl:2.*duration"),
    "points nowhere": (_change_line("audio_filepath", "nowhere.wav"), "manifest.jsonl:2.*nowhere.wav"),
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
        (("--step", "3"), "step of 3 s"),
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


def test_head_keeps_whole_words_and_their_audio():
    recording = next(iter(open_dataset("talks"))).load()
    start = head(recording, 20.0)
    assert recording.words
    assert start.words
    assert start.words == recording.words[: len(start.words)]
    assert start.text == " ".join(word.text for word in start.words)
    assert start.words[-1].end_s <= start.duration_s <= 20.0
    assert recording.words[len(start.words)].start_s >= start.duration_s - 1e-3 or start.duration_s == 20.0
    assert (start.audio == recording.audio[: len(start.audio)]).all()
    assert head(recording, 1e6) is recording


def test_a_device_that_cannot_hold_the_model_is_a_row_without_a_span(bench, small_folder, tmp_path):
    code, out, _ = bench("--dataset", small_folder, "--backends", "groq-v1x1,h100")
    rows = json.loads((tmp_path / "out/results.json").read_text())["rows"]
    assert code == 0
    assert (rows[0]["span_s"], rows[0]["limited_by"], rows[0]["wer"]) == (None, "capacity", None)
    assert "groq-v1x1 cannot hold the model" in out


@pytest.mark.parametrize(
    ("ci95", "said"),
    [
        ([-0.05, -0.01], "here faster hardware buys fewer errors"),
        ([0.01, 0.05], "here the longer window costs errors"),
        ([-0.05, 0.01], "on this sample faster hardware buys nothing certain"),
    ],
)
def test_what_a_longer_span_is_worth_is_said_by_paired_differences(ci95: list[float], said: str):
    difference = sum(ci95) / 2
    gain = {
        "from_s": 2.0,
        "to_s": 8.5,
        "wer": [0.2, 0.2 + difference],
        "difference": difference,
        "ci95": ci95,
        "p": 0.01,
    }
    [sentence] = _gain([gain, {**gain, "difference": None, "ci95": None}], [])
    assert sentence.startswith("From 2 s to 8.5 s the WER goes from 20.0 %")
    assert f"({100 * difference:+.1f} points" in sentence
    assert sentence.endswith(f"paired): {said}.")
