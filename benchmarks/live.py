"""What every benchmark that plays recordings on a backend needs: recordings in, spans planned, calls timed."""

import argparse
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from ..backends.drafting import drafted
from ..backends.errors import InputError
from ..backends.lpu_trace import brief_schedule
from ..backends.models import Dimensions
from ..backends.span import TOKENS_PER_S, Span, span, window_call
from ..backends.timing import Backend
from ..backends.workload import Workload
from ..datasets import Dataset, Recording
from ..speech.hypothesis import Hypothesis
from ..speech.model import Recogniser
from ..speech.strategies import Call
from ..speech.stream import ServiceTime
from ..speech.transcriber import WINDOW_LIMIT_S


class Loadable(Protocol):
    """An entry or a stream of entries."""

    @property
    def id(self) -> str: ...
    def load(self) -> Recording: ...


def load_recordings(entries: Iterable[Loadable]) -> tuple[list[Recording], list[dict[str, str]]]:
    """The recordings that can be read, and why the others cannot. Raises `InputError` if none can."""
    recordings, failed = [], []
    for entry in entries:
        try:
            recordings.append(entry.load())
        except InputError as error:
            failed.append({"recording": entry.id, "reason": str(error)})
    if not recordings:
        many = f"none of {len(failed)} recordings can be read; the first: " if len(failed) > 1 else ""
        raise InputError(many + failed[0]["reason"])
    for failure in failed:
        print(f"skipped: {failure['reason']}", file=sys.stderr)
    return recordings, failed


def plan_span(backend: Backend, dims: Dimensions, args: argparse.Namespace, streams: int, step_s: float) -> Span:
    return span(
        backend,
        dims,
        strategy=args.strategy,
        streams=streams,
        step_s=None if args.strategy == "disjoint" else step_s,
        latency_s=args.latency,
        padding=args.padding,
        draft=getattr(args, "draft", False),  # a command may have no drafts
    )


def service_time(backend: Backend, dims: Dimensions, args: argparse.Namespace) -> ServiceTime:
    """Service time of one call of every stream, with the token counts of the call that was heard."""

    def service_s(call: Call, hypothesis: Hypothesis) -> float:
        work = Workload(
            dims,
            audio_s=WINDOW_LIMIT_S if args.padding == "full" else max(call.end_s - call.start_s, 0.02),
            padding=args.padding,
            decode_tokens=hypothesis.decode_tokens,
        )
        return backend.serve(drafted(work, hypothesis.proposals), args.streams).seconds

    return service_s


def timing_doubts(args: argparse.Namespace) -> list[str]:
    """What the service times leave out of the way in which calls were decoded."""
    if args.decoding == "greedy":
        return []
    return [f"text is decoded as {args.decoding}, times are those of greedy decoding: beams and new attempts cost more"]


def no_time(call: Call, hypothesis: Hypothesis) -> float:
    """For curves of WER alone: no backend, so no time."""
    return 0.0


def planned_row(backend: Backend, planned: Span, dims: Dimensions, args: argparse.Namespace) -> dict[str, Any]:
    """What the planner found for one backend, as a row of results.json; LPUs add the calendar of one call."""
    timing = planned.timing
    call = window_call(Workload(dims, padding=args.padding), planned.window_s, TOKENS_PER_S)
    slots = timing and brief_schedule(backend, call)
    return {
        "backend": backend.name,
        "describe": backend.describe(),
        "streams": planned.streams,
        "step_s": planned.step_s,
        "strategy": args.strategy,
        "span_s": planned.span_s,
        "limited_by": planned.limited_by,
        "sustainable": planned.sustainable,
        "service_s": timing and timing.seconds,
        "interval_s": timing and timing.interval_s,
        "ceiling_s": timing and timing.ceiling_s,
        "phases": timing and dict(timing.phases),
        "schedule": slots and list(map(list, slots)),
        "provenance": timing and timing.provenance,
        "speed_factor": planned.speed_factor,
    }


def what_was_run(args: argparse.Namespace, timed_as: str, recogniser: Recogniser) -> dict[str, str]:
    """The command, what was heard with, and what was timed: in the meta data of every run."""
    return {
        "command": "earspan " + shlex.join(sys.argv[1:]),
        "model": recogniser.name,
        "model_sha256": recogniser.sha256,
        "engine": getattr(args, "engine", "torch"),
        "decoding": getattr(args, "decoding", "greedy"),
        "timed_as": timed_as,
        "timed_padding": args.padding,
        "timed_dtype": "fp16",
    }


def size_of(recordings: list[Recording]) -> dict[str, float | int]:
    return {
        "recordings": len(recordings),
        "audio_s": round(sum(r.duration_s for r in recordings), 2),
        "words": sum(len(r.text.split()) for r in recordings),
    }


def digest_of(dataset: Dataset, recordings: list[Recording]) -> str:
    heard = {recording.id for recording in recordings}
    return replace(dataset, entries=tuple(entry for entry in dataset if entry.id in heard)).digest()
