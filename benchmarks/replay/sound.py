"""The audio of a replay: found again, compressed for browsers, and as a curve."""

import io
from base64 import b64encode
from dataclasses import replace

import numpy as np
import soundfile

from ...backends.errors import InputError
from ...datasets.audio import SAMPLE_RATE
from ...datasets.recording import head
from ..experiment.records import Reference, Run
from ..experiment.source import Source

_PEAKS_PER_S = 20
_TOLERANCE_S = 1e-3
# MP3 is what every browser plays, Safari too. At a constant rate a browser can seek to the very frame. 48 kbit/s at
# 16 kHz: speech is as clear as before, and 2 minutes are 0.96 MB of text.
_LEVEL = 0.75


def find_audio(run: Run, reference: Reference) -> np.ndarray:
    """Return the audio of a recording of a run, read again where the run read it: a run itself stores none.

    Raises `InputError` if it is not there any more, or another than was heard.
    """
    head_s = run.experiment.head_s
    try:
        source = Source.open(run.experiment)
        units = {unit.id: unit for unit in source.units}
        unit = units.get(reference.id)
        if unit is None and head_s:
            unit = units.get(reference.id.removesuffix(f" 0-{head_s:g} s"))
        if unit is None:
            why = "; ".join(failure.reason for failure in source.failed[:1]) or "no such recording"
            raise InputError(f"{', '.join(run.experiment.datasets)}: {why}")
        recording = unit.load()
    except InputError as error:
        raise InputError(f"no audio of {reference.id!r}, which a run does not store: {error}") from error
    if recording.words is not None and head_s:
        recording = head(recording, head_s)
    elif reference.id != unit.id:  # shortened by the word times of the model that heard it
        text = " ".join(recording.text.split()[: len(reference.said)])
        recording = replace(recording, text=text, audio=recording.audio[: round(reference.duration_s * SAMPLE_RATE)])
    if recording.text != reference.text or abs(recording.duration_s - reference.duration_s) > _TOLERANCE_S:
        raise InputError(f"{reference.id!r} is not what the run heard: text or length have changed since; run it again")
    return recording.audio


def compress(audio: np.ndarray) -> str:
    """Return audio as a `data:` URI that every browser plays."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(audio, -1, 1), SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III",
                    bitrate_mode="CONSTANT", compression_level=_LEVEL)  # fmt: skip
    return f"data:audio/mpeg;base64,{b64encode(file.getvalue()).decode()}"


def peaks(audio: np.ndarray) -> list[float]:
    """Return the loudest of every twentieth of a second, as a part of the loudest of all."""
    size = SAMPLE_RATE // _PEAKS_PER_S
    padded = np.pad(np.abs(audio), (0, -len(audio) % size)).reshape(-1, size).max(axis=1)
    return (padded / max(float(padded.max(initial=0.0)), 1e-9)).tolist()


def draw_peaks(audio: np.ndarray, middle: float, half: float) -> str:
    """Return the outline of the sound as an SVG path, seconds across, `half` above and below `middle`."""
    top = [(number / _PEAKS_PER_S, max(peak, 0.01) * half) for number, peak in enumerate(peaks(audio))]
    above = [f"{at_s:.2f},{middle - high:.1f}" for at_s, high in top]
    below = [f"{at_s:.2f},{middle + high:.1f}" for at_s, high in reversed(top)]
    return f"M{' '.join([*above, *below])}Z"
