"""`earspan live`: a recording at the pace it was spoken, captions appearing when a backend would have them."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..backends.errors import InputError, unknown
from ..backends.registry import get_backend
from ..backends.workload.models import resolve_dims
from ..backends.workload.workload import PADDINGS
from ..datasets import SAMPLE_RATE, Recording, dataset_names, open_dataset, read_audio
from ..speech.asr.hypothesis import Clip
from ..speech.asr.model import checkpoint_dims
from ..speech.asr.transcriber import WINDOW_LIMIT_S
from ..speech.metrics.latency import backlog, latency_summary, service_and_audio, word_latencies
from ..speech.metrics.pairing import paired
from ..speech.metrics.wer import score_text
from ..speech.strategies import make_strategy, step_of, strategy_names
from ..speech.streaming.clock import Job, ServiceTime, play
from ..speech.streaming.realtime import Caption, Here, Show, Wall, WallClock, replay
from .options import (
    add_decoding_arguments,
    add_model_arguments,
    check_windows,
    engine_of,
    positive_count,
    positive_seconds,
    recogniser_of,
    use_all_cores,
)
from .playing import plan_span, service_time, timed_model, window_of
from .progress import stage
from .store import Track, track
from .summary import percent

HELP = "captions of a recording in real time, as a backend would show them"
HERE = "here"
_WINDOW_HERE_S = 5.0
_LATE_S = 0.1  # what a reader does not notice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan live`."""
    add = parser.add_argument
    add("file", metavar="FILE", help="an audio file, a dataset, or DATASET:RECORDING, for example talks:the-storm")
    add_model_arguments(parser)
    add("--backend", default="h100", metavar="NAME|here", help="whose delay; here: this machine's (default: h100)")
    add("--strategy", default="sliding", choices=sorted(strategy_names()), help="default: sliding")
    add("--window", type=positive_seconds, metavar="S", help="default: the backend's span; 5 for this machine")
    add("--step", type=positive_seconds, default=1.0, metavar="S", help="seconds between calls (default: 1)")
    add("--streams", type=positive_count, default=1, help="live recordings that share the backend (default: 1)")
    add("--latency", type=positive_seconds, metavar="S", help="latency budget a word must keep (default: none)")
    add("--padding", default="full", choices=PADDINGS, help="timed calls are padded to 30 s, or not (default: full)")
    add("--seconds", type=positive_seconds, metavar="S", help="stop after so much of the recording")
    add_decoding_arguments(parser)


def run(args: argparse.Namespace, wall: Wall | None = None) -> int:
    """Play the recording and print what was heard, and how late. Ctrl-C stops it; the summary comes all the same."""
    recording = opened(args.file)
    if args.seconds:
        recording = replace(recording, audio=recording.audio[: round(args.seconds * SAMPLE_RATE)])
    if not len(recording.audio):
        raise InputError(f"{args.file}: there is no audio in it")
    if args.window:
        check_windows([args.window], WINDOW_LIMIT_S)
    simulated = None if args.backend == HERE else _simulated(args)
    window_s, timed = (args.window or _WINDOW_HERE_S, "this machine") if simulated is None else simulated[1:]
    step_s = step_of(args.strategy, args.step)
    strategy = make_strategy(args.strategy, window_s, step_s)
    recogniser = recogniser_of(args)
    use_all_cores()
    args.no_cache = args.no_cache or simulated is None  # what is remembered takes this machine no time
    engine = engine_of(args, recogniser)
    print(
        f"{recording.id}, {recording.duration_s:.0f} s; heard by {recogniser.name}, times of {timed}; "
        f"{args.strategy} windows of {window_s:g} s; Ctrl-C stops",
        file=sys.stderr,
    )
    wall, captions, job = wall or WallClock(), list[Caption](), None
    try:
        if simulated is None:
            engine.transcribe([Clip(recording.audio[:SAMPLE_RATE])])  # the first call of all takes longest
            with screen(captions) as show:
                live = Here(strategy, wall, show)
                job = Job(recording, live, live.service_s)
                play([job], engine)
        else:
            job = Job(recording, strategy, simulated[0])
            with stage("transcribing ahead, to be on time") as progress:
                play([job], engine, progress)
            with screen(captions) as show:
                replay(job.played, wall, show)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    if job and captions and job.played:  # a call that was cut short is shown, but was not played to its end
        job.played = job.played[: len(captions)]
        _summarise(recording, track(job, args.strategy, window_s, step_s, args.backend), captions)
    return 0


