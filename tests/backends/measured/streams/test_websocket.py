"""Streams over real WebSockets on this machine: what goes wrong has a kind and one line, and no key is in it."""

import asyncio
import http
import json
import socket
import ssl

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured.address import Key
from earspan.backends.measured.streams.session import FAILURES, StreamError
from earspan.backends.measured.streams.target import Target
from earspan.backends.measured.streams.websocket import WebSocketSession
from earspan.backends.measured.streams.whisperlivekit import WhisperLiveKit

from ....planted_realtime import serving

pytest.importorskip("websockets", reason="no websockets: pip install 'earspan[endpoints]'")
SECRET = "sk-planted-0123456789"
CONFIG = json.dumps({"type": "config", "useAudioWorklet": True})
PATIENCE_S = 0.4


async def drive(url: str, seconds: float = 0.5) -> list[str]:
    """Play silence to a server, and return what it said."""
    session, said = WebSocketSession(url, WhisperLiveKit(), Key("EARSPAN_API_KEY", SECRET), PATIENCE_S), list[str]()
    try:
        await session.open(lambda updates: said.extend(one.text for one in updates))
        for frame in session.encode(np.zeros(round(seconds * 16_000), np.float32), 0.1):
            await session.send(frame)
            await asyncio.sleep(0)
        await session.finish()
    finally:
        await session.close()
    return said


def failure_of(handler, path: str = "/asr", seconds: float = 0.5, **options) -> StreamError:
    async def program():
        async with serving(handler, **options) as port:
            await drive(f"ws://127.0.0.1:{port}{path}", seconds)

    with pytest.raises(StreamError) as found:
        asyncio.run(program())
    error = found.value
    assert error.kind in FAILURES
    assert "\n" not in str(error)
    assert SECRET not in str(error)
    assert error.__suppress_context__ or error.__cause__ is None
    return error


def answer(status: int, body: str, **headers: str):
    """Have a server answer every request in plain HTTP."""

    def process_request(connection, request):
        response = connection.respond(http.HTTPStatus(status), body)
        for name, value in headers.items():
            response.headers[name] = value
        return response

    return process_request


async def never(socket) -> None:
    raise AssertionError("no WebSocket was to be opened")


def test_a_stream_that_goes_well():
    heard = []

    async def handler(socket):
        heard.append(socket.request.headers["Authorization"])
        await socket.send(CONFIG)
        async for message in socket:
            heard.append(len(message))
            if not message:
                await socket.send(json.dumps({"lines": [{"text": f"it was {SECRET}", "speaker": 1}]}))
                await socket.send('{"type":"ready_to_stop"}')

    async def program():
        async with serving(handler) as port:
            return await drive(f"ws://127.0.0.1:{port}/asr")

    assert asyncio.run(program())[0] == "it was ***"
    assert heard == [f"Bearer {SECRET}", *[3200] * 5, 0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "key"), (403, "key"), (429, "rate limit"), (404, "refused"), (500, "server error"), (302, "refused")],
)
def test_answers_in_http(status, kind):
    body = f"no\n\x1b[31m {SECRET} " + "x" * 10_000
    headers = {"Location": "ws://127.0.0.1:1/elsewhere"} if status == 302 else {}
    error = failure_of(never, process_request=answer(status, body, **headers))
    assert error.kind == kind
    assert len(str(error)) < 300
    assert "\x1b" not in str(error)


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StreamError) as found:
        asyncio.run(drive(f"ws://127.0.0.1:{port}/asr"))
    assert found.value.kind == "connection"


def test_no_websocket_and_a_port_that_says_nothing():
    async def speak(reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    async def silent(reader, writer):
        while await reader.read(100):
            pass
        writer.close()

    async def program(handler):
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        with pytest.raises(StreamError) as found:
            await drive(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/asr")
        server.close()
        await asyncio.sleep(0.05)  # the handlers end
        return found.value.kind

    assert asyncio.run(program(speak)) in ("garbage", "connection")
    assert asyncio.run(program(silent)) == "timeout"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("timeout", []),  # it hangs before it is ready
        ("timeout", [CONFIG]),  # it hangs at the end
        ("garbage", ["not JSON"]),
        ("garbage", [CONFIG, b"\x00\xff"]),
        ("garbage", [CONFIG, '{"lines":[{"text":5}]}']),
        ("server error", [CONFIG, json.dumps({"status": "error", "error": f"out of memory, {SECRET}\r\n"})]),
        ("refused", [json.dumps({"type": "config", "useAudioWorklet": False})]),
    ],
)
def test_what_a_server_says(kind, said):
    async def handler(socket):
        for message in said:
            await socket.send(message)
        async for _ in socket:
            pass

    assert failure_of(handler).kind == kind


@pytest.mark.parametrize("code", [1000, 1011, 4401, 4400])
def test_a_server_that_closes_early(code):
    async def handler(socket):
        await socket.send(CONFIG)
        await socket.recv()
        await socket.close(code, f"because of {SECRET}")

    assert failure_of(handler).kind == {1000: "closed", 4400: "closed", 1011: "server error", 4401: "key"}[code]


@pytest.mark.parametrize("how", ["killed", "half-closed"])
def test_a_connection_that_ends_without_a_word(how):
    async def handler(socket):
        await socket.send(CONFIG)
        await socket.recv()
        if how == "killed":
            socket.transport.abort()
        else:
            socket.transport.write_eof()  # it says no more, and hears on
            await socket.wait_closed()

    assert failure_of(handler).kind == "closed"


def test_a_server_that_takes_no_more_audio_is_left():
    async def handler(socket):
        await socket.send(CONFIG)
        await socket.wait_closed()  # what nobody takes stays in the buffers

    # More than what the buffers of the two ends hold.
    assert failure_of(handler, seconds=600).kind == "timeout"


def test_a_certificate_that_nobody_vouches_for(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def program():
        async with serving(never, ssl=context) as port:
            await drive(f"wss://127.0.0.1:{port}/asr")

    with pytest.raises(StreamError) as found:
        asyncio.run(program())
    assert found.value.kind == "certificate"


@pytest.mark.parametrize(
    "given",
    ["wlk", "wlk:", "wlk:http://h/asr", "wlk:ws://", "wlk:ws://h:x/asr", "nobody:ws://h/asr", "wlk:ws://h:0/asr",
     f"wlk:ws://user:{SECRET}@h/asr", f"wlk:ws://h/asr?token={SECRET}"],
)  # fmt: skip
def test_targets_that_are_none(given):
    with pytest.raises(InputError) as found:
        Target.parse(given)
    assert SECRET not in str(found.value)
