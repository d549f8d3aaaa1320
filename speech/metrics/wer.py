"""Scoring: word errors that pool, and their interval.

Raw text comes in and is normalised here, at scoring time: an old run can be scored again under other rules.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .align import DELETION, HIT, INSERTION, alignments
from .normalise import get_normaliser, normalise

_PAIRS = 4096
_COMPOUND_PARTS = 4  # words that one compound may be written as


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Counts of word errors.

    substitutions: reference words that were heard as another word.
    deletions: reference words that were not heard.
    insertions: words that were heard and not said.
    ref_words: how many words the reference has.

    Counts add and rates do not: `sum()` over recordings pools them. There is no division, so a mean of rates,
    in which a short recording would weigh as much as a long one, has to be written on purpose.
    """

    substitutions: int
    deletions: int
    insertions: int
    ref_words: int

    @classmethod
    def zero(cls) -> "ErrorRate":
        """Return the errors of no words: the neutral element of `+`."""
        return cls(0, 0, 0, 0)

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Return the word error rate as a fraction (may exceed 1), or None where there is no reference word.

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


def score_text(reference: str, hypothesis: str, normaliser: str = "whisper") -> ErrorRate:
    """Return the word errors of raw `hypothesis` text against raw `reference` text, both normalised by `normaliser`.

    Against an empty reference every word is an insertion. Raises `InputError` for an unknown normaliser.
    """
    return score_texts([reference], [hypothesis], normaliser)[0]


def score_texts(references: Sequence[str], hypotheses: Sequence[str], normaliser: str = "whisper") -> list[ErrorRate]:
    """Return the word errors of each raw hypothesis against its raw reference, as `score_text`, many at once."""
    rates = [ErrorRate.zero()] * len(references)
    for index, _, _, steps in aligned_words(references, hypotheses, normaliser):
        rates[index] = rate_of(steps)
    return rates


def rate_of(steps: np.ndarray) -> ErrorRate:
    """Return the counts of the operations of one alignment (see `speech.metrics.align`)."""
    hits, substitutions, insertions, deletions = np.bincount(steps, minlength=4).tolist()
    return ErrorRate(substitutions, deletions, insertions, hits + substitutions + deletions)


def aligned_words(
    references: Sequence[str], hypotheses: Sequence[str], normaliser: str = "whisper"
) -> Iterator[tuple[int, list[str], list[str], np.ndarray]]:
    """Yield index, normalised words of both sides, and operations (`speech.metrics.align`) of each pair, in no order.

    Under a normaliser that ignores spaces inside compounds, the hypothesis comes with those of the reference.
    """
    ignores_spaces = get_normaliser(normaliser).compounds
    for start in range(0, len(references), _PAIRS):  # in parts, so that memory does not hold every word at once
        refs = [normalise(text, normaliser).split() for text in references[start : start + _PAIRS]]
        hyps = [normalise(text, normaliser).split() for text in hypotheses[start : start + _PAIRS]]
        if ignores_spaces:
            for index, steps in alignments(refs, hyps):
                hyps[index] = respace(refs[index], hyps[index], steps)
        for index, steps in alignments(refs, hyps):
            yield start + index, refs[index], hyps[index], steps


def respace(reference: list[str], hypothesis: list[str], steps: np.ndarray) -> list[str]:
    """Return the hypothesis with the spaces of the reference where, within one stretch of errors, only spaces differ.

    "wifi" becomes "wi fi" where the reference says so, and "black board" becomes "blackboard". Nothing else is
    touched, and words that were right stay as they are.
    """
    result: list[str] = []
    at_ref = at_hyp = begin_ref = begin_hyp = 0
    for step in [*steps.tolist(), HIT]:
        if step != HIT:
            at_ref += step != INSERTION
            at_hyp += step != DELETION
            continue
        result += _joined_alike(reference[begin_ref:at_ref], hypothesis[begin_hyp:at_hyp])
        result += hypothesis[at_hyp : at_hyp + 1]
        at_ref, at_hyp = at_ref + 1, at_hyp + 1
        begin_ref, begin_hyp = at_ref, at_hyp
    return result


def _joined_alike(reference: list[str], hypothesis: list[str]) -> list[str]:
    result: list[str] = []
    at_ref = at_hyp = 0
    while at_hyp < len(hypothesis):
        found = next(
            (
                (first, ref_end, hyp_end)
                for first in range(at_ref, len(reference))
                for hyp_end in range(at_hyp + 1, min(at_hyp + _COMPOUND_PARTS, len(hypothesis)) + 1)
                for ref_end in range(first + 1, min(first + _COMPOUND_PARTS, len(reference)) + 1)
                if (ref_end - first > 1 or hyp_end - at_hyp > 1)
                and "".join(reference[first:ref_end]) == "".join(hypothesis[at_hyp:hyp_end])
            ),
            None,
        )
        if found is None:
            result.append(hypothesis[at_hyp])
            at_hyp += 1
        else:
            first, at_ref, at_hyp = found
            result += reference[first:at_ref]
    return result


def wer_interval(
    per_recording: Sequence[ErrorRate], seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the bootstrap interval (low, high) of the pooled error rate, recordings or speakers being resampled.

    Errors within a recording hang together (one voice, one room), so whole recordings are drawn, not words
    (Bisani & Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation"). Plain
    percentiles are too narrow for few recordings: `tail` widens them.

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
    outside = tail_share((1 - level) / 2, len(words))
    low, high = np.quantile(np.concatenate(rates), [outside, 1 - outside])
    return float(low), float(high)


def tail_share(probability: float, units: int) -> float:
    """Return the share of bootstrap replicates to leave out at one end, for `probability` there with `units` drawn.

    The expanded percentile interval (Hesterberg 2015, "What teachers should know about the bootstrap", section
    4.1.2): the bootstrap's spread is that of n, not n - 1, and it knows no Student t, so the normal quantile is
    replaced by sqrt(n / (n - 1)) t. With 8 recordings 95 % means 99 % of the replicates; with 1,000, 95 %.
    """
    z = -NormalDist().inv_cdf(probability)
    return NormalDist().cdf(-math.sqrt(units / (units - 1)) * _student_from_normal(z, units - 1))


def tail_probability(share: float, units: int) -> float:
    """Return the probability at one end, given the share of replicates there: the inverse of `tail_share`."""
    t = -NormalDist().inv_cdf(min(max(share, 1e-300), 0.5)) * math.sqrt((units - 1) / units)
    degrees = units - 1
    z = math.sqrt(degrees * math.log1p(t * t / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return NormalDist().cdf(-z)


def _student_from_normal(z: float, degrees: int) -> float:
    """Return the Student t as far out as the normal z (Wallace 1959, solved for t; within 0.1 % from 7 degrees on)."""
    stretched = z * (8 * degrees + 3) / (8 * degrees + 1)
    return math.sqrt(degrees * math.expm1(min(stretched**2 / degrees, 700)))
