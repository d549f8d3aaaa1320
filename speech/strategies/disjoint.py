"""Disjoint chunks: cut every `window_s`, transcribe each alone, concatenate."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from ...backends.errors import InputError
from ...backends.workload.op import SAMPLE_RATE
from .base import Call, Heard, Strategy, check_window
from .steps import Steps, step_pieces


@dataclass(frozen=True, slots=True)
class Disjoint(Strategy):
    """cut every WINDOW seconds, transcribe each piece alone, concatenate"""

    window_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Disjoint":
        return cls(check_whole_window("disjoint", window_s, step_s))

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        return (Call(piece.start_s, piece.end_s) for piece in step_pieces(self.window_s, duration_s))

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        steps, ready_at_s = Steps(self.window_s, len(audio) / SAMPLE_RATE, overload), 0.0
        while piece := steps.next(ready_at_s):
            heard = yield Call(piece.start_s, piece.end_s)
            heard.commit(heard.text.split())
            ready_at_s = heard.ready_at_s


def check_whole_window(strategy: str, window_s: float, step_s: float | None) -> float:
    """Return `window_s` of a strategy whose step is its window; `InputError` if another step is asked for."""
    check_window(strategy, window_s)
    if step_s is not None and step_s != window_s:
        raise InputError(f"{strategy}: the step is the window, {window_s:g} s; got a step of {step_s:g} s")
    return window_s
