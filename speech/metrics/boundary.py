"""Why a way of cutting audio makes errors: how far from a cut they are, and what kind of damage a cut did.

A cut is where the audio given to a call begins or ends, other than where the recording does. Overlapping windows have
many cuts that do no harm, since another call heard across them; the errors by distance show just that.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import TypeVar

import numpy as np

from ...datasets.recording import Word
from .align import DELETION, HIT, INSERTION, SUBSTITUTION
from .calls import CallRecord
from .latency import Emitted
from .pairing import Pair
from .wer import ErrorRate

# Upper ends of the classes of distance, in seconds; the first class, 0, is of words that a cut goes through, and the
# last has no end.
DISTANCES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, None)
SILENCE_S = 1.0  # a stretch without a spoken word that is at least so long is silence
T = TypeVar("T")
_LOOP_WORDS, _LOOP_TIMES = 8, 3  # a loop: up to so many words, at least so many times in a row


@dataclass(frozen=True, slots=True)
class Place:
    """The errors of the words in one class of distance from the nearest cut.

    from_s, to_s: the distance in seconds, more than the one up to the other; None has no end. Both are 0 for words
    that a cut goes through.
    errors: of those words. An insertion belongs to that word beside it which is closer to a cut.
    """

    from_s: float
    to_s: float | None
    errors: ErrorRate


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """The word errors of a stream by place and by cause. They add: `sum(parts, BoundaryErrors.zero())`.

    places: errors by distance from the nearest cut; empty where the reference has no word times. Their sum is the
    word error rate.
    cuts: where the audio of a call begins or ends inside a recording.
    loops: phrases of which a word was inserted that were said three times or more.
    dropped: deletions between words of different calls.
    other_deletions: all others.
    looped: insertions in such a phrase.
    duplicated: insertions that repeat a word another call committed beside them.
    hallucinated: other insertions in silence.
    other_insertions: all others.
    """

    places: tuple[Place, ...]
    cuts: int
    loops: int
    dropped: int
    other_deletions: int
    looped: int
    duplicated: int
    hallucinated: int
    other_insertions: int

    @classmethod
    def zero(cls) -> "BoundaryErrors":
        """Return the errors of nothing: the neutral element of `+`."""
        return cls((), *[0] * len(_COUNTS))

    def __add__(self, other: "BoundaryErrors") -> "BoundaryErrors":
        counts = [getattr(self, name) + getattr(other, name) for name in _COUNTS]
        if not (self.places and other.places):
            return BoundaryErrors(self.places or other.places, *counts)
        places = zip(self.places, other.places, strict=True)
        return BoundaryErrors(tuple(Place(a.from_s, a.to_s, a.errors + b.errors) for a, b in places), *counts)


_COUNTS = [one.name for one in fields(BoundaryErrors) if one.name != "places"]


def boundary_errors(
    words: Sequence[Word] | None,
    calls: Sequence[CallRecord],
    shown: Sequence[Emitted],
    pairs: Sequence[Pair],
) -> BoundaryErrors:
    """Return the errors of one stream by place and by cause.

    words: the spoken words with their times; None where those are unknown.
    calls: of the stream, in order.
    shown: the words that they committed.
    pairs: the alignment of both (`speech.metrics.pairing`).
    """
    audio_s = max((call.end_s for call in calls), default=0.0)
    cuts = cuts_of(calls, audio_s)
    in_loop, loops = _loops(pairs)
    causes = {
        "dropped": 0,
        "other_deletions": 0,
        "looped": 0,
        "duplicated": 0,
        "hallucinated": 0,
        "other_insertions": 0,
    }
    by_call = [shown[pair.heard.end - 1].call if pair.heard else None for pair in pairs]
    twice = _duplicates(pairs, by_call)
    silent = _in_silence(pairs, words, audio_s) if words is not None else set[int]()
    for index, (pair, before, after) in enumerate(zip(pairs, _last(by_call), _next(by_call), strict=True)):
        if pair.step == DELETION:
            between = before is not None and after is not None and before != after
            causes["dropped" if between else "other_deletions"] += 1
        elif pair.step == INSERTION:
            if index in in_loop:
                cause = "looped"
            elif index in twice:
                cause = "duplicated"
            elif index in silent:
                cause = "hallucinated"
            else:
                cause = "other_insertions"
            causes[cause] += 1
    places = () if words is None else _places(words, cuts, pairs)
    return BoundaryErrors(places, len(cuts), loops, **causes)


def cuts_of(calls: Sequence[CallRecord], audio_s: float) -> np.ndarray:
    """Return where the audio of calls begins or ends within a recording of `audio_s`: seconds, ascending."""
    edges = {round(edge_s, 4) for call in calls for edge_s in (call.start_s, call.end_s)}
    return np.array(sorted(edge_s for edge_s in edges if 0 < edge_s < round(audio_s, 4)))


def distance_from_cut(start_s: float, end_s: float, cuts: np.ndarray) -> float:
    """Return the seconds from a stretch of audio to the nearest of `cuts` outside, 0 where one goes through it."""
    after = int(np.searchsorted(cuts, start_s, side="right"))
    before_s = start_s - cuts[after - 1] if after else float("inf")
    after_s = cuts[after] - end_s if after < len(cuts) else float("inf")
    return max(0.0, float(min(before_s, after_s)))


def _places(words: Sequence[Word], cuts: np.ndarray, pairs: Sequence[Pair]) -> tuple[Place, ...]:
    said = [pair.said for pair in pairs if pair.said]
    away = [distance_from_cut(words[one.first].start_s, words[one.end - 1].end_s, cuts) for one in said]
    through = [
        bool(np.any((cuts > words[one.first].start_s) & (cuts < words[one.end - 1].end_s))) for one in said
    ]  # a cut just at a word's edge is no cut through it
    counts = np.zeros((len(DISTANCES_S), 4), dtype=np.int64)
    at = 0
    for pair in pairs:
        neighbours = [i for i in ((at - 1, at) if pair.step == INSERTION else (at,)) if 0 <= i < len(said)]
        at += pair.step != INSERTION
        nearest = min(neighbours, key=lambda i: (not through[i], away[i]), default=None)
        # Without any spoken word, as far from one as can be.
        place = len(DISTANCES_S) - 1 if nearest is None else _class_of(through[nearest], away[nearest])
        counts[place, pair.step] += 1
    errors = [
        ErrorRate(row[SUBSTITUTION], row[DELETION], row[INSERTION], row[HIT] + row[SUBSTITUTION] + row[DELETION])
        for row in counts.tolist()
    ]
    return tuple(map(Place, (0.0, *DISTANCES_S[:-1]), DISTANCES_S, errors))


def _class_of(through: bool, away_s: float) -> int:
    return 0 if through else max(1, int(np.searchsorted(DISTANCES_S[:-1], away_s, side="left")))


def _last(values: Iterable[T | None]) -> list[T | None]:
    """Return for each place the last value before it."""
    found: list[T | None] = []
    last = None
    for value in values:
        found.append(last)
        last = last if value is None else value
    return found


def _next(values: Sequence[T | None]) -> list[T | None]:
    """Return for each place the first value after it."""
    return _last(reversed(values))[::-1]


def _duplicates(pairs: Sequence[Pair], by_call: Sequence[int | None]) -> set[int]:
    """Return the insertions that stand near the same word from another call.

    Near is within their stretch of insertions, as far again on both sides, and one word more.
    """
    found, first = set[int](), 0
    for inserted, stretch in groupby(pairs, key=lambda pair: pair.step == INSERTION):
        end = first + len(list(stretch))
        if inserted:
            reach = end - first + 1
            calls_of = defaultdict[str, set[int | None]](set)
            for index in range(max(0, first - reach), min(len(pairs), end + reach)):
                if heard := pairs[index].heard:
                    calls_of[heard.text].add(by_call[index])
            found |= {
                index
                for index in range(first, end)
                if (heard := pairs[index].heard) and calls_of[heard.text] - {by_call[index]}
            }
        first = end
    return found


def _in_silence(pairs: Sequence[Pair], words: Sequence[Word], audio_s: float) -> set[int]:
    """Return the pairs in a stretch of `SILENCE_S` or more in which nobody speaks."""
    begins_s = _next([words[pair.said.first].start_s if pair.said else None for pair in pairs])
    ends_s = _last([words[pair.said.end - 1].end_s if pair.said else None for pair in pairs])
    return {
        index
        for index, (end_s, begin_s) in enumerate(zip(ends_s, begins_s, strict=True))
        if (audio_s if begin_s is None else begin_s) - (end_s or 0.0) >= SILENCE_S
    }


def _loops(pairs: Sequence[Pair]) -> tuple[set[int], int]:
    """Return the pairs within a phrase that is heard again and again, and how many such places hold an insertion."""
    places = [index for index, pair in enumerate(pairs) if pair.heard]
    texts = [pair.heard.text for pair in pairs if pair.heard]
    looping = np.zeros(len(texts) + 1, dtype=bool)
    for size in range(1, _LOOP_WORDS + 1):
        run = 0
        for i in range(size, len(texts) + 1):
            if i < len(texts) and texts[i] == texts[i - size]:
                run += 1
                continue
            if run >= size * (_LOOP_TIMES - 1):
                looping[i - run - size : i] = True
            run = 0
    found = {place for place, loops in zip(places, looping, strict=False) if loops}
    edges = np.flatnonzero(np.diff(np.concatenate([[False], looping])))
    stretches = [places[first:end] for first, end in zip(edges[::2], edges[1::2], strict=True)]
    return found, sum(any(pairs[place].step == INSERTION for place in stretch) for stretch in stretches)
