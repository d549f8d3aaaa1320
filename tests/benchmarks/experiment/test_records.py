"""A run on disk and read again: nothing that was played is lost, and a torn run is refused."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.records import Reference, Run, Track, read_run, write_run
from earspan.datasets.recording import Recording, Word
from hypothesis import given
from hypothesis import strategies as st

from ...speech.planted import call_record
from ..results.planted import planted_run


def calls_of(run: Run) -> Run:
    """The run with what writing adds: how many calls belong to it, and their digest, left out."""
    return replace(run, calls=0, calls_sha256="")


def test_a_run_is_read_as_it_was_written(tmp_path: Path):
    write_run(tmp_path, planted_run())
    assert calls_of(read_run(tmp_path)) == planted_run()


def test_a_recording_without_any_call_is_kept(tmp_path: Path):
    """No call was made where nothing was to be heard."""
    run = planted_run()
    tracks = (*run.tracks[:-1], replace(run.tracks[-1], calls=()))
    write_run(tmp_path, replace(run, tracks=tracks))
    assert read_run(tmp_path).tracks == tracks


@given(st.text(), st.floats(0, 1e6, allow_nan=False), st.lists(st.text(min_size=1), max_size=3).map(tuple))
def test_any_text_and_time_survives(tmp_path_factory, text: str, at_s: float, words: tuple[str, ...]):
    folder = tmp_path_factory.mktemp("run")
    call = replace(call_record(0.0, 2.0, words), text=text, finish_at_s=at_s)
    run = replace(planted_run(), tracks=(Track("a", "disjoint", 2.0, None, None, (call,)),))
    write_run(folder, run)
    assert read_run(folder).tracks == run.tracks


def test_a_recording_is_kept_with_its_length_and_without_its_audio():
    words = (Word("yes", 0.5, 1.0),)
    recording = Recording("a", np.zeros(40_000, np.float32), "yes", words, "planted", "anna")
    assert Reference.of(recording) == Reference("a", "yes", words, "planted", "anna", 2.5)


def test_calls_of_another_run_are_refused(tmp_path: Path):
    """A run that was interrupted between its two files must not be scored as if it were whole."""
    run = planted_run()
    write_run(tmp_path / "a", run)
    write_run(tmp_path / "b", replace(run, tracks=run.tracks[:2]))
    (tmp_path / "a/calls.jsonl").write_bytes((tmp_path / "b/calls.jsonl").read_bytes())
    with pytest.raises(InputError, match="run it again to mend it"):
        read_run(tmp_path / "a")


def test_calls_cut_at_the_end_of_a_line_are_refused(tmp_path: Path):
    write_run(tmp_path, planted_run())
    lines = (tmp_path / "calls.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "calls.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=f"not the {len(lines)} calls"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda run: run.pop("experiment"), "experiment"),
        (lambda run: run.update(schema=1), "reads schema 2: make the run again"),
        (lambda run: run["tracks"][0].update(window_s="long"), r"\$.tracks\[0\].window_s"),
        (lambda run: run["tracks"][0].update(recording="gone"), "no reference of 'gone'"),
        (lambda run: run["experiment"].update(seed=-1), "seed is -1"),
        (lambda run: run["references"][0].update(words=5), r"\$.references\[0\].words"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(tmp_path: Path, change, expected: str):
    write_run(tmp_path, planted_run())
    content = json.loads((tmp_path / "run.json").read_text())
    change(content)
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=expected) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)
    assert re.search(r"run\.json", str(caught.value))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"5"])
def test_what_is_no_run_is_said(tmp_path: Path, content: bytes):
    write_run(tmp_path, planted_run())
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json"):
        read_run(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(InputError, match="not a file"):
        read_run(tmp_path)


def test_a_folder_that_is_a_file_is_said(tmp_path: Path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="cannot write"):
        write_run(tmp_path / "taken", planted_run())
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: replace(run, tracks=run.tracks[1:]), "no track of every recording"),
        (lambda run: replace(run, plans=run.plans[:1]), "no plan of"),
        (lambda run: replace(run, references=run.references[1:]), "no reference of"),
    ],
)
def test_what_does_not_fit_together_is_said(tmp_path: Path, change, said: str):
    write_run(tmp_path, change(planted_run()))
    with pytest.raises(InputError, match=said):
        read_run(tmp_path)


def test_an_integer_that_nothing_can_hold_is_refused_and_a_text_of_digits_is_not(tmp_path: Path):
    digits = "9" * 30
    spoken = replace(call_record(0.0, 2.0, (digits,)), text=f"a: {digits}")
    run = replace(planted_run(), tracks=(replace(planted_run().tracks[0], calls=(spoken,)),))
    write_run(tmp_path, run)
    assert read_run(tmp_path).tracks[0].calls[0].text == spoken.text
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"seed":0', f'"seed":{digits}'))
    with pytest.raises(InputError, match="an integer of 30 digits"):
        read_run(tmp_path)
