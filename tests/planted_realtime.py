"""A server of OpenAI's Realtime API for transcription that knows what is said: planted texts at planted times.

It listens to how much audio has come, not to what it sounds like. Speech ends where the recording has a pause; a piece
is cut `vad_s` after that, its words come as deltas when they are spoken, and its transcript `delay_s` after the cut.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from earspan.backends.measured.streams.realtime import RATE_HZ, Realtime
from earspan.backends.measured.streams.session import Frame, StreamError, Told
from earspan.datasets.recording import Recording, Word

LONGER_S = 0.3  # a pause that ends a piece


def pieces_of(words: Sequence[Word]) -> list[list[Word]]:
    """Return the words between pauses."""
    pieces = [[words[0]]]
    for before, word in pairwise(words):
        if word.start_s - before.end_s >= LONGER_S:
            pieces.append([])
        pieces[-1].append(word)
    return pieces


@dataclass
class Planted:
    """One session. wrong: words, by index, that deltas say otherwise than the transcript."""

    recording: Recording
    delay_s: float = 0.5
    vad_s: float = 0.2
    wrong: frozenset[int] = frozenset()
    heard_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    _said: int = 0
    _cut: int = 0

    def hear(self, message: str) -> list[tuple[float, dict[str, Any]]]:
        """Return the answers to a message, each with the seconds after which it comes."""
        event = json.loads(message)
        self.asked.append(event)
        kind = event["type"]
        if kind == "session.update":
            return [(0.0, {"type": "session.updated", "event_id": "e", "session": event["session"]})]
        if kind == "input_audio_buffer.clear":
            return [(0.0, {"type": "input_audio_buffer.cleared", "event_id": "e"})]
        if kind == "input_audio_buffer.append":
            self.heard_s += len(base64.b64decode(event["audio"])) / 2 / RATE_HZ
            return self._listen(self.vad_s)
        return self._listen(None)

    def _listen(self, vad_s: float | None) -> list[tuple[float, dict[str, Any]]]:
        """What follows from the audio so far; without a pause to wait for, what is left is cut as well."""
        words, found, number = self.recording.words or (), [], 0
        before = self._cut
        for piece, part in enumerate(pieces_of(words)):
            for word in part:
                if number >= self._said and word.end_s <= self.heard_s + 1e-6:
                    text = "wrong" if number in self.wrong else word.text
                    found.append((0.0, self._event("delta", piece, delta=f" {text}")))
                    self._said = number + 1
                number += 1
            over = self._said >= number and (vad_s is None or part[-1].end_s + vad_s <= self.heard_s + 1e-6)
            if piece >= self._cut and over:
                found.append(
                    (0.0, {"type": "input_audio_buffer.committed", "event_id": "e", "item_id": f"item-{piece}"})
                )
                transcript = " ".join(word.text for word in part)
                found.append((self.delay_s, self._event("completed", piece, transcript=transcript)))
                self._cut = piece + 1
        if vad_s is None and self._cut == before:
            error = {"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty", "message": "empty"}
            found.append((0.0, {"type": "error", "event_id": "e", "error": error}))
        return found

    def _event(self, kind: str, piece: int, **text: str) -> dict[str, Any]:
        usage = {"usage": {"type": "duration", "seconds": 1}} if kind == "completed" else {}
        name = f"conversation.item.input_audio_transcription.{kind}"
        return {"type": name, "event_id": "e", "item_id": f"item-{piece}", "content_index": 0, **text, **usage}


@dataclass
class Wired:
    """A session without a network: a planted server at the other end, on the clock of the loop."""

    server: Planted
    dialogue: Realtime = field(default_factory=Realtime)
    fails_at_s: float = float("inf")
    _told: Told | None = None

    def encode(self, audio, chunk_s):
        return self.dialogue.encode(audio, chunk_s)

    async def open(self, told: Told) -> None:
        self._told = told
        await self.send(self.dialogue.greet())
        await asyncio.sleep(0.01)
        assert self.dialogue.is_ready

    async def send(self, frame: Frame) -> None:
        loop = asyncio.get_running_loop()
        if self.server.heard_s >= self.fails_at_s:
            raise StreamError("closed", "planted")
        for message in frame:
            assert isinstance(message, str)
            for delay_s, event in self.server.hear(message):
                if delay_s:
                    loop.call_later(delay_s, self._deliver, event)
                else:
                    self._deliver(event)

    async def finish(self) -> None:
        await self.send(self.dialogue.finish())
        while not self.dialogue.is_done:
            await asyncio.sleep(0.001)

    async def close(self) -> None:
        pass

    def _deliver(self, event: dict[str, Any]) -> None:
        assert self._told
        if updates := self.dialogue.read(json.dumps(event)):
            self._told(updates)


@asynccontextmanager
async def serving(handler, **options):
    """Within it, `handler` answers every WebSocket on 127.0.0.1; gives the port."""
    from websockets.asyncio.server import serve

    async with serve(handler, "127.0.0.1", 0, max_size=None, close_timeout=0.2, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def planted_handler(recording: Recording, kill_at_s: float = float("inf"), victims: int = 0, **how: Any):
    """Return what answers a WebSocket as `Planted` would; the first `victims` connections are cut at `kill_at_s`."""
    connections = []

    async def handle(socket) -> None:
        planted = Planted(recording, **how)
        connections.append(planted)
        is_victim = len(connections) <= victims
        loop, later = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def say(delay_s: float, event: dict[str, Any]) -> None:
            await asyncio.sleep(delay_s)
            await socket.send(json.dumps(event))

        await socket.send(
            json.dumps({"type": "session.created", "event_id": "e", "session": {"type": "transcription"}})
        )
        async for message in socket:
            for delay_s, event in planted.hear(message):
                if delay_s:
                    later.add(loop.create_task(say(delay_s, event)))
                else:
                    await say(0.0, event)
            if is_victim and planted.heard_s >= kill_at_s:
                socket.transport.abort()
                return
        for task in later:
            task.cancel()

    return handle
