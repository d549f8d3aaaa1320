"""The engine beside those that people would pick otherwise: same weights, windows and options, all in one run.

`compare` asks how fast each is, on windows of which there are enough to make a batch; `parity` whether the engine hears
what `whisper.transcribe` hears, on every chunk of the recordings. Rivals are called as their documentation shows, with
openai-whisper's defaults, in fp32 and in what else they offer on a CPU.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import whisper

from ...datasets.audio import SAMPLE_RATE
from ...speech.asr.ct2_format import convert
from ...speech.asr.hypothesis import Clip, DecodeOptions
from ...speech.asr.model import Recogniser
from ...speech.asr.torch_engine import Engine
from ...speech.metrics.wer import ErrorRate, score_texts
from .apart import Apart
from .case import Case, Figure, Ratio, disjoint, measure_in_turns, words_said
from .ceiling import Ceilings, Floor, in_precision
from .whisper_cpp import whisper_cpp_loop

Transcribe = Callable[[Sequence[Clip]], list[str]]
# Windows of each length, and how many: as many as make a batch, where calls are short.
COUNTS = {1.0: 24, 5.0: 24, 10.0: 16, 15.0: 12, 30.0: 12}
OURS, OPENAI, FASTER, BATCHED, CPP = (
    "earspan",
    "openai-whisper",
    "faster-whisper",
    "faster-whisper batched",
    "whisper.cpp",
)
OPENAI_BARS = {1.0: 3.0, 5.0: 2.0, 10.0: 2.0, 30.0: 3.0}  # by window
BEST_BARS = {"fp32": 1.2, "bf16": 1.8}  # over the best rival: at fp32, and at any precision that it has
# each in a process of its own: ours, and the rivals at each precision that they offer
PROCESSES = ((OURS, "fp32"), (OURS, "bf16"), (OPENAI, "fp32"), (FASTER, "fp32"), (FASTER, "int8"), (CPP, "fp16"))
WHOLE_S = 0.0  # stands for whole recordings
_SLOW = 4  # windows of each length for an engine that takes seconds for each


@dataclass(frozen=True, slots=True)
class Heard:
    """An engine on windows: how precisely it multiplies, and at most how many windows it is given."""

    engine: str
    precision: str
    transcribe: Transcribe
    most: int = 10**6


@dataclass(frozen=True, slots=True)
class Compared:
    """One engine on `calls` windows, as one of several that took turns.

    window_s: 0 for whole recordings. seconds: of each run. factor: its time over that of ours at fp32, a call.
    of_ceiling_percent: the least that these calls can take at this machine's measured rates, over its time; None where
    no rates are known. at_most: the factor of an engine at that floor. equal: texts that are ours. wer_percent: of the
    last run; wer_points: that less ours. differing: its texts and ours.
    """

    model: str
    window_s: float
    engine: str
    precision: str
    calls: int
    seconds: tuple[float, ...] = field(repr=False)
    calls_per_s: float
    factor: Ratio
    of_ceiling_percent: float | None
    at_most: float | None
    equal: int
    wer_percent: float
    wer_points: float
    differing: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def equal_percent(self) -> float:
        return 100 * self.equal / self.calls


def earspan_engine(recogniser: Recogniser, options: DecodeOptions) -> Transcribe:
    """Return our engine, new for each call, so that nothing is known from the one before."""
    return lambda clips: [heard.text for heard in Engine(recogniser, options).transcribe(clips)]


def openai_loop(recogniser: Recogniser, options: DecodeOptions) -> Transcribe:
    """Return `whisper.transcribe`, one chunk after another."""
    model, given = recogniser.whisper, {"temperature": options.temperatures, "sample_len": options.max_tokens}

    def one(clip: Clip) -> str:
        return str(whisper.transcribe(model, clip.audio, language="en", fp16=False, **given)["text"]).strip()

    return lambda clips: [one(clip) for clip in clips]


def faster_whisper(
    recogniser: Recogniser, folder: Path, options: DecodeOptions, compute_type: str = "float32"
) -> tuple[Transcribe, Transcribe] | None:
    """Return faster-whisper's `transcribe` one chunk after another, and its batches; None where it is not installed.

    folder: where its weights are put. Its batches hear each chunk in one pass, without fallback or continuing.
    """
    try:
        library = importlib.import_module("faster_whisper")
    except ImportError:
        return None
    convert(recogniser, folder, compute_type)
    model = library.WhisperModel(
        str(folder), device="cpu", compute_type=compute_type, cpu_threads=torch.get_num_threads()
    )
    batches = library.BatchedInferencePipeline(model)
    given = {"language": "en", "beam_size": 1, "best_of": 1, "temperature": list(options.temperatures)}

    def one(clip: Clip) -> str:
        return "".join(segment.text for segment in model.transcribe(clip.audio, **given)[0]).strip()

    def together(clips: Sequence[Clip]) -> list[str]:
        ends = np.cumsum([len(clip.audio) for clip in clips]) / SAMPLE_RATE
        spans = [
            {"start": end - len(clip.audio) / SAMPLE_RATE, "end": end} for clip, end in zip(clips, ends, strict=True)
        ]
        audio = np.concatenate([clip.audio for clip in clips])
        segments, _ = batches.transcribe(
            audio, clip_timestamps=spans, batch_size=len(clips), without_timestamps=False, **given
        )
        texts = [""] * len(clips)
        for segment in segments:  # in order; one that begins at a chunk's end belongs to the next
            texts[int(np.searchsorted(ends, segment.start + 1e-3).clip(max=len(clips) - 1))] += segment.text
        return [text.strip() for text in texts]

    return (lambda clips: [one(clip) for clip in clips]), together


def load_apart(
    threads: int, engine: str, precision: str, recogniser: Recogniser, folder: Path, options: DecodeOptions
) -> dict[str, Transcribe]:
    """Return the engines of a process of `PROCESSES`, by name and precision; none where its library is not installed.

    threads: of each. folder: where converted weights are put.
    """
    torch.set_num_threads(threads)
    if engine == OURS:
        return {f"{OURS} {precision}": earspan_engine(in_precision(recogniser, precision), options)}
    if engine == OPENAI:
        return {f"{OPENAI} {precision}": openai_loop(recogniser, options)}
    if engine == CPP:
        cpp = whisper_cpp_loop(recogniser, folder / "ggml.bin", options)
        return {f"{CPP} {precision}": cpp} if cpp else {}
    both = faster_whisper(recogniser, folder / precision, options, {"fp32": "float32"}.get(precision, precision))
    return {f"{name} {precision}": one for name, one in zip((FASTER, BATCHED), both or (), strict=False)}


def compare(
    case: Case,
    folder: Path,
    ceilings: Ceilings,
    windows_s: Sequence[float] = tuple(COUNTS),
    most: int = 99,
    options: DecodeOptions | None = None,
    processes: Sequence[tuple[str, str]] = PROCESSES,
) -> Iterator[Compared]:
    """Yield one row for each window and engine, ours in fp32 first.

    folder: for converted weights. most: windows of each length. processes: the engines, and their precision.
    """
    model, options = case.recogniser, options or DecodeOptions()
    makes = [(load_apart, (torch.get_num_threads(), *one, model, folder, options)) for one in processes]
    with Apart[Sequence[Clip], list[str]](makes, case.clock) as apart:
        heard_by = [
            Heard(engine, precision, partial(apart.run, f"{engine} {precision}"), _SLOW if engine == CPP else 10**6)
            for engine, precision in (name.rsplit(" ", 1) for name in apart.names)
        ]
        timed = replace(case, clock=apart.clock)
        for window_s in windows_s:
            clips = disjoint(case.recordings, window_s, min(most, COUNTS.get(window_s, 12)))
            for one in heard_by:
                one.transcribe(clips[:1])  # a warm-up
            floor = Floor.of(model, Engine(model, options).transcribe(clips))
            said = words_said(case.recordings, clips)
            yield from _compared(timed, heard_by, window_s, clips, said, [1] * len(clips), (floor, ceilings))


def bars(rows: Sequence[Compared]) -> list[Figure]:
    """Return the figures that have a bar, for each window: ours over openai-whisper's loop, and over the best rival.

    The best is the fastest in the same precision for fp32, and at any for bf16.
    """
    figures: list[Figure] = []
    for window_s in dict.fromkeys(row.window_s for row in rows):
        here = [row for row in rows if row.window_s == window_s]
        ours = {row.precision: row for row in here if row.engine == OURS}
        others = [row for row in here if row.engine != OURS]
        for row in others:
            if row.engine == OPENAI and (bar := OPENAI_BARS.get(window_s)):
                why = f"no engine can: at most {row.at_most:.1f}" if row.at_most and row.at_most < bar else ""
                what = f"{row.model}, {window_s:g} s: {OPENAI}"
                figures.append(Figure(what, row.factor.middle, "x", at_least=bar, why=why))
        for precision, bar in BEST_BARS.items():
            rivals = [row for row in others if precision != "fp32" or row.precision == precision]
            if precision in ours and (best := max(rivals, key=lambda row: row.calls_per_s, default=None)):
                mine = ours[precision]
                what = f"{mine.model}, {window_s:g} s in {precision}: {best.engine} {best.precision}"
                figures.append(Figure(what, best.factor.middle / mine.factor.middle, "x", at_least=bar))
    return figures


def parity(case: Case, windows_s: Sequence[float], engines: Mapping[str, Transcribe]) -> Iterator[Compared]:
    """Yield one row for each window and engine, the first of which is ours, on all chunks; 0 for whole recordings.

    Error rates are of each recording's chunks together, as a chunk's edge may cut a word.
    """
    heard_by = [Heard(name, "fp32", transcribe) for name, transcribe in engines.items()]
    for window_s in windows_s:
        sizes = [round(window_s * SAMPLE_RATE) or len(recording.audio) for recording in case.recordings]
        chunks = [
            [Clip(recording.audio[start : start + size]) for start in range(0, len(recording.audio), size)]
            for recording, size in zip(case.recordings, sizes, strict=True)
        ]
        clips = [clip for own in chunks for clip in own]
        yield from _compared(case, heard_by, window_s, clips, [r.text for r in case.recordings], list(map(len, chunks)))


def _compared(
    case: Case,
    heard_by: Sequence[Heard],
    window_s: float,
    clips: Sequence[Clip],
    references: Sequence[str],
    clips_of: Sequence[int],
    least: tuple[Floor, Ceilings] | None = None,
) -> Iterator[Compared]:
    """Yield the row of each engine. clips_of: how many clips each reference covers. least: what they can take."""
    given = {f"{one.engine} {one.precision}": (one, clips[: one.most]) for one in heard_by}
    tasks = {key: lambda one=one, own=own: one.transcribe(own) for key, (one, own) in given.items()}
    measured = measure_in_turns(tasks, case.clock, case.repeats)
    ours = next(iter(measured.values()))
    for key, (one, own) in given.items():
        found, calls = measured[key], len(own)
        covered = references[: len(own)] if len(own) < len(clips) else references
        percent, our_percent = (_wer_percent(covered, texts, clips_of) for texts in (found.result, ours.result))
        pairs = tuple((a, b) for a, b in zip(found.result, ours.result, strict=False) if a != b)
        floor_s = least[0].seconds(least[1], one.precision) * calls / len(clips) if least else None
        yield Compared(
            model=case.recogniser.name,
            window_s=window_s,
            engine=one.engine,
            precision=one.precision,
            calls=calls,
            seconds=found.seconds,
            calls_per_s=calls / found.middle_s,
            factor=Ratio.of(
                its / calls / mine * len(clips) for its, mine in zip(found.seconds, ours.seconds, strict=True)
            ),
            of_ceiling_percent=100 * floor_s / found.middle_s if floor_s else None,
            at_most=found.middle_s / floor_s if floor_s else None,
            equal=calls - len(pairs),
            wer_percent=percent,
            wer_points=percent - our_percent,
            differing=pairs,
        )


def _wer_percent(references: Sequence[str], texts: Sequence[str], clips_of: Sequence[int]) -> float:
    following = iter(texts)
    heard = [" ".join(islice(following, count)) for _, count in zip(references, clips_of, strict=False)]
    return 100 * (sum(score_texts(references, heard), ErrorRate.zero()).rate or 0.0)
