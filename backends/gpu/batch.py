"""A batch whose calls end at different lengths: what the padding of the short ones costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import InputError
from ..timing import Timing
from ..workload.workload import Workload
from .gpu import Gpu


@dataclass(frozen=True, slots=True)
class Ragged:
    """Timing of a batch of unequal calls, and the part of its time that goes to calls that have ended.

    timing: the batch until its last call ends. waste: 1 - (time of decode steps if calls left when they end) / (time
    of decode steps of the whole batch), relative to the whole service time; 0 if all calls are equally long.
    """

    timing: Timing
    waste: float


def time_ragged(gpu: Gpu, calls: Sequence[Workload]) -> Ragged:
    """One batch of calls that differ in their decode steps only; what becomes of those that end is the runtime's.

    "kept": the batch goes on at full width until its longest call ends (openai-whisper, transformers, CUDA graphs).
    "skipped": so it does, but for the attention of calls that have ended (TensorRT-LLM without in-flight batching).
    "leave": calls leave when they end (CTranslate2, in-flight batching), and nothing is wasted.
    """
    if not calls:
        raise InputError("no calls in the batch; give at least one")
    longest = max(calls, key=lambda call: call.decode_tokens)
    if any(replace(call, decode_tokens=longest.decode_tokens) != longest or call.batch != 1 for call in calls):
        raise InputError("calls of a batch may differ in their decode steps only, and have batch 1 each")
    steps = [call.decode_tokens for call in calls]
    alive = sum(steps) / len(steps) / max(1, longest.decode_tokens) if longest.decode_tokens else 1.0
    static = gpu.time_unequal(replace(longest, batch=len(calls)), alive)
    leaving_s = _leaving_decode_s(gpu, calls)
    if gpu.runtime.ended != "leave":
        return Ragged(static, max(0.0, static.phases["decode"] - leaving_s) / static.seconds)
    phases = dict(static.phases) | {"decode": min(leaving_s, static.phases["decode"])}
    seconds = sum(phases.values())
    ceiling_s = min(static.ceiling_s, gpu.time(longest).ceiling_s)
    return Ragged(replace(static, seconds=seconds, interval_s=seconds, phases=phases, ceiling_s=ceiling_s), 0.0)


def _leaving_decode_s(gpu: Gpu, calls: Sequence[Workload]) -> float:
    """Seconds of all decode steps if the batch shrinks whenever a call ends."""
    total, done = 0.0, 0
    for length in sorted({call.decode_tokens for call in calls if call.decode_tokens}):
        alive = [call for call in calls if call.decode_tokens >= length]
        # steps done + 1 .. length at the width that is left
        both = (gpu.time(replace(alive[0], batch=len(alive), decode_tokens=steps)) for steps in (length, done))
        to_here, before = (timing.phases["decode"] for timing in both)
        total, done = total + to_here - before, length
    return total
