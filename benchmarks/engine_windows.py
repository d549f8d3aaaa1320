"""What the engine's benchmark hears and how it times: windows of `talks`, a clock, and ratios with their spread."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..datasets import Recording
from ..datasets.audio import SAMPLE_RATE
from ..speech.asr.torch_engine import Clip

Clock = Callable[[], float]
# Beside other work, wall time measures the neighbours; processor time counts what this process did, on all its threads.
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, slots=True)
class Ratio:
    """One ratio, measured several times in one run: the median, and what it lay between."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Ratio":
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])

    def __str__(self) -> str:
        return f"{self.middle:.2f} [{self.least:.2f}, {self.most:.2f}]"


def seconds(task: Callable[[], object], clock: Clock) -> float:
    """What one run of `task` takes."""
    start = clock()
    task()
    return clock() - start


def least_seconds(task: Callable[[], object], clock: Clock, times: int = 5) -> float:
    """The least that some runs of `task` take, after one that is not counted."""
    task()
    return min(seconds(task, clock) for _ in range(times))


def first_seconds(recording: Recording, audio_s: float) -> Recording:
    """A recording with the start of its audio alone."""
    return replace(recording, audio=recording.audio[: round(audio_s * SAMPLE_RATE)])


def windows(recording: Recording, window_s: float, step_s: float) -> list[Clip]:
    """Whole windows of a recording, one every `step_s`."""
    length = round(window_s * SAMPLE_RATE)
    starts = np.arange(0, len(recording.audio) - length + 1, step_s * SAMPLE_RATE).round().astype(int)
    return [Clip(recording.audio[start : start + length]) for start in starts]


def disjoint(recordings: Sequence[Recording], window_s: float, count: int) -> list[Clip]:
    """`count` windows that do not overlap, in turn from all recordings."""
    by_recording = [windows(recording, window_s, window_s) for recording in recordings]
    mixed = [clips[at] for at in range(max(map(len, by_recording))) for clips in by_recording if at < len(clips)]
    return mixed[:count]


def said(recordings: Sequence[Recording], clips: Sequence[Clip]) -> list[str]:
    """The words that end or begin in each clip, by the word times of the recording that it is a part of."""
    texts = []
    for clip in clips:
        recording = next(r for r in recordings if np.shares_memory(clip.audio, r.audio))
        start_s = (clip.audio.ctypes.data - recording.audio.ctypes.data) / 4 / SAMPLE_RATE
        end_s = start_s + len(clip.audio) / SAMPLE_RATE
        inside = [w.text for w in recording.words or () if start_s <= (w.start_s + w.end_s) / 2 < end_s]
        texts.append(" ".join(inside))
    return texts
