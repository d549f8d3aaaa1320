"""`earspan bench`: how much audio each backend can afford to hear at once, and what that does to the WER."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backends.models import Dimensions, resolve_dims
from ..backends.registry import get_backend
from ..backends.span import TOKENS_PER_S
from ..backends.timing import Backend
from ..backends.workload import PADDINGS
from ..datasets import Dataset, Recording, open_dataset
from ..speech.attention import Attention
from ..speech.model import Recogniser, checkpoint_dims
from ..speech.regimes import regime_names
from ..speech.strategies import make_strategy, step_of, strategy_names
from ..speech.stream import Job, ServiceTime, no_time, play
from ..speech.transcriber import WINDOW_LIMIT_S
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
    plan_span,
    planned_row,
    service_time,
    size_of,
    timed_model,
    timing_doubts,
    what_was_run,
)
from .progress import stage
from .score import publish
from .store import Reference, Run, environment, track, write_raw

HELP = "the headline: spans of several backends, and the WER that follows"
BACKENDS = "t4,l4,a100,h100,h200,groq-v1"
LIVE_WINDOWS_S = (2.0, 30.0)  # of the live curve, besides the spans of the backends
PLANNED_LOADS = (
    (0.25, 1),
    (0.25, 16),
    (1.0, 1),
    (1.0, 8),
    (1.0, 16),
    (1.0, 64),
    (2.0, 256),
)  # (step_s, streams)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_model_arguments(parser)
    add(
        "--dataset",
        default=DEFAULT_DATASET,
        metavar="NAME|PATH",
        help=f"what is listened to (default: {DEFAULT_DATASET})",
    )
    add("--backends", type=comma_list, default=BACKENDS, metavar="A,B,...", help=f"default: {BACKENDS}")
    add(
        "--strategy",
        default="sliding",
        choices=sorted(strategy_names()),
        help="how live audio is cut (default: sliding)",
    )
    add("--streams", type=positive_count, default=8, help="live recordings that share a device (default: 8)")
    add(
        "--step",
        type=positive_seconds,
        default=1.0,
        metavar="S",
        help="seconds between calls of a stream (default: 1)",
    )
    add(
        "--latency",
        type=positive_seconds,
        metavar="S",
        help="latency budget a word must keep (default: none)",
    )
    add(
        "--padding",
        default="full",
        choices=PADDINGS,
        help="timed calls are padded to 30 s, or not (default: full)",
    )
    add(
        "--windows",
        type=seconds_list,
        default="1,2,5,10,30",
        metavar="S,S,...",
        help="windows of the disjoint curve",
    )
    add(
        "--live-windows",
        type=seconds_list,
        metavar="S,S,...",
        help="windows of the live curve (default: 2, 30 and every span)",
    )
    add("--live-audio", type=positive_seconds, default=36.0, metavar="S",
        help="how much of each recording is played live, if word times tell where to stop (default: 36)")  # fmt: skip
    add("--word-times", default="model", choices=("model", "none"),
        help="where a dataset has none: aligned by the model, or no latency (default: model)")  # fmt: skip
    add("--regime", default="whisper", choices=regime_names(), help="scoring rules (default: whisper)")
    add("--seed", type=seed, default=0, help="seed of the bootstrap (default: 0)")
    add("--out", type=Path, default=Path("runs/bench"), metavar="FOLDER", help="default: runs/bench")
    add_decoding_arguments(parser)
    add("--json", action="store_true", help="print results.json instead of the table")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark. Everything given is checked before the work starts. Exit code 1: some recordings failed."""
    began = time.monotonic()
    check_folder(args.out)
    live_windows = args.live_windows or [w for w in LIVE_WINDOWS_S if w >= args.step]
    check_windows([*args.windows, *live_windows], WINDOW_LIMIT_S)
    curves = {"disjoint": args.windows, "sliding": live_windows}
    for name, windows in curves.items():
        for window_s in windows:
            make_strategy(name, window_s, step_of(name, args.step))
    timed_as = timed_model(args)
    backends = [get_backend(name) for name in args.backends]
    dataset = open_dataset(args.dataset)
    recogniser = recogniser_of(args)
    use_all_cores()
    engine = engine_of(args, recogniser)
    dims = Dimensions.of(recogniser.dims) if timed_as == args.model else resolve_dims(timed_as, checkpoint_dims)
    spans = [plan_span(backend, dims, args, args.streams, args.step) for backend in backends]
    if not args.live_windows and args.strategy == "sliding":  # calls that are made anyway
        curves["sliding"] = sorted({*live_windows, *(s.span_s for s in spans if s.span_s is not None)})
    _introduce(args.model, timed_as, dataset)

    recordings, failed = load_recordings(dataset)
    attention = Attention.beside(engine)
    word_times = WordTimes()
    if args.word_times == "model":
        recordings = word_times.fill(recordings, engine)
    live = [head(recording, args.live_audio) for recording in recordings]
    tracks = []

    def hear(title: str, chosen: list[Recording], setting: _Setting, service_s: ServiceTime) -> None:
        strategy = make_strategy(setting.strategy, setting.window_s, setting.step_s)
        jobs = [Job(recording, strategy, service_s) for recording in chosen]
        with stage(title) as progress:
            play(jobs, engine, progress, attention, args.draft and setting.strategy != "disjoint")
        tracks.extend(track(job, setting.strategy, setting.window_s, setting.step_s, setting.backend) for job in jobs)

    for name, windows in curves.items():
        for window_s in windows:
            chosen = recordings if name == "disjoint" else live
            setting = _Setting(name, window_s, step_of(name, args.step), None)
            hear(f"{name} windows of {window_s:g} s", chosen, setting, no_time)
    for backend, planned in zip(backends, spans, strict=True):
        if planned.span_s is not None:
            setting = _Setting(args.strategy, planned.span_s, step_of(args.strategy, args.step), backend.name)
            hear(f"live on {backend.name}, {planned.span_s:g} s", live, setting, service_time(backend, dims, args))

    meta = _meta(args, timed_as, recogniser, dataset, recordings, live, failed)
    meta["backends"] = [planned_row(b, s, dims, args) for b, s in zip(backends, spans, strict=True)]
    meta["spans"] = _load_table(backends, dims, args)
    meta["word_times"] = word_times.meta(recogniser)
    meta["environment"] = {**environment(time.monotonic() - began), "calls_computed": engine.computed}
    stored = Run(meta, {r.id: Reference.of(r) for r in [*recordings, *live]}, tracks)
    write_raw(args.out, stored)
    return publish(stored, args.out, args.json)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What distinguishes one pass over the recordings from another; `backend` is None where nothing is timed."""

    strategy: str
    window_s: float
    step_s: float | None
    backend: str | None


def _introduce(model: str, timed_as: str, dataset: Dataset) -> None:
    print(
        f"measured: text and WER of {model} on {dataset.name} "
        f"({len(dataset)} recordings, {dataset.audio_s / 60:.1f} min)\n"
        f"simulated: service times and spans of {timed_as} on device models",
        file=sys.stderr,
    )


def head(recording: Recording, limit_s: float) -> Recording:
    """The start of a recording: the words that end within `limit_s`, and the audio up to the last of them.

    The whole recording where it is no longer, or where without word times nobody knows which words to keep.
    """
    if recording.words is None or recording.duration_s <= limit_s:
        return recording
    words = tuple(word for word in recording.words if word.end_s <= limit_s)
    if not words:
        return recording
    # Half of the silence that follows, so that the last word is not cut.
    following_s = recording.words[len(words)].start_s if len(words) < len(recording.words) else recording.duration_s
    end_s = min(limit_s, (words[-1].end_s + max(words[-1].end_s, following_s)) / 2)
    samples = round(end_s * len(recording.audio) / recording.duration_s)
    text = " ".join(word.text for word in words)
    return replace(
        recording,
        id=f"{recording.id} 0-{limit_s:g} s",
        audio=recording.audio[:samples],
        text=text,
        words=words,
    )


def _load_table(backends: Sequence[Backend], dims: Dimensions, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The planner's answer at other loads: the headline is one column of this table."""
    if step_of(args.strategy, args.step) is None:
        return []
    loads = dict.fromkeys((*PLANNED_LOADS, (args.step, args.streams)))
    return [
        {
            "streams": streams,
            "step_s": step_s,
            "backend": b.name,
            "span_s": s.span_s,
            "limited_by": s.limited_by,
        }
        for step_s, streams in sorted(loads)
        for b in backends
        for s in [plan_span(b, dims, args, streams, step_s)]
    ]


