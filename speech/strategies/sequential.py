"""Whisper's own long form, window by window: hear one, go on where its last whole segment ended, and so on.

What is heard next begins where openai-whisper's `transcribe` would go on, by the timestamps that the model wrote. It is
a reference for the other strategies, as no word is cut; but its words come a window late. `offline` hears the whole
recording in one call.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from ...backends.errors import InputError
from ...backends.workload.op import SAMPLE_RATE
from .base import Call, Heard, Strategy, check_window
from .steps import HALF_SAMPLE_S

_PROMPT_CHARACTERS = 800  # openai-whisper keeps 223 tokens of the text before, about as many


@dataclass(frozen=True, slots=True)
class Sequential(Strategy):
    """Whisper's long form: hear WINDOW seconds, go on after the last whole segment"""

    window_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Sequential":
        check_window("sequential", window_s)
        return cls(window_s)

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        check_lag("sequential", overload)
        duration_s, first, before = len(audio) / SAMPLE_RATE, 0, ""
        while first < len(audio):  # in samples: between two of them, one call might end and the next begin past one
            start_s = first / SAMPLE_RATE
            last = start_s + self.window_s >= duration_s - HALF_SAMPLE_S
            end_s = duration_s if last else start_s + self.window_s
            heard = yield Call(start_s, end_s, before, mode="window" if last else "segment")
            heard.commit(heard.text.split())
            before = f"{before} {heard.text}".strip()[-_PROMPT_CHARACTERS:]
            first = len(audio) if last else max(round(heard.heard_to_s * SAMPLE_RATE), first + 1)


@dataclass(frozen=True, slots=True)
class Offline(Strategy):
    """whisper.transcribe of the whole recording, when all of it has been spoken: the reference for the others"""

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Offline":
        return cls()

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        if duration_s:
            yield Call(0.0, duration_s)

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        check_lag("offline", overload)
        for call in self.fixed_calls(len(audio) / SAMPLE_RATE):
            heard = yield call
            heard.commit(heard.text.split())


def check_lag(strategy: str, overload: str) -> None:
    """Raise `InputError` for an overload policy of a strategy whose calls cannot be left out or joined."""
    if overload != "lag":
        raise InputError(f"{strategy}: it knows no overload policy but lag; got {overload}")
