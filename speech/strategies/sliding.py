"""Sliding window with LocalAgreement-2: every `step_s` hear the last `window_s` again; show what two calls agree on.

LocalAgreement-n is from Liu et al. 2020 (arXiv 2005.11185), for Whisper from Macháček et al. 2023
(arXiv 2307.14743), whose buffer has no hard limit. Here the window is hard: it is what the backend can afford.
A word that is about to leave it unconfirmed is committed as last heard, since nothing will ever confirm it.

Whisper's own word times need a second pass, so overlap is found in the text: the words heard before and the words
heard now are aligned end to start, and what the alignment leaves over on the right is new.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from whisper.audio import SAMPLE_RATE

from ...backends.errors import InputError
from .base import Call, Heard, check_window, step_ends

_MATCH, _MISMATCH, _GAP = 2, -1, -1


@dataclass(frozen=True, slots=True)
class Sliding:
    """every STEP seconds hear the last WINDOW again; commit what two calls in a row agree on (LocalAgreement-2)"""

    window_s: float
    step_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Sliding":
        check_window("sliding", window_s)
        if step_s is None:
            raise InputError("sliding: a step is needed; type for example --step 1")
        if not 0 < step_s <= window_s:
            raise InputError(f"sliding: a step of {step_s:g} s is not within (0, {window_s:g} s], the window")
        return cls(window_s, step_s)

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        for end_s in step_ends(self.step_s, duration_s):
            yield Call(max(0.0, end_s - self.window_s), end_s)

    def run(self, audio: np.ndarray) -> Generator[Call, Heard, None]:
        duration_s = len(audio) / SAMPLE_RATE
        committed: list[str] = []
        pending: list[str] = []  # heard last time, not yet confirmed
        latest, latest_words = Call(0.0, 0.0), 0
        for call in self.fixed_calls(duration_s):
            heard = yield call
            words = heard.text.split()
            left = latest_words * (call.start_s - latest.start_s) / max(latest.end_s - latest.start_s, self.step_s)
            leaving = int(left + 0.5) - (latest_words - len(pending))
            agreed, pending = agree(committed, pending, words, max(0, leaving))
            latest, latest_words = call, len(words)
            if call.end_s >= duration_s:
                agreed, pending = agreed + pending, []
            committed += agreed
            heard.commit(agreed)
            heard.guess(pending)


def agree(committed: list[str], pending: list[str], words: list[str], leaving: int) -> tuple[list[str], list[str]]:
    """LocalAgreement-2 on text. Returns the words to commit now, and those that stay pending.

    `committed` and `pending` are what earlier windows held, in order; `words` is the new window's transcript.
    `leaving` is how many of the pending words have left the window by its time alone, speech taken as even. It
    decides where no word is heard again: what has not left has been revised. To commit all of it would add a
    second version of every unsure word; with a poor recogniser that doubles the transcript.
    """
    reach = len(words) + len(words) // 2 + 4  # how many of the committed words can still be in the window
    tail = committed[-reach:]
    left_window, crossing = overlap(_keys(tail + pending), _keys(words), boundary=len(tail))
    if left_window == len(tail) + len(pending):
        left_window = len(tail) + leaving
    expired = pending[: max(0, left_window - len(tail))]
    unconfirmed = pending[len(expired) :]
    fresh = words[crossing:]
    confirmed = sum(
        1 for _ in takewhile(lambda pair: _key(pair[0]) == _key(pair[1]), zip(unconfirmed, fresh, strict=False))
    )
    return expired + fresh[:confirmed], fresh[confirmed:]


def overlap(earlier: Sequence[str], later: Sequence[str], boundary: int) -> tuple[int, int]:
    """Align the end of `earlier` with the start of `later`.

    What of `earlier` comes before the overlap has left the window, and costs nothing; nor does what of `later` comes
    after it, which is new. In between, matches gain and differences cost. Returns how many words of `earlier` left
    the window, and how many of `later` belong to `earlier[:boundary]`. Without any overlap that is
    `(len(earlier), 0)`.
    """
    # One cell of the alignment: its score; where in `earlier` its path began; how far in `later` the path was when
    # it left row `boundary`, so that words inserted there count as new.
    above = [(_GAP * j, 0, 0) for j in range(len(later) + 1)]
    for i, word in enumerate(earlier, start=1):
        row = [(0, i, 0)]
        for j, other in enumerate(later, start=1):
            diagonal, up, left = above[j - 1], above[j], row[j - 1]
            score = diagonal[0] + (_MATCH if word == other else _MISMATCH)
            origin, crossing = diagonal[1], j if i <= boundary else diagonal[2]
            if up[0] + _GAP > score:
                score, origin, crossing = up[0] + _GAP, up[1], j if i <= boundary else up[2]
            if left[0] + _GAP > score:
                score, origin, crossing = left[0] + _GAP, left[1], left[2]
            row.append((score, origin, crossing))
        above = row
    best = max(above, key=lambda cell: cell[0])
    return (best[1], best[2]) if best[0] > 0 else (len(earlier), 0)


def _key(word: str) -> str:
    """What two calls must agree on: the letters, not case or punctuation, which change at a window's edges."""
    return re.sub(r"[^\w]", "", word.lower()) or word


def _keys(words: Sequence[str]) -> list[str]:
    return [_key(word) for word in words]
