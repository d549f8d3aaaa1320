"""The Realtime protocol, held against the types of OpenAI's own SDK."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from earspan.backends.measured.streams.realtime import RATE_HZ, Realtime
from earspan.backends.measured.streams.session import StreamError

from ....planted_realtime import Planted
from ....speech.planted import planted_speech

openai = pytest.importorskip("openai", reason="no openai: pip install 'earspan[endpoints]'")


def validated(kind: Any, content: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_python(content, extra="forbid")


@pytest.fixture(scope="module")
def sent() -> list[dict[str, Any]]:
    """Everything that is sent for a second of audio, in pieces of 0.3 s."""
    dialogue = Realtime("whisper-1", "en", commit_s=0.3)
    frames = [dialogue.greet(), *dialogue.encode(np.zeros(16_000, np.float32), 0.1), dialogue.finish()]
    return [json.loads(message) for frame in frames for message in frame]


def test_what_is_sent_are_events_of_the_sdk(sent):
    from openai.types.realtime import RealtimeClientEventParam

    for event in sent:
        assert validated(RealtimeClientEventParam, event) == event


@pytest.mark.parametrize("commit_s", [None, 2.0])
def test_the_session_is_one_of_transcription(commit_s):
    (greeting,) = Realtime("m", "de", commit_s).greet()
    session = json.loads(greeting)["session"]
    assert session["type"] == "transcription"
    heard = session["audio"]["input"]
    assert heard["transcription"] == {"model": "m", "language": "de"}
    assert heard["turn_detection"] == ({"type": "server_vad"} if commit_s is None else None)


def test_pieces_are_committed_where_they_end(sent):
    kinds = [event["type"].rpartition(".")[2] for event in sent]
    piece = ["append", "append", "append", "commit"]
    assert kinds == ["update", *piece, *piece, *piece, "append", "commit", "clear"]


def test_audio_is_the_same_sound_at_24_khz():
    time_s = np.arange(16_000) / 16_000
    frames = Realtime().encode(0.5 * np.sin(2 * np.pi * 440 * time_s).astype(np.float32), 0.1)
    sound = b"".join(base64.b64decode(json.loads(message)["audio"]) for frame in frames for message in frame)
    samples = np.frombuffer(sound, "<i2") / 32768
    assert len(samples) == RATE_HZ
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    assert np.abs(samples - expected)[500:-500].max() < 2e-3  # away from the edges of the filter


def test_the_planted_server_speaks_as_the_sdk_understands():
    from openai.types.realtime import RealtimeServerEvent

    planted = Planted(planted_speech(1, 3.0))
    dialogue, answers = Realtime(), list[dict[str, Any]]()
    for frame in [
        dialogue.greet(),
        *dialogue.encode(planted.recording.audio, 0.1),
        dialogue.finish(),
        dialogue.finish(),
    ]:
        answers += [event for message in frame for _, event in planted.hear(str(message))]
    assert {event["type"].rpartition(".")[2] for event in answers} >= {
        "updated",
        "committed",
        "delta",
        "completed",
        "error",
    }
    for event in answers:
        validated(RealtimeServerEvent, event)


def test_a_stream_is_done_when_every_piece_has_its_transcript():
    def item(kind: str, name: str) -> str:
        content = {"transcript": "x", "error": {"message": "no"}}
        return json.dumps({"type": f"conversation.item.input_audio_transcription.{kind}", "item_id": name, **content})

    def committed(name: str) -> str:
        return json.dumps({"type": "input_audio_buffer.committed", "item_id": name})

    dialogue = Realtime()
    dialogue.finish()
    done = []
    for message in (committed("a"), item("completed", "a"), committed("b"), '{"type":"input_audio_buffer.cleared"}',
                    item("failed", "b")):  # fmt: skip
        dialogue.read(message)
        done.append(dialogue.is_done)
    assert done == [False, False, False, False, True]


def test_a_server_without_the_last_event_ends_the_stream_by_refusing_it():
    dialogue = Realtime()
    fence = json.loads(dialogue.finish()[-1])["event_id"]
    dialogue.read('{"type":"session.updated"}')
    dialogue.read(json.dumps({"type": "error", "error": {"type": "invalid_request_error", "event_id": fence}}))
    assert dialogue.is_done


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "invalid_request_error", "code": "invalid_api_key", "message": "bad\nkey"}, "key"),
        ({"type": "invalid_request_error", "code": "model_not_found"}, "refused"),
        ({"type": "server_error"}, "server error"),
        ({"type": "tokens", "code": "rate_limit_exceeded"}, "rate limit"),
    ],
)
def test_errors_end_a_session_that_has_not_begun_and_are_counted_in_one_that_has(error, kind):
    message = json.dumps({"type": "error", "event_id": "e", "error": error})
    with pytest.raises(StreamError) as found:
        Realtime().read(message)
    assert found.value.kind == kind
    assert "\n" not in str(found.value)
    begun = Realtime(is_ready=True)
    (update,) = begun.read(message)
    assert (update.kind, update.text.partition(":")[0]) == ("failed", kind)


@pytest.mark.parametrize("message", ["", "5", "{}", '{"type": 5}', "\x00", b"\xff", "[" * 100_000])
def test_garbage_is_garbage(message):
    with pytest.raises(StreamError) as found:
        Realtime().read(message)
    assert found.value.kind == "garbage"
