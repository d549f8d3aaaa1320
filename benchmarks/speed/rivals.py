"""The engine beside those that people would pick otherwise: same weights, windows and options, all in one run.

`compare` asks how fast each is, on windows of which there are enough to make a batch; `parity` whether the engine hears
what `whisper.transcribe` hears, on every chunk of the recordings. Rivals are called as their documentation shows, in
float32 with openai-whisper's defaults.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
import whisper

from ...datasets.audio import SAMPLE_RATE
from ...speech.asr.ct2_format import convert
from ...speech.asr.hypothesis import Clip, DecodeOptions
from ...speech.asr.model import Recogniser
from ...speech.asr.torch_engine import Engine
from ...speech.metrics.wer import ErrorRate, score_texts
from .case import Case, Ratio, disjoint, measure_in_turns, words_said
from .ceiling import encoder_flops

Transcribe = Callable[[Sequence[Clip]], list[str]]
# Windows of each length, and how many: as many as make a batch, where calls are short.
COUNTS = {1.0: 24, 5.0: 24, 15.0: 12, 30.0: 12}
OURS, OPENAI, FASTER = "earspan", "openai-whisper", "faster-whisper"
BARS = {OPENAI: 3.0, FASTER: 1.2}
WHOLE_S = 0.0  # stands for whole recordings


@dataclass(frozen=True, slots=True)
class Compared:
    """One engine on `calls` windows, as one of several that took turns.

    window_s: 0 for whole recordings. seconds: of each run. factor: its time over ours. at_most: the factor of an engine
    whose encoder ran at the machine's peak and whose decoder took no time; None where no peak is known. equal: texts
    that are ours. wer_percent: of the last run; wer_points: that less ours. differing: its texts and ours.
    """

    model: str
    window_s: float
    engine: str
    calls: int
    seconds: tuple[float, ...] = field(repr=False)
    calls_per_s: float
    factor: Ratio
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


def faster_whisper_loop(recogniser: Recogniser, folder: Path, options: DecodeOptions) -> Transcribe | None:
    """Return faster-whisper's `transcribe`, or None where it is not installed; its weights are put into `folder`."""
    try:
        library = importlib.import_module("faster_whisper")
    except ImportError:
        return None
    convert(recogniser, folder, "float32")
    model = library.WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=torch.get_num_threads())
    given = {"language": "en", "beam_size": 1, "best_of": 1, "temperature": list(options.temperatures)}
    return lambda clips: ["".join(s.text for s in model.transcribe(clip.audio, **given)[0]).strip() for clip in clips]


def compare(
    case: Case,
    folder: Path,
    peak_flops: float,
    windows_s: Sequence[float] = tuple(COUNTS),
    most: int = 99,
    options: DecodeOptions | None = None,
) -> Iterator[Compared]:
    """Yield one row for each window and engine. folder: for converted weights. most: windows of each length."""
    model, options = case.recogniser, options or DecodeOptions()
    engines = {OURS: earspan_engine(model, options), OPENAI: openai_loop(model, options)}
    if faster := faster_whisper_loop(model, folder, options):
        engines[FASTER] = faster
    for window_s in windows_s:
        clips = disjoint(case.recordings, window_s, min(most, COUNTS.get(window_s, 12)))
        for transcribe in engines.values():
            transcribe(clips[:1])  # a warm-up
        yield from _compared(case, engines, window_s, clips, words_said(case.recordings, clips), [1] * len(clips),
                             encoder_flops(model) / peak_flops)  # fmt: skip


def parity(case: Case, windows_s: Sequence[float], engines: Mapping[str, Transcribe]) -> Iterator[Compared]:
    """Yield one row for each window and engine, the first of which is ours, on all chunks; 0 for whole recordings.

    Error rates are of each recording's chunks together, as a chunk's edge may cut a word.
    """
    for window_s in windows_s:
        sizes = [round(window_s * SAMPLE_RATE) or len(recording.audio) for recording in case.recordings]
        chunks = [
            [Clip(recording.audio[start : start + size]) for start in range(0, len(recording.audio), size)]
            for recording, size in zip(case.recordings, sizes, strict=True)
        ]
        clips = [clip for own in chunks for clip in own]
        yield from _compared(case, engines, window_s, clips, [r.text for r in case.recordings], list(map(len, chunks)))


def _compared(
    case: Case,
    engines: Mapping[str, Transcribe],
    window_s: float,
    clips: Sequence[Clip],
    references: Sequence[str],
    clips_of: Sequence[int],
    floor_s: float | None = None,
) -> Iterator[Compared]:
    """Yield the row of each engine. clips_of: how many clips each reference covers. floor_s: of one call, if known."""
    tasks = {name: lambda transcribe=transcribe: transcribe(clips) for name, transcribe in engines.items()}
    measured = measure_in_turns(tasks, case.clock, case.repeats)
    ours = next(iter(measured.values()))
    our_percent = _wer_percent(references, ours.result, clips_of)
    for name, found in measured.items():
        percent = _wer_percent(references, found.result, clips_of)
        pairs = tuple((a, b) for a, b in zip(found.result, ours.result, strict=True) if a != b)
        yield Compared(
            model=case.recogniser.name,
            window_s=window_s,
            engine=name,
            calls=len(clips),
            seconds=found.seconds,
            calls_per_s=len(clips) / found.middle_s,
            factor=Ratio.of(its / mine for its, mine in zip(found.seconds, ours.seconds, strict=True)),
            at_most=found.middle_s / (floor_s * len(clips)) if floor_s else None,
            equal=len(clips) - len(pairs),
            wer_percent=percent,
            wer_points=percent - our_percent,
            differing=pairs,
        )


def _wer_percent(references: Sequence[str], texts: Sequence[str], clips_of: Sequence[int]) -> float:
    following = iter(texts)
    heard = [" ".join(islice(following, count)) for count in clips_of]
    return 100 * (sum(score_texts(references, heard), ErrorRate.zero()).rate or 0.0)
