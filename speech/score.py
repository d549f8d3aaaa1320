"""Scoring: word errors that pool, their interval, and how late each word came.

Raw text comes in and is normalised here, at scoring time: an old run can be scored again under other rules.
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jiwer
import numpy as np

from ..backends.errors import unknown
from ..datasets.recording import Word


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Counts of word errors against `ref_words` words of reference.

    Counts add and rates do not: `sum()` over recordings pools them. There is no division, so a mean of rates,
    in which a short recording would weigh as much as a long one, has to be written on purpose.
    """

    substitutions: int
    deletions: int
    insertions: int
    ref_words: int

    @classmethod
    def zero(cls) -> "ErrorRate":
        """No words, no errors: the neutral element of `+`."""
        return cls(0, 0, 0, 0)

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """The word error rate as a fraction (may exceed 1), or None where there is no reference word.

        None and not NaN: JSON has null, and arithmetic with None fails loudly.
        """
        return self.errors / self.ref_words if self.ref_words else None

    def __add__(self, other: "ErrorRate") -> "ErrorRate":
        if not isinstance(other, ErrorRate):
            return NotImplemented
        return ErrorRate(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.ref_words + other.ref_words,
        )

    def __radd__(self, other: int) -> "ErrorRate":
        # `sum()` starts from the integer 0; any other number would be a rate or a count of something else.
        return self if other == 0 else NotImplemented

    def to_json(self) -> dict[str, int | float | None]:
        """The four counts and `wer`, named as in results.json."""
        return {
            "wer": self.rate,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
            "ref_words": self.ref_words,
        }


def score_text(reference: str, hypothesis: str, regime: str = "whisper") -> ErrorRate:
    """The word errors of raw `hypothesis` text against raw `reference` text, both normalised by `regime`.

    Against an empty reference every word is an insertion. Raises `InputError` for an unknown regime.
    """
    output = jiwer.process_words(normalise(reference, regime), normalise(hypothesis, regime))
    ref_words = output.hits + output.substitutions + output.deletions
    return ErrorRate(output.substitutions, output.deletions, output.insertions, ref_words)


# Whisper's normaliser takes ten times as long as the alignment, and a sweep scores a reference many times.
@lru_cache(maxsize=16384)
def normalise(text: str, regime: str = "whisper") -> str:
    """`text` under the rules of `regime`, its words separated by single spaces."""
    return " ".join(_regime(regime).normaliser()(text).split())


def regime_names() -> tuple[str, ...]:
    """The scoring regimes: `whisper`, openai-whisper's English normaliser; `none`, cased and punctuated."""
    return tuple(_REGIMES)


def regime_version(regime: str = "whisper") -> str:
    """What a result must name beside its error rate: the rules, their version and digest, and the aligner."""
    return f"{regime} ({_regime(regime).rules()}), aligned by jiwer {version('jiwer')}"


@dataclass(frozen=True, slots=True)
class _Regime:
    normaliser: Callable[[], Callable[[str], str]]
    rules: Callable[[], str]


@cache
def _whisper_normaliser() -> Callable[[str], str]:
    from whisper.normalizers import EnglishTextNormalizer  # imports torch, which takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing english.json to the collector
        return EnglishTextNormalizer()


@cache
def _whisper_rules() -> str:
    from whisper import normalizers

    folder, digest = Path(str(normalizers.__file__)).parent, hashlib.sha256()
    for name in ("basic.py", "english.py", "english.json"):
        digest.update((folder / name).read_bytes())
    return f"openai-whisper {version('openai-whisper')}, sha256 {digest.hexdigest()[:16]}"


_REGIMES = {
    "whisper": _Regime(_whisper_normaliser, _whisper_rules),
    "none": _Regime(lambda: str, lambda: "raw words, cased and punctuated"),
}


def _regime(name: str) -> _Regime:
    if name not in _REGIMES:
        raise unknown("scoring regime", name, _REGIMES)
    return _REGIMES[name]


def wer_interval(
    per_recording: Sequence[ErrorRate], seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> tuple[float, float] | None:
    """The percentile bootstrap interval (low, high) of the pooled error rate, recordings being resampled.

    Errors within a recording hang together (one voice, one room), so whole recordings are drawn, not words
    (Bisani & Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation").

    None for fewer than two recordings: every replicate would be that one recording, and an interval of width
    zero would claim a certainty that nobody has. None, too, where there is no reference word at all.
    """
    errors = np.array([one.errors for one in per_recording], dtype=np.int64)
    words = np.array([one.ref_words for one in per_recording], dtype=np.int64)
    if len(words) < 2 or not words.any():
        return None
    generator, rates = np.random.default_rng(seed), []
    # In blocks, so that memory stays at some megabytes for any number of recordings.
    block = max(1, 1_000_000 // len(words))
    for done in range(0, replicates, block):
        drawn = generator.integers(len(words), size=(min(block, replicates - done), len(words)))
        pooled_words = words[drawn].sum(axis=1)
        # A draw of silent recordings only has no rate.
        rates.append(errors[drawn].sum(axis=1)[pooled_words > 0] / pooled_words[pooled_words > 0])
    low, high = np.quantile(np.concatenate(rates), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def word_latencies(
    reference_words: Sequence[Word], committed: Sequence[tuple[str, float]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Seconds from the end of each spoken word to its emission, shape = (words that were recognised,).

    `committed` are the emitted words with their emission times, seconds on the clock of the recording. A word
    counts where the alignment pairs it with an equal one (case and punctuation aside); one that was inserted,
    deleted or substituted has no latency. A word emitted before its end, a good guess, stays negative.
    """
    spoken = [(key, word.end_s) for word in reference_words if (key := _key(word.text))]
    emitted = [(key, at_s) for text, at_s in committed if (key := _key(text))]
    output = jiwer.process_words(" ".join(key for key, _ in spoken), " ".join(key for key, _ in emitted))
    latencies = [
        emitted_at_s - end_s
        for chunk in output.alignments[0]
        if chunk.type == "equal"
        for (_, end_s), (_, emitted_at_s) in zip(
            spoken[chunk.ref_start_idx : chunk.ref_end_idx],
            emitted[chunk.hyp_start_idx : chunk.hyp_end_idx],
            strict=True,
        )
    ]
    return np.array(latencies, dtype=np.float64)


def _key(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Percentiles of word latency in seconds over `count` words; None where there is no word."""

    p50_s: float | None
    p95_s: float | None
    count: int


def latency_summary(latencies_s: np.ndarray[Any, np.dtype[np.float64]]) -> LatencySummary:
    """Median and 95th percentile of `latencies_s`, shape = (words,), of one recording or many together."""
    if not len(latencies_s):
        return LatencySummary(None, None, 0)
    p50_s, p95_s = np.quantile(latencies_s, [0.5, 0.95])
    return LatencySummary(float(p50_s), float(p95_s), len(latencies_s))
