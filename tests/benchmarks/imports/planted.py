"""A dataset of silence with planted words, and runs over it."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.records import Reference, Run, Track
from earspan.benchmarks.experiment.store import SCHEMA
from earspan.datasets import open_dataset
from earspan.datasets.recording import Word
from earspan.speech.metrics.calls import CallRecord

from ..results.planted import HEARD, PROVENANCE

WRITTEN = Path(__file__).with_name("written")  # by the programs themselves, see test_formats.py
SAID = {"a": "hello world this is it", "b": "one two three"}
LENGTHS_S = {"a": 2.0, "b": 1.5}


def words_of(name: str) -> tuple[Word, ...]:
    """The words of a recording, a third of a second each, with a pause between."""
    return tuple(Word(text, 0.4 * i, 0.4 * i + 0.3) for i, text in enumerate(SAID[name].split()))


def put_dataset(folder: Path) -> Path:
    """Write the recordings and their manifest into `folder`, and return it."""
    lines = []
    for name, text in SAID.items():
        soundfile.write(folder / f"{name}.wav", np.zeros(int(16_000 * LENGTHS_S[name])), 16_000)
        words = [{"text": word.text, "start": word.start_s, "end": word.end_s} for word in words_of(name)]
        lines.append(
            json.dumps({"audio_filepath": f"{name}.wav", "duration": LENGTHS_S[name], "text": text, "words": words})
        )
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def run_of(calls: dict[str, tuple[CallRecord, ...]], dataset: Path) -> Run:
    """A run of ours over the dataset, in one setting."""
    name_of = {Path(entry.id).stem: entry.id for entry in open_dataset(str(dataset), []).entries}
    references = tuple(
        Reference(name_of[name], SAID[name], words_of(name), "planted", None, LENGTHS_S[name]) for name in calls
    )
    tracks = tuple(Track(name_of[name], "sliding", 2.0, 1.0, "l4", own) for name, own in calls.items())
    experiment = Experiment(backends=("l4",), windows_s=(2.0,), loads=("1x1",), normaliser="none")
    return Run(SCHEMA, experiment, PROVENANCE, (HEARD,), (), references, tracks)


def put_pipecat(path: Path, *rows: Mapping[str, object]) -> str:
    """Write rows into a database with the columns of stt-benchmark's, and return what `--import` takes.

    Columns and their types: `storage/database.py` of pipecat-ai/stt-benchmark at 15ee3bc, where a model that was not
    named is the empty text, and a sample that failed has neither text nor time.
    """
    columns = {"sample_id": "text not null", "service_name": "text not null", "model_name": "text",
               "ttfb_seconds": "real", "transcription": "text", "audio_duration_seconds": "real not null",
               "timestamp": "text not null", "error": "text"}  # fmt: skip
    usual = {"service_name": "deepgram", "model_name": "", "timestamp": "2026-05-21T10:00:00+00:00"}
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table samples (sample_id text primary key, audio_path text not null)")
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        database.execute(f"create table results (id integer primary key autoincrement, {declared})")
        for row in rows:
            values = [{**usual, **row}.get(name) for name in columns]
            database.execute(f"insert into results ({', '.join(columns)}) values (?, ?, ?, ?, ?, ?, ?, ?)", values)
        database.commit()
    return f"pipecat:{path}"
