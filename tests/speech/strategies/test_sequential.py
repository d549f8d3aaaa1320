"""Whisper's long form and the whole recording: nothing is lost, and where it goes on."""

import pytest
from earspan.datasets.recording import Word
from earspan.speech.asr.hypothesis import Hypothesis
from earspan.speech.strategies import Offline, Sequential
from earspan.speech.streaming.clock import Job, no_time, play
from hypothesis import given, settings
from hypothesis import strategies as st

from ..planted import PerfectEngine, planted_speech, played, recording_of


@settings(max_examples=30)
@given(seed=st.integers(0, 999), window_ms=st.integers(1_100, 30_000))  # a pause and a word fit into the window
def test_sequential_and_offline_give_the_text_back(seed: int, window_ms: int):
    recording = planted_speech(seed, 60.0, pause_s=0.4)
    assert played(recording, Sequential(window_ms / 1000)).text == recording.text
    [whole] = played(recording, Offline()).played
    assert (" ".join(whole.committed), whole.arrival_at_s, whole.call.mode) == (recording.text, 60.0, "window")


def test_sequential_goes_on_where_whisper_would_with_the_text_before():
    words = tuple(Word(f"w{n}", n * 1.0, n * 1.0 + 0.7) for n in range(20))
    job = played(recording_of(words, 20.0), Sequential(8.4))
    assert [(p.call.start_s, p.call.end_s, p.call.mode) for p in job.played] == [
        (0.0, 8.4, "segment"),
        (pytest.approx(7.7), pytest.approx(16.1), "segment"),
        (pytest.approx(15.7), 20.0, "window"),
    ]  # fmt: skip
    assert [p.call.prompt for p in job.played] == [
        "", " ".join(f"w{n}" for n in range(8)), " ".join(f"w{n}" for n in range(16)),
    ]  # fmt: skip
    assert job.text == " ".join(word.text for word in words)


def test_sequential_goes_on_though_nothing_was_heard_and_keeps_a_prompt_of_bounded_length():
    asked = []

    class Stuck(PerfectEngine):
        def transcribe(self, clips, progress=None) -> list[Hypothesis]:
            asked.extend(clips)
            return [Hypothesis("word " * 100, heard_s=0.0) for _ in clips]

    recording = recording_of((), 0.01)
    play([Job(recording, Sequential(0.004), no_time)], Stuck([recording]))  # type: ignore[arg-type]
    assert 2 < len(asked) <= 0.01 * 32_000  # at least half a sample each time
    assert max(len(clip.prompt) for clip in asked) == 800
