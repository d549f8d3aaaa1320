"""Word latency, first word, flicker, RTF, backlog against planted times; ufal's measure against its own value."""

from itertools import pairwise

import numpy as np
import pytest
from earspan.datasets import Word
from earspan.speech.metrics import continuous
from earspan.speech.metrics.calls import CallRecord
from earspan.speech.metrics.continuous import Timed, continuous_latencies
from earspan.speech.metrics.latency import (
    Emitted,
    backlog,
    emitted,
    erasure,
    final_segment_waits,
    first_word_latency,
    latency_summary,
    service_and_audio,
    word_latencies,
)
from earspan.speech.metrics.pairing import pair_words
from hypothesis import given, settings
from hypothesis import strategies as st

from ..planted import call_record

UNTIMED = settings(deadline=None)  # the first call imports torch
SPOKEN = tuple(Word(text, i, i + 0.5) for i, text in enumerate(["Well,", "the", "cat", "sat", "-", "down."]))


def shown(*words: tuple[str, float]) -> list[Emitted]:
    return [Emitted(text, at_s, at_s - 0.25, 0) for text, at_s in words]


def latencies(words, heard, normaliser="whisper"):
    return word_latencies(words, heard, pair_words([w.text for w in words], [w.text for w in heard], normaliser))


def test_latency_is_emission_minus_the_end_of_the_word():
    heard = shown((" well", 2.0), ("THE", 2.0), ("uh", 2.5), ("bat", 4.0), ("sat", 3.25), ("Down", 7.0))
    # well 0.5 -> 2, the 1.5 -> 2, uh dropped by the rules, cat substituted, sat 3.5 -> 3.25 (early), down 5.5 -> 7
    assert latencies(SPOKEN, heard).tolist() == [1.5, 0.5, -0.25, 1.5]


def test_words_that_the_rules_split_or_merge_keep_their_times():
    spoken = [Word("It's", 0, 1), Word("twenty", 1, 2), Word("one", 2, 3), Word("cats", 3, 4)]
    heard = shown(("it", 5.0), ("is", 6.0), ("21", 7.0), ("cats.", 8.0))
    # "it" and "is" both end with "It's"; 21 was said when "one" was.
    assert latencies(spoken, heard).tolist() == [4.0, 5.0, 4.0, 4.0]
    assert latencies(spoken, heard, "none").tolist() == []
    assert [pair.step for pair in pair_words(["wi", "fi", "on"], ["wifi", "on"], "whisper+compounds")] == [0, 0, 0]


@UNTIMED
@given(st.lists(st.floats(0, 100), min_size=5, max_size=5))
def test_every_word_of_a_perfect_transcript_has_a_latency(delays_s: list[float]):
    spoken = [word for word in SPOKEN if word.text != "-"]
    heard = shown(*((word.text, word.end_s + delay_s) for word, delay_s in zip(spoken, delays_s, strict=True)))
    assert latencies(SPOKEN, heard) == pytest.approx(delays_s)


@UNTIMED
@given(st.lists(st.sampled_from(["Mr.", "twenty", "one", "it's", "colour", "uh", "-", "a"]), max_size=8))
def test_scored_words_come_from_raw_words_in_order(words: list[str]):
    for pair in pair_words(words, words):
        assert pair.said == pair.heard
        assert pair.said is not None
        assert 0 <= pair.said.first < pair.said.end <= len(words)
    firsts = [pair.said.first for pair in pair_words(words, words) if pair.said]
    assert firsts == sorted(firsts)


def test_the_first_word_is_the_first_right_one():
    words = SPOKEN[:4]
    heard = shown(("thanks", 0.1), ("the", 3.0), ("cat", 3.0))
    pairs = pair_words([w.text for w in words], [w.text for w in heard])
    assert first_word_latency(words, heard, pairs) == 2.5  # "well" was missed; the wait began at its end, 0.5 s
    assert first_word_latency(words, [], pair_words([w.text for w in words], [])) is None


def test_a_stretch_of_speech_is_final_when_its_last_word_is():
    words = [Word("so", 0, 0.4), Word("it", 0.5, 0.9), Word("rained", 2.0, 2.5), Word("again", 2.6, 3.0)]
    heard = shown(("so", 1.0), ("in", 1.5), ("rained", 4.0), ("a", 4.0), ("gain", 4.5))
    pairs = pair_words([w.text for w in words], [w.text for w in heard])
    # Speech ends at "it" (0.9 s, a pause of 1.1 s) and at "again"; "so" and "rained" are followed too soon.
    assert final_segment_waits(words, heard, pairs) == pytest.approx([0.6, 1.5])
    missed = shown(("so", 1.0), ("it", 1.5), ("rained", 4.0))
    pairs = pair_words([w.text for w in words], [w.text for w in missed])
    assert final_segment_waits(words, missed, pairs) == pytest.approx([0.6])  # "again" never came
    assert final_segment_waits([], [], []).tolist() == []


