"""The lagging family of simultaneous translation: LAAL, DAL and YAAL, and over many sentences StreamLAAL and LongYAAL.

They compare each word with an ideal that speaks evenly over the audio, so they need no word times, and say less than
word latency does where there are any. Delays are seconds from the start of the utterance, one for each word, and never
fall. Sources: LAAL, Polák et al. 2022 (arXiv 2204.06028) and Papi et al. 2022 (arXiv 2206.05807); DAL, Arivazhagan et
al. 2019 (arXiv 1906.05218); StreamLAAL, Papi et al. 2024 (StreamAtt, ACL 2024); YAAL and LongYAAL, Polák et al. 2025
(arXiv 2509.17349). SimulEval's conventions at the edges, so that values agree with its own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ...datasets.recording import Word
from .latency import Emitted
from .pairing import Pair

_SENTENCE_ENDS = (".", "?", "!", '."', '?"', '!"', ".'", "?'", "!'")

Delay = Callable[[Emitted], float]


def aware(word: Emitted) -> float:
    """Return when the word was shown, computation included."""
    return word.at_s


def unaware(word: Emitted) -> float:
    """Return when the word would have been shown by infinitely fast hardware."""
    return word.heard_s


def laal(delays_s: Sequence[float], source_s: float, ref_words: int) -> float | None:
    """Return length-adaptive average lagging in seconds; None without words.

    Words count up to the first that came at or after the end of the audio. Where even the first came later, its
    delay is the value, as in SimulEval.
    """
    if not delays_s:
        return None
    if delays_s[0] > source_s:
        return delays_s[0]
    counted = next((i for i, delay_s in enumerate(delays_s, 1) if delay_s >= source_s), len(delays_s))
    return _lagging(delays_s[:counted], source_s, max(len(delays_s), ref_words))


def yaal(delays_s: Sequence[float], source_s: float, ref_words: int, until_s: float | None = None) -> float | None:
    """Return yet another average lagging in seconds: as LAAL, but no word counts that came at or after `until_s`.

    `until_s` is the end of the audio if not given; for LongYAAL it is the end of the recording that the utterance is
    part of. None where no word counts.
    """
    until_s = source_s if until_s is None else until_s
    counted = next((i for i, delay_s in enumerate(delays_s) if delay_s >= until_s), len(delays_s))
    return _lagging(delays_s[:counted], source_s, max(len(delays_s), ref_words)) if counted else None


def _lagging(delays_s: Sequence[float], source_s: float, words: int) -> float:
    """Return the mean distance from a speaker of `words` words, evenly over the audio from its start."""
    return fmean(delay_s - i * source_s / words for i, delay_s in enumerate(delays_s))


def dal(delays_s: Sequence[float], source_s: float) -> float | None:
    """Return differentiable average lagging in seconds; None without words. A late word delays all that follow it."""
    if not delays_s:
        return None
    even_s = source_s / len(delays_s)
    total, previous = 0.0, -math.inf
    for i, delay_s in enumerate(delays_s):
        previous = max(delay_s, previous + even_s)
        total += previous - i * even_s
    return total / len(delays_s)


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence of the reference, and the committed words that belong to it."""

    start_s: float
    end_s: float
    ref_words: int
    shown: tuple[Emitted, ...]


def utterances(words: Sequence[Word], shown: Sequence[Emitted], pairs: Sequence[Pair]) -> list[Utterance]:
    """Return the reference in sentences, each with its part of what was committed.

    A sentence ends with a word that ends in `.`, `?` or `!`; a text without them is one. Committed words are cut
    where the alignment of the whole texts passes from one sentence to the next, which is what mwerSegmenter
    (Matusov et al. 2005) minimises; inserted words belong to the sentence before them.
    """
    ends = [i + 1 for i, word in enumerate(words) if word.text.endswith(_SENTENCE_ENDS)]
    bounds = [0, *ends] if ends and ends[-1] == len(words) else [0, *ends, len(words)]
    sentence_of = [number for number, first in enumerate(bounds[:-1]) for _ in range(first, bounds[number + 1])]
    own: list[list[Emitted]] = [[] for _ in bounds[1:]]
    current = latest = taken = 0
    for pair in pairs:
        if pair.said:
            current = sentence_of[pair.said.first]
        if pair.heard:
            own[latest] += shown[taken : pair.heard.first]  # words that the rules leave out
            own[current] += shown[max(taken, pair.heard.first) : pair.heard.end]
            latest, taken = current, max(taken, pair.heard.end)
    if own:
        own[latest] += shown[taken:]
    return [
        Utterance(words[first].start_s, words[end - 1].end_s, end - first, tuple(part))
        for first, end, part in zip(bounds, bounds[1:], own, strict=False)
        if end > first
    ]


def stream_laal(sentences: Sequence[Utterance], delay: Delay = aware) -> list[float]:
    """Return the LAAL of each sentence that was heard, in seconds; StreamLAAL is the mean, over all recordings."""
    found = (laal(_from_start(one, delay), one.end_s - one.start_s, one.ref_words) for one in sentences)
    return [value for value in found if value is not None]


def long_yaal(sentences: Sequence[Utterance], delay: Delay = aware) -> list[float]:
    """Return the YAAL of each sentence of a recording, in seconds; LongYAAL is the mean, over all recordings.

    Words count until the last sentence ends, so late ones are not cut off at the end of their own. That end is the
    reference's, as since OmniSTEval 0.1.10, not the end of the audio.
    """
    last_s = max((one.end_s for one in sentences), default=0.0)
    found = (
        yaal(_from_start(one, delay), one.end_s - one.start_s, one.ref_words, last_s - one.start_s) for one in sentences
    )
    return [value for value in found if value is not None]


def _from_start(one: Utterance, delay: Delay) -> list[float]:
    return [delay(word) - one.start_s for word in one.shown]
