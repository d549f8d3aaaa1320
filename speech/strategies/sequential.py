"""Whisper's own long-form: hear a window, go on where its last whole words end, and so on.

openai-whisper's `transcribe` seeks by the timestamps that the model wrote, or by word times from cross-attention where
it has those. Here it is always the attention: the window is cut at the quietest moment of its last third, and words
that attend to what follows are heard again. No text is carried over as a prompt.
It is the reference for the other strategies, as no word is cut; but its words come a window late.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from whisper.audio import SAMPLE_RATE

from ...backends.errors import InputError
from .base import Call, Heard, check_window

_CUT_FROM, _CUT_TO = 2 / 3, 5 / 6  # of the window; but up to half a second before its end, where words may be cut
_UNSURE_S = 0.5
_BLOCK = SAMPLE_RATE // 200  # samples: 5 ms
_QUIET_BLOCKS = 20  # over which quiet is judged, the middle most: 56 % of the weight lies within 10 ms of it. With
# less, the edge of a pause outweighs a whole gap between words, and the cut is in the word beside the pause.
_WEIGHTS = np.hanning(_QUIET_BLOCKS + 2)[1:-1] ** 3


@dataclass(frozen=True, slots=True)
class Sequential:
    """Whisper's long-form: hear WINDOW seconds, go on after the last whole word; the reference for the others"""

    window_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Sequential":
        check_window("sequential", window_s)
        return cls(window_s)

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        return iter(())

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        if overload != "lag":
            raise InputError(f"sequential: it knows no overload policy but lag; got {overload}")
        duration_s, start_s = len(audio) / SAMPLE_RATE, 0.0
        while start_s + self.window_s < duration_s:
            heard = yield Call(start_s, start_s + self.window_s, margin_s=0.0)
            last_s = max(_CUT_TO * self.window_s, self.window_s - _UNSURE_S)
            cut_s = quietest_s(audio, start_s + _CUT_FROM * self.window_s, start_s + last_s)
            heard.commit(heard.text.split()[: words_before(cut_s, heard.word_times_s)])
            start_s = cut_s
        if duration_s:
            heard = yield Call(start_s, duration_s)
            heard.commit(heard.text.split())


def words_before(cut_s: float, times_s: Sequence[float]) -> int:
    """How many words come before a cut, given their times: so many that the fewest times contradict it."""
    after = np.array([time_s > cut_s for time_s in times_s], dtype=int)
    wrong = np.concatenate([[0], np.cumsum(after)]) + np.concatenate([np.cumsum(1 - after[::-1])[::-1], [0]])
    return int(np.argmin(wrong))


def quietest_s(audio: np.ndarray, first_s: float, last_s: float) -> float:
    """The middle of the quietest 0.1 s of `audio`, shape = (samples,), between two times; its middle counts most."""
    around = _QUIET_BLOCKS * _BLOCK // 2  # what is judged lies around the moment, which may be the first or the last
    first = max(0, round(first_s * SAMPLE_RATE) - around)
    last = min(len(audio), round(last_s * SAMPLE_RATE) + around)
    blocks = audio[first : first + (last - first) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if len(blocks) < _QUIET_BLOCKS:
        return (first + last) / 2 / SAMPLE_RATE
    energy = np.square(blocks, dtype=np.float64).mean(axis=1)
    best = int(np.argmin(np.convolve(energy, _WEIGHTS, mode="valid")))
    return (first + (best + _QUIET_BLOCKS / 2) * _BLOCK) / SAMPLE_RATE
