"""Whether one transcript is really better than another of the same speech: paired bootstrap, and NIST's MAPSSWE."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .align import HIT, INSERTION
from .wer import ErrorRate, tail_probability, tail_share

BOUNDARY_WORDS = 2  # right in both transcripts, they end a segment: sc_stats' default
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the word error rate of B is than that of A.

    difference: WER of B less WER of A, as fractions.
    interval: its 95 % bootstrap interval, (low, high).
    p: the probability of so large a difference, either way, if there were none.
    """

    difference: float
    interval: tuple[float, float]
    p: float

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    @property
    def is_certain(self) -> bool:
        """Whether the interval is clear of 0."""
        return not self.interval[0] <= 0 <= self.interval[1]


def paired_bootstrap(
    a: Sequence[ErrorRate], b: Sequence[ErrorRate], seed: int = 0, replicates: int = 10_000
) -> Difference | None:
    """Return the difference of two pooled error rates over the same units (speakers, recordings), resampled.

    Every replicate draws the same units for both (Bisani & Ney 2004), so that what is hard for both cancels. The
    p-value is twice the smaller share of replicates on one side of zero, corrected for few units as the interval
    is. None for fewer than two units or no word.
    Raises `ValueError` where the two do not have the same reference words.
    """
    words = np.array([one.ref_words for one in a], dtype=np.int64)
    if [one.ref_words for one in b] != words.tolist():
        raise ValueError("the two sides have different references")
    if len(words) < 2 or not words.any():
        return None
    gained = np.array([y.errors - x.errors for x, y in zip(a, b, strict=True)], dtype=np.int64)
    generator, drawn_differences = np.random.default_rng(seed), []
    block = max(1, 1_000_000 // len(words))
    for done in range(0, replicates, block):
        drawn = generator.integers(len(words), size=(min(block, replicates - done), len(words)))
        pooled = words[drawn].sum(axis=1)
        drawn_differences.append(gained[drawn].sum(axis=1)[pooled > 0] / pooled[pooled > 0])
    differences = np.concatenate(drawn_differences)
    outside = tail_share(LEVEL / 2, len(words))
    low, high = np.quantile(differences, [outside, 1 - outside])
    # The observed sample counts as one replicate, so that p is never 0 (Davison & Hinkley 1997, section 4.2).
    one_sided = (1 + min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))) / (
        1 + len(differences)
    )
    p = min(1.0, 2 * tail_probability(float(one_sided), len(words)))
    return Difference(float(gained.sum() / words.sum()), (float(low), float(high)), p)


@dataclass(frozen=True, slots=True)
class Mapsswe:
    """The outcome of the matched-pairs test.

    segments: how many were compared.
    z: positive where A has more errors; None where no test can be made.
    p: the probability of so large a difference, either way, if there were none; None where no test can be made.
    """

    segments: int
    z: float | None
    p: float | None

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p < LEVEL


def mapsswe(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Mapsswe:
    """Return the matched pairs sentence-segment word error test (Gillick & Cox 1989) of two alignments.

    Utterances are cut where at least two words in a row are right in both; the errors between two such places are
    a segment. Z is the mean difference of errors in a segment over its standard error. `a` and `b` hold the
    operations (see `speech.metrics.align`) of the same utterances against the same references.
    """
    differences = np.array(
        [ours - theirs for x, y in zip(a, b, strict=True) for ours, theirs in segment_errors(x, y)], dtype=float
    )
    if len(differences) < 2 or not differences.std():
        return Mapsswe(len(differences), None, None)
    z = float(differences.mean() / (differences.std(ddof=1) / math.sqrt(len(differences))))
    return Mapsswe(len(differences), z, 2 * NormalDist().cdf(-abs(z)))


def segment_errors(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """Return the errors of both in each segment of one utterance; stretches that both have right make no segment."""
    segments: list[tuple[int, int]] = []
    errors_a = errors_b = right = 0
    (inserted_a, wrong_a), (inserted_b, wrong_b) = _errors_by_word(a), _errors_by_word(b)
    if len(wrong_a) != len(wrong_b):
        raise ValueError("the two sides have different references")
    for word in range(len(wrong_a)):
        if inserted_a[word] or inserted_b[word]:
            right = 0
        errors_a += inserted_a[word] + wrong_a[word]
        errors_b += inserted_b[word] + wrong_b[word]
        right = 0 if wrong_a[word] or wrong_b[word] else right + 1
        if right >= BOUNDARY_WORDS and (errors_a or errors_b):
            segments.append((errors_a, errors_b))
            errors_a = errors_b = 0
    errors_a, errors_b = errors_a + inserted_a[-1], errors_b + inserted_b[-1]
    if errors_a or errors_b:
        segments.append((errors_a, errors_b))
    return segments


def _errors_by_word(steps: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the insertions before each reference word and after the last; whether each reference word is wrong."""
    inserted, wrong = [0], []
    for step in steps.tolist():
        if step == INSERTION:
            inserted[-1] += 1
        else:
            wrong.append(int(step != HIT))
            inserted.append(0)
    return inserted, wrong
