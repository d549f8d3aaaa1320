"""Texts as a reader sees them: words settle, are taken back, and stand still."""

import pytest
from earspan.backends.measured.streams.session import ADDED, FAILED, FINAL, INTERIM
from earspan.datasets.recording import Word
from earspan.speech.metrics.latency import erasure
from earspan.speech.metrics.screen import STALL_S, Said, find_stalls, read_screens, settle
from hypothesis import given
from hypothesis import strategies as st

from ..planted import call_record

TEXTS = st.lists(st.lists(st.sampled_from("ab"), max_size=5), max_size=8)


def test_updates_become_texts():
    said = [
        Said(1.0, ADDED, "one", "the"),
        Said(2.0, ADDED, "one", " cat"),
        Said(3.0, INTERIM, "two", "sat"),
        Said(4.0, FINAL, "one", "A cat"),
        Said(4.0, INTERIM, "two", "sits down"),
        Said(5.0, FAILED, "two", "server error: no"),
    ]
    found = [(screen.at_s, " ".join(screen.final), " ".join(screen.shown)) for screen in read_screens(said)]
    assert found == [
        (1.0, "", "the"),
        (2.0, "", "the cat"),
        (3.0, "", "the cat sat"),
        (4.0, "A cat", "A cat sits down"),
        (5.0, "A cat", "A cat sits down"),
    ]


@given(TEXTS)
def test_a_word_has_settled_when_it_and_all_before_it_stand_as_at_the_end(texts):
    found = settle(enumerate(texts))
    last = texts[-1] if texts else []
    assert [word.text for word in found.words] == last
    for number, word in enumerate(found.words):
        beginning = last[: number + 1]
        standing = [text[: number + 1] == beginning for text in texts]
        assert word.at_s == max((at + 1 for at, stands in enumerate(standing) if not stands), default=0)


@given(TEXTS)
def test_what_is_taken_back_is_what_erasure_counts_of_calls(texts):
    calls = [call_record(0, 1, interim=tuple(text)) for text in texts] + [
        call_record(0, 1, committed=tuple(texts[-1] if texts else ()))
    ]
    assert (settle(enumerate(texts)).erased, len(texts[-1]) if texts else 0) == erasure(calls)


def test_a_text_stands_still_from_the_first_word_that_waits():
    words = [Word("a", 0, 1), Word("b", 8, 9), Word("c", 9, 10), Word("d", 30, 31)]
    assert find_stalls(words, [2.0, 20.0, 32.0], 40.0) == [11.0]  # b waits from 9 to 20; silence is none
    assert find_stalls(words, [2.0], 40.0) == [31.0]
    assert find_stalls(words, [9.0 + STALL_S, 31.5], 40.0) == pytest.approx([13.0])  # a waits from 1 to 14
    assert find_stalls((), [1.0], 40.0) == []
