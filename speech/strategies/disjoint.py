"""Disjoint chunks: cut every `window_s`, transcribe each alone, concatenate."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from whisper.audio import SAMPLE_RATE

from ...backends.errors import InputError
from .base import Call, Heard, check_window, step_ends


@dataclass(frozen=True, slots=True)
class Disjoint:
    """cut every WINDOW seconds, transcribe each piece alone, concatenate"""

    window_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Disjoint":
        check_window("disjoint", window_s)
        if step_s is not None and step_s != window_s:
            raise InputError(f"disjoint: the step is the window, {window_s:g} s; got a step of {step_s:g} s")
        return cls(window_s)

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        start_s = 0.0
        for end_s in step_ends(self.window_s, duration_s):
            yield Call(start_s, end_s)
            start_s = end_s

    def run(self, audio: np.ndarray) -> Generator[Call, Heard, None]:
        for call in self.fixed_calls(len(audio) / SAMPLE_RATE):
            heard = yield call
            heard.commit(heard.text.split())
