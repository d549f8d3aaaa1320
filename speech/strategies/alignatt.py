"""AlignAtt: the decoder stops where it would attend to the newest audio (Papi et al. 2023, arXiv 2305.11408).

For Whisper from SimulWhisper (Wang & Xu 2024, arXiv 2406.10052): what is committed is the decoder's forced prefix, so
a step decodes new words only; as there, in one pass at temperature 0 without timestamps, for the policy says itself
where a text ends. The oldest audio leaves the window together with the words that attend to it.

What was committed is never taken back and begins every later call, so a loop would feed itself: a "you" that Whisper
hears in silence, for as long as the recording lasts. So a text that ends by saying the same again and again is cut
where that begins, and the next call decodes anew from the word before it. Text without a letter is not shown.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ...backends.workload.cutting import ALIGNATT_MARGIN_S
from ...backends.workload.op import SAMPLE_RATE
from .alignment import keys
from .base import Call, Heard, Strategy, check_step
from .steps import Steps

_WORD_TIMES, _TIMES, _LONGEST_LOOP = 4, 3, 8  # how often a word, or several, are said running before it is a loop
_LONG_WORD_S = 0.6  # a word in the margin may have begun so long before it


@dataclass(frozen=True, slots=True)
class AlignAtt(Strategy):
    """every STEP seconds decode on from the committed words, stop at the newest 0.5 s by attention; buffer of WINDOW"""

    window_s: float
    step_s: float

    @property
    def margin_s(self) -> float:
        """Return the newest audio that no word may attend to: 0.5 s, less where the next window would cut such a word.

        A word attends to its middle, so half of a long one lies before the margin.
        """
        return max(0.0, min(ALIGNATT_MARGIN_S, self.window_s - self.step_s - _LONG_WORD_S / 2))

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "AlignAtt":
        return cls(window_s, check_step("alignatt", window_s, step_s))

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        duration_s = len(audio) / SAMPLE_RATE
        # What a call leaves in its margin must still be whole in the next window, however far that has moved on.
        longest_s = self.window_s - self.margin_s - _LONG_WORD_S
        steps = Steps(self.step_s, duration_s, overload, longest_s)
        inside: list[tuple[str, float]] = []  # committed words whose audio may still be in the window, and when
        kept_from_s = 0.0
        piece = steps.next(0.0)
        while piece:
            if piece.gap:
                kept_from_s, inside = piece.start_s, []
            start_s = max(kept_from_s, piece.end_s - self.window_s)
            inside = inside[words_before(start_s, [at_s for _, at_s in inside]) :]
            margin_s = 0.0 if piece.end_s >= duration_s else self.margin_s
            before = " ".join(word for word, _ in inside)
            heard = yield Call(start_s, piece.end_s, prefix=before, margin_s=margin_s, mode="text")
            timed = list(zip(heard.text.split(), heard.word_times_s, strict=True))
            if not any(map(str.isalnum, heard.text)):
                timed = []
            inside += timed
            begins = loop_start([word for word, _ in inside])
            kept = len(timed) if begins is None else max(0, begins - (len(inside) - len(timed)))
            heard.commit([word for word, _ in timed[:kept]])
            if begins is not None:
                kept_from_s = inside[begins - 1][1] if begins else start_s
                inside = []
            piece = steps.next(heard.ready_at_s)


def loop_start(words: Sequence[str]) -> int | None:
    """Return where a text begins to say the same over and over until it ends; None if it does not.

    That is a word four times running, or up to eight words three times. What is said again and then goes on is speech.
    """
    said = keys(words)
    for length in range(1, _LONGEST_LOOP + 1):
        again = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(said), reversed(said[:-length]), strict=False))
        alike = length + sum(1 for _ in again)
        if alike >= length * (_WORD_TIMES if length == 1 else _TIMES):
            return len(said) - alike
    return None


def words_before(cut_s: float, times_s: Sequence[float]) -> int:
    """Return how many words come before a cut, given their times: so many that the fewest times contradict it."""
    after = np.array([time_s > cut_s for time_s in times_s], dtype=int)
    wrong = np.concatenate([[0], np.cumsum(after)]) + np.concatenate([np.cumsum(1 - after[::-1])[::-1], [0]])
    return int(np.argmin(wrong))
