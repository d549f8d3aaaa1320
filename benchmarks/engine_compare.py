"""The engine beside openai-whisper's loop and faster-whisper's batches: same weights, same windows, same run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..backends.span import TOKENS_PER_S
from ..datasets import Recording
from ..speech.engine import Clip, DecodeOptions, Engine
from ..speech.model import Recogniser
from ..speech.score import ErrorRate, score_texts
from .engine_ceiling import encoder_flops
from .engine_windows import Clock, Ratio, disjoint, said
from .rivals import Transcribe, faster_whisper_batches, openai_loop

# Windows of each length, and how many: as many as make a batch, where calls are short.
COUNTS = {1.0: 24, 5.0: 24, 15.0: 12, 30.0: 12}
PADDED_COUNT = 6  # of a model whose every call is encoded as 30 s
MINE, MINE_UNPADDED = "earspan", "earspan, unpadded"
OPENAI, OPENAI_UNPADDED, FASTER = "openai-whisper", "openai-whisper, unpadded", "faster-whisper"
BARS = {OPENAI: 5.0, FASTER: 1.5}

Say = Callable[[str], None]


def ours(recogniser: Recogniser, max_tokens: int) -> Transcribe:
    """This engine, new for each call, so that nothing is known from the one before."""
    return lambda clips: [h.text for h in Engine(recogniser, DecodeOptions(max_tokens=max_tokens)).transcribe(clips)]


def engines(recogniser: Recogniser, window_s: float, folder: Path) -> dict[str, Transcribe]:
    """All engines by name. A model that pads is also heard unpadded by ours: another text, so beside, not instead."""
    # texts of random weights have no end
    tokens = int(TOKENS_PER_S * window_s + 1) if recogniser.pads else 224
    found = {MINE: ours(recogniser, tokens), OPENAI: openai_loop(recogniser, tokens, padded=True)}
    if recogniser.pads and window_s < 30:
        found[MINE_UNPADDED] = ours(replace(recogniser, pads=False), tokens)
    if window_s < 30:
        found[OPENAI_UNPADDED] = openai_loop(recogniser, tokens, padded=False)
    if faster := faster_whisper_batches(recogniser, folder, tokens):
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
) -> Iterator[dict[str, Any]]:
    """One row for each window and engine; engines take turns, and a ratio is of two that stood beside each other."""
    for window_s in windows_s:
        count = min(most, PADDED_COUNT if recogniser.pads else COUNTS.get(window_s, 12))
        clips = disjoint(recordings, window_s, count)
        rivals = engines(recogniser, window_s, folder)
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
    for base in (name for name in (MINE, MINE_UNPADDED) if name in took):
        padded = recogniser.pads and base == MINE
        floor_s = encoder_flops(recogniser, window_s, padded) / peak * len(clips)
        for name, times in took.items():
            # an unpadded engine stands beside ours where ours is unpadded too
            if (name in (MINE, MINE_UNPADDED) and name != base) or (name == OPENAI_UNPADDED and padded):
                continue
            factor = Ratio.of(theirs / mine for theirs, mine in zip(times, took[base], strict=True))
            wer = None if recogniser.pads else _wer(references, texts[name])
            yield {
                "model": recogniser.name,
                "window_s": window_s,
                "beside": base,
                "engine": name,
                "calls": len(clips),
                "seconds": times,
                "calls_per_s": len(clips) / Ratio.of(times).middle,
                "factor": factor,
                "at_most": Ratio.of(times).middle / floor_s,
                "bar": BARS.get(name),
                "equal": sum(a == b for a, b in zip(texts[base], texts[name], strict=True)),
                "wer": wer,
            }


def _wer(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    return sum(score_texts(references, hypotheses), ErrorRate.zero()).rate or 0.0
