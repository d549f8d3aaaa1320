"""Why a way of cutting audio makes errors: how far from a cut they are, and what kind of damage a seam did.

A cut is where the audio given to a call begins or ends, other than where the recording does. Overlapping windows have
many cuts that do no harm, since another call heard across them; the curve shows just that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets.recording import Word
from .align import DELETION, HIT, INSERTION, SUBSTITUTION
from .latency import Emitted
from .pairing import Pair
from .score import ErrorRate

# Upper ends of the classes of distance, in seconds; the first class, 0, is of words that a cut goes through.
DISTANCES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, float("inf"))
SILENCE_S = 1.0  # a stretch without a spoken word that is at least so long is silence
_LOOP_WORDS, _LOOP_TIMES = 8, 3  # a loop: up to so many words, at least so many times in a row


@dataclass(frozen=True, slots=True)
class Seams:
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
    def zero(cls) -> "Seams":
        return cls((), *[0] * 8)

    def __add__(self, other: "Seams") -> "Seams":
        counts = [getattr(self, name) + getattr(other, name) for name in _COUNTS]
        if not (self.curve and other.curve):
            return Seams(self.curve or other.curve, *counts)
        return Seams(tuple(a + b for a, b in zip(self.curve, other.curve, strict=True)), *counts)

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


def seams(
    words: Sequence[Word] | None,
    calls: Sequence[Mapping[str, Any]],
    shown: Sequence[Emitted],
    pairs: Sequence[Pair],
) -> Seams:
    """The errors of one stream by cause.

    `words` are the spoken words with their times, None where unknown; `calls` hold `start_s` and `end_s`; `shown` are
    the committed words, and `pairs` the alignment of both (`speech.pairing`).
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
    for index, pair in enumerate(pairs):
        if pair.step == DELETION:
            causes["dropped" if _between_calls(index, pairs, shown) else "other_deletions"] += 1
        elif pair.step == INSERTION:
            if index in in_loop:
                cause = "looped"
            elif _duplicate(index, pairs, shown):
                cause = "duplicated"
            elif words is not None and _silence_s(index, pairs, words, audio_s) >= SILENCE_S:
                cause = "hallucinated"
            else:
                cause = "other_insertions"
            causes[cause] += 1
    curve = () if words is None else _curve(words, cuts, pairs)
    return Seams(curve, len(cuts), loops, **causes)


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


def _call_beside(index: int, step: int, pairs: Sequence[Pair], shown: Sequence[Emitted]) -> int | None:
    """The call that committed the nearest heard word before (step -1) or after (step 1) a pair."""
    index += step
    while 0 <= index < len(pairs):
        heard = pairs[index].heard
        if heard is not None:
            return shown[heard.end - 1].call
        index += step
    return None


def _between_calls(index: int, pairs: Sequence[Pair], shown: Sequence[Emitted]) -> bool:
    before, after = (_call_beside(index, step, pairs, shown) for step in (-1, 1))
    return before is not None and after is not None and before != after


def _duplicate(index: int, pairs: Sequence[Pair], shown: Sequence[Emitted]) -> bool:
    """Whether an inserted word stands near the same word from another call: within the stretch of insertions, and
    as far again on both sides, and one word more."""
    first = end = index
    while first > 0 and pairs[first - 1].step == INSERTION:
        first -= 1
    while end < len(pairs) and pairs[end].step == INSERTION:
        end += 1
    reach = end - first + 1
    heard = pairs[index].heard
    return heard is not None and any(
        other.text == heard.text and shown[other.end - 1].call != shown[heard.end - 1].call
        for pair in pairs[max(0, first - reach) : end + reach]
        if (other := pair.heard) is not None
    )


def _silence_s(index: int, pairs: Sequence[Pair], words: Sequence[Word], audio_s: float) -> float:
    """How long nobody speaks where a pair without a spoken word stands."""
    before = next((pair.said for pair in reversed(pairs[:index]) if pair.said), None)
    after = next((pair.said for pair in pairs[index + 1 :] if pair.said), None)
    begin_s = words[before.end - 1].end_s if before else 0.0
    return (words[after.first].start_s if after else audio_s) - begin_s


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
