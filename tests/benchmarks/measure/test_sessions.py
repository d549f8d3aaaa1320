"""Streams to a server: which key goes where, and what is said where a package is missing."""

import sys

import pytest
from earspan import InputError, Measurement
from earspan.benchmarks.measure.sessions import session_maker

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
    session = session_maker(Measurement(target=target))()
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
    with pytest.raises(InputError, match=r"endpoints"):
        session_maker(Measurement(target=target))()
