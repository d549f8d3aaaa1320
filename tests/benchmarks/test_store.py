"""A run on disk and read again: nothing that was played is lost."""

import json
from pathlib import Path

import numpy as np
from earspan.benchmarks.store import Reference, Run, Track, read_raw, write_raw
from earspan.datasets.recording import Recording, Word

CALL = {"start_s": 0.0, "end_s": 2.0, "arrival_at_s": 2.0, "start_at_s": 2.0, "finish_at_s": 2.5, "committed": ["yes"]}


def a_run() -> Run:
    """Two recordings; where a detector found no speech in the second, no call was made."""
    references = {name: Reference(name, "yes", None, "planted", None, 2.5) for name in ("a", "b")}
    tracks = [Track("a", "vad", 5.0, None, "l4", [CALL]), Track("b", "vad", 5.0, None, "l4", [])]
    return Run({"benchmark": "evaluate", "settings": {}}, references, tracks)


def test_a_recording_without_any_call_is_kept(tmp_path: Path):
    write_raw(tmp_path, a_run())
    again = read_raw(tmp_path)
    assert again.tracks == a_run().tracks
    assert again.meta == {"schema": 1, "benchmark": "evaluate", "settings": {}}
    assert again.references == a_run().references


def test_runs_of_before_that_list_no_tracks_and_durations_are_read(tmp_path: Path):
    write_raw(tmp_path, a_run())
    meta = json.loads((tmp_path / "run.json").read_text())
    del meta["tracks"]
    for reference in meta["references"]:
        del reference["duration_s"]
    (tmp_path / "run.json").write_text(json.dumps(meta))
    again = read_raw(tmp_path)
    assert again.tracks == a_run().tracks[:1]
    assert [reference.duration_s for reference in again.references.values()] == [None, None]


def test_a_recording_is_kept_with_its_length_and_without_its_audio():
    words = (Word("yes", 0.5, 1.0),)
    recording = Recording("a", np.zeros(40_000, np.float32), "yes", words, "planted", "anna")
    assert Reference.of(recording) == Reference("a", "yes", words, "planted", "anna", 2.5)
