"""Replays as files: of a run that is stored, and of what has just been played live."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...datasets.audio import SAMPLE_RATE
from ...datasets.recording import Recording
from ..experiment import store
from ..experiment.live import Heard
from ..experiment.records import Run
from .content import make_replay, refer_to
from .lanes import choose_lanes, find_reference
from .page import render_replay
from .sound import find_audio


def write_replay(path: Path, run: Run, recording: str | None = None, lanes: Sequence[str] = ()) -> None:
    """Write the page that plays one recording of a run in some of its settings.

    recording: its id; None for the first. lanes: see `choose_lanes`.
    Raises `InputError` for what the run does not hold, and if the recording is not there any more.
    """
    reference = find_reference(run, recording)
    tracks = choose_lanes(run, reference.id, lanes)
    replay = make_replay(reference, find_audio(run, reference), tracks, run.experiment.normaliser)
    made = run.provenance
    notes = [
        f"The words are what {made.model} wrote when it was given the windows that are drawn ({made.engine}).",
        f"The times are those of {made.timed_as} in {made.timed_dtype} on the hardware that is named, simulated.",
        f"The recording is from {reference.dataset}, licence: {_licence(run, reference.dataset)}.",
        f"Made by {made.command}, {made.date}.",
    ]
    if run.aligned and reference.words:
        notes.append(run.aligned.note)
    store.write_whole(path, render_replay(replay, notes))


def write_live(path: Path, recording: Recording, heard: Heard, notes: Sequence[str], normaliser: str) -> None:
    """Write the page that plays what was played live, in its one setting, as far as it was played."""
    track = replace(heard.track, backend=heard.track.backend or "this machine")  # whose times counted
    reference = refer_to(recording, heard.audio_s)
    audio = recording.audio[: round(heard.audio_s * SAMPLE_RATE)]
    store.write_whole(path, render_replay(make_replay(reference, audio, [track], normaliser), notes))


def _licence(run: Run, dataset: str) -> str:
    return next((one.licence for one in run.datasets if one.name == dataset and one.licence), "not stated")
