"""`earspan live` and `earspan replay`: a recording at the pace it was spoken, captions when a backend would have them.

Live is on the terminal, and can be kept as a page; a replay is the page of a stored run.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ...backends.errors import InputError
from ...datasets.audio import SAMPLE_RATE
from ...speech.metrics.latency import backlog, service_and_audio
from ...speech.streaming.realtime import Caption, Show, Wall, WallClock
from ..experiment.experiment import Experiment
from ..experiment.live import find_recording, play_live
from ..experiment.run import Session
from ..experiment.shared import Place
from ..experiment.source import Source
from ..replay.lanes import INFINITE
from ..replay.write import write_live, write_replay
from ..results.wording import error_count, neutralise, percent
from .options import (
    add_endpoint_arguments,
    add_experiment_arguments,
    add_load_arguments,
    comma_list,
    experiment_of,
    positive_seconds,
)
from .progress import Terminal

HERE = "here"
PRESET = Experiment(backends=("h100",), loads=("1x1",))
_WINDOW_HERE_S = 5.0
_LATE_S = 0.1  # what a reader does not notice


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan live`."""
    add = parser.add_argument
    add("file", metavar="FILE", help="an audio file, a dataset, or DATASET:RECORDING, for example talks:the-storm")
    add_experiment_arguments(parser, PRESET, ("model", "timed_as", "strategy", "window_s", "latency_s", "padding"))
    add_load_arguments(parser, PRESET)
    add("--backend", default="h100", metavar="NAME|here", help="whose delay; here: this machine's (default: h100)")
    add_endpoint_arguments(parser)
    add("--seconds", type=positive_seconds, metavar="S", help="stop after so much of the recording")
    add("--replay", type=Path, metavar="FILE.html", help="keep what was played as a page with its audio")


def run_live(args: argparse.Namespace, wall: Wall | None = None) -> int:
    """Play the recording and print what was heard, and how late. Ctrl-C stops it; the summary comes all the same."""
    recording = find_recording(args.file)
    if args.seconds:
        recording = replace(recording, audio=recording.audio[: round(args.seconds * SAMPLE_RATE)])
    if not len(recording.audio):
        raise InputError(f"{args.file}: there is no audio in it")
    here = args.backend == HERE
    own = {"backends": () if here else (args.backend,), "window_s": args.window_s or (_WINDOW_HERE_S if here else None)}
    experiment = experiment_of(args, PRESET, **own)
    if here:  # what is remembered takes this machine no time
        experiment = replace(experiment, cache=False)
    session = Session.open(experiment, source=Source.of(experiment, [recording]))
    setting, progress = session.settings[0], Terminal()
    kind = "measured" if experiment.is_asked else "simulated"
    timed = "this machine" if here else f"{experiment.timed_model} on {args.backend}, {kind}"
    progress.say(
        f"{recording.id}, {recording.duration_s:.0f} s; heard by {session.model}, times of {timed}; "
        f"{setting.strategy} windows of {setting.window_s:g} s; Ctrl-C stops"
    )
    try:
        heard = play_live(session, recording, wall or WallClock(), screen, progress)
    finally:
        session.close()
    if not heard.track.calls:
        return 0
    parts = []
    if (errors := heard.errors(recording)) is not None:
        parts.append(f"WER {percent(errors.rate)} ({error_count(errors.errors, errors.ref_words)})")
    if latencies_s := heard.latencies_s(recording):
        parts.append("word latency p50/p95/p99 {:.2f} / {:.2f} / {:.2f} s".format(*latencies_s))
    service_s, audio_s = service_and_audio(heard.track.calls)
    parts.append(f"RTF {service_s / audio_s:.3f}")
    parts.append(f"backlog at most {backlog(heard.track.calls) or 0:.2f} s")
    print(f"\n{audio_s:.1f} s played; {'; '.join(parts)}")
    if heard.late_s > _LATE_S:
        progress.say(f"note: captions came up to {heard.late_s:.2f} s after they were due: this machine was busy")
    if args.replay:
        notes = f"The words are what {session.model} wrote.", f"The times are those of {timed}."
        write_live(args.replay, recording, heard, notes, experiment.normaliser)
        print(f"replay: {args.replay}")
    return 0


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan replay`."""
    add = parser.add_argument
    add("folder", metavar="RUN", help="folder or URL of a run, for example runs/bench")
    add("--recording", metavar="ID", help="which recording of the run (default: the first)")
    add("--lanes", type=comma_list, default=[], metavar="A,B,...",
        help=f"up to four settings: BACKEND, STRATEGY, STRATEGY:WINDOW, or STRATEGY:WINDOW@BACKEND; {INFINITE}: no "
        "time at all (default: that, the fastest backend, one between, the slowest that keeps up)")  # fmt: skip
    add("--out", type=Path, metavar="FILE.html", help="default: replay.html in the folder of the run, or its copy")


def run_replay(args: argparse.Namespace) -> int:
    """Write the page that plays one recording of a stored run, and print its path."""
    place = Place(args.folder)
    path = args.out or place.folder / "replay.html"
    write_replay(path, place.load(), args.recording, args.lanes)
    print(path)
    return 0


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
                console.print(f"{caption.shown_at_s:8.2f} s  {neutralise(' '.join(caption.committed))}")
                console.file.flush()

        yield print_line
        return
    line = ""
    with Live(console=console, auto_refresh=False) as live:

        def update(caption: Caption) -> None:
            nonlocal line
            captions.append(caption)
            for word in map(neutralise, caption.committed):
                if line and len(line) + 1 + len(word) > console.width:
                    console.print(Text(line))  # above the line that is still being written
                    line = word
                else:
                    line = f"{line} {word}".strip()
            interim = f"{' ' if line else ''}{neutralise(' '.join(caption.interim))}"[: console.width - len(line)]
            live.update(Text(line).append(interim, style="dim"), refresh=True)

        yield update
