"""What drafts save on sliding windows, and that they change no text: on talks."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ..datasets import Recording
from ..speech.asr.decoding.draft import REMEMBERED, proposals, with_proposals
from ..speech.asr.hypothesis import END, SECONDS_PER_TICK, DraftText
from ..speech.asr.model import Recogniser
from ..speech.asr.torch_engine import Clip, DecodeOptions, Engine, Hypothesis
from .engine_windows import Clock, first_seconds, said, seconds, windows

WINDOWS_S, STEP_S = (10.0, 15.0, 20.0, 30.0), 0.5
TALKS, SLIDES = 3, 60  # talks, and windows of each: half a minute of sliding
BAR = 4.0


def drafts(
    recogniser: Recogniser,
    recordings: Sequence[Recording],
    clock: Clock,
    windows_s: Sequence[float] = WINDOWS_S,
    slides: int | None = SLIDES,
    max_tokens: int = 224,
) -> Iterator[dict[str, Any]]:
    """One row for each window: passes without and with drafts, whether all texts are equal, time.

    slides: windows of each recording; None for all of them. Recordings are played side by side, as live streams are.
    """
    options = DecodeOptions(max_tokens=max_tokens)
    for window_s in windows_s:
        heard = [r if slides is None else first_seconds(r, window_s + STEP_S * (slides - 1)) for r in recordings]
        streams = [clips for recording in heard if (clips := windows(recording, window_s, STEP_S))]
        plain, drafted = Engine(recogniser, options), Engine(recogniser, options)
        expected: list[list[Hypothesis]] = []
        found: list[list[Hypothesis]] = []
        plain_s = seconds(lambda p=plain, s=streams, e=expected: e.extend(_played(p, s, remembered=0)), clock)
        drafted_s = seconds(lambda d=drafted, s=streams, f=found: f.extend(_played(d, s, remembered=REMEMBERED)), clock)
        differing = sum(
            mine.tokens != theirs.tokens
            for a, b in zip(expected, found, strict=True)
            for mine, theirs in zip(a, b, strict=True)
        )
        yield {
            "model": recogniser.name,
            "window_s": window_s,
            "recordings": len(streams),
            "calls": plain.computed,
            "tokens": sum(len(h.tokens) for stream in expected for h in stream) / max(1, plain.computed),
            "passes": plain.decoder_passes / max(1, plain.computed),
            "passes_drafted": drafted.decoder_passes / max(1, drafted.computed),
            "factor": plain.decoder_passes / max(1, drafted.decoder_passes),
            "factor_of_one_text": _factor(expected, 1, plain.timestamp_begin),
            "factor_without_errors": _ideal(recogniser, heard, window_s),
            "differing_texts": differing,
            "time_factor": plain_s / drafted_s,
        }


def _played(engine: Engine, streams: Sequence[Sequence[Clip]], remembered: int) -> list[list[Hypothesis]]:
    """The hypotheses of each stream, heard step by step, each with so many of the stream's last texts as a draft."""
    heard: list[list[Hypothesis]] = [[] for _ in streams]
    for step in range(max(map(len, streams))):
        going = [stream for stream, clips in enumerate(streams) if step < len(clips)]
        clips = []
        for stream in going:
            last = heard[stream][: -remembered - 1 : -1] if remembered else []
            clips.append(Clip(streams[stream][step].audio, draft=_drafts([h.tokens for h in last])))
        for stream, hypothesis in zip(going, engine.transcribe(clips), strict=True):
            heard[stream].append(hypothesis)
    return heard


def _factor(streams: Sequence[Sequence[Hypothesis]], remembered: int, timestamp_begin: int) -> float:
    """Plain passes over those with so many texts as a draft; by counting, as texts do not depend on drafts."""
    plain = drafted = 0
    for stream in streams:
        for at in range(1, len(stream)):
            draft = _drafts([h.tokens for h in stream[max(0, at - remembered) : at]][::-1])
            runs = with_proposals(stream[at], draft, timestamp_begin).runs
            plain += sum(run.decode_tokens + 1 for run in runs)
            drafted += sum(len(run.proposals) or run.decode_tokens + 1 for run in runs)
    return plain / max(1, drafted)


def _drafts(texts: Sequence[tuple[int, ...]]) -> tuple[DraftText, ...]:
    """Texts of the windows before, newest first: each began a step earlier than the one before it."""
    ticks = round(STEP_S / SECONDS_PER_TICK)
    return tuple(DraftText(tokens, ticks * back) for back, tokens in enumerate(texts, start=1))


def _ideal(recogniser: Recogniser, recordings: Sequence[Recording], window_s: float) -> float:
    """The factor of a recogniser that makes no errors: what the method itself gives."""
    encode = recogniser.tokenizer("en", "transcribe").encode
    plain = drafted = 0
    for recording in recordings:
        texts = [tuple(encode(" " + text)) for text in said([recording], windows(recording, window_s, STEP_S))]
        for earlier, text in pairwise(texts):
            plain += len(text) + 1
            drafted += len(proposals([earlier], (*text, END)))
    return plain / max(1, drafted)