def _meta(
    args: argparse.Namespace,
    timed_as: str,
    recogniser: Recogniser,
    dataset: Dataset,
    recordings: list[Recording],
    live: list[Recording],
    failed: list[dict[str, str]],
) -> dict[str, Any]:
    described = {"name": dataset.name, "licence": dataset.licence}
    # without word times no recording is cut
    heads = f", the first {args.live_audio:g} s of each" if size_of(live) != size_of(recordings) else ""
    return {
        "benchmark": "bench",
        **what_was_run(args, timed_as, recogniser),
        "dataset": {**described, **size_of(recordings), "digest": digest_of(dataset, recordings)},
        "row_dataset": {
            **described,
            **size_of(live),
            "name": dataset.name + heads,
        },
        "settings": {
            "strategy": args.strategy,
            "streams": args.streams,
            "step_s": args.step,
            "latency_s": args.latency,
            "draft": args.draft,
            "tokens_per_s": TOKENS_PER_S,
            "live_audio_s": args.live_audio,
            "seed": args.seed,
            "regime": args.regime,
        },
        "failed": failed,
        "warnings": [*timing_doubts(args), *_doubts(recordings)],
    }


def _doubts(recordings: list[Recording]) -> list[str]:
    """What weakens the result, said by the result itself."""
    words = [len(r.text.split()) for r in recordings]
    doubts = []
    if len(recordings) < 2:
        doubts.append("one recording: there is no interval, since recordings are what is resampled")
    elif len(recordings) < 6:
        doubts.append(f"{len(recordings)} recordings: intervals from so few are too narrow")
    if sum(words) < 1000:
        doubts.append(f"{sum(words)} reference words: differences below a few percent are noise")
    if len(recordings) > 2 and max(words) > sum(words) / 2:
        doubts.append("one recording holds more than half of the words")
    return doubts
