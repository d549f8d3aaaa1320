"""`earspan evaluate`: one model, backend and strategy over datasets, with a WER that others can check."""

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backends.devices.files import FOLDER as DEVICES
from ..backends.devices.files import device_names
from ..backends.errors import InputError
from ..backends.registry import get_backend
from ..backends.workload.models import Dimensions, resolve_dims
from ..backends.workload.workload import PADDINGS
from ..datasets import Dataset, Entry, Recording, open_dataset
from ..datasets.selection import STREAM_KEYS, Stream, join_streams, sample
from ..speech.asr.attention import Attention
from ..speech.asr.model import Recogniser, checkpoint_dims
from ..speech.asr.transcriber import WINDOW_LIMIT_S
from ..speech.metrics.normalise import get_normaliser
from ..speech.strategies import make_strategy, step_of, strategy_names
from ..speech.streaming.clock import Job, ServiceTime, no_time, play
from .exports import EXPORTS, check_exports
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
    seed,
    use_all_cores,
)
from .playing import (
    WordTimes,
    plan_span,
    planned_row,
    service_time,
    timed_model,
    timing_warnings,
    what_was_run,
    window_of,
)
from .progress import stage
from .score import publish
from .store import Reference, Run, Track, environment, track, write_raw

HELP = "WER, its interval and its errors, of one model, backend and strategy over datasets"
_PORTION_S = 1800.0  # audio in memory at a time: half an hour is 115 MB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan evaluate`."""
    add = parser.add_argument
    add_model_arguments(parser)
    add("--dataset", type=comma_list, default=DEFAULT_DATASET, metavar="NAME|PATH,...",
        help=f"see earspan datasets (default: {DEFAULT_DATASET})")  # fmt: skip
    add("--backend", default="h100", metavar="NAME|none", help="what is timed; none: text only (default: h100)")
    add("--strategy", default="sliding", help=f"{', '.join(strategy_names())}, package.module:Class (default: sliding)")
    add("--window", type=positive_seconds, metavar="S", help="default: the backend's span; 30 without a backend")
    add("--step", type=positive_seconds, default=1.0, metavar="S", help="seconds between calls (default: 1)")
    add("--streams", type=positive_count, default=8, help="live recordings that share the backend (default: 8)")
    add("--latency", type=positive_seconds, metavar="S", help="latency budget a word must keep (default: none)")
    add("--padding", default="full", choices=PADDINGS, help="timed calls are padded to 30 s, or not (default: full)")
    add("--hours", type=positive_seconds, metavar="H", help="hear a sample of this many hours, drawn by seed")
    add("--stream-by", choices=STREAM_KEYS, help="join the recordings of a speaker or chapter into one stream")
    add("--gap", type=positive_seconds, default=0.5, metavar="S", help="silence between joined ones (default: 0.5)")
    add("--word-times", default="model", choices=("model", "none"),
        help="where a dataset has none: aligned by the model, or no latency (default: model)")  # fmt: skip
    add("--normaliser", default="whisper", help="scoring rules: whisper, whisper+compounds, none, FILE.toml")
    add("--seed", type=seed, default=0, help="seed of the sample and of the bootstrap (default: 0)")
    add("--export", type=comma_list, default=[], metavar="A,B", help=f"write for other tools: {', '.join(EXPORTS)}")
    add("--out", type=Path, default=Path("runs/evaluate"), metavar="FOLDER", help="default: runs/evaluate")
    add_decoding_arguments(parser)
    add("--errors", type=positive_count, default=3, metavar="N", help="recordings whose errors are shown (default: 3)")
    add("--json", action="store_true", help="print results.json instead of the table")


