"""One live stream to a measured server: what is sent, what the server says about the text, and how it can fail.

A protocol is a `Dialogue`, which does no I/O: it makes messages and reads messages. Times are the player's
(`speech.streaming.paced`), which stamps what is said when it comes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Message = str | bytes
Frame = tuple[Message, ...]  # the messages that bring one chunk of audio

ADDED, INTERIM, FINAL, FAILED = "added", "interim", "final", "failed"
# Why a stream ended early; the words are those of `attempts.KINDS` as far as both know the thing.
FAILURES = ("connection", "certificate", "key", "rate limit", "refused", "server error", "closed", "timeout", "garbage",
            "budget")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Update:
    """What a server said about one part of the text of a stream.

    kind: `ADDED`, the text comes after what is shown of the part; `INTERIM`, it takes the place of that; `FINAL`, the
        same, for good; `FAILED`: the part will have no text, and `text` says why, beginning with one of `FAILURES`.
    part: which one; parts stand in the order in which they were first named.
    """

    kind: str
    part: str
    text: str


class StreamError(Exception):
    """A stream that ended early. The message is one line, without any secret. kind: one of `FAILURES`."""

    def __init__(self, kind: str, about: str) -> None:
        super().__init__(about)
        self.kind = kind


Told = Callable[[Sequence[Update]], None]  # all updates of one message at once, as it comes


class Session(Protocol):
    """A stream as the player drives it: opened, fed frame by frame, finished; each may raise `StreamError`."""

    def encode(self, audio: np.ndarray, chunk_s: float) -> Sequence[Frame]:
        """Return audio, float32 at 16 kHz, as a frame for each chunk of that many seconds; the last may be shorter."""
        ...

    async def open(self, told: Told) -> None:
        """Return when the server is ready for audio. `told` is called with what it says, from now until `close`."""
        ...

    async def send(self, frame: Frame) -> None:
        """Return when the frame is on its way."""
        ...

    async def finish(self) -> None:
        """Say that the audio has ended, and return when the server has said all there is."""
        ...

    async def close(self) -> None:
        """Leave the server, whatever the state of the stream."""
        ...


class Dialogue(Protocol):
    """A protocol, for one stream: what is said to the server, and what it means by its messages."""

    @property
    def is_ready(self) -> bool:
        """Whether the server waits for audio."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether the server has said all there is."""
        ...

    def greet(self) -> Frame:
        """Return what is said when the connection is open."""
        ...

    def encode(self, audio: np.ndarray, chunk_s: float) -> Sequence[Frame]:
        """As of `Session`."""
        ...

    def finish(self) -> Frame:
        """Return what is said when the audio has ended."""
        ...

    def read(self, message: Message) -> Sequence[Update]:
        """Return what a message says about the text. Raises `StreamError` for one that ends the stream."""
        ...


def cut(samples: np.ndarray, rate_hz: int, chunk_s: float) -> list[np.ndarray]:
    """Return samples in chunks of that many seconds, each beginning at a whole multiple of them."""
    ends = [round(number * chunk_s * rate_hz) for number in range(1, int(len(samples) / rate_hz / chunk_s) + 2)]
    return [part for part in np.split(samples, [end for end in ends if end < len(samples)]) if len(part)]
