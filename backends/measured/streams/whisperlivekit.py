"""WhisperLiveKit's own protocol (0.2.26): 16-bit PCM at 16 kHz up, snapshots of all the text down, 20 a second.

A snapshot holds the `lines` that are final and the `buffer_transcription` that is not. Only what is new is kept. The
server has to run with `--pcm-input`; an empty message ends the audio, and `ready_to_stop` the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from ...workload.op import SAMPLE_RATE
from ..exchange import one_line, quantise
from .session import FINAL, INTERIM, Frame, Message, StreamError, Update, cut

_SILENCE = -2  # the speaker of a line without words


class _Line(msgspec.Struct):
    text: str | None = ""
    speaker: int = 1


class _Snapshot(msgspec.Struct):
    type: str = ""
    useAudioWorklet: bool = True  # whether raw samples are expected
    status: str = ""
    error: str = ""
    lines: list[_Line] | None = None
    buffer_transcription: str = ""


@dataclass(slots=True)
class WhisperLiveKit:
    """One stream."""

    is_ready: bool = False
    is_done: bool = False
    _final: list[str] = field(default_factory=list)  # by part; the part after the last is not final
    _tail: str = ""

    def greet(self) -> Frame:
        return ()

    def encode(self, audio: np.ndarray, chunk_s: float) -> Sequence[Frame]:
        return [(chunk.tobytes(),) for chunk in cut(quantise(audio), SAMPLE_RATE, chunk_s)]

    def finish(self) -> Frame:
        return (b"",)

    def read(self, message: Message) -> Sequence[Update]:
        try:
            found = msgspec.json.decode(message, type=_Snapshot)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise StreamError("garbage", "a message that is no snapshot of WhisperLiveKit") from None
        if found.error:
            raise StreamError("server error", one_line(found.error) or "no reason given")
        if found.type == "config":
            if not found.useAudioWorklet:
                raise StreamError("refused", "the server expects WebM; start it with --pcm-input")
            self.is_ready = True
        elif found.type == "ready_to_stop":
            self.is_done = True
            return self._settle(
                f"{''.join(self._final)} {self._tail}".strip(), ""
            )  # no more will come of what is unsure
        elif found.lines is not None:
            texts = [(line.text or "").strip() for line in found.lines if line.speaker != _SILENCE]
            return self._settle(" ".join(text for text in texts if text), found.buffer_transcription.strip())
        return ()

    def _settle(self, final: str, tail: str) -> list[Update]:
        """Return what is new in a text that is final, and in one after it that is not."""
        before, updates = "".join(self._final), list[Update]()
        if not final.startswith(before):  # said otherwise than before: the first part takes it all
            updates += [Update(FINAL, str(part), "") for part in range(1, len(self._final))]
            self._final, before = [""] * len(self._final), ""
            updates.append(self._extend(0, final))
        elif final != before:
            # What goes on within a word belongs to the part with its beginning.
            glued = self._final and not final[len(before)].isspace()
            updates.append(self._extend(len(self._final) - bool(glued), final[len(before) :]))
        if updates or tail != self._tail:
            updates.append(Update(INTERIM, str(len(self._final)), tail))
        self._tail = tail
        return updates

    def _extend(self, part: int, text: str) -> Update:
        self._final += [""] * (part + 1 - len(self._final))
        self._final[part] += text
        return Update(FINAL, str(part), self._final[part])
