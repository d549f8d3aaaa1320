"""A run on disk and read again: nothing that was played is lost."""

import json
from pathlib import Path

import numpy as np
from earspan.benchmarks.store import Run, Track, read_raw, write_raw
from earspan.datasets.recording import Recording

CALL = {"start_s": 0.0, "end_s": 2.0, "arrival_at_s": 2.0, "start_at_s": 2.0, "finish_at_s": 2.5, "committed": ["yes"]}


def a_run() -> Run:
    """Two recordings; where a detector found no speech in the second, no call was made."""
    recordings = {name: Recording(name, np.zeros(0, np.float32), "yes", None, "planted", None) for name in ("a", "b")}
    tracks = [Track("a", "vad", 5.0, None, "l4", [CALL]), Track("b", "vad", 5.0, None, "l4", [])]
    return Run({"benchmark": "evaluate", "settings": {}}, recordings, tracks)


def test_a_recording_without_any_call_is_kept(tmp_path: Path):
    write_raw(tmp_path, a_run())
    again = read_raw(tmp_path)
    assert again.tracks == a_run().tracks
    assert again.meta == {"schema": 1, "benchmark": "evaluate", "settings": {}}
    assert list(again.references) == ["a", "b"]


def test_runs_of_before_that_list_no_tracks_are_read(tmp_path: Path):
    write_raw(tmp_path, a_run())
    meta = json.loads((tmp_path / "run.json").read_text())
    del meta["tracks"]
    (tmp_path / "run.json").write_text(json.dumps(meta))
    assert read_raw(tmp_path).tracks == a_run().tracks[:1]
