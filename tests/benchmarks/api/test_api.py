"""`import earspan`: every public name is there, planning waits for nothing, and an experiment runs as in the README."""

import inspect
import subprocess
import sys

import earspan
import numpy as np
import pytest
from earspan.backends.timing import Timing
from earspan.backends.workload.workload import Workload
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("name", earspan.__all__)
def test_every_name_is_there_and_explained(name: str):
    found = getattr(earspan, name)
    assert len(inspect.getdoc(found) or "") > 30
    assert name in dir(earspan)
    for method in (found,) if inspect.isfunction(found) else ():
        assert all(p.annotation is not p.empty for p in inspect.signature(method).parameters.values())


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match=r"it has .*Experiment"):
        earspan.experiment_of  # noqa: B018


@pytest.mark.parametrize("used", ["span('h100', 'large-v3', streams=16, step_s=0.25)", "time('l4')", "devices()"])
def test_planning_does_not_wait_for_torch(used: str):
    script = f"import sys, earspan\nearspan.{used}\nheavy = {{'torch', 'whisper', 'scipy', 'altair', 'rich'}}"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nassert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@given(streams=st.integers(1, 64), step_s=st.sampled_from([0.25, 1.0, 2.0]))
def test_a_span_shrinks_with_more_streams(streams: int, step_s: float):
    one, more = (earspan.span("h100", "tiny", streams=n, step_s=step_s).span_s or 0 for n in (streams, 2 * streams))
    assert more <= one


def test_a_backend_of_ones_own_is_planned():
    class Instant:
        name = "instant"

        def describe(self) -> str:
            return "takes a millisecond"

        def time(self, workload: Workload) -> Timing:
            return Timing(0.001, 0.001, {"encode": 0.001}, 0.001, "compute", "estimate")

        def serve(self, call: Workload, streams: int) -> Timing:
            return self.time(call)

    assert earspan.span(Instant(), "tiny", step_s=0.25).span_s == 30.0
    assert earspan.time(Instant()).seconds == 0.001


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (lambda: earspan.span("h1000"), "did you mean 'h100'"),
        (lambda: earspan.time("h100", "large-v4"), "did you mean 'large-v"),
        (lambda: earspan.open_dataset("tallks"), "did you mean 'talks'"),
        (lambda: earspan.load_run("nowhere"), "nowhere/run.json"),
        (lambda: earspan.load_model("tinyen"), "did you mean 'tiny.en'"),
    ],
)
def test_what_does_not_exist_is_an_input_error(used, expected: str):
    with pytest.raises(earspan.InputError, match=expected) as caught:
        used()
    assert "\n" not in str(caught.value)


def test_an_experiment_runs_is_kept_and_is_scored_again(tmp_path, small_folder, tiny_checkpoint, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    experiment = earspan.Experiment(
        model=str(tiny_checkpoint), timed_as="large-v3", dataset=str(small_folder), decoding="greedy", head_s=5,
        backends=("l4", "h100"), windows_s=(2,),
    )  # fmt: skip
    run = earspan.run(experiment, out=tmp_path / "mine")
    results = earspan.score(run)
    assert [(row.backend, row.load) for row in results.rows] == [("l4", "8x1"), ("h100", "8x1")]
    spans = [earspan.span(name, streams=8, decoding="greedy") for name in ("l4", "h100")]
    assert [row.span_s for row in results.rows] == [span.span_s for span in spans]
    assert earspan.score(earspan.load_run(tmp_path / "mine")) == results
    page = earspan.write_report(tmp_path / "mine", results, run).read_text()
    assert all(row.backend in page for row in results.rows)
    again = earspan.run(experiment)
    assert (again.tracks, again.provenance.calls_computed) == (run.tracks, 0)


def test_whisper_in_two_lines(tiny_checkpoint, tones):
    model = earspan.load_model(str(tiny_checkpoint), decoding="greedy", cache=False)
    heard = earspan.transcribe(tones(3, seed=1), model)
    assert heard.runs
    assert heard.text == earspan.transcribe(np.array(tones(3, seed=1)), model).text