def run(args: argparse.Namespace) -> int:
    """Evaluate. What is given is checked before work starts. Exit code 1: some recordings could not be scored."""
    began = time.monotonic()
    check_folder(args.out)
    check_exports(args.export)
    get_normaliser(args.normaliser)
    timed_as = timed_model(args)
    dims = resolve_dims(timed_as, checkpoint_dims) if timed_as != args.model else None
    if args.window:
        check_windows([args.window], WINDOW_LIMIT_S)
    defects: list[str] = []
    datasets = [open_dataset(name, defects) for name in args.dataset]
    _check_names(datasets)
    units = _units(datasets, args)
    recogniser = recogniser_of(args)
    use_all_cores()
    engine = engine_of(args, recogniser)
    heard_by = Dimensions.of(recogniser.dims)
    backend_row, setting, service_s = _setting(args, dims or heard_by, heard_by)
    make_strategy(args.strategy, setting.window_s, setting.step_s)
    _introduce(args, timed_as, units, defects)

    attention = Attention.beside(engine)
    draft = args.draft and args.strategy != "disjoint"  # chunks that do not overlap have no text in common
    heard: dict[str, Reference] = {}
    tracks: list[Track] = []
    failed = []
    word_times = WordTimes()
    with stage(f"{args.strategy} windows of {setting.window_s:g} s") as progress:
        for done, portion in enumerate(_portions(units)):
            recordings = _loaded(portion, failed)
            if args.word_times == "model":
                recordings = word_times.fill(recordings, engine)
            strategy = make_strategy(args.strategy, setting.window_s, setting.step_s)
            jobs = [Job(recording, strategy, service_s) for recording in recordings]
            play(jobs, engine, progress if done == 0 else None, attention, draft)
            tracks += [track(job, args.strategy, setting.window_s, setting.step_s, setting.backend) for job in jobs]
            heard |= {recording.id: Reference.of(recording) for recording in recordings}
    if not heard:
        raise InputError(f"none of {len(failed)} recordings can be read; the first: {failed[0]['reason']}")

    meta = _meta(args, timed_as, recogniser, datasets, units, heard)
    meta["backends"] = [backend_row] if backend_row else []
    meta["warnings"] += _overload(backend_row)
    meta["failed"] = [{"recording": "-", "reason": defect} for defect in defects] + failed
    meta["word_times"] = word_times.meta(recogniser)
    meta["environment"] = {**environment(time.monotonic() - began), "calls_computed": engine.computed}
    stored = Run(meta, heard, tracks)
    write_raw(args.out, stored)
    return publish(stored, args.out, args.json, errors=args.errors, exports=args.export)


@dataclass(frozen=True, slots=True)
class _Setting:
    window_s: float
    step_s: float | None
    backend: str | None


def _setting(
    args: argparse.Namespace, dims: Dimensions, heard: Dimensions
) -> tuple[dict[str, Any] | None, _Setting, ServiceTime]:
    """The planner's row, the window that is used, and how long its calls take."""
    step_s = step_of(args.strategy, args.step)
    if args.backend == "none":
        return None, _Setting(args.window or WINDOW_LIMIT_S, step_s, None), no_time
    backend = get_backend(args.backend)
    planned = plan_span(backend, dims, args, args.streams, args.step)
    window_s = window_of(args, planned, "hear")
    row = {
        **planned_row(backend, planned, dims, args),
        "window_s": window_s,
        "device_sha256": _device_digests(args.backend),
    }
    return row, _Setting(window_s, step_s, backend.name), service_time(backend, dims, heard, args)


def _check_names(datasets: Sequence[Dataset]) -> None:
    """Raise `InputError` if two datasets have one name: their recordings could not be told apart."""
    names = [dataset.name for dataset in datasets]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"--dataset: two are called {twice!r}; name each once, and evaluate other forms of it apart")


def _overload(row: dict[str, Any] | None) -> list[str]:
    """A warning where the windows that are heard are longer than the backend sustains."""
    if row is None or (row["span_s"] is not None and row["window_s"] <= row["span_s"]):
        return []
    sustained = "no window" if row["span_s"] is None else f"windows of at most {row['span_s']:g} s"
    return [
        f"{row['backend']} sustains {sustained} here, limited by {row['limited_by']}; heard in windows of "
        f"{row['window_s']:g} s it may fall behind, and latency grows with the recordings"
    ]


