"""Sliding windows: their calls, and what LocalAgreement commits with planted recognisers."""

import itertools
import random

import pytest
from earspan.datasets.recording import Word
from earspan.speech.metrics.wer import score_text
from earspan.speech.strategies import Call, Disjoint, Sliding, Strategy
from earspan.speech.strategies.sliding import agree
from hypothesis import given, settings
from hypothesis import strategies as st

from .spoken import LONGEST_WORD_S, MILLISECONDS, RATE, Spoken, heard_by, speech, step_through


@given(data=st.data(), window_s=MILLISECONDS, duration_ms=st.integers(0, 40_000))
def test_sliding_hears_every_sample_and_no_more_than_its_window(data, window_s: float, duration_ms: int):
    step_s = data.draw(st.integers(50, round(window_s * 1000))) / 1000
    duration_s = duration_ms / 1000
    calls = list(Sliding(window_s, step_s).fixed_calls(duration_s))
    assert len(calls) == -(-duration_ms // round(step_s * 1000))
    heard_to = 0
    for call in calls:
        first, last = heard_by(call)
        assert first <= heard_to < last
        assert last - first <= round(window_s * RATE) + 1
        assert call.end_s - call.start_s <= window_s + 1e-9
        heard_to = last
    assert heard_to == round(duration_s * RATE)


@pytest.mark.parametrize(
    ("strategy", "duration_s", "expected"),
    [
        # 3 * 0.7 is a hair less than 2.1, which must not make a fourth call about nothing.
        (Disjoint(0.7), 2.1, [(0, 0.7), (0.7, 1.4), (1.4, 2.1)]),
        (Disjoint(5.0), 12.0, [(0, 5), (5, 10), (10, 12)]),
        (Disjoint(30.0), 0.01, [(0, 0.01)]),
        (Sliding(1.4, 0.7), 2.1, [(0, 0.7), (0, 1.4), (0.7, 2.1)]),
        (Sliding(3.0, 1.0), 4.5, [(0, 1), (0, 2), (0, 3), (1, 4), (1.5, 4.5)]),
        (Sliding(2.0, 2.0), 3.0, [(0, 2), (1, 3)]),
        (Disjoint(1.0), 0.0, []),
        (Sliding(2.0, 1.0), 0.0, []),
    ],
)
def test_planted_calls(strategy: Strategy, duration_s: float, expected: list[tuple[float, float]]):
    calls = list(strategy.fixed_calls(duration_s))
    assert [(call.start_s, call.end_s) for call in calls] == [pytest.approx(times) for times in expected]
    made = []
    step_through(strategy, duration_s, lambda call: made.append(call) or "")
    assert made == calls
    assert all(call.end_s <= duration_s for call in calls)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), step_ms=st.integers(200, 3_000), more_ms=st.integers(0, 8_000))
def test_sliding_with_a_perfect_recogniser_commits_the_reference(seed: int, step_ms: int, more_ms: int):
    # Every word is whole in two windows.
    spoken = speech(seed, None)
    step_s = step_ms / 1000
    strategy = Sliding(2 * step_s + LONGEST_WORD_S + more_ms / 1000, step_s)
    committed = step_through(strategy, spoken.duration_s, spoken.hear)
    assert list(itertools.chain(*committed)) == spoken.text


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), step_ms=st.integers(200, 2_000), more_ms=st.integers(3_000, 8_000))
def test_words_cut_at_the_edges_do_not_disturb_where_whole_ones_overlap(seed: int, step_ms: int, more_ms: int):
    spoken = speech(seed, None, pauses=False)
    step_s = step_ms / 1000
    strategy = Sliding(2 * step_s + LONGEST_WORD_S + more_ms / 1000, step_s)
    committed = step_through(strategy, spoken.duration_s, spoken.hear_with_garbage)
    assert list(itertools.chain(*committed)) == spoken.text


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), step_ms=st.integers(100, 2_000), share=st.floats(1, 6))
def test_a_word_is_committed_only_after_it_was_heard_and_never_twice(seed: int, step_ms: int, share: float):
    spoken = speech(seed, None)
    step_s = step_ms / 1000
    strategy = Sliding(step_s * share, step_s)
    calls = list(strategy.fixed_calls(spoken.duration_s))
    committed = step_through(strategy, spoken.duration_s, spoken.hear)
    end_s = {word.text: word.end_s for word in spoken.words}
    for call, words in zip(calls, committed, strict=True):
        assert all(end_s[word] <= call.end_s for word in words)
    order = [int(word[1:]) for word in itertools.chain(*committed)]
    assert order == sorted(set(order))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), step_ms=st.integers(200, 1_500), more_ms=st.integers(500, 8_000))
def test_confirmed_words_wait_for_one_more_call(seed: int, step_ms: int, more_ms: int):
    spoken = speech(seed, None)
    step_s = step_ms / 1000
    strategy = Sliding(2 * step_s + LONGEST_WORD_S + more_ms / 1000, step_s)
    calls = list(strategy.fixed_calls(spoken.duration_s))
    committed = step_through(strategy, spoken.duration_s, spoken.hear)
    first_whole = {w.text: next(k for k, c in enumerate(calls) if w.end_s <= c.end_s) for w in spoken.words}
    for number, words in enumerate(committed[:-1]):
        assert all(first_whole[word] == number - 1 for word in words)


