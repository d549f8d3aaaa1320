"""How late words come: after each spoken word, after the first one, and how often a shown word is taken back.

Pure functions over what a run stores: reference words with their times, and calls with what each committed. Two times
belong to every committed word: when it was shown on the clock (computation-aware), and how much audio had been spoken
when its call could begin (computation-unaware: what remains of the delay on infinitely fast hardware).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...datasets.recording import Word
from .align import HIT
from .calls import CallRecord
from .pairing import Pair

Seconds = np.ndarray[Any, np.dtype[np.float64]]
PAUSE_S = 0.2  # speech has ended when nobody speaks for so long: `VAD_STOP_SECS` of pipecat 1.14


@dataclass(frozen=True, slots=True)
class Emitted:
    """A committed word.

    at_s: when it was shown, in seconds of the recording.
    heard_s: how much audio had been spoken when its call could begin.
    call: the number of its call in the stream, from 0.
    """

    text: str
    at_s: float
    heard_s: float
    call: int


def emitted(calls: Sequence[CallRecord]) -> list[Emitted]:
    """Return the words that one stream's `calls` committed, in order, each with its two times."""
    return [
        Emitted(word, call.finish_at_s, call.arrival_at_s, number)
        for number, call in enumerate(calls)
        for word in call.committed
    ]


def word_latencies(words: Sequence[Word], shown: Sequence[Emitted], pairs: Sequence[Pair]) -> Seconds:
    """Return the seconds from the end of each spoken word until it was shown, shape = (words recognised,).

    `pairs` aligns the texts of `words` and `shown` (`speech.metrics.pairing`). A word that was inserted, deleted or
    substituted has no latency. A word shown before its end, a good guess, stays negative: clipping would hide it.
    """
    found = [
        shown[pair.heard.end - 1].at_s - words[pair.said.end - 1].end_s
        for pair in pairs
        if pair.step == HIT and pair.said and pair.heard
    ]
    return np.array(found, dtype=np.float64)


def first_word_latency(words: Sequence[Word], shown: Sequence[Emitted], pairs: Sequence[Pair]) -> float | None:
    """Return the seconds from the end of the first spoken word until a right word is shown; None if none is.

    Words heard in silence before it do not count, and where the first words are missed the wait goes on.
    """
    first = next((pair.heard for pair in pairs if pair.step == HIT), None)
    return None if first is None else shown[first.end - 1].at_s - words[0].end_s


def final_segment_waits(words: Sequence[Word], shown: Sequence[Emitted], pairs: Sequence[Pair]) -> Seconds:
    """Return the seconds from the end of each stretch of speech until its last word was shown for good (TTFS).

    Time to final segment, as pipecat's stt-benchmark has it, but with the ends of the reference in the place of a voice
    activity detector's: speech ends at a word with a pause of `PAUSE_S` or more behind it, and at the last. A stretch
    whose last word was not heard, rightly or wrongly, has no such time.
    """
    ends = [i for i, word in enumerate(words) if i + 1 == len(words) or words[i + 1].start_s - word.end_s >= PAUSE_S]
    shown_at_s = {pair.said.end - 1: shown[pair.heard.end - 1].at_s for pair in pairs if pair.said and pair.heard}
    return np.array([shown_at_s[i] - words[i].end_s for i in ends if i in shown_at_s], dtype=np.float64)


def erasure(calls: Sequence[CallRecord]) -> tuple[int, int]:
    """Return how many shown words were taken back, and how many remain: their quotient is normalised erasure.

    Arivazhagan et al. 2020 (arXiv 2004.03643): of each text on screen, all after its longest common prefix with the
    next is erased. On screen are committed words, and after them the interim ones of the latest call.
    """
    erased = final = 0
    interim: Sequence[str] = ()
    for call in calls:
        following = call.committed + call.interim
        erased += len(interim) - common_prefix(interim, following)
        final += len(call.committed)
        interim = call.interim
    return erased + len(interim), final


def common_prefix(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many words two texts have in common from their beginning."""
    shorter = min(len(old), len(new))
    return next((i for i in range(shorter) if old[i] != new[i]), shorter)


def service_and_audio(calls: Sequence[CallRecord]) -> tuple[float, float]:
    """Return the seconds the backend worked and the seconds of audio: their quotient is the real-time factor (RTF)."""
    service_s = sum(call.finish_at_s - call.start_at_s for call in calls)
    return service_s, max((call.end_s for call in calls), default=0.0)


def backlog(calls: Sequence[CallRecord]) -> float | None:
    """Return the longest that a call waited for those before it, in seconds, or None without calls."""
    # Stored times are whole microseconds: a difference of one is no wait.
    return max((max(0.0, round(call.start_at_s - call.arrival_at_s, 5)) for call in calls), default=None)


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Percentiles of word latency.

    p50_s, p95_s, p99_s: in seconds; None where there is no word.
    count: how many words they are of.
    """

    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    count: int


def latency_summary(latencies_s: Seconds) -> LatencySummary:
    """Return the percentiles of `latencies_s`, shape = (words,), of one recording or many together."""
    if not len(latencies_s):
        return LatencySummary(None, None, None, 0)
    p50_s, p95_s, p99_s = (float(value) for value in np.quantile(latencies_s, [0.5, 0.95, 0.99]))
    return LatencySummary(p50_s, p95_s, p99_s, len(latencies_s))
