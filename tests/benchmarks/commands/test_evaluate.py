"""`earspan evaluate`, `score` and `compare` end to end, heard with planted errors; sclite reads the exports."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks.experiment import run as pipeline
from earspan.benchmarks.experiment.records import read_run
from earspan.benchmarks.results.records import Results, read_results

from ...speech.planted import heard_as

sclite = pytest.mark.skipif(shutil.which("sctk") is None, reason="needs sclite (Debian: apt-get install sctk)")
TEXTS = {
    "anna-1": "The colour of the sea is blue.",
    "anna-2": "Wi Fi was down all day, wasn't it?",
    "bert-1": "Go on and stay over here now",
    "bert-2": "",
}
HEARD = {
    "anna-1": "the color of the sea was blue",
    "anna-2": "wifi was down all day was not it",
    "bert-1": "go on and play over here now please",
    "bert-2": "thank you",
}


@dataclass
class PlantedEngine:
    """An engine that knows a recording by its first sample, and says what was planted for it."""

    recogniser: object
    cache: object = None
    options: object = None
    features: object = None
    said: dict[int, str] = field(default_factory=dict)
    computed: int = 0
    version: str = "planted"

    def forget(self):
        pass

    def take_said(self):
        return []

    def transcribe(self, clips, progress=None):
        del progress
        names = list(TEXTS)
        found = []
        for clip in clips:
            number = round(float(clip.audio[0]) * 10) - 1
            text = self.said.get(number, HEARD[names[number]])
            found.append(heard_as(text, prompt_tokens=4, decode_tokens=len(text.split())))
        return found


@pytest.fixture
def planted(earspan, monkeypatch, tmp_path):
    """The command on four planted recordings; `planted.said` may change what is heard."""
    said: dict[int, str] = {}
    dims = DIMENSIONS["tiny.en"]
    recogniser = SimpleNamespace(
        name="planted", sha256="0" * 64, source="planted", digest="0" * 64, dims=dims, precision="fp32"
    )
    monkeypatch.setattr(pipeline, "load_recogniser", lambda *asked: recogniser)
    monkeypatch.setattr(
        pipeline, "make_engine_of", lambda experiment, heard_by, cache: PlantedEngine(heard_by, said=said)
    )
    lines = []
    for number, (name, text) in enumerate(TEXTS.items()):
        soundfile.write(tmp_path / f"{name}.wav", np.full(32_000, 0.1 * (number + 1)), 16_000, subtype="FLOAT")
        speaker = name.partition("-")[0]
        row = {"audio_filepath": f"{name}.wav", "duration": 2.0, "text": text, "id": name, "speaker": speaker}
        lines.append(json.dumps(row) + "\n")
    (tmp_path / "manifest.jsonl").write_text("".join(lines))

    def run(*argv, out="out"):
        disjoint = ("--strategy", "disjoint", "--window", "5", "--no-cache", "--word-times", "none")
        return earspan("evaluate", "--dataset", "manifest.jsonl", *disjoint, "--out", out, *argv)

    run.said = said  # pyright: ignore[reportFunctionMemberAccess]
    return run


def results_of(folder: Path) -> Results:
    return read_results(folder)


def test_planted_errors_are_counted_and_shown(planted, tmp_path):
    code, out, err = planted("--errors", "4")
    results = results_of(tmp_path / "out")
    found = results.evaluation
    assert code == 0
    # is/was; wi fi/wifi (a substitution and a deletion); stay/play and please; "thank you" on silence.
    total = found.total.errors
    assert (total.substitutions, total.deletions, total.insertions, total.ref_words) == (3, 1, 3, 23)
    assert found.total.wer == pytest.approx(7 / 23)
    assert results.resampled == "speakers"
    assert [group.name for group in found.by_speaker] == ["anna", "bert"]
    assert "openai-whisper" in results.scoring
    assert "reference of 'bert-2' is empty" in err
    assert any("23 reference words" in warning for warning in results.warnings)
    assert any("2 speakers" in warning for warning in results.warnings)
    assert "30.4 %" in out
    assert re.search(r"REF: .* is +blue", out)
    assert re.search(r"HYP: .* was +blue", out)


def test_provenance_is_in_the_result(planted, tmp_path):
    planted("--seed", "7")
    results = results_of(tmp_path / "out")
    (dataset,) = results.datasets
    assert len(dataset.digest) == 64
    assert results.provenance.sha256 == "0" * 64
    assert results.experiment.seed == 7
    assert len(results.rows[0].plan.device_sha256["h100"]) == 64
    assert results.provenance.packages.keys() >= {"torch", "openai-whisper", "numpy", "soundfile"}
    assert [row.recording for row in results.evaluation.by_recording] == list(TEXTS)


def test_score_again_under_other_rules(planted, earspan, tmp_path):
    planted()
    raw = (tmp_path / "out/calls.jsonl").read_bytes()
    errors = {}
    (tmp_path / "own.toml").write_text("lowercase = true\nremove = ['[.,?]']\n")
    for rules in ("whisper", "whisper+compounds", "none", "own.toml"):
        assert earspan("score", "out", "--normaliser", rules)[0] == 0
        results = results_of(tmp_path / "out")
        assert results.scoring.startswith(f"{rules} (")
        errors[rules] = results.evaluation.total.errors.errors
    assert errors["whisper+compounds"] == errors["whisper"] - 2
    assert errors["none"] > errors["own.toml"] > errors["whisper"]
    assert (tmp_path / "out/calls.jsonl").read_bytes() == raw
    assert earspan("score", "out", "--normaliser", "whispr")[0] == 2


def test_defects_are_left_out_and_said(planted, tmp_path):
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    (tmp_path / "manifest.jsonl").write_text("\n".join([*lines, lines[0], "{"]) + "\n")
    (tmp_path / "anna-2.wav").write_bytes(b"")
    code, out, err = planted()
    assert code == 1
    assert "manifest.jsonl:5: duplicate id 'anna-1'" in err
    assert "manifest.jsonl:6: not JSON" in out
    assert "anna-2" in out
    assert len(results_of(tmp_path / "out").evaluation.by_recording) == 3


def test_streams_and_samples(planted, tmp_path):
    assert planted("--stream-by", "speaker", "--gap", "1")[0] == 0
    joined = {"speaker anna": ("anna-1", "anna-2"), "speaker bert": ("bert-1", "bert-2")}
    assert read_run(tmp_path / "out").joined == joined
    assert planted("--hours", str(3 / 3600))[0] == 0
    (sampled,) = results_of(tmp_path / "out").datasets
    assert (sampled.recordings, sampled.of_recordings) == (2, 4)
    assert planted("--stream-by", "chapter")[0] == 2


def test_several_datasets(planted, tmp_path):
    shutil.copy(tmp_path / "manifest.jsonl", tmp_path / "second.jsonl")
    assert planted("--dataset", "manifest.jsonl,second.jsonl")[0] == 0
    results = results_of(tmp_path / "out")
    assert [group.name for group in results.evaluation.by_dataset] == ["manifest.jsonl", "second.jsonl"]
    assert results.datasets[0].digest == results.datasets[1].digest
    assert results.evaluation.total.errors.ref_words == 46


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--normaliser", "oasr"), "unknown scoring normaliser"),
        (("--export", "xls"), "unknown export"),
        (("--backend", "h10"), "did you mean 'h100'"),
        (("--window", "31"), "at most 30 s"),
        (("--dataset", "tallks"), "did you mean 'talks'"),
        (("--hours", "0"), "--hours"),
        (("--seed", "-1"), "whole number, 0 or more"),
        (("--dataset", "manifest.jsonl,./manifest.jsonl"), "two are called 'manifest.jsonl'"),
    ],
)
def test_bad_settings_are_one_line_and_exit_2(planted, tmp_path, argv, expected):
    code, _, err = planted(*argv)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert expected in err
    assert not (tmp_path / "out").exists()


@sclite
def test_sclite_reads_the_exports_and_counts_the_same(planted, tmp_path):
    for rules in ("whisper", "none"):
        planted("--normaliser", rules, "--export", "trn,ctm,stm")
        total = results_of(tmp_path / "out").evaluation.total.errors
        expected = [total.ref_words, total.substitutions, total.deletions, total.insertions]
        for command_line in ("-r ref.trn trn -h hyp.trn trn -i spu_id", "-r ref.stm stm -h hyp.ctm ctm"):
            arguments = f"sctk sclite -s {command_line} -o rsum stdout".split()
            out = subprocess.run(
                arguments, cwd=tmp_path / "out/export", capture_output=True, text=True, check=True
            ).stdout
            sums = re.search(r"\| Sum +\| +\d+ +(\d+) +\| *(\d+) +(\d+) +(\d+) +(\d+)", out)
            assert sums, out
            words, _, *errors = map(int, sums.groups())
            assert [words, *errors] == expected, out


def test_simuleval_scores_the_exported_log_as_the_results_say(planted, tmp_path):
    assert planted("--export", "simuleval", "--normaliser", "none")[0] == 0
    instances = [
        json.loads(line) for line in (tmp_path / "out/export/simuleval/instances.log").read_text().splitlines()
    ]
    assert [one["prediction"] for one in instances] == list(HEARD.values())
    assert [one["reference"] for one in instances] == list(TEXTS.values())
    (row,) = results_of(tmp_path / "out").rows
    for key, times in (("laal_s", "delays"), ("laal_ca_s", "elapsed")):
        # One call a recording, at its end: SimulEval's LAAL is the delay of the first word.
        assert all(set(one[times]) == {one[times][0]} and one[times][0] >= one["source_length"] for one in instances)
        assert sum(one[times][0] for one in instances) / len(instances) == pytest.approx(
            1000 * getattr(row.latency, key)
        )


@pytest.mark.weights
def test_words_without_times_are_aligned_by_the_model_and_the_result_says_so(
    earspan, broken, tmp_path, tiny_en, monkeypatch
):
    monkeypatch.setattr(pipeline, "load_recogniser", lambda *asked: tiny_en)

    def without_words(folder: Path) -> None:
        lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
        bare = [json.dumps({key: value for key, value in line.items() if key != "words"}) + "\n" for line in lines]
        (folder / "manifest.jsonl").write_text("".join(bare))

    given = ("evaluate", "--dataset", broken(without_words), "--window", "4", "--step", "2", "--out", "out")
    code, out, _ = earspan(*given)
    aligned = results_of(tmp_path / "out")
    assert code == 0
    assert aligned.aligned.by == "tiny.en"
    assert aligned.aligned.words >= aligned.aligned.found > 10
    assert "are no truth: tiny.en itself aligned them" in out
    assert "tiny.en itself aligned them" in (tmp_path / "out/report.html").read_text()
    assert aligned.rows[0].latency_p50_s > 0
    assert aligned.rows[0].boundary_errors.places
    assert earspan(*given, "--word-times", "none")[0] == 0
    plain = results_of(tmp_path / "out")
    assert (plain.aligned, plain.rows[0].latency_p50_s, plain.rows[0].boundary_errors.places) == (None, None, ())
    assert plain.evaluation.total.wer == aligned.evaluation.total.wer
    assert plain.rows[0].latency.laal_s == pytest.approx(aligned.rows[0].latency.laal_s)


def test_exports_for_other_tools(planted, tmp_path):
    assert planted("--export", "seglst,csv")[0] == 0
    segments = json.loads((tmp_path / "out/export/ref.seglst.json").read_text())
    assert {segment["session_id"]: segment["words"] for segment in segments}["anna-1"] == "the color of the sea is blue"
    with open(tmp_path / "out/export/recordings.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reference"] for row in rows] == list(TEXTS.values())
    assert [row["hypothesis"] for row in rows] == list(HEARD.values())


def test_parquet(planted, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow (pip install 'earspan[parquet]')")
    assert planted("--export", "parquet")[0] == 0
    table = parquet.read_table(tmp_path / "out/export/recordings.parquet")
    assert table.column("hypothesis").to_pylist() == list(HEARD.values())


def test_the_report_page(planted, earspan, tmp_path):
    planted()
    page = (tmp_path / "out/report.html").read_text()
    assert re.search(r"<del[^>]*>is</del>\s*<ins[^>]*>was</ins>", page)
    assert earspan("report", "out")[0] == 0
    assert (tmp_path / "out/report.html").read_text() == page


def test_what_was_heard_and_what_is_sustained_are_told_apart(planted, tmp_path):
    planted("--step", "2")
    results = results_of(tmp_path / "out")
    (row,) = results.rows
    assert (row.window_s, row.span_s) == (5, 30)
    assert any("heard in windows of 5 s, span 30 s" in said for said in results.summary)
    _, out, _ = planted("--backend", "t4", "--streams", "999", out="slow")
    results = results_of(tmp_path / "slow")
    assert results.rows[0].span_s is None
    assert any("t4 sustains no window here" in warning for warning in results.warnings)
    assert "which sustains no window" in out


def test_text_alone_is_heard_without_a_backend(planted, tmp_path):
    assert planted("--backend", "none")[0] == 0
    results = results_of(tmp_path / "out")
    assert (results.rows, results.evaluation.total.errors.errors) == ((), 7)


def test_stored_runs_that_cannot_be_scored_are_one_line(planted, earspan, tmp_path):
    planted()
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    code, _, err = earspan("score", "out", "--export", "csv,foo")
    assert (code, "unknown export" in err) == (2, True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before
    for name, content in {"calls.jsonl": "5\n", "run.json": '{"schema": 2, "references": []}'}.items():
        shutil.copytree(tmp_path / "out", tmp_path / name)
        (tmp_path / name / name).write_text(content)
        code, _, err = earspan("score", name)
        assert (code, len(err.strip().splitlines())) == (2, 1)
        assert name in err


def test_compare(planted, earspan, tmp_path):
    planted(out="a")
    planted(out="same")
    code, out, _ = earspan("compare", "a", "same")
    assert code == 0
    assert "not significant" in out
    planted.said.update(enumerate(["x"] * 4))
    planted(out="b")
    code, out, _ = earspan("compare", "a", "b", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["bootstrap"]["difference"] == pytest.approx(result["b"]["wer"] - result["a"]["wer"])
    assert result["resampled"] == "speakers"


def test_what_cannot_be_compared(planted, earspan, tmp_path):
    planted(out="a")
    planted("--normaliser", "none", out="rules")
    assert "type --normaliser whisper" in earspan("compare", "a", "rules")[2]
    assert earspan("compare", "a", "rules", "--normaliser", "none")[0] == 0
    soundfile.write(tmp_path / "anna-1.wav", np.full(32_000, 0.1001), 16_000, subtype="FLOAT")
    planted(out="audio")
    assert "the audio" in earspan("compare", "a", "audio")[2]
    planted("--hours", str(3 / 3600), out="part")
    assert "only" in earspan("compare", "a", "part")[2]
    assert earspan("compare", "a", "gone")[0] == 2