def _simulated(args: argparse.Namespace) -> tuple[ServiceTime, float, str]:
    """What calls take on the backend, the window, and what is timed in words."""
    timed_as = timed_model(args)
    dims = resolve_dims(timed_as, checkpoint_dims)
    backend = get_backend(args.backend)
    planned = plan_span(backend, dims, args, args.streams, args.step)
    window_s = window_of(args, planned, "see")
    heard = resolve_dims(args.model, checkpoint_dims)
    return service_time(backend, dims, heard, args), window_s, f"{timed_as} on {backend.name}, simulated"


def opened(given: str) -> Recording:
    """The recording that `given` names: an audio file with or without a transcript, a dataset's first, or one by id."""
    name, colon, wanted = given.partition(":")
    if colon and name in dataset_names():
        entries = {entry.id: entry for entry in open_dataset(name)}
        if wanted not in entries:
            raise unknown("recording", wanted, entries)
        return entries[wanted].load()
    try:
        return next(iter(open_dataset(given))).load()
    except InputError:
        if not os.path.isfile(given):
            raise
    return Recording(Path(given).stem, read_audio(Path(given)), "", None, "file", None)


@contextmanager
def screen(captions: list[Caption], console: Console | None = None) -> Iterator[Show]:
    """Within it, the yielded function shows a caption, and adds it to `captions`.

    On a terminal committed words are solid and interim ones dim, in their place; elsewhere every caption with
    committed words is a line, after the time at which it was shown.
    """
    console = console or Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:

        def print_line(caption: Caption) -> None:
            captions.append(caption)
            if caption.committed:
                console.print(f"{caption.shown_at_s:8.2f} s  {' '.join(caption.committed)}")
                console.file.flush()

        yield print_line
        return
    line = ""
    with Live(console=console, auto_refresh=False) as live:

        def update(caption: Caption) -> None:
            nonlocal line
            captions.append(caption)
            for word in caption.committed:
                if line and len(line) + 1 + len(word) > console.width:
                    console.print(Text(line))  # above the line that is still being written
                    line = word
                else:
                    line = f"{line} {word}".strip()
            interim = f"{' ' if line else ''}{' '.join(caption.interim)}"[: console.width - len(line)]
            live.update(Text(line).append(interim, style="dim"), refresh=True)

        yield update


def _summarise(recording: Recording, heard: Track, captions: list[Caption]) -> None:
    """Errors and latencies as far as the recording was played and its reference allows, then the delay of captions."""
    parts = []
    service_s, audio_s = service_and_audio(heard.calls)
    words = [word for word in recording.words or () if word.end_s <= audio_s]
    whole = audio_s >= recording.duration_s - 1e-3 and len(words) == len(recording.words or ())
    text = " ".join(word.text for word in words) if words else recording.text if whole else ""
    if text:
        rate = score_text(text, heard.text)
        parts.append(f"WER {percent(rate.rate)} ({rate.errors} errors in {rate.ref_words} words)")
    if words:
        shown = heard.emitted
        pairs = paired([word.text for word in words], [word.text for word in shown])
        found = latency_summary(word_latencies(words, shown, pairs))
        if found.p50_s is not None:
            parts.append(f"word latency p50/p95/p99 {found.p50_s:.2f} / {found.p95_s:.2f} / {found.p99_s:.2f} s")
    parts.append(f"RTF {service_s / audio_s:.3f}")
    parts.append(f"backlog at most {backlog(heard.calls) or 0:.2f} s")
    print(f"\n{audio_s:.1f} s played; {'; '.join(parts)}")
    late_s = max((caption.shown_at_s - caption.due_at_s for caption in captions), default=0.0)
    if late_s > _LATE_S:
        print(f"note: captions came up to {late_s:.2f} s after they were due: this machine was busy", file=sys.stderr)
