"""Files of other programs as runs: what they say of a planted dataset, and our own runs there and back."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.records import read_run
from earspan.benchmarks.imports.load import import_run
from earspan.benchmarks.results.exports import export
from earspan.benchmarks.results.records import Row, figures_of
from earspan.benchmarks.results.score import score
from earspan.speech.metrics.calls import CallRecord
from earspan.speech.metrics.wer import ErrorRate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...speech.planted import call_record
from .planted import LENGTHS_S, SAID, WRITTEN, put_dataset, put_pipecat, run_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_dataset(tmp_path_factory.mktemp("data"))


def events(folder: Path, *lines: dict[str, object]) -> str:
    path = folder / "theirs.jsonl"
    path.write_text("".join(json.dumps({"final": True, **line}) + "\n" for line in lines))
    return f"events:{path}"


PERFECT = ({"recording": "a", "at_s": 2.5, "text": SAID["a"]}, {"recording": "b", "at_s": 2.0, "text": SAID["b"]})


def test_a_file_is_a_run_that_is_scored_as_any_other(tmp_path: Path, data: Path):
    run = import_run(
        events(tmp_path, *PERFECT), dataset=(str(data),), system="parakeet", normaliser="none", out=tmp_path / "run"
    )
    stored = read_run(tmp_path / "run")
    assert replace(stored, calls=0, calls_sha256="") == run
    [row] = score(run).rows
    assert (row.backend, row.wer, row.work, row.plan) == ("parakeet", 0.0, None, None)
    # "it" ends at 1.9 s and "three" at 1.1 s; words before them have pauses of 0.1 s behind them.
    assert row.latency.ttfs_stretches == 2
    assert (row.latency.ttfs_p50_s, row.latency.p99_s) == (pytest.approx(0.75), pytest.approx(2.17, abs=0.01))
    # When words were shown is known, and not what had been given to the system by then, nor its work.
    assert row.latency.laal_ca_s is not None
    assert {row.latency.laal_s, row.latency.rtf, row.latency.backlog_s, row.latency.summed_p50_s} == {None}


def test_a_file_without_times_has_errors_and_no_latency(data: Path):
    results = score(import_run(f"whisperlivekit:{WRITTEN / 'bench.json'}", dataset=(str(data),), normaliser="none"))
    [row] = results.rows
    assert (row.errors.substitutions, row.errors.ref_words, row.latency, row.policy) == (1, 8, None, None)
    assert any("no times" in warning for warning in results.warnings)


def test_simuleval_is_found_by_the_name_of_its_audio(data: Path):
    [row] = score(import_run(f"simuleval:{WRITTEN / 'instances.log'}", dataset=(str(data),), system="agent")).rows
    assert row.wer == 0.0
    assert row.latency.laal_ca_s > row.latency.laal_s


def test_a_wait_after_speech_begins_where_speech_ends(tmp_path: Path, data: Path):
    rows = [
        {"sample_id": name, "transcription": text, "ttfb_seconds": 0.25, "audio_duration_seconds": LENGTHS_S[name]}
        for name, text in SAID.items()
    ]
    [row] = score(import_run(put_pipecat(tmp_path / "results.db", *rows), dataset=(str(data),))).rows
    assert (row.backend, row.wer) == ("deepgram", 0.0)
    assert (row.latency.ttfs_p50_s, row.latency.ttfs_p99_s) == (pytest.approx(0.25), pytest.approx(0.25))


def test_recordings_that_a_service_failed_on_are_left_out_and_told(tmp_path: Path, data: Path):
    a, b = ({"sample_id": name, "audio_duration_seconds": LENGTHS_S[name], "ttfb_seconds": 0.1} for name in SAID)
    source = put_pipecat(
        tmp_path / "results.db",
        a | {"transcription": SAID["a"], "service_name": "x"},
        b | {"error": "timed out", "service_name": "x"},
        a | {"transcription": "hm", "service_name": "x", "model_name": "small"},
    )
    run = import_run(source, dataset=(str(data),), system="x")
    assert [(one.recording, one.reason) for one in run.failed] == [("b.wav", "timed out")]
    assert (run.datasets[0].recordings, [one.id for one in run.references]) == (1, ["a.wav"])
    with pytest.raises(InputError, match="answers of x, x small; say which with --system"):
        import_run(source, dataset=(str(data),))


@pytest.mark.parametrize(("head_s", "names"), [(1.0, ("a.wav 0-1 s", "b")), (1.8, ("a", "b"))])
def test_the_start_of_recordings_may_be_what_was_heard(tmp_path: Path, data: Path, head_s: float, names: tuple):
    texts = {
        "a": "hello world" if head_s == 1.0 else "hello world this is",
        "b": "one two" if head_s == 1.0 else SAID["b"],
    }
    lines = [{"recording": name, "at_s": 2.0, "text": text} for name, text in zip(names, texts.values(), strict=True)]
    run = import_run(events(tmp_path, *lines), dataset=(str(data),), system="s", head_s=head_s, normaliser="none")
    [row] = score(run).rows
    assert (row.wer, row.errors.ref_words) == (0.0, 4 if head_s == 1.0 else 7)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (PERFECT[:1], "no answer to 'b.wav'"),
        ((*PERFECT, {"recording": "c", "at_s": 1.0, "text": "x"}), "theirs.jsonl:3: no recording 'c'"),
        ((*PERFECT, {"recording": "data/a.flac", "at_s": 1.0, "text": "x"}), "'data/a.flac' for the second time"),
    ],
)
def test_every_recording_is_answered_once(tmp_path: Path, data: Path, lines: tuple, expected: str):
    with pytest.raises(InputError, match=expected):
        import_run(events(tmp_path, *lines), dataset=(str(data),), system="s")
    assert import_run(events(tmp_path, *PERFECT), dataset=(str(data),), system="s", recordings=1).failed == ()


def test_another_audio_is_refused(tmp_path: Path, data: Path):
    path = tmp_path / "instances.log"
    path.write_text(
        (WRITTEN / "instances.log").read_text().replace('"source_length": 2000.0', '"source_length": 9000.0')
    )
    with pytest.raises(InputError, match=r"instances.log:1: 9 s long, and 'a.wav' is 2 s"):
        import_run(f"simuleval:{path}", dataset=(str(data),), system="s")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), "nothing to score"),
        (("runs/x", "--import", "events:f"), "expected one of them"),
        (("runs/x", "--system", "y"), "--system is for --import"),
        (("--import", "f"), "expected FORMAT:FILE"),
        (("--import", "simulevel:f"), "did you mean 'simuleval"),
        (("--import", "events:f"), "No such file"),
    ],
)
def test_what_cannot_be_imported_is_told_in_a_line(earspan, argv: tuple[str, ...], expected: str):
    code, out, err = earspan("score", *argv)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert expected in err


def test_the_command_makes_a_run_and_scores_it(earspan, tmp_path: Path, data: Path):
    given = events(tmp_path, *PERFECT)
    code, out, _ = earspan("score", "--import", given, "--dataset", data, "--system", "kyutai", "--out", "theirs")
    assert code == 0
    assert "kyutai heard" in out
    assert read_run(tmp_path / "theirs").imported.format == "events"
    assert (tmp_path / "theirs/report.html").is_file()


def calls_strategy(name: str) -> st.SearchStrategy[tuple[CallRecord, ...]]:
    """Calls of a stream in order: some audio each, some service, words of which many are right; the last at the end."""
    texts = st.lists(st.sampled_from([*SAID[name].split(), "um"]), max_size=3)
    call = st.tuples(st.integers(1, 900), st.integers(0, 2000), texts)
    return st.lists(call, min_size=1, max_size=5).map(lambda calls: tuple(_clock(name, calls)))


def _clock(name: str, calls: list[tuple[int, int, list[str]]]):
    whole, free_ms, heard_ms = round(1000 * LENGTHS_S[name]), 0, 0
    for number, (audio_ms, service_ms, texts) in enumerate(calls):
        before_ms, heard_ms = heard_ms, min(whole, heard_ms + audio_ms)
        heard_ms = whole if number == len(calls) - 1 else heard_ms
        begin_ms = max(heard_ms, free_ms)
        free_ms = begin_ms + service_ms
        times = (before_ms, heard_ms, begin_ms, free_ms)
        start_s, end_s, begin_s, finish_s = (value / 1000 for value in times)
        yield call_record(start_s, end_s, tuple(texts), (), begin_s, finish_s)


def measures(row: Row) -> tuple[ErrorRate, dict[str, float], dict[str, float]]:
    assert row.policy
    assert row.latency
    return row.errors, asdict(row.policy), figures_of(row.latency)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=calls_strategy("a"), b=calls_strategy("b"))
def test_our_own_run_exported_and_imported_scores_the_same(
    tmp_path: Path, data: Path, a: tuple[CallRecord, ...], b: tuple[CallRecord, ...]
):
    run = run_of({"a": a, "b": b}, data)
    ours = score(run)
    export(["simuleval"], run, ours, tmp_path)
    source = f"simuleval:{tmp_path / 'simuleval/instances.log'}"
    back = score(import_run(source, dataset=(str(data),), system="l4", normaliser="none"))
    errors, policy, expected = measures(*ours.rows)
    unknown = {"rtf", "backlog_s", "no_queue_p50_s", "summed_p50_s"}
    told = {name: pytest.approx(value, abs=1e-5) for name, value in expected.items() if name not in unknown}
    assert measures(*back.rows) == (errors, pytest.approx(policy), told)
