"""Word latency by continuous Levenshtein alignment of characters: the measure of ufal/asr_latency, value for value.

Macháček & Polák 2025 (CUNI at IWSLT 2025, section 5.1). Characters are aligned, so that a word with a wrong ending
still counts; of the cheapest alignments, one with few interruptions is taken. Early words count as 0 there, which
hides good guesses: `speech.metrics.latency` is what Earspan itself reports by.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_CELLS = 4_000_000  # of the table kept at a time, so that an hour of speech needs megabytes
_BOTH, _SAID, _HEARD = range(3)
# What is tried first, going back from the end: to go on as before, then to stay off the diagonal.
_PREFERRED = {_BOTH: (_BOTH, _SAID, _HEARD), _SAID: (_SAID, _HEARD, _BOTH), _HEARD: (_HEARD, _SAID, _BOTH)}


class Timed(NamedTuple):
    """A word with its time: of a spoken one its end, of a committed one when it was shown."""

    text: str
    at_s: float


def continuous_latencies(said: Sequence[Timed], heard: Sequence[Timed]) -> list[float]:
    """Return seconds from the end of each spoken word to the emission of what is aligned with it, at least 0.

    The published figure is their mean. Time grows with the square of the text: 7 s for 20 minutes of speech. Spoken
    words without any counterpart, and committed ones, are left out.
    """
    pieces = _pieces(_characters(said), _characters(heard))
    return [max(0.0, heard_s - said_s) for said_s, heard_s in pieces]


def _characters(words: Sequence[Timed]) -> list[Timed]:
    """Return every character with the time of its word, a space after each word."""
    return [Timed(character, at_s) for text, at_s in words for character in f"{text} "]


def _pieces(said: list[Timed], heard: list[Timed]) -> Iterator[tuple[float, float]]:
    """Return the times of both sides of each aligned word.

    A piece ends with a spoken space, or with an inserted one: what was said up to there has its counterpart then,
    and a space that is left for later words is a piece of its own. (So "am" against "am very glad" gives two pieces.)
    """
    said_s: float | None = None
    heard_s: float | None = None
    heard_text = ""
    for said_at, heard_at in _alignment("".join(c.text for c in said), "".join(c.text for c in heard)):
        if said_at is not None:
            said_s = said[said_at].at_s
        if heard_at is not None:
            heard_s, heard_text = heard[heard_at].at_s, heard_text + heard[heard_at].text
        spoken_space = said_at is not None and said[said_at].text == " "
        inserted_space = said_at is None and heard_text.endswith(" ")
        if not (spoken_space or inserted_space):
            continue
        if said_s is not None and heard_s is not None and (inserted_space or heard_text != " "):
            yield said_s, heard_s
        said_s = heard_s = None
        heard_text = ""


@lru_cache(maxsize=512)  # most texts of a run come back on other backends, at other times
def _alignment(said: str, heard: str) -> tuple[tuple[int | None, int | None], ...]:
    """Return indices on both sides of each step of the alignment, from the start; None where a side has nothing."""
    left, right = (np.array([ord(character) for character in side], dtype=np.int32) for side in (said, heard))
    return tuple(reversed(list(_walk_back(left, right))))


def _walk_back(said: np.ndarray, heard: np.ndarray) -> Iterator[tuple[int | None, int | None]]:
    stripe = max(1, _CELLS // (len(heard) + 1))
    starts = range(0, len(said), stripe)
    tops = [np.arange(len(heard) + 1)]
    for start in starts[:-1]:
        tops.append(_rows(said[start : start + stripe], heard, tops[-1])[-1])
    i, j, last = len(said), len(heard), _BOTH
    for start in reversed(starts):
        costs = _rows(said[start : start + stripe], heard, tops.pop())
        while i > start and j > 0:
            here = costs[i - start, j]
            possible = {
                _BOTH: here == costs[i - start - 1, j - 1] + (said[i - 1] != heard[j - 1]),
                _SAID: here == costs[i - start - 1, j] + 1,
                _HEARD: here == costs[i - start, j - 1] + 1,
            }
            last = next(step for step in _PREFERRED[last] if possible[step])
            i -= last != _HEARD
            j -= last != _SAID
            yield i if last != _HEARD else None, j if last != _SAID else None
    yield from ((index, None) for index in reversed(range(i)))
    yield from ((None, index) for index in reversed(range(j)))


def _rows(said: np.ndarray, heard: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Return edit distances below the row `top`, which comes first: shape = (said + 1, heard + 1)."""
    costs = np.empty((len(said) + 1, len(heard) + 1), dtype=np.int32)
    costs[0], steps = top, np.arange(len(heard) + 1)
    for row, character in enumerate(said):
        above, here = costs[row], costs[row + 1]
        here[0] = above[0] + 1
        np.minimum(above[:-1] + (heard != character), above[1:] + 1, out=here[1:])
        # A character inserted costs the same everywhere, so the best way along the row is a running minimum.
        np.minimum.accumulate(here - steps, out=here)
        here += steps
    return costs
