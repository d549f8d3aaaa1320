"""Overlapping chunks, merged in their text: what long-form pipelines do to keep cuts from harming words.

Hugging Face's pipeline gives each chunk a stride of a sixth of it at either side, slides the texts over each other and
cuts both in the middle of their best match; where nothing matches it concatenates, which doubles the overlap. Here
the match is an alignment with free ends, so it may have wrong words inside, and where there is none each text
gives up half of the overlap, speech taken as even. Cut at both ends, an overlap as long as N words holds N - 1 whole
ones on average: only those are in both texts.

Live, the words before the overlap are shown at once and those in it when the next chunk has been heard.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from ...backends.workload.op import LONGEST_S, SAMPLE_RATE
from .alignment import keys, overlap
from .base import Call, Heard, Strategy, check_step, check_window
from .steps import Piece, Steps, step_pieces

_STRIDE = 1 / 6  # of the window at either side: the default of Hugging Face's pipeline
_SLACK_WORDS = 2


@dataclass(frozen=True, slots=True)
class Overlapping(Strategy):
    """cut every STEP seconds pieces of WINDOW seconds, merge their texts where they match (STEP: 2/3 of WINDOW)"""

    window_s: float
    step_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Overlapping":
        check_window("overlap", window_s)
        return cls(
            window_s, check_step("overlap", window_s, window_s * (1 - 2 * _STRIDE) if step_s is None else step_s)
        )

    def _call(self, piece: Piece, kept_from_s: float) -> Call:
        return Call(max(kept_from_s, piece.start_s - (self.window_s - self.step_s)), piece.end_s)

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        return (self._call(piece, 0.0) for piece in step_pieces(self.step_s, duration_s))

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        overlap_s = self.window_s - self.step_s
        steps = Steps(self.step_s, len(audio) / SAMPLE_RATE, overload, LONGEST_S - overlap_s)
        shown: list[str] = []
        pending: list[str] = []  # heard in the overlap with the next piece
        kept_from_s, ended_at_s = 0.0, 0.0
        piece = steps.next(0.0)
        while piece:
            kept_from_s = piece.start_s if piece.gap else kept_from_s
            call = self._call(piece, kept_from_s)
            heard = yield call
            words, length_s = heard.text.split(), call.end_s - call.start_s
            per_s = len(words) / length_s
            settled = pending
            if ended_at_s > call.start_s:
                settled, words = merge(shown, pending, words, round(per_s * (ended_at_s - call.start_s)))
            piece, ended_at_s = steps.next(heard.ready_at_s), call.end_s
            following = 0
            if piece and not piece.gap:
                following = min(len(words), round(1.25 * per_s * overlap_s) + _SLACK_WORDS) if overlap_s else 0
            pending = words[len(words) - following :]
            settled += words[: len(words) - following]
            shown += settled
            heard.commit(settled)
            heard.guess(pending)


def merge(shown: list[str], pending: list[str], later: list[str], shared: int) -> tuple[list[str], list[str]]:
    """Return which words of `pending` to keep and which of `later` follow: both are cut in the middle of their overlap.

    `shown` and `pending` were heard before, and `pending` can still be cut. `later` begins with the overlap.
    `shared`: about how many words of it lie there; it decides where the texts have nothing in common.
    """
    reach = min(len(later), 2 * shared + _SLACK_WORDS)
    shown = shown[len(shown) - min(reach, len(shown)) :]
    earlier, whole = keys(shown + pending), len(shown) + len(pending)
    before, _ = overlap(earlier, keys(later[:reach]), whole)
    if before == whole:
        given_up = min(max(0, shared - 1), len(pending))
        return pending[: len(pending) - given_up + given_up // 2], later[given_up // 2 :]
    middle = max(len(shown), (before + whole) // 2)
    _, crossing = overlap(earlier, keys(later[:reach]), middle)
    return pending[: middle - len(shown)], later[crossing:]
