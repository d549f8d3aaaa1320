"""Overlapping chunks: nothing is lost where they are cut, and planted merges."""

import pytest
from earspan.backends.errors import InputError
from earspan.speech.strategies import Overlapping, make_strategy
from earspan.speech.strategies.overlapping import merge
from hypothesis import given, settings
from hypothesis import strategies as st

from ..planted import planted_speech, played


@settings(max_examples=30)
@given(seed=st.integers(0, 999), step_ms=st.integers(300, 2_000), overlap_ms=st.integers(3_000, 5_000))
def test_overlapping_chunks_give_the_text_back(seed: int, step_ms: int, overlap_ms: int):
    recording = planted_speech(seed, 25.0)  # the overlap holds at least three whole words wherever it is cut
    job = played(recording, Overlapping((step_ms + overlap_ms) / 1000, step_ms / 1000))
    assert job.text == recording.text


@pytest.mark.parametrize(
    ("earlier", "later", "shared", "expected"),
    [
        ("", "a b c", 0, ("", "a b c")),
        ("x a b c d", "a b c d e", 4, ("x a b", "c d e")),
        ("a b c gar", "bage b c d", 3, ("a b", "c d")),  # cut words at both sides
        ("a b c d", "a b X d e", 4, ("a b", "X d e")),
        ("A, b.", "a b c", 2, ("A,", "b c")),
        ("p q r s", "t u v w x", 4, ("p q", "u v w x")),  # nothing in common: of three whole words two and one
        ("p q", "t u", 2, ("p", "t u")),
        ("p", "t u", 1, ("p", "t u")),  # no whole word is in both
        ("p q", "", 2, ("p", "")),
        ("", "", 0, ("", "")),
    ],
)
def test_planted_merges(earlier: str, later: str, shared: int, expected: tuple[str, str]):
    left, right = merge([], earlier.split(), later.split(), shared)
    assert (" ".join(left), " ".join(right)) == expected


def test_what_was_shown_is_not_shown_again():
    # Where steps are much shorter than the overlap, most of it has been shown already.
    assert merge(["a", "b", "c"], ["d"], ["a", "b", "c", "d", "e"], 4) == ([], ["d", "e"])


def test_overlapping_steps_are_two_thirds_of_the_window_unless_told():
    assert make_strategy("overlap", 6.0, None) == Overlapping(6.0, pytest.approx(4.0))  # type: ignore[arg-type]
    calls = list(Overlapping(6.0, 4.0).fixed_calls(11.0))
    assert [(call.start_s, call.end_s) for call in calls] == [(0, 4), (2, 8), (6, 11)]
    with pytest.raises(InputError, match="overlap: a step of 7 s is not within"):
        make_strategy("overlap", 6.0, 7.0)
