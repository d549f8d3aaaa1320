"""The recording of the planted run as audio, and a run that was heard from a dataset on disk."""

import json
from dataclasses import replace
from pathlib import Path

import soundfile
from earspan.benchmarks.experiment.records import Run
from earspan.datasets.recording import Recording

from ...speech.planted import RATE, recording_of
from ..results.planted import planted_run


def planted_recording(name: str = "a") -> Recording:
    """Sound where the planted run has words."""
    reference = planted_run().by_id[name]
    return recording_of(reference.words or (), reference.duration_s, name)


def stored_dataset(folder: Path, word_times: bool = True) -> Path:
    """The two recordings of the planted run as a dataset on disk."""
    folder.mkdir(exist_ok=True)
    lines = []
    for recording in map(planted_recording, "ab"):
        soundfile.write(folder / f"{recording.id}.wav", recording.audio, RATE)
        words = [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in recording.words or ()]
        lines.append({"audio_filepath": f"{recording.id}.wav", "duration": recording.duration_s, "id": recording.id,
                      "text": recording.text, **({"words": words} if word_times else {})})  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def run_of(dataset: Path) -> Run:
    """The planted run as heard from `dataset`."""
    run = planted_run()
    return replace(run, experiment=replace(run.experiment, dataset=(str(dataset),)))
