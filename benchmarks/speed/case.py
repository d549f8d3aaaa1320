"""What is measured and how: a model and what it hears, a clock, tasks that take turns, ratios with their spread."""

import math
import os
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from scipy.stats import t as student

from ...datasets import Recording
from ...datasets.audio import SAMPLE_RATE
from ...speech.asr.hypothesis import Clip

if TYPE_CHECKING:
    from ...speech.asr.model import Recogniser

Clock = Callable[[], float]
Result = TypeVar("Result")
# Beside other work, wall time measures the neighbours; processor time counts what this process did, on all its threads.
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: `recogniser` hears `recordings`, timed by `clock`, `repeats` times."""

    recogniser: "Recogniser"
    recordings: Sequence[Recording]
    clock: Clock = time.perf_counter
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio measured several times in one run: the middle, and its 95 % interval by Student's t.

    Both of its logarithm, as half as fast and twice as fast lie equally far from 1; one value has no interval.
    """

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Ratio":
        """Return the ratio of paired measurements."""
        logs = np.log(list(values))
        middle, half = logs.mean(), 0.0
        if len(logs) > 1:
            half = float(student.ppf(0.975, len(logs) - 1)) * logs.std(ddof=1) / math.sqrt(len(logs))
        return cls(*(float(np.exp(value)) for value in (middle, middle - half, middle + half)))

    def __str__(self) -> str:
        return f"{self.middle:.2f} [{self.least:.2f}, {self.most:.2f}]"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that stands for itself, in `unit`; at_most, at_least: its bar, if it has one; why: it is missed."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    why: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most


@dataclass(frozen=True, slots=True)
class Measured(Generic[Result]):
    """One task, measured: the seconds of each run, and what the last run returned."""

    seconds: tuple[float, ...]
    result: Result

    @property
    def middle_s(self) -> float:
        """The median of the runs, in seconds."""
        return statistics.median(self.seconds)


def measure_in_turns(
    tasks: Mapping[str, Callable[[], Result]], clock: Clock, repeats: int = 1
) -> dict[str, Measured[Result]]:
    """Return what each task took; tasks take turns, so that a ratio is of two runs that stood beside each other."""
    took: dict[str, list[float]] = {name: [] for name in tasks}
    results: dict[str, Result] = {}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = clock()
            results[name] = task()
            took[name].append(clock() - start)
    return {name: Measured(tuple(took[name]), results[name]) for name in tasks}


def measure(task: Callable[[], Result], clock: Clock, repeats: int = 1) -> Measured[Result]:
    """Return what one task took."""
    return measure_in_turns({"task": task}, clock, repeats)["task"]


def least_seconds(task: Callable[[], object], clock: Clock, repeats: int = 5) -> float:
    """Return the least that some runs of a task took, after one that is not counted."""
    task()
    return min(measure(task, clock, repeats).seconds)


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    status = Path("/proc/self/status")
    # What getrusage says of a new process is at least what its parent held.
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))):
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def first_seconds(recordings: Iterable[Recording], audio_s: float) -> list[Recording]:
    """Return recordings with the start of their audio alone."""
    return [replace(recording, audio=recording.audio[: round(audio_s * SAMPLE_RATE)]) for recording in recordings]


def windows(recording: Recording, window_s: float, step_s: float) -> list[Clip]:
    """Return the whole windows of a recording, one every `step_s`."""
    length = round(window_s * SAMPLE_RATE)
    starts = np.arange(0, len(recording.audio) - length + 1, step_s * SAMPLE_RATE).round().astype(int)
    return [Clip(recording.audio[start : start + length]) for start in starts]


def disjoint(recordings: Sequence[Recording], window_s: float, count: int) -> list[Clip]:
    """Return `count` windows that do not overlap, in turn from all recordings."""
    by_recording = [windows(recording, window_s, window_s) for recording in recordings]
    mixed = [clips[at] for at in range(max(map(len, by_recording))) for clips in by_recording if at < len(clips)]
    return mixed[:count]


def words_said(recordings: Sequence[Recording], clips: Sequence[Clip]) -> list[str]:
    """Return the words whose middle lies in each clip, by the word times of the recording that it is a part of."""
    texts = []
    for clip in clips:
        recording = next(r for r in recordings if np.shares_memory(clip.audio, r.audio))
        start_s = (clip.audio.ctypes.data - recording.audio.ctypes.data) / 4 / SAMPLE_RATE
        end_s = start_s + len(clip.audio) / SAMPLE_RATE
        inside = [w.text for w in recording.words or () if start_s <= (w.start_s + w.end_s) / 2 < end_s]
        texts.append(" ".join(inside))
    return texts
