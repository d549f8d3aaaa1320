"""A live stream to a server of files: a strategy cuts the audio into calls, each made when its audio has been spoken.

To the player it is a stream like any other (a `Session` of `backends.measured.streams`). A call is made when the chunk
with its last sample is sent and the call before it is answered, in a thread of its own, so that no chunk waits for it.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ...backends.measured.budget import BudgetError
from ...backends.measured.records import EndpointError
from ...backends.measured.rest import RestEndpoint
from ...backends.measured.streams.session import FINAL, INTERIM, Frame, StreamError, Told, Update, cut
from ...datasets.audio import SAMPLE_RATE
from ..strategies import Call, Heard, Strategy

WARM_UP_S = 1.0  # of silence, so that the first call that counts finds an open connection and a server awake


@dataclass(slots=True)
class CalledSession:
    """One stream of calls to an endpoint of its own, which is closed with it.

    strategy: cuts the audio.
    pool: has a thread for each stream.
    language: of the speech, as an ISO 639-1 code; None lets the endpoint detect it.
    patience_s: how long the calls that are left may take when the audio has ended.
    """

    endpoint: RestEndpoint
    strategy: Strategy
    pool: Executor
    language: str | None = "en"
    patience_s: float = 30.0
    _audio: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    _sent: int = 0  # samples
    _advanced: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: "asyncio.Task[None] | None" = None

    def encode(self, audio: np.ndarray, chunk_s: float) -> Sequence[Frame]:
        self._audio = audio
        return [(chunk.tobytes(),) for chunk in cut(audio, SAMPLE_RATE, chunk_s)]

    async def open(self, told: Told) -> None:
        await self._ask(np.zeros(round(WARM_UP_S * SAMPLE_RATE), np.float32), "")
        self._calls = asyncio.create_task(self._make_calls(told))

    async def send(self, frame: Frame) -> None:
        self._raise_failure()
        self._sent += sum(len(chunk) for chunk in frame) // self._audio.itemsize
        self._advanced.set()

    async def finish(self) -> None:
        if self._calls is not None:
            _, waiting = await asyncio.wait([self._calls], timeout=self.patience_s)
            self._raise_failure()
            if waiting:
                raise StreamError("timeout", f"calls were left {self.patience_s:g} s after the end")

    async def close(self) -> None:
        if self._calls is not None:
            self._calls.cancel()
            with suppress(asyncio.CancelledError, StreamError):
                await self._calls
        self.endpoint.close()

    async def _make_calls(self, told: Told) -> None:
        loop, began_s, part = asyncio.get_running_loop(), 0.0, 0
        calls = self.strategy.run(self._audio)
        call = next(calls, None)
        while call is not None:
            while self._sent < round(call.arrival_at_s * SAMPLE_RATE):
                self._advanced.clear()
                await self._advanced.wait()
            # Seconds of the recording: the chunk that brought the call has just been sent.
            began_s = began_s or loop.time() - self._sent / SAMPLE_RATE
            text = await self._ask(self._cut(call), call.prompt)
            heard = Heard(text, loop.time() - began_s)
            try:
                call = calls.send(heard)
            except StopIteration:
                call = None
            told([Update(FINAL, str(part), " ".join(heard.committed)),
                  Update(INTERIM, str(part + 1), " ".join(heard.interim))])  # fmt: skip
            part += 1

    def _cut(self, call: Call) -> np.ndarray:
        return self._audio[round(call.start_s * SAMPLE_RATE) : round(call.end_s * SAMPLE_RATE)]

    async def _ask(self, audio: np.ndarray, prompt: str) -> str:
        ask = self.endpoint.transcribe
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self.pool, ask, audio, prompt, self.language)
        except EndpointError as error:
            raise StreamError(error.kind, str(error).removeprefix(f"{self.endpoint.place}: {error.kind}: ")) from None
        except BudgetError as error:
            raise StreamError("budget", str(error)) from None
        return answer.text

    def _raise_failure(self) -> None:
        if self._calls is not None and self._calls.done() and (error := self._calls.exception()) is not None:
            raise error
