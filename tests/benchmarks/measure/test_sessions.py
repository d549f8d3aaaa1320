"""Streams to a server: which key goes where, and what is said where a package is missing."""

import sys

import pytest
from earspan import InputError, Measurement
from earspan.backends.measured.budget import Budget
from earspan.benchmarks.measure.sessions import list_requests, session_maker

pytest.importorskip("websockets", reason="no websockets: pip install 'earspan[endpoints]'")
SECRET = "sk-planted-0123456789"


@pytest.mark.parametrize(
    ("target", "secret"),
    [
        ("realtime:ws://127.0.0.1:9/v1#m", SECRET),
        ("wlk:ws://h:9/asr", ""),
        ("realtime:wss://h/v1#m", SECRET),
    ],
)
def test_a_key_goes_only_where_nobody_on_the_way_can_read_it(target, secret, monkeypatch):
    from earspan.backends.measured.streams.websocket import WebSocketSession

    monkeypatch.delenv("EARSPAN_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    asked = Measurement(target=target)
    session = session_maker(asked, Budget(asked.endpoint))()
    assert isinstance(session, WebSocketSession)
    assert session.key.secret == secret
    assert SECRET not in repr(session)


@pytest.mark.parametrize(
    ("target", "package", "module"),
    [
        ("wlk:ws://h/asr", "websockets", "earspan.backends.measured.streams.websocket"),
        ("openai:https://h/v1#m", "openai", "earspan.backends.measured.rest"),
    ],
)
def test_a_package_that_is_missing_is_named(target, package, module, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package or name == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "earspan.speech.streaming.called", raising=False)
    asked = Measurement(target=target)
    with pytest.raises(InputError, match=r"endpoints"):
        session_maker(asked, Budget(asked.endpoint))()


def test_a_stream_is_billed_by_its_audio_and_calls_by_theirs():
    asked = Measurement(target="openai:https://h/v1#m", window_s=4.0, step_s=2.0)
    # 1 s of silence opens the connection; then the last 4 s at most, every 2 s and at the end
    assert list_requests(asked, 7.0) == [1.0, 2.0, 4.0, 4.0, 4.0]
    assert list_requests(Measurement(target="openai:https://h/v1#m", strategy="disjoint", window_s=3.0), 7.0) == [
        1.0, 3.0, 3.0, 1.0,
    ]  # fmt: skip
    assert list_requests(Measurement(target="wlk:ws://h/asr"), 7.0) == [7.0]
