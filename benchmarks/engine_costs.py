"""What a repeated run costs, how cost grows with audio, and how much memory hours of it take."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import Recording
from ..datasets.audio import SAMPLE_RATE
from ..speech.asr.cache import TranscriptCache
from ..speech.asr.model import Recogniser, load_recogniser
from ..speech.asr.torch_engine import Clip, DecodeOptions, Engine
from .engine_windows import Clock, Ratio, seconds, windows

CACHE_BAR, MEMORY_BAR_BYTES = 100.0, 2e9
CACHED = ((24, 5.0, 5.0), (72, 5.0, 5.0), (72, 10.0, 1.0))  # calls, window, step
GROWTH_WINDOW_S, GROWTH_STEP_S = 5.0, 2.5
MEMORY_WINDOW_S, MEMORY_TOKENS = 30.0, 8  # short texts: memory does not depend on how long they are, time does
_BLOCK_S = 900.0


def cached(
    recogniser: Recogniser, recordings: Sequence[Recording], folder: Path, clock: Clock, repeats: int
) -> Iterator[dict[str, Any]]:
    """One row for each kind of windows: a first run, and runs of new engines that find all of it on disk.

    What is timed holds making the engine, opening the cache, hashing the audio, and reading.
    """
    for number, (calls, window_s, step_s) in enumerate(CACHED):
        clips = [clip for recording in recordings for clip in windows(recording, window_s, step_s)][:calls]
        path = folder / str(number)
        Engine(recogniser).transcribe(clips[:1])  # a warm-up

        def run(clips: list[Clip] = clips, path: Path = path) -> None:
            cache = TranscriptCache(path)
            Engine(recogniser, cache=cache).transcribe(clips)
            cache.close()

        first_s = seconds(run, clock)
        again = [seconds(run, clock) for _ in range(max(3, repeats))]
        yield {
            "calls": len(clips),
            "window_s": window_s,
            "step_s": step_s,
            "first_s": first_s,
            "again_s": again,
            "factor": Ratio.of(first_s / one for one in again),
        }


def growth(recogniser: Recogniser, recordings: Sequence[Recording], clock: Clock) -> Iterator[dict[str, Any]]:
    """One row for one, two and four times as much audio."""
    clips = [clip for recording in recordings for clip in windows(recording, GROWTH_WINDOW_S, GROWTH_STEP_S)]
    clips = clips[: len(clips) // 4 * 4]
    for factor in (1, 2, 4):
        part = clips[: len(clips) * factor // 4]
        took_s = seconds(lambda part=part: Engine(recogniser).transcribe(part), clock)
        audio_s = sum(len(clip.audio) for clip in part) / SAMPLE_RATE
        yield {"times": factor, "audio_s": audio_s, "seconds": took_s, "seconds_per_audio_s": took_s / audio_s}


def memory(model: str, hours: float, hear_hours: float) -> Iterator[dict[str, Any]]:
    """One row for each quarter of an hour heard of a recording of `hours`, by a process of its own: its peak so far."""
    command = [sys.executable, "-m", f"{__package__}.engine_costs", model, str(hours), str(hear_hours)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            yield json.loads(line)
    if process.returncode:
        raise RuntimeError(f"the process that measures memory ended with {process.returncode}")


def _hear(model: str, hours: float, hear_hours: float) -> None:
    """Hear a recording that lies in memory as a whole, in windows of 30 s that do not overlap; one line a block."""
    samples = round(hours * 3600 * SAMPLE_RATE)
    audio, rng = np.empty(samples, np.float32), np.random.default_rng(1)
    block = round(_BLOCK_S * SAMPLE_RATE)
    for start in range(0, samples, block):  # noise that rises and falls, so that no window is like another
        part = audio[start : start + block]
        rng.standard_normal(out=part, dtype=np.float32)
        part *= 0.05
    engine = Engine(load_recogniser(model), DecodeOptions(max_tokens=MEMORY_TOKENS))
    _say(0.0, engine)
    window = round(MEMORY_WINDOW_S * SAMPLE_RATE)
    for start in range(0, round(hear_hours * 3600 * SAMPLE_RATE), block):
        starts = range(start, min(start + block, samples), window)
        engine.transcribe([Clip(audio[at : at + window]) for at in starts])
        _say(min(start + block, samples) / SAMPLE_RATE, engine)


def _say(heard_s: float, engine: Engine) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"heard_s": heard_s, "calls": engine.computed, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    _hear(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
