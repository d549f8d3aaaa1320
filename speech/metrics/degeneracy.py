"""Signs that a stream only looks like one: words held back to the end, and recordings without a word.

The diagnostics of OmniSTEval 0.1.10 (`ShortformDegeneracyScorer` and its report of empty predictions), over whole
recordings and counting audio only, as there. A policy that answers a few words early and the rest after the end has a
small average lag and is not simultaneous: its lag promises more words before the end than came.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .lagging import yaal

_DEGENERATE = 0.2  # OmniSTEval: more than 20 points between what came and what the lag promises


@dataclass(frozen=True, slots=True)
class Degeneracy:
    """How simultaneous some streams really were.

    before_end: words that came before the end of their audio, as a part of all words; None without words (SWF).
    expected: the part of the audio that is left when it is shortened by the average lag (YAAL); None without a word
        before the end (EFSW).
    empty, streams: recordings without any word, and all.
    """

    before_end: float | None
    expected: float | None
    empty: int
    streams: int

    @property
    def test_value(self) -> float | None:
        """What was expected less what came (DSPTV), as a fraction; None where either is."""
        return None if self.expected is None or self.before_end is None else self.expected - self.before_end

    @property
    def degenerate(self) -> bool:
        """Whether the policy is likely degenerate: the test value is more than 20 points from 0."""
        return abs(self.test_value or 0.0) > _DEGENERATE


def find_degeneracy(streams: Iterable[tuple[list[float], float, int]]) -> Degeneracy:
    """Return the diagnostics of streams, each the delays of its words in seconds, its audio in seconds, and how many
    words its reference has.
    """
    early = words = empty = count = 0
    left_s = audio_s = 0.0
    for delays_s, source_s, ref_words in streams:
        count, words, empty = count + 1, words + len(delays_s), empty + (not delays_s)
        early += sum(delay_s < source_s for delay_s in delays_s)
        lag_s = yaal(delays_s, source_s, ref_words)
        if lag_s is not None:
            left_s, audio_s = left_s + max(0.0, source_s - lag_s), audio_s + source_s
    return Degeneracy(early / words if words else None, left_s / audio_s if audio_s else None, empty, count)
