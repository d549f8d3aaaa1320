"""The other users of a fleet, for `earspan capacity --workload`: speech synthesis, and an agent's nested calls.

Both are a decoder without an encoder, timed on the same device models; nothing is synthesised or reasoned here. What
they ask for is an assumption and printed with the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...backends.hybrid.hybrid import Hybrid
from ...backends.lpu.lpu import Lpu
from ...backends.serving.arrivals import Traffic
from ...backends.serving.capacity import capacity
from ...backends.serving.cost import Price, bill_of
from ...backends.serving.server import MAX_BATCH, server_of
from ...backends.timing import Backend, CapacityError
from ...backends.workload.decoder_only import DecoderOnly, decoder_only

STEP_S = 1.0
# A Llama of 3 G parameters that writes audio tokens, as Orpheus TTS does: 7 tokens for each of 12 frames a second
# (canopyai/Orpheus-TTS, recalled and not re-read: an assumption, 75 to 90 a second). Text comes at the speed of speech.
VOICE, AUDIO_TOKENS_PER_S, TEXT_TOKENS_PER_S, VOICE_HISTORY = "llama-3-3b", 83, 3.3, 500
# An agent's call: 1000 tokens it has read before, 200 new ones, 200 written; each makes FANOUT more. Assumptions.
AGENT, READ, NEW, WRITTEN, FANOUT, DEPTH = "llama-3-8b", 1000, 200, 200, 3, 5
ABOUT_VOICES = (
    f"Speech synthesis, simulated: {VOICE} writing {AUDIO_TOKENS_PER_S} audio tokens a second, {VOICE_HISTORY} tokens "
    "of history (assumptions)"
)
ABOUT_TASKS = (
    f"Nested calls of an agent, simulated: {AGENT}, {READ} tokens kept, {NEW} new, {WRITTEN} written, {FANOUT} calls "
    "by each call (assumptions)"
)


@dataclass(frozen=True, slots=True)
class Voices:
    """How many streams of synthesised speech a backend carries; streams: 0 and a reason where none.

    step_s: seconds of speech for which tokens are written at a time, ready before the last ones have been played.
    call_s: for one such call alone.
    """

    backend: str
    streams: int
    step_s: float
    limited_by: str
    call_s: float | None = None
    usd_per_audio_h: float | None = None
    joules_per_audio_h: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task of an agent whose calls nest `depth` deep. seconds: None where the backend cannot hold one call."""

    backend: str
    depth: int
    calls: int
    seconds: float | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class OtherUse:
    """What the backends do for another user, and what that user is taken to ask for."""

    about: str
    rows: Sequence[Voices] | Sequence[Task]
    benchmark: str = "capacity"


def study_synthesis(backends: Sequence[Backend], prices: Mapping[str, Price], *, seed: int = 0) -> OtherUse:
    """Return how many streams of synthesised speech each backend carries."""
    return OtherUse(ABOUT_VOICES, [count_voices(backend, STEP_S, prices, seed=seed) for backend in backends])


def study_agent(backends: Sequence[Backend], prices: Mapping[str, Price]) -> OtherUse:
    """Return how long a task takes on each backend, by how deep its calls nest."""
    depths = range(1, DEPTH + 1)
    return OtherUse(ABOUT_TASKS, [time_task(backend, depth, prices) for backend in backends for depth in depths])


def make_voice_call(step_s: float) -> DecoderOnly:
    """Return the call that makes `step_s` seconds of speech."""
    text, audio = max(1, round(TEXT_TOKENS_PER_S * step_s)), max(1, round(AUDIO_TOKENS_PER_S * step_s))
    return decoder_only(VOICE, text, audio, VOICE_HISTORY)


def count_voices(backend: Backend, step_s: float, prices: Mapping[str, Price], *, seed: int = 0) -> Voices:
    """Return the most streams of speech whose every step is ready in time."""
    call = make_voice_call(step_s)
    if isinstance(backend, Hybrid):
        return Voices(backend.name, 0, step_s, "a hybrid hands over an encoder's work: there is none")
    # an LPU has batches in flight together, and larger ones leave room for fewer
    most = 8 if isinstance(backend, Lpu) else MAX_BATCH
    load = Traffic(1, step_s, step_s, "disjoint", tokens_per_s=AUDIO_TOKENS_PER_S, scatter=False, continuing=False)
    try:
        found = capacity(server_of(backend, call, max_batch=most), load, seed=seed)
        call_s = backend.time(call).seconds
    except CapacityError:
        return Voices(backend.name, 0, step_s, "cannot hold one call")
    bill = bill_of(backend, prices, call)
    costs = bill.usd_per_audio_h(found.streams), bill.joules_per_audio_h(found.streams)
    return Voices(backend.name, found.streams, step_s, found.limited_by, call_s, *costs)


def time_task(backend: Backend, depth: int, prices: Mapping[str, Price]) -> Task:
    """Return one task: a call, then those it makes, all at once, and so on; each level waits for the one before."""
    call = decoder_only(AGENT, NEW, WRITTEN, READ)
    levels = [FANOUT**level for level in range(depth)]
    if isinstance(backend, Hybrid):
        return Task(backend.name, depth, sum(levels))
    try:
        seconds = sum(backend.serve(call, count).seconds for count in levels)
    except CapacityError:
        return Task(backend.name, depth, sum(levels))
    usd_per_h = bill_of(backend, prices, call).usd_per_h()
    return Task(backend.name, depth, sum(levels), seconds, None if usd_per_h is None else usd_per_h * seconds / 3600)
