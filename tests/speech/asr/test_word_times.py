"""Word times by alignment: planted times are carried over exactly, and tiny.en finds those of the bundled talks."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import whisper
from earspan.datasets import Recording, Word, open_dataset
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.torch_engine import Engine
from earspan.speech.asr.word_times import _Aligner, _windows, add_word_times, transfer_times
from hypothesis import example, given, settings
from hypothesis import strategies as st


def times(words: list[Word]) -> list[tuple[float, float]]:
    return [(round(word.start_s, 6), round(word.end_s, 6)) for word in words]


def test_words_that_were_heard_take_their_times_and_the_others_what_is_left():
    heard = [Word("cat", 2.0, 2.5), Word("uh", 2.5, 2.7), Word("mat", 4.5, 5.0)]
    words, found = transfer_times("The cat sat on the mat, today".split(), heard, 10.0)
    assert found == 2
    assert [word.text for word in words] == "The cat sat on the mat, today".split()
    assert times(words) == [
        (1.6, 2.0), (2.0, 2.5), (2.5, 3.166667), (3.166667, 3.833333), (3.833333, 4.5), (4.5, 5.0), (5.0, 5.4),
    ]  # fmt: skip


def test_words_that_the_rules_merge_share_their_time():
    words, found = transfer_times(["twenty", "one", "cats"], [Word("21", 1.0, 2.0), Word("cats", 2.0, 3.0)], 3.0)
    assert (found, times(words)) == (3, [(1.0, 1.5), (1.5, 2.0), (2.0, 3.0)])


def test_nothing_heard_and_nothing_said():
    words, found = transfer_times(["some", "words"], [], 0.5)
    assert (found, times(words)) == (0, [(0.0, 0.25), (0.25, 0.5)])
    assert transfer_times([], [Word("a", 0, 1)], 2.0) == ([], 0)


@settings(deadline=None)
@example(["a"] * 8, [("a", 1.9765625, 0.0)])  # seven sevenths of the time before are more than all of it
@given(
    st.lists(st.sampled_from("abcd"), max_size=8),
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 9), st.floats(0, 2)), max_size=8),
)
def test_times_never_go_back(reference: list[str], heard: list[tuple[str, float, float]]):
    spoken = [Word(text, start_s, start_s + length_s) for text, start_s, length_s in sorted(heard, key=lambda w: w[1])]
    words, found = transfer_times(reference, spoken, 11.0)
    assert [word.text for word in words] == reference
    assert 0 <= found <= len(reference)
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert all(edge >= 0 for edge in edges)


@given(st.floats(0.01, 300), st.floats(1, 30))
def test_every_moment_belongs_to_one_window_and_has_context(duration_s: float, window_s: float):
    windows = _windows(duration_s, window_s)
    assert windows[0][0] == windows[0][2] == 0
    assert windows[-1][1] == duration_s
    assert all(start_s < end_s <= start_s + window_s + 1e-9 for start_s, end_s, _, _ in windows)
    for left, right in pairwise(windows):
        assert left[3] == pytest.approx(right[2])  # where one part ends, the next begins
        assert left[1] - left[3] == pytest.approx(right[2] - right[0])  # as much context on both sides
    assert _windows(0.0, window_s) == []


@pytest.mark.weights
def test_tiny_en_finds_where_words_are_spoken(tiny_en: Recogniser):
    errors_s: list[float] = []
    engine = Engine(tiny_en)
    spoken = []
    for entry in list(open_dataset("talks"))[1:3]:
        recording = entry.load()
        words = tuple(word for word in recording.words or () if word.end_s < 6)
        audio = recording.audio[: round((words[-1].end_s + 0.1) * 16_000)]
        spoken.append(replace(recording, audio=audio, words=words, text=" ".join(w.text for w in words)))
    for given_, one in zip(spoken, add_word_times([replace(r, words=None) for r in spoken], engine), strict=True):
        found = one.recording.words
        assert found is not None
        assert [word.text for word in found] == [word.text for word in given_.words or ()]
        assert one.found > len(found) / 2
        errors_s += [abs(word.end_s - truth.end_s) for word, truth in zip(found, given_.words or (), strict=True)]
    assert np.median(errors_s) < 0.2
    (silent,) = add_word_times([Recording("r", np.zeros(8000, np.float32), "something", None, "d", None)], engine)
    assert silent.found == 0 or silent.recording.words


@pytest.mark.weights
def test_words_end_where_whisper_says(tiny_en: Recogniser):
    engine, compared = Engine(tiny_en, DecodeOptions(temperatures=(0.0,))), 0
    for entry in list(open_dataset("talks"))[:1]:
        clip = Clip(entry.load().audio[: 7 * 16_000])
        result: Any = whisper.transcribe(
            tiny_en.whisper, clip.audio, language="en", temperature=0.0, fp16=False, word_timestamps=True
        )
        theirs = [word for segment in result["segments"] for word in segment["words"]]
        mine = _Aligner(engine).words(clip, result["text"], 0.0)
        assert [word.text for word in mine] == [word["word"].strip() for word in theirs]
        # but for where whisper.transcribe shortens words that it takes for too long
        close = [abs(word.end_s - their["end"]) < 0.021 for word, their in zip(mine, theirs, strict=True)]
        assert sum(close) >= len(close) - 1
        compared += len(close)
    assert compared > 10