@pytest.mark.parametrize(("vocabulary", "limit"), [(200, 0.01), (12, 0.03), (3, 0.1)])
def test_repeated_words_cost_little(vocabulary: int, limit: float):
    scores = []
    for seed in range(25):
        spoken = speech(seed, vocabulary)
        rng = random.Random(seed)
        step_s = rng.uniform(0.2, 1.5)
        strategy = Sliding(2 * step_s + LONGEST_WORD_S + rng.uniform(0, 6), step_s)
        committed = itertools.chain(*step_through(strategy, spoken.duration_s, spoken.hear_with_garbage))
        scores.append(score_text(" ".join(spoken.text), " ".join(committed), "none"))
    assert sum(scores[1:], scores[0]).rate < limit


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), window_ms=st.integers(1_000, 6_000), vocabulary=st.sampled_from([3, 12, 200]))
def test_windows_that_share_no_audio_are_chunks(seed: int, window_ms: int, vocabulary: int):
    """However often words come again: none of them is taken for one that was heard before."""
    spoken, window_s = speech(seed, vocabulary), window_ms / 1000
    duration_s = window_s * (spoken.duration_s // window_s)  # else the last window reaches back into the one before
    committed = step_through(Sliding(window_s, window_s), duration_s, spoken.hear_with_garbage)
    chunks = step_through(Disjoint(window_s), duration_s, spoken.hear_with_garbage)
    assert list(itertools.chain(*committed)) == list(itertools.chain(*chunks))


def test_a_cut_word_before_or_after_silence_is_not_shown():
    spoken = Spoken((Word("hello", 0.8, 1.2), Word("again", 9.9, 10.3), Word("bye", 10.4, 10.6)), 12.0)
    committed = step_through(Sliding(4.0, 1.0), spoken.duration_s, spoken.hear_with_garbage)
    assert list(itertools.chain(*committed)) == spoken.text


def test_an_unsure_recogniser_does_not_double_the_transcript():
    # Another word each time, so that no two calls ever agree: as many words are shown as one hearing gives.
    count = itertools.count()
    committed = step_through(Sliding(4.0, 1.0), 60.0, lambda call: " ".join(f"x{next(count)}" for _ in range(8)))
    assert 90 <= len(list(itertools.chain(*committed))) <= 150  # 2 words a second


def test_the_last_call_commits_what_is_left():
    committed = step_through(Sliding(4.0, 2.0), 5.0, lambda call: {2.0: "a", 4.0: "a b", 5.0: "a b c."}[call.end_s])
    assert committed == [[], ["a"], ["b", "c."]]
    assert step_through(Sliding(4.0, 4.0), 3.0, lambda call: "only one call") == [["only", "one", "call"]]


@pytest.mark.parametrize(
    ("committed", "pending", "words", "leaving", "expected"),
    [
        ("", "", "a b", 0, ("", "a b")),
        ("", "a b", "a b c", 0, ("a b", "c")),
        ("", "A, b", "a b. c", 0, ("a b.", "c")),  # letters decide; shown as last heard
        ("a b", "c d", "b c e", 0, ("c", "e")),
        ("a b", "c d", "d e f", 0, ("c d", "e f")),  # c has left the window: nothing will confirm it
        ("a b", "c", "", 0, ("", "")),
        ("a b", "c d", "x y", 1, ("c", "x y")),  # no word in common: the time tells
        ("", "hel", "hello world", 0, ("", "hello world")),
        ("a b c", "", "b c", 0, ("", "")),
        ("a b c", "d", "zb c d e", 0, ("d", "e")),  # a cut word at the left edge
        ("so so", "so", "so so so so", 0, ("so", "so")),
        ("a", "- b", "a - b", 0, ("- b", "")),
        # what went astray at the end of the window before hides no overlap
        ("a b", "c d large large large large large large", "b c d e f", 0, ("c d", "e f")),
        ("", "a b c x x x x x x x x", "b c d", 0, ("a b c", "d")),
    ],
)
def test_planted_agreements(committed: str, pending: str, words: str, leaving: int, expected: tuple[str, str]):
    agreed, left = agree(committed.split(), pending.split(), words.split(), leaving)
    assert (" ".join(agreed), " ".join(left)) == expected


def test_a_transcript_that_breaks_off_adds_nothing():
    committed, pending = [f"w{n}" for n in range(60)], ["w60", "w61"]
    broken = committed[5:18]
    assert agree(committed, pending, broken, 1, held=60) == ([], pending)
    assert agree(committed, pending, ["cut", *broken[1:6], "misheard", *broken[7:]], 1, held=60) == ([], pending)
    # as short, but the end of what was committed, and something new
    assert agree(committed, pending, [*committed[50:], "w60", "x"], 0, held=60) == (["w60"], ["x"])
    # all new
    other = [f"v{n}" for n in range(12)]
    assert agree(committed, pending, other, 1, held=60) == (["w60"], other)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), window_ms=st.integers(12_000, 20_000), from_end=st.integers(0, 9), data=st.data())
def test_a_call_that_breaks_off_costs_at_most_what_it_alone_heard(seed: int, window_ms: int, from_end: int, data):
    spoken = speech(seed, None, pauses=False, count=100)
    strategy = Sliding(window_ms / 1000, 1.0)
    broken = list(strategy.fixed_calls(spoken.duration_s))[-1 - from_end]
    share = data.draw(st.floats(0.4, 0.9))

    def hear(call: Call) -> str:
        words = spoken.hear(call).split()
        return " ".join(words[: int(share * len(words))] if abs(call.end_s - broken.end_s) < 1e-3 else words)

    committed = list(itertools.chain(*step_through(strategy, spoken.duration_s, hear)))
    assert committed == (spoken.text if from_end else spoken.text[: len(committed)])  # nothing confirms the last call
