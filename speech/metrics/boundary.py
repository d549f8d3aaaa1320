"""Why a way of cutting audio makes errors: how far from a cut they are, and what kind of damage a seam did.

A cut is where the audio given to a call begins or ends, other than where the recording does. Overlapping windows have
many cuts that do no harm, since another call heard across them; the curve shows just that.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import numpy as np

from ...datasets.recording import Word
from .align import DELETION, HIT, INSERTION, SUBSTITUTION
from .latency import Emitted
from .pairing import Pair
from .wer import ErrorRate

# Upper ends of the classes of distance, in seconds; the first class, 0, is of words that a cut goes through.
DISTANCES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, float("inf"))
SILENCE_S = 1.0  # a stretch without a spoken word that is at least so long is silence
T = TypeVar("T")
_LOOP_WORDS, _LOOP_TIMES = 8, 3  # a loop: up to so many words, at least so many times in a row


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """Errors by cause, in scored words; they add. `curve` is empty where the reference has no word times.

    `curve`: errors of the words in each class of distance from the nearest cut; their sum is the word error rate.
    `dropped`: deletions between words of different calls. `duplicated`: insertions that repeat a word another call
    committed beside them. `looped`: insertions in a phrase said three times or more, `loops` such phrases.
    `hallucinated`: other insertions in silence.
    """

    curve: tuple[ErrorRate, ...]
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
        return cls((), *[0] * 8)

    def __add__(self, other: "BoundaryErrors") -> "BoundaryErrors":
        counts = [getattr(self, name) + getattr(other, name) for name in _COUNTS]
        if not (self.curve and other.curve):
            return BoundaryErrors(self.curve or other.curve, *counts)
        return BoundaryErrors(tuple(a + b for a, b in zip(self.curve, other.curve, strict=True)), *counts)

    def to_json(self) -> dict[str, Any]:
        """Counts by name, and the curve as a list of classes with `from_s` and `to_s` (null: no end)."""
        lows = (0.0, *DISTANCES_S)
        classes = [
            {"from_s": low, "to_s": high if high < float("inf") else None, **rate.to_json()}
            for low, high, rate in zip(lows, DISTANCES_S, self.curve, strict=False)
        ]
        return {**{name: getattr(self, name) for name in _COUNTS}, "curve": classes}


_COUNTS = (
    "cuts", "loops", "dropped", "other_deletions", "looped", "duplicated", "hallucinated", "other_insertions",
)  # fmt: skip


def boundary_errors(
    words: Sequence[Word] | None,
    calls: Sequence[Mapping[str, Any]],
    shown: Sequence[Emitted],
    pairs: Sequence[Pair],
) -> BoundaryErrors:
    """The errors of one stream by cause.

    `words` are the spoken words with their times, None where unknown; `calls` hold `start_s` and `end_s`; `shown` are
    the committed words, and `pairs` the alignment of both (`speech.metrics.pairing`).
    """
    audio_s = max((call["end_s"] for call in calls), default=0.0)
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
    curve = () if words is None else _curve(words, cuts, pairs)
    return BoundaryErrors(curve, len(cuts), loops, **causes)


def cuts_of(calls: Iterable[Mapping[str, Any]], audio_s: float) -> np.ndarray:
    """Where the audio of calls begins or ends within a recording of `audio_s`, in seconds, ascending."""
    edges = {round(edge_s, 4) for call in calls for edge_s in (call["start_s"], call["end_s"])}
    return np.array(sorted(edge_s for edge_s in edges if 0 < edge_s < round(audio_s, 4)))


def distance_from_cut(start_s: float, end_s: float, cuts: np.ndarray) -> float:
    """Seconds from a stretch of audio to the nearest of `cuts` outside; 0 where one goes through it."""
    after = int(np.searchsorted(cuts, start_s, side="right"))
    before_s = start_s - cuts[after - 1] if after else float("inf")
    after_s = cuts[after] - end_s if after < len(cuts) else float("inf")
    return max(0.0, float(min(before_s, after_s)))


def _curve(words: Sequence[Word], cuts: np.ndarray, pairs: Sequence[Pair]) -> tuple[ErrorRate, ...]:
    """Errors in each class of distance. An insertion belongs to that neighbour which is closer to a cut."""
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
    return tuple(
        ErrorRate(row[SUBSTITUTION], row[DELETION], row[INSERTION], row[HIT] + row[SUBSTITUTION] + row[DELETION])
        for row in counts.tolist()
    )


def _class_of(through: bool, away_s: float) -> int:
    return 0 if through else max(1, int(np.searchsorted(DISTANCES_S, away_s, side="left")))


def _last(values: Iterable[T | None]) -> list[T | None]:
    """For each place, the last value before it."""
    found: list[T | None] = []
    last = None
    for value in values:
        found.append(last)
        last = last if value is None else value
    return found


def _next(values: Sequence[T | None]) -> list[T | None]:
    """For each place, the first value after it."""
    return _last(reversed(values))[::-1]


def _duplicates(pairs: Sequence[Pair], by_call: Sequence[int | None]) -> set[int]:
    """The insertions that stand near the same word from another call: within their stretch of insertions, and as far
    again on both sides, and one word more."""
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
    """The pairs in a stretch of `SILENCE_S` or more in which nobody speaks."""
    begins_s = _next([words[pair.said.first].start_s if pair.said else None for pair in pairs])
    ends_s = _last([words[pair.said.end - 1].end_s if pair.said else None for pair in pairs])
    return {
        index
        for index, (end_s, begin_s) in enumerate(zip(ends_s, begins_s, strict=True))
        if (audio_s if begin_s is None else begin_s) - (end_s or 0.0) >= SILENCE_S
    }


def _loops(pairs: Sequence[Pair]) -> tuple[set[int], int]:
    """Indices of pairs within a phrase that is heard again and again, and how many such places hold an insertion."""
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
