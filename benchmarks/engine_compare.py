"""The engine beside openai-whisper's and faster-whisper's loops: same weights, windows and options, same run."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..datasets import Recording
from ..speech.asr.model import Recogniser
from ..speech.asr.torch_engine import Clip, DecodeOptions, Engine
from ..speech.metrics.wer import ErrorRate, score_texts
from .engine_ceiling import encoder_flops
from .engine_windows import Clock, Ratio, disjoint, said
from .rivals import Transcribe, faster_whisper_loop, openai_loop

# Windows of each length, and how many: as many as make a batch, where calls are short.
COUNTS = {1.0: 24, 5.0: 24, 15.0: 12, 30.0: 12}
MINE, OPENAI, FASTER = "earspan", "openai-whisper", "faster-whisper"
BARS = {OPENAI: 3.0, FASTER: 1.2}

Say = Callable[[str], None]


def engines(recogniser: Recogniser, folder: Path, options: DecodeOptions) -> dict[str, Transcribe]:
    """All engines by name. Ours is new for each call, so that nothing is known from the one before."""
    found: dict[str, Transcribe] = {
        MINE: lambda clips: [heard.text for heard in Engine(recogniser, options).transcribe(clips)],
        OPENAI: openai_loop(recogniser, options),
    }
    if faster := faster_whisper_loop(recogniser, folder, options):
        found[FASTER] = faster
    return found


def compare(
    recogniser: Recogniser,
    recordings: Sequence[Recording],
    folder: Path,
    peak: float,
    clock: Clock,
    repeats: int,
    most: int,
    say: Say,
    windows_s: Sequence[float] = tuple(COUNTS),
    options: DecodeOptions | None = None,
) -> Iterator[dict[str, Any]]:
    """One row for each window and engine; engines take turns, and a ratio is of two that stood beside each other."""
    for window_s in windows_s:
        clips = disjoint(recordings, window_s, min(most, COUNTS.get(window_s, 12)))
        rivals = engines(recogniser, folder, options or DecodeOptions())
        took: dict[str, list[float]] = {name: [] for name in rivals}
        texts: dict[str, list[str]] = {}
        for transcribe in rivals.values():
            transcribe(clips[:1])  # a warm-up
        for repeat in range(repeats):
            say(f"{recogniser.name}, {window_s:g} s: {len(clips)} windows, {repeat + 1} of {repeats}")
            for name, transcribe in rivals.items():
                start = clock()
                texts[name] = transcribe(clips)
                took[name].append(clock() - start)
        yield from _rows(recogniser, window_s, clips, took, texts, said(recordings, clips), peak)


def _rows(
    recogniser: Recogniser,
    window_s: float,
    clips: Sequence[Clip],
    took: dict[str, list[float]],
    texts: dict[str, list[str]],
    references: list[str],
    peak: float,
) -> Iterator[dict[str, Any]]:
    floor_s = encoder_flops(recogniser) / peak * len(clips)
    for name, times in took.items():
        yield {
            "model": recogniser.name,
            "window_s": window_s,
            "engine": name,
            "calls": len(clips),
            "seconds": times,
            "calls_per_s": len(clips) / Ratio.of(times).middle,
            "factor": Ratio.of(theirs / mine for theirs, mine in zip(times, took[MINE], strict=True)),
            "at_most": Ratio.of(times).middle / floor_s,
            "bar": BARS.get(name),
            "equal": sum(a == b for a, b in zip(texts[MINE], texts[name], strict=True)),
            "wer": _wer(references, texts[name]),
        }


def _wer(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    return sum(score_texts(references, hypotheses), ErrorRate.zero()).rate or 0.0