def test_latencies_of_nothing():
    for reference, heard in [((), []), (SPOKEN, []), ((), shown(("word", 1.0))), (SPOKEN, shown(("...", 1.0)))]:
        found = latencies(reference, heard)
        assert found.shape == (0,)
        summary = latency_summary(found)
        assert (summary.p50_s, summary.p95_s, summary.p99_s, summary.count) == (None, None, None, 0)


def test_latency_summary_of_a_known_range():
    summary = latency_summary(np.arange(101) / 10)
    assert (summary.p50_s, summary.p95_s, summary.p99_s) == pytest.approx((5.0, 9.5, 9.9))
    assert summary.count == 101


def call(
    committed: str, interim: str = "", end_s: float = 1.0, start_at_s: float = 1.0, finish_at_s: float = 1.5
) -> CallRecord:
    words, guessed = tuple(committed.split()), tuple(interim.split())
    return call_record(0.0, end_s, words, interim=guessed, start_at_s=start_at_s, finish_at_s=finish_at_s)


def test_erasure_counts_what_was_taken_back():
    # On screen: "a b" -> "a x y" (b erased) -> "a x y" -> "a x" (y erased).
    calls = [call("", "a b"), call("a", "x y"), call("x y"), call("z", "p q"), call("p r")]
    assert erasure(calls) == (2, 6)
    assert erasure([call("a b"), call("c")]) == (0, 3)
    assert erasure([call("a", "left over")]) == (2, 1)
    assert erasure([]) == (0, 0)


@UNTIMED
@given(st.lists(st.tuples(st.lists(st.sampled_from("ab"), max_size=3), st.lists(st.sampled_from("ab"), max_size=4))))
def test_erasure_equals_the_definition_on_whole_screens(steps):
    """The definition as published: of each whole text, what is not a prefix common with the next."""
    calls = [call(" ".join(committed), " ".join(interim)) for committed, interim in steps] + [call("a")]
    screens, committed = [], []
    for one in calls:
        committed = committed + list(one.committed)
        screens.append(committed + list(one.interim))
    erased = 0
    for old, new in pairwise(screens):
        common = 0
        while common < min(len(old), len(new)) and old[common] == new[common]:
            common += 1
        erased += len(old) - common
    assert erasure(calls) == (erased, len(screens[-1]))


def test_what_follows_from_calls_alone():
    calls = [call("a b", end_s=1.0, start_at_s=1.0, finish_at_s=1.75), call("c", "", 2.0, 2.5, 3.0)]
    assert service_and_audio(calls) == (1.25, 2.0)
    assert backlog(calls) == 0.5
    assert backlog([]) is None
    early = call("a", end_s=1.0, start_at_s=1.0 - 1e-6)  # stored times are rounded
    assert str(backlog([early])) == "0.0"
    assert emitted(calls) == [Emitted("a", 1.75, 1.0, 0), Emitted("b", 1.75, 1.0, 0), Emitted("c", 3.0, 2.0, 1)]


# The demo of ufal/asr_latency (demo-data/tiny-*), typed by hand: ends of spoken words, and what was shown when.
DEMO_SAID = [
    Timed("Hello,", 1.113), Timed("this", 1.443), Timed("is", 1.593), Timed("Jiawei", 1.833), Timed("Zhou", 2.193),
    Timed("from", 2.443), Timed("Harvard", 2.743), Timed("University.", 3.423), Timed("I", 3.994), Timed("am", 4.134),
]  # fmt: skip
DEMO_HEARD = [
    Timed(word, at_s)
    for at_s, line in (
        (2.6, "Hello, this is"),
        (4.44, "Jiawei Zhou from Harvard"),
        (6.28, "University. I am very glad to present our"),
    )
    for word in line.split()
]


@pytest.mark.parametrize("cells", [60, 4_000_000])
def test_the_published_value_of_asr_latency(monkeypatch, cells):
    monkeypatch.setattr(continuous, "_CELLS", cells)
    found = continuous_latencies(DEMO_SAID, DEMO_HEARD)
    assert sum(found) / len(found) == pytest.approx(1.966727272727273, abs=1e-12)


def test_a_wrong_ending_still_counts_and_early_words_count_as_zero():
    assert continuous_latencies([Timed("cats", 1.0)], [Timed("cat", 2.0)]) == [1.0]
    assert continuous_latencies([Timed("cats", 3.0)], [Timed("cats", 2.0)]) == [0.0]
    assert continuous_latencies(DEMO_SAID, []) == continuous_latencies([], DEMO_HEARD) == []


@UNTIMED
@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.floats(0, 9)), max_size=6), st.integers(1, 200))
def test_stripes_do_not_show(words: list[tuple[str, float]], cells: int):
    said = [Timed(text, 0.0) for text, _ in words]
    heard = [Timed(text, delay_s) for text, delay_s in words]
    whole = continuous._CELLS
    continuous._CELLS = cells
    try:
        assert continuous_latencies(said, heard) == [delay_s for _, delay_s in words]
    finally:
        continuous._CELLS = whole
