"""Whether the engine hears what `whisper.transcribe` hears: `python -m earspan.benchmarks.engine_parity`.

Every chunk of a dataset is transcribed by both, in one run: at temperature 0, where texts must be equal; with fallback,
where sampled texts differ and error rates must not; and whole recordings at once. Times of both are compared.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import whisper

from ..datasets import Recording, open_dataset
from ..speech.asr.model import Recogniser, load_recogniser
from ..speech.asr.torch_engine import Clip, DecodeOptions, Engine
from ..speech.metrics.wer import ErrorRate, score_text
from .options import comma_list, positive_count, seconds_list, use_all_cores
from .tables import show_table

WHOLE_S = 0.0  # stands for whole recordings


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both on the same chunks: how many texts are equal, both error rates, and the seconds that each took."""

    what: str
    chunks: int
    equal: int
    ours: ErrorRate
    theirs: ErrorRate
    ours_s: float
    theirs_s: float


def compare(recogniser: Recogniser, recordings: Sequence[Recording], window_s: float, fallback: bool) -> Comparison:
    """Transcribe all chunks of `window_s`, or whole recordings, with the engine and with `whisper.transcribe`."""
    options = DecodeOptions() if fallback else replace(DecodeOptions(), temperatures=(0.0,))
    pieces = [_chunks(recording.audio, window_s) for recording in recordings]
    clips = [Clip(piece) for own in pieces for piece in own]
    began = time.perf_counter()
    ours = [hypothesis.text for hypothesis in Engine(recogniser, options).transcribe(clips)]
    between = time.perf_counter()
    theirs = [
        whisper.transcribe(
            recogniser.whisper, clip.audio, language="en", fp16=False, temperature=options.temperatures
        )["text"].strip()  # pyright: ignore[reportAttributeAccessIssue]
        for clip in clips
    ]  # fmt: skip
    ended = time.perf_counter()
    for mine, other in zip(ours, theirs, strict=True):
        if mine != other and not fallback:
            print(f"  ours:   {mine}\n  theirs: {other}", file=sys.stderr)
    return Comparison(
        f"{window_s:g} s" if window_s else "whole",
        len(clips),
        sum(mine == other for mine, other in zip(ours, theirs, strict=True)),
        _scored(recordings, pieces, ours),
        _scored(recordings, pieces, theirs),
        between - began,
        ended - between,
    )


def _chunks(audio: np.ndarray, window_s: float) -> list[np.ndarray]:
    size = round(window_s * 16_000) or len(audio)
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def _scored(recordings: Sequence[Recording], pieces: Sequence[list[np.ndarray]], texts: Sequence[str]) -> ErrorRate:
    following = iter(texts)
    heard = [" ".join(islice(following, len(own))) for own in pieces]
    rates = (score_text(recording.text, text) for recording, text in zip(recordings, heard, strict=True))
    return sum(rates, ErrorRate.zero())


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", default="tiny.en")
    add("--dataset", default="talks")
    add("--windows", type=seconds_list, default="5,30", metavar="S,S", help="of the chunks (default: 5,30)")
    add("--whole", action="store_true", help="whole recordings, too")
    add("--modes", type=comma_list, default="zero,fallback", help="temperature zero, with fallback (default: both)")
    add("--recordings", type=positive_count, help="the first N only")
    args = parser.parse_args(argv)
    use_all_cores()
    recogniser = load_recogniser(args.model)
    recordings = [entry.load() for entry in list(open_dataset(args.dataset))[: args.recordings]]
    rows = []
    for mode in args.modes:
        for window_s in [*args.windows, *([WHOLE_S] if args.whole else [])]:
            found = compare(recogniser, recordings, window_s, fallback=mode == "fallback")
            rows.append(_row(mode, found))
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    columns = ("mode", "chunks of", "chunks>", "texts equal>", "WER>", "whisper's WER>", "points>", "s a chunk>",
               "whisper's>", "times faster>")  # fmt: skip
    show_table(f"{args.model} on {args.dataset}, engine beside whisper.transcribe", columns, rows)
    return 0


def _row(mode: str, found: Comparison) -> tuple[str, ...]:
    ours, theirs = (100 * (rate.rate or 0) for rate in (found.ours, found.theirs))
    return (
        mode,
        found.what,
        str(found.chunks),
        f"{100 * found.equal / found.chunks:.1f} %",
        f"{ours:.2f} %",
        f"{theirs:.2f} %",
        f"{ours - theirs:+.2f}",
        f"{found.ours_s / found.chunks:.3f}",
        f"{found.theirs_s / found.chunks:.3f}",
        f"{found.theirs_s / found.ours_s:.2f}",
    )


if __name__ == "__main__":
    sys.exit(main())
