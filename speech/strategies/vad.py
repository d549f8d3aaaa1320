"""Cut where nobody speaks, as voice activity detection finds it (Silero VAD, weights from its wheel).

A piece ends `silence_s` after speech did; one that grows to the window is cut where its later half sounds least like
speech, as WhisperX does. Silence without speech in it is in no call: on silence Whisper invents words. Whether audio
is speech depends on the audio before it only, so every cut could have been made live.
"""

import hashlib
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...backends.errors import InputError
from ...backends.workload.op import SAMPLE_RATE
from .base import Call, Heard, Strategy, check_window
from .steps import check_overload

FRAME = 512  # samples that Silero VAD judges at once, at 16 kHz
_FRAME_S = FRAME / SAMPLE_RATE
_BEGINS, _ENDS = 0.5, 0.35  # Silero VAD's defaults: the probability above which speech begins, and below which it ends
_SHORTEST_SPEECH_S = 0.1  # less is a click; Silero's 0.25 s for whole files would lose a "no" between two pauses
_BEFORE_SPEECH_S = 0.4  # faster-whisper's speech_pad_ms

Probabilities = Callable[[np.ndarray], np.ndarray]


def silero(audio: np.ndarray) -> np.ndarray:
    """Return the probability of speech in each frame of `audio`, shape = (frames,).

    Raises `InputError` if not installed.
    """
    digest = hashlib.sha256(audio.tobytes()).digest()
    if digest not in _JUDGED:  # the same recording is cut for many windows and backends
        _JUDGED[digest] = _judge(audio)
    return _JUDGED[digest]


_JUDGED: dict[bytes, np.ndarray] = {}


def _judge(audio: np.ndarray) -> np.ndarray:
    import torch

    model, samples = _silero_model(), torch.from_numpy(np.ascontiguousarray(audio, np.float32))
    model.reset_states()
    padded = torch.nn.functional.pad(samples, (0, -len(samples) % FRAME))
    with torch.inference_mode():
        return np.array([float(model(frame, SAMPLE_RATE)) for frame in padded.split(FRAME)], dtype=np.float32)


@cache
def _silero_model() -> Any:
    import torch

    threads = torch.get_num_threads()
    try:
        from silero_vad import load_silero_vad  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError("vad: Silero VAD is not installed; type pip install 'earspan[vad]'") from error
    finally:
        torch.set_num_threads(threads)  # importing it sets one for the whole process
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, in which the model is stored
        return load_silero_vad()


@dataclass(frozen=True, slots=True)
class VoicePiece:
    """Audio with speech, in seconds, and when it was clear that it ends there."""

    start_s: float
    end_s: float
    known_at_s: float


@dataclass(frozen=True, slots=True)
class Vad(Strategy):
    """cut at silence (Silero VAD), at most WINDOW seconds at once; silence is not transcribed"""

    window_s: float
    silence_s: float = 0.3
    probabilities: Probabilities = silero

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Vad":
        check_window("vad", window_s)
        return cls(window_s)

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        check_overload(overload)
        duration_s = len(audio) / SAMPLE_RATE
        pieces = (
            voice_pieces(self.probabilities(audio), duration_s, self.window_s, self.silence_s) if duration_s else []
        )
        ready_at_s = 0.0
        while pieces:
            piece, pieces = _next_piece(pieces, ready_at_s, overload, self.window_s)
            if piece is None:
                continue
            heard = yield Call(piece.start_s, piece.end_s, known_at_s=piece.known_at_s)
            heard.commit(heard.text.split())
            ready_at_s = heard.ready_at_s


def _next_piece(
    pieces: list[VoicePiece], ready_at_s: float, overload: str, window_s: float
) -> tuple[VoicePiece | None, list[VoicePiece]]:
    """Return what to hear next, and what is left. Whole pieces are all that can be joined or dropped here."""
    waiting = sum(piece.known_at_s < ready_at_s for piece in pieces)
    if overload == "drop" and waiting > 2:
        return None, pieces[waiting:]
    taken = 1
    if overload in ("coalesce", "grow"):
        while taken < waiting and pieces[taken].end_s - pieces[0].start_s <= window_s:
            taken += 1
    last = pieces[taken - 1]
    return VoicePiece(pieces[0].start_s, last.end_s, last.known_at_s), pieces[taken:]


def voice_pieces(
    probabilities: Sequence[float] | np.ndarray, duration_s: float, window_s: float, silence_s: float
) -> list[VoicePiece]:
    """Return the pieces of a recording in order, given the probability of speech in each frame."""
    pieces: list[VoicePiece] = []
    start = begun = spoken = silent = 0  # frames: where the piece starts; where speech began, and how much of each
    speaking = False
    longest, patience = max(1, int(window_s / _FRAME_S)), max(1, round(silence_s / _FRAME_S))
    before, least = round(_BEFORE_SPEECH_S / _FRAME_S), round(_SHORTEST_SPEECH_S / _FRAME_S)

    def end(at: int, known: int) -> None:
        pieces.append(VoicePiece(start * _FRAME_S, min(at * _FRAME_S, duration_s), min(known * _FRAME_S, duration_s)))

    for now, probability in enumerate(probabilities, start=1):  # `now`: frames that have been spoken
        if not speaking and probability >= _BEGINS:
            speaking = True
            if not spoken:
                begun = now - 1
                start = max(start, begun - before, now - longest)
        elif speaking and probability < _ENDS:
            speaking = False
        spoken += speaking
        silent = 0 if speaking else silent + 1
        if silent >= patience and spoken >= least:
            end(now, now)
            start, spoken = now, 0
        elif silent >= patience:
            spoken = 0  # too short to be speech
        elif spoken and now - start >= longest:
            middle = start + longest // 2
            quietest = middle + int(np.argmin(probabilities[middle:now])) + 1
            end(quietest, now)
            start, spoken = quietest, max(0, now - silent - quietest)  # silence alone is no piece
    if spoken:
        start_s = start * _FRAME_S
        if start_s < duration_s:
            end(len(probabilities), len(probabilities))
    return pieces
