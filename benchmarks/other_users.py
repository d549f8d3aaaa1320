"""The other users of a fleet, for `earspan capacity --workload`: speech synthesis, and an agent's nested calls.

Both are a decoder without an encoder, timed on the same device models; nothing is synthesised or reasoned here. What
they ask for is an assumption and printed with the answer.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..backends.hybrid.hybrid import Hybrid
from ..backends.lpu.lpu import Lpu
from ..backends.serving.arrivals import Load
from ..backends.serving.capacity import capacity
from ..backends.serving.cost import Price, bill_of
from ..backends.serving.server import MAX_BATCH, server_of
from ..backends.timing import Backend, CapacityError
from ..backends.workload.decoder_only import DecoderOnly, decoder_only
from .tables import show_table

WORKLOADS = ("captions", "synthesis", "agent")
STEPS_S = (1.0,)
# A Llama of 3 G parameters that writes audio tokens, as Orpheus TTS does: 7 tokens for each of 12 frames a second
# (canopyai/Orpheus-TTS, recalled and not re-read: an assumption, 75 to 90 a second). Text comes at the speed of speech.
VOICE, AUDIO_TOKENS_PER_S, TEXT_TOKENS_PER_S, VOICE_HISTORY = "llama-3-3b", 83, 3.3, 500
# An agent's call: 1000 tokens it has read before, 200 new ones, 200 written; each makes FANOUT more. Assumptions.
AGENT, READ, NEW, WRITTEN, FANOUT, DEPTH = "llama-3-8b", 1000, 200, 200, 3, 5


@dataclass(frozen=True, slots=True)
class Voices:
    """How many streams of synthesised speech a backend carries; streams: 0 and a reason where none.

    step_s: seconds of speech for which tokens are written at a time, ready before the last ones have been played.
    """

    backend: str
    streams: int
    step_s: float
    call_s: float | None
    usd_per_audio_h: float | None
    joules_per_audio_h: float | None
    limited_by: str


@dataclass(frozen=True, slots=True)
class Nested:
    """One task of an agent whose calls nest `depth` deep. seconds: None where the backend cannot hold one call."""

    backend: str
    depth: int
    calls: int
    seconds: float | None
    usd: float | None


def voice_call(step_s: float) -> DecoderOnly:
    """The call that makes `step_s` seconds of speech."""
    text, audio = max(1, round(TEXT_TOKENS_PER_S * step_s)), max(1, round(AUDIO_TOKENS_PER_S * step_s))
    return decoder_only(VOICE, text, audio, VOICE_HISTORY)


def voices(backend: Backend, step_s: float, prices: dict[str, Price], *, seed: int = 0) -> Voices:
    """The most streams of speech whose every step is ready in time."""
    call = voice_call(step_s)
    if isinstance(backend, Hybrid):
        return Voices(backend.name, 0, step_s, None, None, None, "a hybrid hands over an encoder's work: there is none")
    # an LPU has batches in flight together, and larger ones leave room for fewer
    most = 8 if isinstance(backend, Lpu) else MAX_BATCH
    load = Load(1, step_s, step_s, "disjoint", tokens_per_s=AUDIO_TOKENS_PER_S, scatter=False)
    try:
        found = capacity(server_of(backend, call, max_batch=most), load, seed=seed)
        call_s = backend.time(call).seconds
    except CapacityError:
        return Voices(backend.name, 0, step_s, None, None, None, "cannot hold one call")
    bill = bill_of(backend, prices, call)
    costs = bill.usd_per_audio_h(found.streams), bill.joules_per_audio_h(found.streams)
    return Voices(backend.name, found.streams, step_s, call_s, *costs, found.limited_by)


def nested(backend: Backend, depth: int, prices: dict[str, Price]) -> Nested:
    """One task: a call, then those it makes, all at once, and so on; each level waits for the one before."""
    call = decoder_only(AGENT, NEW, WRITTEN, READ)
    levels = [FANOUT**level for level in range(depth)]
    if isinstance(backend, Hybrid):
        return Nested(backend.name, depth, sum(levels), None, None)
    try:
        seconds = sum(backend.serve(call, count).seconds for count in levels)
    except CapacityError:
        return Nested(backend.name, depth, sum(levels), None, None)
    usd_per_h = bill_of(backend, prices, call).usd_per_h()
    return Nested(backend.name, depth, sum(levels), seconds, None if usd_per_h is None else usd_per_h * seconds / 3600)


def show(workload: str, backends: Sequence[Backend], prices: dict[str, Price], *, seed: int, as_json: bool) -> int:
    """Print the answers for synthesis or an agent."""
    if workload == "synthesis":
        spoken = [voices(backend, step_s, prices, seed=seed) for backend in backends for step_s in STEPS_S]
        rows = [
            [one.backend, f"{one.step_s:g} s", str(one.streams), _s(one.call_s), _number(one.usd_per_audio_h, ".4f"),
             _number(one.joules_per_audio_h, ",.0f"), one.limited_by]
            for one in spoken
        ]  # fmt: skip
        columns = ("backend", "step>", "streams>", "one call>", "USD/audio h>", "J/audio h>", "limited by")
        about = f"{VOICE} writing {AUDIO_TOKENS_PER_S} audio tokens a second, {VOICE_HISTORY} tokens of history"
        return _print(f"Speech synthesis, simulated: {about} (assumptions)", columns, rows, spoken, as_json)
    tasks = [nested(backend, depth, prices) for backend in backends for depth in range(1, DEPTH + 1)]
    rows = [[one.backend, str(one.depth), str(one.calls), _s(one.seconds), _number(one.usd, ".2e")] for one in tasks]
    columns = ("backend", "depth>", "calls>", "one task>", "USD a task>")
    about = f"{AGENT}, {READ} tokens kept, {NEW} new, {WRITTEN} written, {FANOUT} calls by each call"
    return _print(f"Nested calls of an agent, simulated: {about} (assumptions)", columns, rows, tasks, as_json)


def _print(title: str, columns: Sequence[str], rows: list[list[str]], found: Sequence[Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps({"benchmark": "capacity", "about": title, "rows": [asdict(one) for one in found]}, indent=2))
    else:
        show_table(title, columns, rows)
    return 0


def _s(seconds: float | None) -> str:
    return "cannot hold it" if seconds is None else f"{seconds:.3f} s"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
