"""`earspan strategies`: for a backend, a model and a load, which way of cutting live audio errs least, and how late."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from ..backends.registry import get_backend
from ..backends.timing import Backend, CapacityError
from ..backends.workload.models import Dimensions, resolve_dims
from ..backends.workload.workload import PADDINGS
from ..datasets import Recording, open_dataset
from ..datasets.recording import head
from ..speech.asr.attention import Attention
from ..speech.asr.model import checkpoint_dims
from ..speech.asr.transcriber import WINDOW_LIMIT_S
from ..speech.metrics.normalise import normaliser_names
from ..speech.strategies import OFFLINE, OVERLOADS, make_strategy, step_of, strategy_names
from ..speech.streaming.clock import Job, ServiceTime, no_time, play
from .options import (
    DEFAULT_DATASET,
    add_decoding_arguments,
    add_model_arguments,
    check_folder,
    check_windows,
    comma_list,
    engine_of,
    positive_count,
    positive_seconds,
    recogniser_of,
    seconds_list,
    seed,
    use_all_cores,
)
from .playing import (
    WordTimes,
    digest_of,
    load_recordings,
    service_time,
    size_of,
    timed_model,
    timing_warnings,
    what_was_run,
)
from .progress import stage
from .score import publish
from .store import Reference, Run, Track, environment, track, write_raw
from .tables import show_table

HELP = "which way of cutting live audio errs least, at what latency"
BACKENDS = "l4"
WINDOWS_S = "2,5,10,20,30"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--list", action="store_true", help="list the strategies and the overload policies, and do nothing else")
    add_model_arguments(parser)
    add(
        "--dataset",
        default=DEFAULT_DATASET,
        metavar="NAME|PATH",
        help=f"what is listened to (default: {DEFAULT_DATASET})",
    )
    add("--backends", type=comma_list, default=BACKENDS, metavar="A,B,...", help="default: %(default)s")
    add("--strategies", type=comma_list, metavar="A,B,...",
        help="names, or package.module:Class (default: all that are installed)")  # fmt: skip
    add("--windows", type=seconds_list, default=WINDOWS_S, metavar="S,S,...", help="default: %(default)s")
    add("--chunks", type=seconds_list, metavar="S,S,...", help="more windows for disjoint chunks (default: none)")
    add("--streams", type=positive_count, default=8, help="live recordings that share a device (default: 8)")
    add("--step", type=positive_seconds, default=1.0, metavar="S", help="seconds between calls (default: 1)")
    add(
        "--latency", type=positive_seconds, metavar="S", help="budget that 95 %% of the words must keep (default: none)"
    )
    add("--overload", default="lag", choices=list(OVERLOADS), help="what to do when calls wait (default: lag)")
    add("--padding", default="full", choices=PADDINGS, help="timed calls are padded to 30 s, or not (default: full)")
    add("--live-audio", type=positive_seconds, default=60.0, metavar="S", help="of each recording (default: 60)")
    add("--normaliser", default="whisper", choices=normaliser_names(), help="scoring rules (default: whisper)")
    add("--seed", type=seed, default=0, help="seed of the bootstrap (default: 0)")
    add("--out", type=Path, default=Path("runs/strategies"), metavar="FOLDER", help="default: %(default)s")
    add_decoding_arguments(parser)
    add("--json", action="store_true", help="print results.json instead of the table")


def run(args: argparse.Namespace) -> int:
    """Play every strategy in every window on every backend. What is given is checked before the work starts."""
    if args.list:
        show_table("strategies (--strategies, --strategy)", ("name", "what it does"), strategy_names().items())
        show_table("overload policies (--overload)", ("name", "what it does"), OVERLOADS.items())
        return 0
    began = time.monotonic()
    check_folder(args.out)
    settings = list(_settings(args))
    timed_as = timed_model(args)
    backends = [get_backend(name) for name in args.backends]
    dataset = open_dataset(args.dataset)
    dims = resolve_dims(timed_as, checkpoint_dims)
    recogniser = recogniser_of(args)
    use_all_cores()
    engine = engine_of(args, recogniser)
    heard = Dimensions.of(recogniser.dims)
    clocks = {b.name: service_time(b, dims, heard, args) for b in backends if _fits(b, dims, args)}
    recordings, failed = load_recordings(dataset)
    print(
        f"measured: text and WER of {args.model}, {len(recordings)} recordings of {dataset.name}\n"
        f"simulated: times of {timed_as} on {', '.join(clocks)}, {args.streams} streams each",
        file=sys.stderr,
    )

    attention = Attention.beside(engine)
    word_times = WordTimes()
    live = [head(recording, args.live_audio) for recording in word_times.fill(recordings, engine)]
    tracks: list[Track] = []
    for setting in settings:
        with stage(f"{setting.strategy} windows of {setting.window_s:g} s") as progress:
            jobs = setting.jobs(live, clocks, args.overload)
            play([job for _, job in jobs], engine, progress, attention, args.draft and setting.strategy != "disjoint")
        tracks += [track(job, setting.strategy, setting.window_s, setting.step_s, name) for name, job in jobs]

    meta = {
        "benchmark": "strategies",
        **what_was_run(args, timed_as, recogniser),
        "dataset": {
            "name": dataset.name,
            "licence": dataset.licence,
            **size_of(live),
            "digest": digest_of(dataset, recordings),
        },
        "backends": [_described(backend, dims, args) for backend in backends],
        "settings": {
            "streams": args.streams,
            "step_s": args.step,
            "latency_s": args.latency,
            "draft": args.draft,
            "overload": args.overload,
            "live_audio_s": args.live_audio,
            "seed": args.seed,
            "normaliser": args.normaliser,
        },
        "word_times": word_times.meta(recogniser),
        "failed": failed,
        "warnings": timing_warnings(args),
        "environment": {**environment(time.monotonic() - began), "calls_computed": engine.computed},
    }
    stored = Run(meta, {recording.id: Reference.of(recording) for recording in live}, tracks)
    write_raw(args.out, stored)
    return publish(stored, args.out, args.json)


@dataclass(frozen=True, slots=True)
class _Setting:
    strategy: str
    window_s: float
    step_s: float | None

    def jobs(
        self, recordings: Sequence[Recording], clocks: dict[str, ServiceTime], overload: str
    ) -> list[tuple[str | None, Job]]:
        """One job for each recording on each backend, and one on the unaware clock, whose backend is None."""
        strategy = make_strategy(self.strategy, self.window_s, self.step_s)
        policy = "lag" if self.strategy in ("sequential", OFFLINE) else overload  # it has no other
        return [
            (name, Job(recording, strategy, service_s, policy))
            for name, service_s in (*clocks.items(), (None, no_time))
            for recording in recordings
        ]


def _settings(args: argparse.Namespace) -> Iterator[_Setting]:
    """All settings, each checked; strategies that take no window as short as the step go without it."""
    check_windows([*args.windows, *(args.chunks or [])], WINDOW_LIMIT_S)
    names = args.strategies or [name for name in strategy_names() if _installed(name)]
    for name in names:
        if not _installed(name):
            raise InputError("vad: Silero VAD is not installed; type pip install 'earspan[vad]'")
        step_s = step_of(name, args.step)
        windows = [w for w in args.windows if step_s is None or w >= step_s]
        if not windows:
            raise InputError(
                f"{name}: every window of {args.windows} is shorter than --step {args.step:g}; give a longer one"
            )
        if name == "disjoint" and args.chunks:
            windows = sorted({*windows, *args.chunks})
        if name == OFFLINE:  # it hears all at once, whatever the window
            windows = [WINDOW_LIMIT_S]
        for window_s in windows:
            make_strategy(name, window_s, step_s)
            yield _Setting(name, window_s, step_s)


def _installed(name: str) -> bool:
    return name != "vad" or importlib.util.find_spec("silero_vad") is not None


def _fits(backend: Backend, dims: Dimensions, args: argparse.Namespace) -> bool:
    return _described(backend, dims, args)["service_s"] is not None


def _described(backend: Backend, dims: Dimensions, args: argparse.Namespace) -> dict[str, Any]:
    """What a backend is, and how long it takes for one call of 10 s of every stream; None if it holds no such model."""
    from ..backends.span import TOKENS_PER_S, window_call
    from ..backends.workload.workload import Workload

    call = window_call(Workload(dims, padding=args.padding), 10.0, TOKENS_PER_S)
    try:
        timing = backend.serve(call, args.streams)
    except CapacityError:
        return {"backend": backend.name, "describe": backend.describe(), "service_s": None, "provenance": None}
    return {
        "backend": backend.name,
        "describe": backend.describe(),
        "service_s": timing.seconds,
        "provenance": timing.provenance,
    }
