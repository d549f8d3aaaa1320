"""OpenAI's Realtime API for transcription (GA, 2026): JSON events both ways, audio as base64 of 16-bit PCM at 24 kHz.

The events are those that the official SDK types (`openai.types.realtime`, 3.57): `session.update` with a session of
type "transcription", `input_audio_buffer.append` and `.commit`, `conversation.item.input_audio_transcription.*`.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from ...workload.op import SAMPLE_RATE
from ..exchange import one_line, quantise
from .session import ADDED, FAILED, FINAL, Frame, Message, StreamError, Update, cut

RATE_HZ = 24_000  # the only one that sessions take: `RealtimeAudioFormatsParam`
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"
_COMMIT = '{"type":"input_audio_buffer.commit"}'
_FENCE = "the-end"  # the id of our last event


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | None = None
    event_id: str | None = None


class _Event(msgspec.Struct):
    type: str
    item_id: str = ""
    delta: str | None = None
    transcript: str = ""
    error: _Error | None = None


@dataclass(slots=True)
class Realtime:
    """One transcription session.

    model: the server's name of it; None leaves the choice to the server.
    language: as an ISO 639-1 code; None lets the server detect it.
    commit_s: a piece of audio is transcribed whenever so many seconds were sent; None leaves the cutting to the
        server's voice activity detection.
    """

    model: str | None = None
    language: str | None = "en"
    commit_s: float | None = None
    is_ready: bool = False
    _all_heard: bool = False
    _waited_for: set[str] = field(default_factory=set)  # items without a transcript
    _transcribed: set[str] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        return self._all_heard and not self._waited_for

    def greet(self) -> Frame:
        heard = {"model": self.model, "language": self.language}
        audio = {
            "format": {"type": "audio/pcm", "rate": RATE_HZ},
            "transcription": {name: value for name, value in heard.items() if value is not None},
            "turn_detection": {"type": "server_vad"} if self.commit_s is None else None,
        }
        return (_encode({"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio}}}),)

    def encode(self, audio: np.ndarray, chunk_s: float) -> Sequence[Frame]:
        chunks = cut(quantise(_resample(audio)), RATE_HZ, chunk_s)
        frames: list[Frame] = []
        for number, chunk in enumerate(chunks, 1):
            append = _encode({"type": "input_audio_buffer.append", "audio": b64encode(chunk.tobytes()).decode()})
            due = (
                self.commit_s is not None and number < len(chunks) and _passes(number * chunk_s, chunk_s, self.commit_s)
            )
            frames.append((append, _COMMIT) if due else (append,))
        return frames

    def finish(self) -> Frame:
        # Also after a server's own voice activity detection: what it holds at the end has no silence behind it. Events
        # are answered in turn, so with the answer to the second we know of every piece that will be transcribed.
        return (_COMMIT, _encode({"type": "input_audio_buffer.clear", "event_id": _FENCE}))

    def read(self, message: Message) -> Sequence[Update]:
        try:
            event = msgspec.json.decode(message, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise StreamError("garbage", "a message that is no event of the Realtime API") from None
        if event.type == "session.updated":
            self.is_ready = True
        elif event.type == "error":
            return self._read_error(event.error or _Error())
        elif event.type == "input_audio_buffer.committed":
            self._waited_for |= {event.item_id} - self._transcribed
        elif event.type == "input_audio_buffer.cleared":
            self._all_heard = True
        elif event.type == f"{_TRANSCRIPTION}delta":
            return (Update(ADDED, event.item_id, event.delta or ""),)
        elif event.type == f"{_TRANSCRIPTION}completed":
            self._settle(event.item_id)
            return (Update(FINAL, event.item_id, event.transcript),)
        elif event.type == f"{_TRANSCRIPTION}failed":
            self._settle(event.item_id)
            return (Update(FAILED, event.item_id, f"server error: {_say(event.error)}"),)
        return ()

    def _settle(self, item: str) -> None:
        self._transcribed.add(item)
        self._waited_for.discard(item)

    def _read_error(self, error: _Error) -> Sequence[Update]:
        if error.event_id == _FENCE:  # a server without that event
            self._all_heard = True
            return ()
        if error.code == _NOTHING_TO_COMMIT:  # it had cut all there was
            return ()
        words = f"{error.type} {error.code}"
        kind = next((kind for mark, kind in _KINDS.items() if mark in words), "refused")
        if not self.is_ready:
            raise StreamError(kind, _say(error))
        return (Update(FAILED, "", f"{kind}: {_say(error)}"),)  # the session stays open, or the server closes it


_KINDS = {"api_key": "key", "authentication": "key", "rate_limit": "rate limit", "quota": "rate limit",
          "server_error": "server error"}  # fmt: skip


def _say(error: _Error | None) -> str:
    parts = (error.code, error.message) if error else ()
    return one_line(": ".join(part for part in parts if part)) or "no reason given"


def _encode(event: Any) -> str:
    return msgspec.json.encode(event).decode()


def _passes(at_s: float, chunk_s: float, every_s: float) -> bool:
    """Whether a multiple of `every_s` lies in the chunk that ends at `at_s`."""
    return int((at_s + 1e-9) / every_s) > int((at_s - chunk_s + 1e-9) / every_s)


def _resample(audio: np.ndarray) -> np.ndarray:
    """Return the same sound at the session's rate."""
    from scipy.signal import resample_poly  # half a second to import, only where a server is measured

    ratio = Fraction(RATE_HZ, SAMPLE_RATE)
    return resample_poly(audio, ratio.numerator, ratio.denominator)
