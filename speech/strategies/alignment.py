"""Where two transcripts of overlapping audio overlap, found in their text: strategies get no word times for nothing."""

import re
from collections.abc import Sequence
from functools import lru_cache

_MATCH, _MISMATCH, _GAP = 2, -1, -1


def overlap(earlier: Sequence[str], later: Sequence[str], boundary: int, certain: int | None = None) -> tuple[int, int]:
    """Align the end of `earlier` with the start of `later`.

    What of `earlier` comes before the overlap has left the window, and costs nothing; nor does what of `later` comes
    after it, which is new; nor what follows it in `earlier[certain:]` (by default nothing), which may be revised: a
    transcript that went astray at its end would hide the overlap. In between, matches gain and differences cost.
    Returns how many words of `earlier` left the window, and how many of `later` belong to `earlier[:boundary]`,
    `boundary` being at most `certain`. Without any overlap that is `(len(earlier), 0)`.
    """
    return _overlap(tuple(earlier), tuple(later), boundary, len(earlier) if certain is None else certain)


@lru_cache(maxsize=1 << 11)  # backends of one span hear the same texts
def _overlap(earlier: tuple[str, ...], later: tuple[str, ...], boundary: int, certain: int) -> tuple[int, int]:
    # One cell of the alignment: its score; where in `earlier` its path began; how far in `later` the path was when
    # it left row `boundary`, so that words inserted there count as new.
    above = [(_GAP * j, 0, 0) for j in range(len(later) + 1)]
    best = (0, len(earlier), 0)
    for i, word in enumerate(earlier, start=1):
        row = [(0, i, 0)]
        for j, other in enumerate(later, start=1):
            diagonal, up, left = above[j - 1], above[j], row[j - 1]
            score = diagonal[0] + (_MATCH if word == other else _MISMATCH)
            origin, crossing = diagonal[1], j if i <= boundary else diagonal[2]
            if up[0] + _GAP > score:
                score, origin, crossing = up[0] + _GAP, up[1], j if i <= boundary else up[2]
            if left[0] + _GAP > score:
                score, origin, crossing = left[0] + _GAP, left[1], left[2]
            row.append((score, origin, crossing))
        above = row
        if i >= certain:
            highest = max(row, key=lambda cell: cell[0])
            best = highest if highest[0] > 0 and highest[0] >= best[0] else best
    return best[1], best[2]


def breaks_off(earlier: Sequence[str], later: Sequence[str]) -> bool:
    """Return whether `later` is rather a piece from within `earlier` than the end of it with something new.

    Two of three words must be the same, in order: scores are those of `overlap`, the ends of `earlier` free.
    """
    above = [_GAP * j for j in range(len(later) + 1)]
    inside = 0
    for word in earlier:
        inside = max(inside, above[-1])  # where all of `later` ended before this word
        row = [0]
        for j, other in enumerate(later, start=1):
            pair = above[j - 1] + (_MATCH if word == other else _MISMATCH)
            row.append(max(pair, above[j] + _GAP, row[j - 1] + _GAP))
        above = row
    return inside > max(above) and inside >= len(later)


@lru_cache(maxsize=1 << 14)  # every call looks at most words of the one before again
def key(word: str) -> str:
    """Return what two calls must agree on: the letters, not case or punctuation, which change at a window's edges."""
    return re.sub(r"[^\w]", "", word.lower()) or word


def keys(words: Sequence[str]) -> list[str]:
    return [key(word) for word in words]
