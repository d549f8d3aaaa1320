"""`earspan evaluate --backend openai:URL` end to end, asked of an endpoint that fails as it is told."""

import json
import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from earspan.backends.measured import rest
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.progress import Silence
from earspan.benchmarks.experiment.records import read_run
from earspan.benchmarks.experiment.run import Session
from earspan.benchmarks.experiment.source import Source
from earspan.benchmarks.results.records import read_results
from earspan.benchmarks.results.score import score

from ...backends.measured.faults import FaultyEndpoint
from ...speech.planted import PerfectEngine, planted_speech

SECRET = "sk-a-secret-that-nobody-may-read"
CALLS = 8  # two recordings of 7 s in windows of 2 s


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(rest, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("EARSPAN_API_KEY", SECRET)


@pytest.fixture
def evaluate(earspan, small_folder):
    """Evaluate an endpoint in windows of 2 s; gives (exit code, stdout, stderr)."""

    def run(server: FaultyEndpoint, *more):
        asked = ("--backend", f"openai:{server.url}", "--model", "m", "--strategy", "disjoint", "--out", "run")
        retries = ("--retries", "1", "--timeout", "20")
        return earspan("evaluate", *asked, "--dataset", small_folder, "--window", "2", *retries, *more)

    return run


def test_text_and_times_of_the_endpoint_are_scored(evaluate, small_folder, tmp_path):
    lines = [json.loads(line) for line in (small_folder / "manifest.jsonl").read_text().splitlines()]
    said = [line["text"] for line in lines]
    wrong = {line["duration"] * 16000: " ".join(["wrong", *line["text"].split()[1:]]) for line in lines}
    with FaultyEndpoint(["", "500"], text=lambda request: near(wrong, len(request.samples) // 2)) as server:
        code, out, err = evaluate(server, "--window", "30", "--json")
    assert code == 0, err
    results = json.loads(out)
    [row] = results["rows"]
    words = sum(len(text.split()) for text in said)
    assert (row["errors"]["substitutions"], row["errors"]["ref_words"]) == (2, words)
    assert (row["plan"]["provenance"], row["plan"]["model"], row["load"]) == ("measured", "m", "1x1")
    run = read_run(tmp_path / "run")
    [measured] = run.measured
    kept = [json.loads(path.read_text()) for path in (tmp_path / "run/answers").rglob("*.json")]
    service_s = {round(one["wall_s"], 6) for one in kept}
    assert {round(call.finish_at_s - call.start_at_s, 6) for track in run.tracks for call in track.calls} == service_s
    kinds = [[one.kind for one in exchange.attempts] for exchange in measured.exchanges]
    assert kinds == [["ok"], ["server error", "ok"]]
    [use] = read_results(tmp_path / "run").endpoints
    assert (use.calls, use.asked_now, use.requests, use.failures, use.connections) == (2, 2, 3, {"server error": 1}, 1)
    assert use.p50_s == pytest.approx(sum(one["wall_s"] for one in kept) / 2)
    page = (tmp_path / "run/report.html").read_text()
    assert "Endpoints as they answered" in page
    assert "1 server error" in page


def near(texts: dict[float, str], length: int) -> str:
    """The text of the audio that is about so long, in samples."""
    return texts[min(texts, key=lambda one: abs(one - length))]


@pytest.mark.parametrize(
    ("fault", "said"),
    [("429 9999", "rate limit"), ("500", "server error"), ("hang", "timeout"), ("half-close", "connection"),
     ("garbage", "garbage"), ("401", "EARSPAN_API_KEY"), ("dead", "connection")],
)  # fmt: skip
def test_a_failure_is_one_line_and_what_was_answered_is_not_asked_again(evaluate, tmp_path, caplog, fault, said):
    caplog.set_level(logging.DEBUG)
    with FaultyEndpoint(["", "", "", fault, fault]) as server:
        code, out, err = evaluate(server, *(("--timeout", "1.5") if fault == "hang" else ()))
        assert code == 2
        [line] = [line for line in err.splitlines() if line.startswith("earspan: ")]
        assert said in line
        assert "answers so far are kept" in line
        assert (out, err.splitlines()[-1]) == ("", line)
        assert not (tmp_path / "run/run.json").exists()
        answered = list(server.answered)
    assert len(answered) == 3
    with FaultyEndpoint(port=server.port) as again:
        code, out, err_again = evaluate(again)
    assert code == 0
    assert Counter(answered + again.answered) == Counter(set(answered + again.answered))
    assert len(again.requests) == CALLS - 3
    use = read_results(tmp_path / "run").endpoints[0]
    assert (use.calls, use.asked_now) == (CALLS, CALLS - 3)
    no_secret_in(tmp_path, out, err, err_again, caplog.text)


def test_a_certificate_that_nobody_signed_is_one_line(evaluate, certificate):
    with FaultyEndpoint(tls=certificate) as server:
        code, _, err = evaluate(server)
    assert (code, server.requests) == (2, [])
    assert "certificate is not trusted" in err.splitlines()[-1]


def test_a_budget_ends_a_run_and_the_next_goes_on(evaluate, tmp_path):
    with FaultyEndpoint() as server:
        codes = [evaluate(server, "--max-requests", "3")[0] for _ in range(3)]
        assert codes == [2, 2, 0]
        assert evaluate(server, "--max-requests", "1")[0] == 0  # all is there
        assert evaluate(server, "--no-cache", "--max-cost", "0.01", "--price", "0.06")[0] == 2
    assert Counter(server.answered).most_common(1)[0][1] == 2
    assert len(server.requests) == CALLS + 5  # 2 s cost 0.002 USD


@pytest.mark.parametrize(
    ("more", "said"),
    [(("--strategy", "alignatt"), "alignatt"), (("--task", "translate"), "--task"), (("--max-cost", "1"), "--price"),
     (("--streams", "4"), "--concurrency 4"), (("--concurrency", "0"), "at least 1"), (("--retries", "-1"), "retries")],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_line_before_anything_is(evaluate, tmp_path, more, said):
    with FaultyEndpoint() as server:
        code, _, err = evaluate(server, *more)
    assert (code, server.requests) == (2, [])
    assert said in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("play", ["span", "grid"])
def test_an_endpoint_stands_beside_a_simulated_device(play):
    recording = planted_speech(1, 9.0)
    with FaultyEndpoint(text=lambda request: "one") as server:
        name = f"openai:{server.url}#other"
        strategies = {"disjoint": (2.0, 3.0), "sequential": (3.0,)}
        asked = {"strategy": "disjoint", "windows_s": strategies, "play": play, "normaliser": "none"}
        experiment = Experiment(backends=("h100", name), loads=("1x1", "4x1"), **asked)
        engine: Any = PerfectEngine([recording])
        session = Session.open(experiment, engine, Source.of(experiment, [recording]))
        run = session.play(Silence())
    assert all(request.fields["model"] == ["other"] for request in server.requests)
    texts = {(track.backend, track.window_s): track.text for track in run.tracks if track.strategy == "disjoint"}
    windows = (2.0, 3.0) if play == "grid" else (3.0,)  # an endpoint has no span before it was heard: the longest
    assert {key: text for key, text in texts.items() if key[0] == name} == {
        (name, window_s): " ".join(["one"] * math.ceil(9 / window_s)) for window_s in windows
    }
    assert {track.backend for track in run.tracks if track.strategy == "sequential"} <= {None, "h100"}
    results = score(run)
    assert results.simulated == ("h100",)
    own = next(row.plan for row in results.rows if row.backend == name)
    assert (own.model, own.provenance, own.span_s) == ("other", "measured", 3.0)
    assert results.gains == ()  # the texts are of two recognisers
    assert sum(one.calls for one in results.endpoints) == len(server.requests)


def no_secret_in(folder: Path, *texts: str) -> None:
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in "".join(texts)
