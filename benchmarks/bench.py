"""`earspan bench`: how much audio each backend can afford to hear at once, and what that does to the WER."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backends.gpu.runtimes import NOTE
from ..backends.registry import get_backend
from ..backends.span import TOKENS_PER_S
from ..backends.timing import Backend
from ..backends.workload.models import Dimensions, resolve_dims
from ..backends.workload.workload import PADDINGS
from ..datasets import Dataset, Recording, open_dataset
from ..datasets.recording import head
from ..speech.asr.attention import Attention
from ..speech.asr.model import Recogniser, checkpoint_dims
from ..speech.asr.transcriber import WINDOW_LIMIT_S
from ..speech.metrics.normalise import normaliser_names
from ..speech.strategies import make_strategy, step_of, strategy_names
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
    plan_span,
    planned_row,
    service_time,
    size_of,
    timed_model,
    timing_warnings,
    what_was_run,
)
from .progress import stage
from .score import publish
from .store import Reference, Run, environment, track, write_raw

HELP = "the headline: spans of several backends, and the WER that follows"
BACKENDS = "t4,l4,a100,h100,h200,groq-v1"
LIVE_WINDOWS_S = (2.0, 30.0)  # of the live curve, besides the spans of the backends
RECORDINGS, HEAD_S = 6, 32.0  # what is heard by default: some 700 calls, a few minutes on two cores
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
        default="2,5,10,30",
        metavar="S,S,...",
        help="windows of the disjoint curve",
    )
    add(
        "--live-windows",
        type=seconds_list,
        metavar="S,S,...",
        help="windows of the live curve (default: 2, 30 and every span)",
    )
    add("--recordings", type=positive_count, default=RECORDINGS, metavar="N",
        help=f"how many recordings are heard, the first of the dataset (default: {RECORDINGS})")  # fmt: skip
    add("--head", type=positive_seconds, default=HEAD_S, metavar="S",
        help=f"how much of each is heard, if word times tell where to stop (default: {HEAD_S:g})")  # fmt: skip
    add("--word-times", default="model", choices=("model", "none"),
        help="where a dataset has none: aligned by the model, or no latency (default: model)")  # fmt: skip
    add("--normaliser", default="whisper", choices=normaliser_names(), help="scoring rules (default: whisper)")
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
    dims = resolve_dims(timed_as, checkpoint_dims)
    recogniser = recogniser_of(args)
    use_all_cores()
    engine = engine_of(args, recogniser)
    spans = [plan_span(backend, dims, args, args.streams, args.step) for backend in backends]
    if not args.live_windows and args.strategy == "sliding":  # calls that are made anyway
        curves["sliding"] = sorted({*live_windows, *(s.span_s for s in spans if s.span_s is not None)})
    _introduce(args.model, timed_as, dataset)

    recordings, failed = load_recordings(list(dataset)[: args.recordings])
    attention = Attention.beside(engine)
    word_times = WordTimes()
    if args.word_times == "model":
        recordings = word_times.fill(recordings, engine)
    recordings = [head(recording, args.head) for recording in recordings]
    tracks = []

    def hear(title: str, setting: _Setting, service_s: ServiceTime) -> None:
        strategy = make_strategy(setting.strategy, setting.window_s, setting.step_s)
        jobs = [Job(recording, strategy, service_s) for recording in recordings]
        with stage(title) as progress:
            play(jobs, engine, progress, attention, args.draft and setting.strategy != "disjoint")
        tracks.extend(track(job, setting.strategy, setting.window_s, setting.step_s, setting.backend) for job in jobs)

    for name, windows in curves.items():
        for window_s in windows:
            hear(f"{name} windows of {window_s:g} s", _Setting(name, window_s, step_of(name, args.step), None), no_time)
    for backend, planned in zip(backends, spans, strict=True):
        if planned.span_s is not None:
            setting = _Setting(args.strategy, planned.span_s, step_of(args.strategy, args.step), backend.name)
            service_s = service_time(backend, dims, Dimensions.of(recogniser.dims), args)
            hear(f"live on {backend.name}, {planned.span_s:g} s", setting, service_s)

    meta = _meta(args, timed_as, recogniser, dataset, recordings, failed)
    meta["backends"] = [planned_row(b, s, dims, args) for b, s in zip(backends, spans, strict=True)]
    meta["spans"] = _load_table(backends, dims, args)
    meta["word_times"] = word_times.meta(recogniser)
    meta["environment"] = {**environment(time.monotonic() - began), "calls_computed": engine.computed}
    stored = Run(meta, {r.id: Reference.of(r) for r in recordings}, tracks)
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
        f"simulated: service times and spans of {timed_as} on device models; {NOTE}",
        file=sys.stderr,
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
    failed: list[dict[str, str]],
) -> dict[str, Any]:
    part = f"the first {args.head:g} s of {len(recordings)} of {len(dataset)} recordings of {dataset.name}"
    described = {"name": dataset.name, "part": part, "licence": dataset.licence, **size_of(recordings)}
    return {
        "benchmark": "bench",
        **what_was_run(args, timed_as, recogniser),
        "dataset": {**described, "digest": digest_of(dataset, recordings)},
        "row_dataset": {**described, "name": part},
        "settings": {
            "strategy": args.strategy,
            "streams": args.streams,
            "step_s": args.step,
            "latency_s": args.latency,
            "draft": args.draft,
            "tokens_per_s": TOKENS_PER_S,
            "head_s": args.head,
            "seed": args.seed,
            "normaliser": args.normaliser,
        },
        "failed": failed,
        "warnings": [*timing_warnings(args), *_warnings(recordings)],
    }


def _warnings(recordings: list[Recording]) -> list[str]:
    """What weakens the result, said by the result itself."""
    words = [len(r.text.split()) for r in recordings]
    warnings = []
    if len(recordings) < 2:
        warnings.append("one recording: there is no interval, since recordings are what is resampled")
    elif len(recordings) < 6:
        warnings.append(f"{len(recordings)} recordings: intervals from so few are too narrow")
    if sum(words) < 1000:
        warnings.append(f"{sum(words)} reference words: differences below a few percent are noise")
    if len(recordings) > 2 and max(words) > sum(words) / 2:
        warnings.append("one recording holds more than half of the words")
    return warnings
