"""Sliding window with LocalAgreement-2: every `step_s` hear the last `window_s` again; show what two calls agree on.

LocalAgreement-n is from Liu et al. 2020 (arXiv 2005.11185), for Whisper from Macháček et al. 2023
(arXiv 2307.14743), whose buffer has no hard limit. Here the window is hard: it is what the backend can afford.
A word that is about to leave it unconfirmed is committed as last heard, since nothing will ever confirm it.

Whisper's own word times need a second pass, so overlap is found in the text: the words heard before and the words
heard now are aligned end to start, and what the alignment leaves over on the right is new.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ...backends.workload.op import SAMPLE_RATE
from .alignment import breaks_off, key, keys, overlap
from .base import Call, Heard, Strategy, check_step
from .steps import HALF_SAMPLE_S, Steps, step_pieces

_LEAST_TO_KNOW = 8  # words: fewer may be said again by chance


@dataclass(frozen=True, slots=True)
class Sliding(Strategy):
    """every STEP seconds hear the last WINDOW again; commit what two calls in a row agree on (LocalAgreement-2)"""

    window_s: float
    step_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Sliding":
        return cls(window_s, check_step("sliding", window_s, step_s))

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        for piece in step_pieces(self.step_s, duration_s):
            yield Call(max(0.0, piece.end_s - self.window_s), piece.end_s)

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        steps = Steps(self.step_s, len(audio) / SAMPLE_RATE, overload, longest_s=self.window_s)
        committed: list[str] = []
        pending: list[str] = []  # heard last time, not yet confirmed
        kept_from_s = 0.0  # audio before it was dropped
        latest, latest_words, held = Call(0.0, 0.0), 0, 0
        piece = steps.next(0.0)
        while piece:
            kept_from_s = piece.start_s if piece.gap else kept_from_s
            call = Call(max(kept_from_s, piece.end_s - self.window_s), piece.end_s)
            heard = yield call
            words = heard.text.split()
            left = latest_words * (call.start_s - latest.start_s) / max(latest.end_s - latest.start_s, self.step_s)
            leaving = int(left + 0.5) - (latest_words - len(pending))
            if call.start_s < latest.end_s - HALF_SAMPLE_S:
                agreed, pending = agree(committed, pending, words, max(0, leaving), held)
            else:  # nothing is heard again: words that both texts hold are there by chance
                agreed, pending = pending, words
            held = max(len(words), 9 * held // 10)
            latest, latest_words = call, len(words)
            piece = steps.next(heard.ready_at_s)
            if piece is None or piece.gap:  # nothing will confirm them
                agreed, pending = agreed + pending, []
            committed += agreed
            heard.commit(agreed)
            heard.guess(pending)


def agree(
    committed: list[str], pending: list[str], words: list[str], leaving: int, held: int = 0
) -> tuple[list[str], list[str]]:
    """Return the words to commit now, and those that stay pending: LocalAgreement-2 on text.

    `committed` and `pending` are what earlier windows held, in order; `words` is the new window's transcript.
    `leaving` is how many of the pending words have left the window by its time alone, speech taken as even. It
    decides where no word is heard again: what has not left has been revised. To commit all of it would add a
    second version of every unsure word; with a poor recogniser that doubles the transcript.
    `held` is how many words the windows of late have held. A transcript with far fewer, all of them committed long
    since, broke off early, as Whisper's sometimes do: it says nothing about what came after.
    """

    def recent(heard: int) -> list[str]:  # how many of the committed words can still be in a window of so many
        return committed[-(heard + heard // 2 + 4) :]

    if _LEAST_TO_KNOW <= len(words) < 3 * held // 4 and breaks_off(keys(recent(held)), keys(words)):
        return [], pending
    tail = recent(len(words))
    left_window, crossing = overlap(keys(tail + pending), keys(words), boundary=len(tail), certain=len(tail))
    if left_window == len(tail) + len(pending):
        left_window = len(tail) + leaving
    expired = pending[: max(0, left_window - len(tail))]
    unconfirmed = pending[len(expired) :]
    fresh = words[crossing:]
    confirmed = sum(
        1 for _ in takewhile(lambda pair: key(pair[0]) == key(pair[1]), zip(unconfirmed, fresh, strict=False))
    )
    return expired + fresh[:confirmed], fresh[confirmed:]
