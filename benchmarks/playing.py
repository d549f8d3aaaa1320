"""What every benchmark that plays recordings on a backend needs: recordings in, spans planned, calls timed."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Protocol

from whisper.tokenizer import Tokenizer, get_tokenizer

from ..backends.errors import InputError
from ..backends.footing import footings
from ..backends.schedules import brief_schedule
from ..backends.span import TOKENS_PER_S, Span, span, window_call
from ..backends.timing import Backend
from ..backends.workload.drafting import drafted
from ..backends.workload.models import Dimensions
from ..backends.workload.workload import Workload
from ..datasets import Dataset, Recording
from ..speech.asr.decoding.token_counts import counted_by
from ..speech.asr.hypothesis import DecoderRun, Hypothesis
from ..speech.asr.model import Recogniser
from ..speech.asr.transcriber import WINDOW_LIMIT_S, Transcriber
from ..speech.strategies import Call, step_of
from ..speech.streaming.clock import ServiceTime
from .options import DEFAULT_MODEL, STOOD_IN_FOR
from .store import command_typed


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


@dataclass(slots=True)
class WordTimes:
    """Gives times to the words of recordings that come without, and remembers for how many."""

    recordings: int = 0
    words: int = 0
    found: int = 0

    def fill(self, recordings: list[Recording], engine: Transcriber) -> list[Recording]:
        """The recordings, those without word times aligned by the engine's recogniser with full context."""
        bare = [r for r in recordings if r.words is None and r.text.strip()]
        if not bare:
            return recordings
        from ..speech.asr.word_times import with_word_times  # imports numba, which takes seconds

        timed = {one.recording.id: one for one in with_word_times(bare, engine)}
        self.recordings += sum(one.found > 0 for one in timed.values())
        self.words += sum(len(one.recording.words or ()) for one in timed.values())
        self.found += sum(one.found for one in timed.values())
        return [timed[r.id].recording if r.id in timed else r for r in recordings]

    def meta(self, recogniser: Recogniser) -> dict[str, Any] | None:
        """For the meta data of a run; None where all times are the dataset's own."""
        if not self.recordings:
            return None
        note = (
            f"The word times of {self.recordings} recordings are no truth: {recogniser.name} itself aligned them, with "
            f"{WINDOW_LIMIT_S:g} s of context; it heard {self.found} of {self.words} words, and the others were put "
            "between those."
        )
        return {"aligned_by": recogniser.name, **asdict(self), "note": note}


def timed_model(args: argparse.Namespace) -> str:
    """The Whisper whose times are simulated: `--timed-as`, else what is heard; the default stands in for large-v3."""
    return args.timed_as or (STOOD_IN_FOR if args.model == DEFAULT_MODEL else args.model)


def window_of(args: argparse.Namespace, planned: Span, anyway: str) -> float:
    """The window asked for, else the span. Raises `InputError` if there is none; `anyway`: what one may do with it."""
    window_s = args.window or planned.span_s
    if window_s is None:
        raise InputError(
            f"{args.backend} sustains no window here, limited by {planned.limited_by}; choose fewer --streams, a "
            f"longer --step, another --backend, or --window to {anyway} one all the same"
        )
    return window_s


def plan_span(backend: Backend, dims: Dimensions, args: argparse.Namespace, streams: int, step_s: float) -> Span:
    """The span for the strategy of `args`; strategies without a step are planned as disjoint chunks are."""
    own_step_s = step_of(args.strategy, step_s)
    return span(
        backend,
        dims,
        strategy="disjoint" if own_step_s is None else "sliding",
        streams=streams,
        step_s=own_step_s,
        latency_s=args.latency,
        padding=args.padding,
        draft=args.draft,
    )


def service_time(backend: Backend, dims: Dimensions, heard: Dimensions, args: argparse.Namespace) -> ServiceTime:
    """Service time of one call of every stream: of every pass of the encoder and the decoder that was made.

    dims: of the timed model. heard: of the model that heard.
    """

    @cache  # thousands of calls have few sizes
    def timed(work: Workload, encoded: bool) -> float:
        timing = backend.serve(work, args.streams)
        return timing.seconds if encoded else timing.seconds - timing.phases["mel"] - timing.phases["encode"]

    def tokenizer(multilingual: bool) -> Tokenizer:
        language, task = ("en", "transcribe") if multilingual else (None, None)
        return get_tokenizer(multilingual, language=language, task=task)

    timed_tokens, heard_tokens = tokenizer(dims.multilingual), tokenizer(heard.multilingual)

    def run_s(run: DecoderRun) -> float:
        work = Workload(
            dims,
            audio_s=WINDOW_LIMIT_S if args.padding == "full" else max(run.audio_s, 0.02),
            padding=args.padding,
            prompt_tokens=run.prompt_tokens,
            decode_tokens=min(run.decode_tokens, dims.n_text_ctx - run.prompt_tokens),
        )
        return timed(drafted(work, run.proposals), run.encoded)

    def service_s(call: Call, hypothesis: Hypothesis) -> float:
        if dims.n_vocab != heard.n_vocab:  # the timed model writes the text with tokens of its own
            hypothesis = counted_by(timed_tokens, heard_tokens, hypothesis)
        return sum(map(run_s, hypothesis.runs))

    return service_s


def timing_warnings(args: argparse.Namespace) -> list[str]:
    """What the service times leave out of the way in which calls were decoded."""
    if args.decoding not in ("beam", "cli"):
        return []
    return [f"text is decoded as {args.decoding}, times are those of one candidate a run: beams cost more"]


def planned_row(backend: Backend, planned: Span, dims: Dimensions, args: argparse.Namespace) -> dict[str, Any]:
    """What the planner found for one backend, as a row of results.json; LPUs add the schedule of one call."""
    timing = planned.timing
    call = window_call(Workload(dims, padding=args.padding), planned.window_s, TOKENS_PER_S)
    slots = timing and brief_schedule(backend, call)
    return {
        "backend": backend.name,
        "describe": backend.describe(),
        "footing": [one.line for one in footings(backend, call)] if timing else [],
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
        "command": command_typed(),
        "model": recogniser.name,
        "model_sha256": recogniser.sha256,
        "model_source": recogniser.source,
        "model_digest": recogniser.digest,
        "engine": args.engine,
        "precision": recogniser.precision,
        "decoding": args.decoding,
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
