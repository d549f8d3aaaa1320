"""Planted damage at planted cuts is found, named and placed; errors are neither lost nor invented."""

import math

import numpy as np
import pytest
from earspan.datasets import Word
from earspan.speech.metrics.boundary import DISTANCES_S, BoundaryErrors, boundary_errors, cuts_of, distance_from_cut
from earspan.speech.metrics.latency import emitted
from earspan.speech.metrics.pairing import pair_words
from earspan.speech.metrics.wer import ErrorRate, score_text
from hypothesis import given, settings
from hypothesis import strategies as st

from ..planted import call_record

# Ten words, each half a second from every full second on, and silence from 10 s on.
TEXT = "zero one two three four five six seven eight nine"
WORDS = [Word(text, float(i), i + 0.5) for i, text in enumerate(TEXT.split())]


def heard_as(*calls: tuple[float, float, str], words: list[Word] | None = WORDS) -> BoundaryErrors:
    stored = [call_record(start_s, end_s, tuple(text.split())) for start_s, end_s, text in calls]
    shown = emitted(stored)
    pairs = pair_words(TEXT.split(), [word.text for word in shown], "none")
    return boundary_errors(words, stored, shown, pairs)


def causes(found: BoundaryErrors) -> dict[str, int]:
    names = ("dropped", "other_deletions", "looped", "duplicated", "hallucinated", "other_insertions")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def test_nothing_is_wrong_with_a_perfect_transcript():
    found = heard_as((0, 5, "zero one two three four"), (5, 12, "five six seven eight nine"))
    assert (causes(found), found.cuts, found.loops) == ({}, 1, 0)
    assert sum((place.errors for place in found.places), ErrorRate.zero()) == ErrorRate(0, 0, 0, 10)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("zero one two three", "five six seven eight nine", {"dropped": 1}),
        ("zero one three four", "five six seven eight nine", {"other_deletions": 1}),
        ("zero one two three four five", "five six seven eight nine", {"duplicated": 1}),
        ("zero one two three four five", "hive five six seven eight nine", {"duplicated": 1, "other_insertions": 1}),
        ("zero one two three four", "five six seven eight nine thanks for watching", {"hallucinated": 3}),
        ("zero one two uh three four", "five six seven eight nine", {"other_insertions": 1}),
        ("zero zero zero zero one two three four", "five six seven eight nine", {"looped": 3}),
        ("zero one two three four", "five six seven eight nine eight nine eight nine", {"looped": 4}),
        ("zero one two three four", "five six seven eight nine nine", {"other_insertions": 1}),
    ],
)  # fmt: skip
def test_planted_damage_is_named(first: str, second: str, expected: dict[str, int]):
    found = heard_as((0, 5, first), (5, 12, second))
    assert causes(found) == expected
    assert found.loops == ("looped" in expected)


def test_errors_are_placed_by_distance_from_the_cut():
    # A cut at 4.3 s goes through "four"; "three" ends 0.8 s before it and "five" starts 0.7 s after it.
    found = heard_as((0, 4.3, "zero one two three for"), (4.3, 12, "our fife six seven eight"))
    by_end = {place.to_s: place.errors for place in found.places}
    assert tuple(by_end) == DISTANCES_S
    assert [place.from_s for place in found.places] == [0.0, 0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    assert by_end[0.0] == ErrorRate(1, 0, 1, 1)
    assert by_end[1.0] == ErrorRate(1, 0, 0, 2)
    assert by_end[2.0] == ErrorRate(0, 0, 0, 2)
    assert by_end[4.0] == ErrorRate(0, 0, 0, 4)
    assert by_end[8.0] == ErrorRate(0, 1, 0, 1)  # "nine", missed


def test_overlapping_windows_have_cuts_that_do_no_harm():
    cuts = cuts_of([call_record(0.0, 3.0), call_record(1.0, 4.0)], 4.0)
    assert cuts.tolist() == [1.0, 3.0]
    assert distance_from_cut(1.5, 2.0, cuts) == 0.5
    assert distance_from_cut(0.5, 1.5, cuts) == 0
    assert distance_from_cut(3.0, 3.5, cuts) == 0
    assert distance_from_cut(0.2, 0.3, np.zeros(0)) == math.inf


def test_one_call_has_no_cut_and_no_times_have_no_places():
    found = heard_as((0, 12, TEXT.replace("one", "on")))
    assert found.cuts == 0
    assert found.places[-1].errors == ErrorRate(1, 0, 0, 10)
    timeless = heard_as((0, 5, "zero one two three four five"), (5, 12, "five six seven nine"), words=None)
    assert (timeless.places, timeless.duplicated, timeless.other_deletions) == ((), 1, 1)
    assert timeless + found == found + timeless


def test_words_on_a_silent_recording_are_hallucinated():
    stored = [call_record(0.0, 5.0, ("thank", "you"))]
    found = boundary_errors([], stored, emitted(stored), pair_words([], ["thank", "you"]))
    assert found.hallucinated == 2
    assert sum((place.errors for place in found.places), ErrorRate.zero()) == ErrorRate(0, 0, 2, 0)
    assert boundary_errors([], [], [], []) + BoundaryErrors.zero() == boundary_errors([], [], [], [])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from([*TEXT.split(), "uh"]), max_size=4), min_size=1, max_size=5),
    st.floats(0.3, 4.0),
)
def test_every_error_has_one_cause_and_one_place(calls: list[list[str]], step_s: float):
    found = heard_as(*((i * step_s, (i + 1) * step_s, " ".join(words)) for i, words in enumerate(calls)))
    rate = score_text(TEXT, " ".join(word for words in calls for word in words), "none")
    assert sum((place.errors for place in found.places), ErrorRate.zero()) == rate
    assert found.dropped + found.other_deletions == rate.deletions
    named = found.looped + found.duplicated + found.hallucinated + found.other_insertions
    assert named == rate.insertions
