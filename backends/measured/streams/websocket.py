"""A protocol over a WebSocket: every message is read when it comes, and a failure has a kind and one line.

The package `websockets` and not the `openai` SDK, whose Realtime client is the same package behind its own types: both
protocols share one connection, whose every message is ours to time, and the SDK's types are what the tests check
against. Redirects are not followed: a key is for the server that was named.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ..address import Key
from ..exchange import one_line
from .session import Dialogue, Frame, StreamError, Told

_GOODBYE_S = 1.0  # for a server to answer a goodbye
_LARGEST = 1 << 24  # bytes of a message; the text of a day of speech is a megabyte
_KIND_BY_STATUS = {401: "key", 403: "key", 429: "rate limit"}
_KIND_BY_CLOSE = {4401: "key", 3000: "key", 1008: "refused", 1011: "server error", 1013: "server error"}

_NO_WEBSOCKET = (1002, 1007, 1009)  # RFC 6455: protocol error, no UTF-8, too big


class _Direct(connect):
    """A connection to the server that was named, and no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@dataclass(slots=True)
class WebSocketSession:
    """A stream over a connection of its own (a `session.Session`).

    url, key: where, and what opens it.
    dialogue: the protocol.
    patience_s: how long the server may take to be ready, to take a message, and to say all there is at the end.
    encoded: recordings that a session to this server has made messages of, by identity: all of them share these.
    """

    url: str
    dialogue: Dialogue
    key: Key = field(default_factory=Key)
    patience_s: float = 30.0
    encoded: dict[int, tuple[np.ndarray, Sequence[Frame]]] = field(default_factory=dict, repr=False)
    _connection: ClientConnection | None = None
    _reader: "asyncio.Task[None] | None" = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def encode(self, audio: np.ndarray, chunk_s: float) -> Sequence[Frame]:
        if id(audio) not in self.encoded:  # the audio is kept beside, so that its identity stays its own
            self.encoded[id(audio)] = audio, self.dialogue.encode(audio, chunk_s)
        return self.encoded[id(audio)][1]

    async def open(self, told: Told) -> None:
        async with self._in_time("it was not ready for audio"):
            self._connection = await self._connect()
            self._reader = asyncio.create_task(self._read(self._connection, told))
            await self._send(self.dialogue.greet())
            await self._wait_until(lambda: self.dialogue.is_ready)

    async def send(self, frame: Frame) -> None:
        async with self._in_time("it took no more audio"):
            await self._send(frame)

    async def finish(self) -> None:
        async with self._in_time("it did not end the text"):
            await self._send(self.dialogue.finish())
            await self._wait_until(lambda: self.dialogue.is_done)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, StreamError):
                await self._reader
        if self._connection is not None:
            try:
                async with asyncio.timeout(2 * _GOODBYE_S):
                    await self._connection.close()
            except TimeoutError:  # what it never took still waits to be sent
                self._connection.transport.abort()

    async def _connect(self) -> ClientConnection:
        given = {"Authorization": f"Bearer {self.key.secret}"} if self.key.secret else None
        try:
            return await _Direct(
                self.url,
                additional_headers=given,
                compression=None,  # it takes time of ours, and audio does not become smaller
                open_timeout=None,  # `patience_s`
                ping_interval=None,  # a server that is busy for long is to be measured, not left
                close_timeout=_GOODBYE_S,
                max_size=_LARGEST,
            )
        except InvalidStatus as error:
            status, body = error.response.status_code, (error.response.body or b"").decode(errors="replace")
            kind = _KIND_BY_STATUS.get(status, "server error" if status >= 500 else "refused")
            raise StreamError(kind, self._say(f"{status}: {body}" if body.strip() else f"{status}")) from None
        except ssl.SSLCertVerificationError as error:
            raise StreamError("certificate", error.verify_message) from None
        except InvalidHandshake as error:
            raise StreamError("garbage", self._say(f"no WebSocket: {error}")) from None
        except (OSError, EOFError) as error:
            raise StreamError("connection", self._say(_reason(error))) from None

    async def _read(self, connection: ClientConnection, told: Told) -> None:
        """Hear the server until the stream ends."""
        try:
            while not self.dialogue.is_done:
                if updates := self.dialogue.read(await connection.recv()):
                    told([replace(one, text=self.key.hide(one.text)) for one in updates])
                self._changed.set()
        except ConnectionClosed as error:
            raise self._explain(error) from None
        except StreamError as error:
            raise StreamError(error.kind, self.key.hide(str(error))) from None
        finally:
            self._changed.set()

    async def _send(self, frame: Frame) -> None:
        if self._connection is None:
            raise StreamError("connection", "not open")
        try:
            for message in frame:
                self._raise_failure()
                await self._connection.send(message)
        except ConnectionClosed as error:
            self._raise_failure()  # what the server said last counts for more
            raise self._explain(error) from None

    async def _wait_until(self, reached) -> None:
        while not reached():
            self._raise_failure()
            self._changed.clear()
            await self._changed.wait()

    def _raise_failure(self) -> None:
        if self._reader is not None and self._reader.done() and (error := self._reader.exception()) is not None:
            raise error

    def _explain(self, error: Exception) -> StreamError:
        close, ours = getattr(error, "rcvd", None), getattr(error, "sent", None)
        if close is None and ours is not None and ours.code in _NO_WEBSOCKET:
            return StreamError("garbage", self._say(f"a message that is none of a WebSocket: {ours.reason}"))
        if close is None:
            return StreamError("closed", "the connection ended without a word")
        kind = _KIND_BY_CLOSE.get(close.code, "closed")
        return StreamError(kind, self._say(f"the server closed the stream: {close.code} {close.reason}"))

    def _say(self, text: str) -> str:
        return one_line(self.key.hide(text))

    @asynccontextmanager
    async def _in_time(self, about: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.patience_s):
                yield
        except TimeoutError:
            raise StreamError("timeout", f"{about} within {self.patience_s:g} s") from None


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
