"""What drafts and the cache save, how cost grows with audio, and how much memory hours of audio take."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from ...datasets import Recording
from ...datasets.audio import SAMPLE_RATE, put_aside, room_for
from ...speech.asr.cache import TranscriptCache
from ...speech.asr.decoding.draft import REMEMBERED, add_proposals, proposals
from ...speech.asr.hypothesis import END, SECONDS_PER_TICK, Clip, DecodeOptions, DraftText, Hypothesis
from ...speech.asr.model import Recogniser, load_recogniser
from ...speech.asr.torch_engine import Engine
from .case import Case, Ratio, first_seconds, measure, measure_in_turns, peak_bytes, windows, words_said

DRAFT_WINDOWS_S, DRAFT_STEP_S, SLIDES = (10.0, 15.0, 20.0, 30.0), 0.5, 60  # half a minute of sliding
PASSES_BAR, CACHE_BAR, MEMORY_BAR_GB = 4.0, 100.0, 2.0
CACHED = ((24, 5.0, 5.0), (72, 5.0, 5.0), (72, 10.0, 1.0))  # calls, window, step
GROWTH_WINDOW_S, GROWTH_STEP_S = 5.0, 2.5
MEMORY_WINDOW_S, MEMORY_TOKENS = 30.0, 8  # short texts: memory does not depend on how long they are, time does
_BLOCK_S = 900.0


@dataclass(frozen=True, slots=True)
class Drafted:
    """The engine on sliding windows without and with drafts, the streams side by side as live ones are.

    tokens, passes, passes_drafted: a call, on average. factor: passes without drafts over passes with them, as is
    factor_of_one_text with the last text alone, and factor_without_errors for a recogniser that makes none, which is
    what the method itself gives. time_factor: of the seconds. differing_texts should be 0.
    """

    model: str
    window_s: float
    recordings: int
    calls: int
    tokens: float
    passes: float
    passes_drafted: float
    factor: float
    factor_of_one_text: float
    factor_without_errors: float
    differing_texts: int
    time_factor: float


@dataclass(frozen=True, slots=True)
class Cached:
    """A first run, and runs of new engines that find all of it on disk: seconds, and how many times faster they are."""

    calls: int
    window_s: float
    step_s: float
    first_s: float
    again_s: Ratio
    factor: Ratio


@dataclass(frozen=True, slots=True)
class Growth:
    """What `times` as much audio takes."""

    times: int
    audio_s: float
    seconds: float
    seconds_per_audio_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """The most memory that was held until so much audio was heard in so many calls."""

    heard_hours: float
    calls: int
    peak_gb: float


def drafts(
    case: Case,
    windows_s: Sequence[float] = DRAFT_WINDOWS_S,
    slides: int | None = SLIDES,
    options: DecodeOptions | None = None,
) -> Iterator[Drafted]:
    """Yield one row for each window. slides: windows of each recording, None for all of them."""
    for window_s in windows_s:
        heard = case.recordings
        if slides is not None:
            heard = first_seconds(heard, window_s + DRAFT_STEP_S * (slides - 1))
        streams = [clips for recording in heard if (clips := windows(recording, window_s, DRAFT_STEP_S))]
        engines = {remembered: Engine(case.recogniser, options) for remembered in (0, REMEMBERED)}
        tasks = {str(n): lambda n=n, e=engine, s=streams: _played(e, s, n) for n, engine in engines.items()}
        (plain, drafted), (alone, beside) = engines.values(), measure_in_turns(tasks, case.clock).values()
        texts = [[h.tokens for stream in found.result for h in stream] for found in (alone, beside)]
        yield Drafted(
            case.recogniser.name,
            window_s,
            len(streams),
            plain.computed,
            sum(map(len, texts[0])) / max(1, plain.computed),
            plain.decoder_passes / max(1, plain.computed),
            drafted.decoder_passes / max(1, drafted.computed),
            plain.decoder_passes / max(1, drafted.decoder_passes),
            _factor_of_one_text(alone.result, plain.timestamp_begin),
            _factor_without_errors(case.recogniser, heard, window_s),
            sum(mine != theirs for mine, theirs in zip(*texts, strict=True)),
            alone.middle_s / beside.middle_s,
        )


def _played(engine: Engine, streams: Sequence[Sequence[Clip]], remembered: int) -> list[list[Hypothesis]]:
    """Return the hypotheses of each stream, heard step by step with so many of its last texts as drafts."""
    heard: list[list[Hypothesis]] = [[] for _ in streams]
    for step in range(max(map(len, streams))):
        going = [stream for stream, clips in enumerate(streams) if step < len(clips)]
        clips = []
        for stream in going:
            last = heard[stream][: -remembered - 1 : -1] if remembered else []
            clips.append(Clip(streams[stream][step].audio, draft=_draft_of(last)))
        for stream, hypothesis in zip(going, engine.transcribe(clips), strict=True):
            heard[stream].append(hypothesis)
    return heard


def _draft_of(last: Sequence[Hypothesis]) -> tuple[DraftText, ...]:
    """Return texts of the windows before, newest first: each began a step earlier than the one before it."""
    ticks = round(DRAFT_STEP_S / SECONDS_PER_TICK)
    return tuple(DraftText(heard.tokens, ticks * back) for back, heard in enumerate(last, start=1))


def _factor_of_one_text(streams: Sequence[Sequence[Hypothesis]], timestamp_begin: int) -> float:
    """Return plain passes over those with the last text as a draft, by counting: texts do not depend on drafts."""
    plain = drafted = 0
    for earlier, hypothesis in (pair for stream in streams for pair in pairwise(stream)):
        runs = add_proposals(hypothesis, _draft_of([earlier]), timestamp_begin).runs
        plain += sum(run.decode_tokens + 1 for run in runs)
        drafted += sum(len(run.proposals) or run.decode_tokens + 1 for run in runs)
    return plain / max(1, drafted)


def _factor_without_errors(recogniser: Recogniser, recordings: Sequence[Recording], window_s: float) -> float:
    encode = recogniser.tokenizer("en", "transcribe").encode
    plain = drafted = 0
    for recording in recordings:
        said = words_said([recording], windows(recording, window_s, DRAFT_STEP_S))
        for earlier, text in pairwise(tuple(encode(" " + text)) for text in said):
            plain += len(text) + 1
            drafted += len(proposals([earlier], (*text, END)))
    return plain / max(1, drafted)


def cache_gains(case: Case, folder: Path) -> Iterator[Cached]:
    """Yield one row for each kind of windows; a run makes the engine, opens the cache in `folder`, hashes and reads."""
    for number, (calls, window_s, step_s) in enumerate(CACHED):
        clips = [clip for recording in case.recordings for clip in windows(recording, window_s, step_s)][:calls]
        Engine(case.recogniser).transcribe(clips[:1])  # a warm-up

        def run(clips: list[Clip] = clips, path: Path = folder / str(number)) -> None:
            cache = TranscriptCache(path)
            Engine(case.recogniser, cache=cache).transcribe(clips)
            cache.close()

        first_s = measure(run, case.clock).middle_s
        again_s = measure(run, case.clock, max(3, case.repeats)).seconds
        factor = Ratio.of(first_s / one_s for one_s in again_s)
        yield Cached(len(clips), window_s, step_s, first_s, Ratio.of(again_s), factor)


def growth(case: Case) -> Iterator[Growth]:
    """Yield one row for one, two and four times as much audio."""
    clips = [clip for recording in case.recordings for clip in windows(recording, GROWTH_WINDOW_S, GROWTH_STEP_S)]
    for factor in (1, 2, 4):
        part = clips[: len(clips) // 4 * factor]
        took_s = measure(lambda part=part: Engine(case.recogniser).transcribe(part), case.clock).middle_s
        audio_s = sum(len(clip.audio) for clip in part) / SAMPLE_RATE
        yield Growth(factor, audio_s, took_s, took_s / audio_s)


def memory(model: str, hours: float, heard_hours: float) -> Iterator[Held]:
    """Yield one row for each quarter of an hour heard of a recording of `hours`, by a process of its own."""
    context = multiprocessing.get_context("spawn")  # a fork would hold what this process holds
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_hear, args=(model, hours, heard_hours, sender), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            yield receiver.recv()
    except EOFError:
        process.join()
    if process.exitcode:
        raise RuntimeError(f"the process that measures memory ended with {process.exitcode}")


def _hear(model: str, hours: float, heard_hours: float, sender: Connection) -> None:
    """Hear a recording, held as a file's audio is, in windows of 30 s that do not overlap; send one row a block."""
    samples = round(hours * 3600 * SAMPLE_RATE)
    audio, rng = room_for(samples), np.random.default_rng(1)
    block = round(_BLOCK_S * SAMPLE_RATE)
    for start in range(0, samples, block):  # block by block, so that making the noise takes no memory of its own
        part = audio[start : start + block]
        rng.standard_normal(out=part, dtype=np.float32)
        part *= 0.05
        put_aside([part])
    engine = Engine(load_recogniser(model), DecodeOptions(max_tokens=MEMORY_TOKENS))
    sender.send(Held(0.0, engine.computed, peak_bytes() / 1e9))
    window = round(MEMORY_WINDOW_S * SAMPLE_RATE)
    for start in range(0, round(heard_hours * 3600 * SAMPLE_RATE), block):
        end = min(start + block, samples)
        engine.transcribe([Clip(audio[at : at + window]) for at in range(start, end, window)])
        sender.send(Held(end / SAMPLE_RATE / 3600, engine.computed, peak_bytes() / 1e9))
