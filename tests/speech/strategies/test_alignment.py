"""Where two transcripts overlap: against brute force over all alignments."""

from functools import cache

from earspan.speech.strategies.alignment import overlap
from hypothesis import given, settings
from hypothesis import strategies as st

FEW = st.lists(st.sampled_from("abc"), max_size=5).map(tuple)


def alignments(
    earlier: tuple[str, ...], later: tuple[str, ...], boundary: int, certain: int
) -> dict[tuple[int, int], int]:
    """Brute force: the best score for every (words that left, words of `later` before the boundary), all paths."""

    @cache
    def paths(i: int, j: int, crossing: int | None) -> dict[int, int]:
        """Best score by crossing from cell (i, j) on, to an end of `earlier` and any end in `later`."""
        if i == boundary and crossing is None:
            crossing = j
        found: dict[int, int] = {}
        if i >= certain:
            found[crossing if crossing is not None else j] = 0
        steps = []
        if i < len(earlier) and j < len(later):
            steps.append((paths(i + 1, j + 1, crossing), 2 if earlier[i] == later[j] else -1))
        if i < len(earlier):
            steps.append((paths(i + 1, j, crossing), -1))
        if j < len(later):
            steps.append((paths(i, j + 1, crossing), -1))
        for onward, cost in steps:
            for crossed, score in onward.items():
                found[crossed] = max(found.get(crossed, -99), score + cost)
        return found

    best: dict[tuple[int, int], int] = {}
    for start in range(len(earlier) + 1):
        for crossed, score in paths(start, 0, 0 if start >= boundary else None).items():
            best[start, crossed] = max(best.get((start, crossed), -99), score)
    return best


@settings(deadline=None, max_examples=300)
@given(earlier=FEW, later=FEW, data=st.data())
def test_the_overlap_is_a_best_one_of_all(earlier: tuple[str, ...], later: tuple[str, ...], data):
    certain = data.draw(st.integers(0, len(earlier)))
    boundary = data.draw(st.integers(0, certain))
    possible = alignments(earlier, later, boundary, certain)
    best = max(possible.values())
    found = overlap(earlier, later, boundary, certain)
    if certain == len(earlier):
        assert overlap(earlier, later, boundary) == found
    if best <= 0:
        assert found == (len(earlier), 0)
    else:
        assert possible.get(found) == best


@given(left=st.integers(0, 4), shared=st.integers(1, 5), new=st.integers(0, 4), data=st.data())
def test_a_clean_overlap_is_found(left: int, shared: int, new: int, data):
    words = [f"w{n}" for n in range(left + shared + new)]
    boundary = data.draw(st.integers(left, left + shared))
    assert overlap(words[: left + shared], words[left:], boundary) == (left, boundary - left)
