"""Degenerate policies, planted, and what OmniSTEval 0.1.10 (`ShortformDegeneracyScorer`) said of the same streams."""

import pytest
from earspan.speech.metrics.degeneracy import find_degeneracy

STEADY, EARLY = [i + 1.5 for i in range(8)], [0.1] * 8
MIXED = [([1.0, 9.0, 11.0, 12.0, 13.0], 10.0, 5), ([0.5, 1.0, 1.5], 4.0, 3), ([], 3.0, 2)]


@pytest.mark.parametrize(
    ("streams", "before_end", "expected", "degenerate"),
    [
        ([(STEADY, 10.0, 8)], 1.0, 0.9375, False),
        ([([1.0] + [12.0] * 7, 10.0, 8)], 0.125, 0.9, True),  # one word early, the rest held back
        ([([10.0] * 8, 10.0, 8)], 0.0, None, False),  # all at the end does not look like a stream
        (MIXED, 0.625, 0.7380952380952381, False),
        ([(EARLY, 10.0, 8)], 1.0, 1.4275, True),  # more than there was to hear
    ],
)
def test_planted_policies_are_told_as_omnisteval_tells_them(
    streams: list[tuple[list[float], float, int]], before_end: float, expected: float | None, degenerate: bool
):
    found = find_degeneracy(streams)
    assert found.before_end == pytest.approx(before_end)
    assert found.expected == (None if expected is None else pytest.approx(expected))
    assert found.degenerate is degenerate


def test_recordings_without_a_word_are_counted():
    found = find_degeneracy(MIXED)
    assert (found.empty, found.streams) == (1, 3)
    nothing = find_degeneracy([])
    assert (nothing.before_end, nothing.expected, nothing.test_value, nothing.degenerate) == (None, None, None, False)