def _device_digests(backend: str) -> dict[str, str]:
    """SHA-256 of the files of the devices that the backend's name speaks of."""
    parts = [backend] if backend.endswith(".toml") else re.split(r"[+@]", backend)
    files = [Path(part) for part in parts if part.endswith(".toml")]
    for part in parts:
        names = [name for name in device_names() if part.startswith(name)]
        files += [DEVICES / f"{max(names, key=len)}.toml"] if names else []  # l40s is no l4
    return {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _units(datasets: Sequence[Dataset], args: argparse.Namespace) -> list[Entry | Stream]:
    """What is heard, each as one recording: entries or joined streams, all or a sample."""
    units: list[Entry | Stream] = []
    for dataset in datasets:
        own = join_streams(dataset.entries, args.stream_by, args.gap) if args.stream_by else list(dataset.entries)
        # Ids are unique within a dataset only.
        units += [replace(unit, id=f"{dataset.name}:{unit.id}") for unit in own] if len(datasets) > 1 else own
    return sample(units, args.hours, args.seed) if args.hours else units


def _portions(units: Sequence[Entry | Stream]) -> Iterator[list[Entry | Stream]]:
    """Units in order, as many at a time as are to be in memory."""
    portion: list[Entry | Stream] = []
    for unit in units:
        if portion and sum(one.duration_s for one in portion) + unit.duration_s > _PORTION_S:
            yield portion
            portion = []
        portion.append(unit)
    if portion:
        yield portion


def _loaded(portion: list[Entry | Stream], failed: list[dict[str, str]]) -> list[Recording]:
    """The recordings that can be read; why the others cannot is added to `failed`."""
    recordings = []
    for unit in portion:
        try:
            recordings.append(unit.load())
        except InputError as error:
            failed.append({"recording": unit.id, "reason": str(error)})
            print(f"skipped: {error}", file=sys.stderr)
    return recordings


def _introduce(args: argparse.Namespace, timed_as: str, units: Sequence[Entry | Stream], defects: list[str]) -> None:
    hours = sum(unit.duration_s for unit in units) / 3600
    simulated = "" if args.backend == "none" else f"\nsimulated: times of {timed_as} on {args.backend}"
    print(
        f"measured: text and WER of {args.model} on {', '.join(args.dataset)} ({len(units)} recordings, "
        f"{hours:.2f} hours){simulated}",
        file=sys.stderr,
    )
    for defect in defects:
        print(f"left out: {defect}", file=sys.stderr)
    for unit in units:
        if not unit.text.strip():
            print(
                f"note: {unit.origin}: the reference of {unit.id!r} is empty: every word is an insertion",
                file=sys.stderr,
            )


def _meta(
    args: argparse.Namespace,
    timed_as: str,
    recogniser: Recogniser,
    datasets: Sequence[Dataset],
    units: Sequence[Entry | Stream],
    heard: dict[str, Reference],
) -> dict[str, Any]:
    return {
        "benchmark": "evaluate",
        **what_was_run(args, timed_as, recogniser),
        "datasets": [_dataset_meta(dataset, datasets, units, heard) for dataset in datasets],
        "streams": _joined(units, heard),
        "empty_references": [r.id for r in heard.values() if not r.text.strip()],
        "settings": {
            "strategy": args.strategy,
            "window_s": args.window,
            "streams": args.streams,
            "step_s": args.step,
            "latency_s": args.latency,
            "draft": args.draft,
            "hours": args.hours,
            "stream_by": args.stream_by,
            "gap_s": args.gap if args.stream_by else None,
            "seed": args.seed,
            "normaliser": args.normaliser,
        },
        "warnings": timing_warnings(args) if args.backend != "none" else [],
    }


def _dataset_meta(
    dataset: Dataset, datasets: Sequence[Dataset], units: Sequence[Entry | Stream], heard: dict[str, Reference]
) -> dict[str, Any]:
    prefix = f"{dataset.name}:" if len(datasets) > 1 else ""
    entries = [
        replace(entry, id=entry.id.removeprefix(prefix))
        for unit in units
        if unit.id in heard and unit.id.startswith(prefix)
        for entry in (unit.entries if isinstance(unit, Stream) else (unit,))
    ]
    audio_s = sum(entry.duration_s for entry in entries)
    return {
        "name": dataset.name,
        "licence": dataset.licence,
        "recordings": len(entries),
        "audio_s": round(audio_s, 2),
        "words": sum(len(entry.text.split()) for entry in entries),
        "of_recordings": len(dataset),
        "of_audio_s": round(dataset.audio_s, 2),
        "digest": replace(dataset, entries=tuple(entries)).digest(),
    }


def _joined(units: Sequence[Entry | Stream], heard: dict[str, Reference]) -> dict[str, list[str]]:
    """Of what each stream is made, in order."""
    streams = [unit for unit in units if isinstance(unit, Stream) and unit.id in heard]
    return {stream.id: [entry.id for entry in stream.entries] for stream in streams}
