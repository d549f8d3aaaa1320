"""WhisperLiveKit's protocol: snapshots come, and what is new in them is enough to have them again."""

import json

import numpy as np
import pytest
from earspan.backends.measured.streams.session import StreamError
from earspan.backends.measured.streams.whisperlivekit import WhisperLiveKit
from earspan.speech.metrics.screen import Said, read_screens
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.lists(st.sampled_from(["a", "bb", "c.", "Dd,"]), max_size=6).map(" ".join)


def snapshot(lines: list[str], tail: str = "", **more: object) -> str:
    texts = [{"text": line, "speaker": 1, "start": "0:00:00.00", "end": "0:00:01.00"} for line in lines]
    return json.dumps({"status": "active_transcription", "lines": texts, "buffer_transcription": tail, **more})


def screens_of(messages: list[str]):
    dialogue = WhisperLiveKit()
    said = [
        Said(float(at), one.kind, one.part, one.text)
        for at, message in enumerate(messages)
        for one in dialogue.read(message)
    ]
    return {screen.at_s: screen for screen in read_screens(said)}


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12))
def test_snapshots_are_had_again_from_what_is_new_however_they_change(texts):
    found = screens_of([snapshot([final] if final else [], tail) for final, tail in texts])
    screen = None
    for at, (final, tail) in enumerate(texts):
        screen = found.get(float(at), screen)
        assert " ".join(screen.final if screen else ()) == final
        assert " ".join(screen.shown if screen else ()) == f"{final} {tail}".strip()


@given(st.lists(WORDS.filter(bool), min_size=1, max_size=8), st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_what_only_grows_is_said_once_however_often_it_is_repeated(words, repeats):
    dialogue, whole, said = WhisperLiveKit(), "", []
    for word, times in zip(words, repeats, strict=False):
        whole = f"{whole} {word}".strip()
        for _ in range(times + 1):
            said += [one.text for one in dialogue.read(snapshot([whole])) if one.kind == "final"]
    assert "".join(said) == whole


def test_silence_is_no_text_and_lines_are_one():
    lines = [{"text": "a b", "speaker": 1}, {"text": "", "speaker": -2}, {"text": "c", "speaker": 2}]
    found = screens_of([json.dumps({"lines": lines, "buffer_transcription": " d"})])
    assert (found[0.0].final, found[0.0].shown) == (("a", "b", "c"), ("a", "b", "c", "d"))


def test_what_is_unsure_at_the_end_is_all_there_will_be():
    messages = [
        json.dumps({"type": "config", "useAudioWorklet": True}),
        snapshot(["a"], "b c"),
        '{"type":"ready_to_stop"}',
    ]
    dialogue = WhisperLiveKit()
    assert not dialogue.is_ready
    for message in messages:
        dialogue.read(message)
    assert dialogue.is_ready
    assert dialogue.is_done
    assert screens_of(messages)[2.0].final == ("a", "b", "c")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("no JSON", "garbage"),
        (b"\xff\x00", "garbage"),
        ('{"lines": 5}', "garbage"),
        ("[" * 100_000, "garbage"),
        ('{"type": "error", "error": "unsupported language"}', "server error"),
        ('{"type": "config", "useAudioWorklet": false}', "refused"),
    ],
)
def test_what_ends_a_stream_has_a_kind(message, kind):
    with pytest.raises(StreamError) as found:
        WhisperLiveKit().read(message)
    assert found.value.kind == kind
    assert "\n" not in str(found.value)


def test_audio_goes_as_16_bit_samples_in_chunks():
    audio = np.linspace(-1.2, 1.2, 16_000 + 37, dtype=np.float32)
    frames = WhisperLiveKit().encode(audio, 0.1)
    assert [len(frame[0]) for frame in frames] == [3200] * 10 + [74]
    sound = b"".join(message for frame in frames for message in frame if isinstance(message, bytes))
    sent = np.frombuffer(sound, "<i2") / 32768
    assert np.abs(sent - np.clip(audio, -1, 1 - 2**-15)).max() <= 2**-15
