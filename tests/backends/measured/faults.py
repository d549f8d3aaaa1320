"""An OpenAI-compatible endpoint on this machine that fails as told: by itself, or as a proxy before a real one."""

import asyncio
import hashlib
import io
import json
import re
import ssl
import threading
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Request:
    """A request as it came. fields: of the form, the file left out; samples: of the audio, as 16-bit PCM."""

    headers: dict[str, str]
    fields: dict[str, list[str]]
    samples: bytes

    @property
    def digest(self) -> str:
        """A name for the audio."""
        return hashlib.sha256(self.samples).hexdigest()[:8]


def say_digest(request: Request) -> str:
    """Return a text of two words that depends on the audio and the prompt."""
    return f"heard {request.digest}{'-'.join(request.fields.get('prompt', []))}"


@dataclass
class FaultyEndpoint:
    """Serves on 127.0.0.1 within a `with`. Each request meets the next fault of the list; then all are answered.

    faults: "" answers; "429 0.2" refuses and asks to wait 0.2 s; "401", "500"; "hang"; "half-close" ends the connection
        before an answer, "cut" within one; "garbage"; "drip" sends a byte now and then; "endless";
        "dead" ends the server.
    text: of an answer.
    upstream: port of a real server that answers instead.
    tls: certificate and key, for https.
    requests, answered: what came, and the digests of the audio of those that were answered well.
    """

    faults: list[str] = field(default_factory=list)
    text: Callable[[Request], str] = say_digest
    upstream: int | None = None
    tls: tuple[str, str] | None = None
    requests: list[Request] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # it ended itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop, self._open = asyncio.get_running_loop(), asyncio.Event(), set()
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        self._open.add(task)
        try:
            while (raw := await _read_message(reader)) and await self._answer(raw, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, raw: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        request = _parse(raw)
        self.requests.append(request)
        fault, _, value = (self.faults.pop(0) if self.faults else "").partition(" ")
        if fault == "dead":
            self._stop.set()
            return False
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "half-close":
            writer.write_eof() if not self.tls else None
            return False
        if fault in ("drip", "endless", "cut"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
            for _ in range(2 if fault == "cut" else 10**6):
                writer.write(b" " * (1 << 20 if fault == "endless" else 1))
                await writer.drain()
                await asyncio.sleep(0.02 if fault == "drip" else 0)
            return False
        if fault.isdigit():
            problem = {"error": {"message": f"planted {fault} for {request.headers.get('authorization', 'nobody')}"}}
            headers = {"Retry-After": value} if value else {}
            writer.write(_message(int(fault), headers, json.dumps(problem).encode()))
        elif fault == "garbage":
            writer.write(_message(200, {}, b"<html>It works!</html>"))
        else:
            writer.write(await self._well(request, raw))
            self.answered.append(request.digest)
        await writer.drain()
        return True

    async def _well(self, request: Request, raw: bytes) -> bytes:
        if self.upstream is None:
            text = self.text(request)
            words = [{"word": word, "start": at, "end": at + 1} for at, word in enumerate(text.split())]
            whole = {"id": 0, "start": 0.0, "end": float(len(words)), "text": text}
            answer = {"text": text, "language": "en", "duration": "1.0", "words": words, "segments": [whole]}
            return _message(200, {}, json.dumps(answer).encode())
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        writer.write(raw)
        answer = await _read_message(reader)
        writer.close()
        return answer


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """Return a request or an answer of HTTP/1.1 with its body; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


def _message(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Planted", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


def _parse(raw: bytes) -> Request:
    """Return a request with a form of multipart/form-data (RFC 7578)."""
    head, _, body = raw.partition(b"\r\n\r\n")
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    headers = {name.lower(): value for name, value in pairs}
    boundary = headers["content-type"].partition("boundary=")[2].strip('"').encode()
    fields: dict[str, list[str]] = {}
    samples = b""
    for part in body.split(b"--" + boundary)[1:-1]:
        about, _, content = part[2:-2].partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', about)[1].decode()
        if name == "file":
            with wave.open(io.BytesIO(content)) as file:
                assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
                samples = file.readframes(file.getnframes())
        else:
            fields.setdefault(name, []).append(content.decode())
    return Request(headers, fields, samples)
