"""A hybrid as a backend: a GPU and LPUs that share each call over a link, in one of three ways.

phase: the GPU encodes, the LPUs decode. Once per call the encoder's output crosses the link, or the keys and values
    that the decoder makes of it, whichever is done sooner.
operator: the GPU encodes, prefills and attends, the LPUs do all other work of a decode step. Activations cross four
    times per layer and token. Two halves of a batch take turns, so that one computes while the other is on its way.
draft: a decoder of two layers on the LPUs proposes tokens, the whole decoder on the GPU checks them together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import InputError, unknown
from ..gpu.gpu import Gpu
from ..lpu.lpu import Lpu
from ..timing import PHASES, CapacityError, Timing
from ..workload.whatif import RefinedWorkload
from ..workload.workload import ITEM_BYTES, Workload
from .part import Part

MODES = ("phase", "operator", "draft")
# Tokens proposed in each round, the chance that a proposed token is kept, and layers of the decoder that proposes. The
# chance is an assumption between the 70 and 80 % of tokens that Hugging Face's "Speculative Decoding for 2x Faster
# Whisper Inference" calls easy. Two layers are those of distil-large-v3, which shares its encoder with large-v3.
DRAFT_TOKENS, DRAFT_KEPT, DRAFT_LAYERS = 4, 0.75, 2


@dataclass(frozen=True, slots=True)
class Link:
    """The link between the two devices: seconds until the first byte arrives, and bytes per second."""

    latency_s: float
    bytes_per_s: float

    def seconds(self, size: float, crossings: float = 1) -> float:
        """Return the seconds for `crossings` messages of `size` bytes, one after another."""
        return crossings * (self.latency_s + size / self.bytes_per_s)


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the time of one batch goes.

    gpu_s, lpu_s, link_s: seconds on each device and on the link, as if nothing overlapped.
    seconds: service time, with what overlaps within the batch. interval_s: seconds until the next batch may start.
    phases, bound, jitter: as in `Timing`.
    ceiling_s: the speed of light of the batch; busiest_ceiling_s: that of the device with more to do.
    """

    gpu_s: float
    lpu_s: float
    link_s: float
    seconds: float
    interval_s: float
    phases: dict[str, float]
    ceiling_s: float
    busiest_ceiling_s: float
    bound: str
    jitter: float


@dataclass(frozen=True, eq=False, slots=True)
class Hybrid:
    """A GPU and LPUs that share each call over a link; mode is one of `MODES`."""

    name: str
    gpu: Gpu
    lpu: Lpu
    mode: str
    link: Link

    def time(self, workload: Workload) -> Timing:
        """Return how long one batch of calls takes; `CapacityError` if a device cannot hold its part."""
        return _timing(self.shares(workload))

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return the time for one call of every stream, in batches of the size that is done first.

        Sizes are powers of four, or all streams. While the LPUs work on one batch, the GPU works on the next.
        """
        return _serve(self, call, streams)

    def shares(self, work: Workload) -> Shares:
        """Return what each device and the link contribute to the time of one batch."""
        return _shares(self, work)

    def lpu_part(self, work: Workload) -> Part | None:
        """Return what the LPUs do of a batch once the GPU has handed it over; None where both take turns."""
        if self.mode != "phase" or not work.decode_tokens:
            return None
        return min(_hand_overs(self, work), key=lambda found: found[1].seconds)[0]

    def time_gpu_stage(self, work: Workload) -> Timing:
        """Return the time of the GPU's part of a batch in a phase split, handed over as is best for one call."""
        gpu_parts, _ = _WAYS[_best_way(self, replace(work, batch=1))]
        return self.gpu.time(replace(Part.of(work, *gpu_parts), decode_tokens=0))

    def time_lpu_stage(self, work: Workload) -> Timing:
        """Return the time of what is left for link and LPUs; its `interval_s` is that of the slower of the two."""
        way = _best_way(self, replace(work, batch=1))
        here, link_s = self.lpu.time(Part.of(work, *_WAYS[way][1])), self.link.seconds(_handed_bytes(work, way))
        phases = dict(here.phases) | {"transfer": here.phases["transfer"] + link_s}
        seconds, interval_s = here.seconds + link_s, max(here.interval_s, link_s)
        return replace(here, seconds=seconds, interval_s=interval_s, phases=phases)

    def describe(self) -> str:
        """Return one line: both devices, how they share a call, the link."""
        link = f"{self.link.latency_s * 1e6:g} us and {self.link.bytes_per_s / 1e9:g} GB/s a crossing"
        return f"{self.gpu.device.title} and {self.lpu.device.title}, {self.mode} split, {link}; an estimate"


@lru_cache(maxsize=65536)
def _shares(hybrid: Hybrid, work: Workload) -> Shares:
    return _MODES[hybrid.mode](hybrid, work)


def _phase_split(hybrid: Hybrid, work: Workload) -> Shares:
    if not work.decode_tokens:
        # a long prompt may be worth handing over even if no token is decoded
        there = _finish(hybrid.gpu.time(Part.of(work, "encode", "prefill")), None, 0.0)
        _, handed = _hand_over(hybrid, work, 0)
        handed = replace(handed, phases=handed.phases | {"decode": 0.0})
        return min(there, handed, key=lambda shares: shares.seconds)
    return min((shares for _, shares in _hand_overs(hybrid, work)), key=lambda shares: shares.seconds)


# what the GPU does and what the LPUs do, where a batch is handed over once: the encoder's output, or the caches
_WAYS = ((("encode",), ("prefill", "attend", "project")), (("encode", "prefill"), ("attend", "project")))


def _handed_bytes(work: Workload, way: int) -> int:
    if way == 0:
        return work.batch * work.positions * work.dims.n_audio_state * ITEM_BYTES[work.dtype]
    return work.batch * replace(work, decode_tokens=0).kv_bytes


def _hand_overs(hybrid: Hybrid, work: Workload) -> list[tuple[Part, Shares]]:
    """Return for each way to hand a batch over once: what is left for the LPUs, and what the batch takes."""
    return [_hand_over(hybrid, work, way) for way in range(len(_WAYS))]


def _hand_over(hybrid: Hybrid, work: Workload, way: int) -> tuple[Part, Shares]:
    gpu_parts, lpu_parts = _WAYS[way]
    there = hybrid.gpu.time(replace(Part.of(work, *gpu_parts), decode_tokens=0))
    part, link_s = Part.of(work, *lpu_parts), hybrid.link.seconds(_handed_bytes(work, way))
    return part, _finish(there, hybrid.lpu.time(part), link_s)


def _best_way(hybrid: Hybrid, call: Workload) -> int:
    found = [shares.seconds for _, shares in _hand_overs(hybrid, call)]
    return found.index(min(found))


def _operator_split(hybrid: Hybrid, work: Workload) -> Shares:
    before = hybrid.gpu.time(replace(Part.of(work, "encode", "prefill"), decode_tokens=0))
    if not work.decode_tokens:
        return _finish(before, None, 0.0)

    def step(batch: int) -> tuple[float, Timing, float, float]:
        part = replace(work, batch=batch)
        # the GPU's caches hold the whole batch; its weights are those of the encoder and prefill
        attend_s = hybrid.gpu.time(Part.of(part, "attend")).phases["decode"]
        projected = hybrid.lpu.time(Part.of(part, "project"))
        rows = batch * part.pass_tokens * part.dims.n_text_state * ITEM_BYTES[part.dtype]
        crossings = part.decode_tokens * part.dims.n_text_layer
        # queries, keys and values of the token there and the result back, then a query there and the result back
        link_s = hybrid.link.seconds(3 * rows, crossings) + hybrid.link.seconds(rows, 3 * crossings)
        return attend_s, projected, link_s, attend_s + projected.seconds + link_s

    attend_s, projected, link_s, decode_s = step(work.batch)
    if work.batch > 1:
        half_attend_s, half_projected, half_link_s, half_s = step(-(-work.batch // 2))
        turns_s = max(half_s, 2 * max(half_attend_s, half_projected.seconds, half_link_s))
        decode_s = min(decode_s, turns_s)
    return _finish(before, projected, link_s, attend_s, decode_s)


def _draft_split(hybrid: Hybrid, work: Workload) -> Shares:
    before = hybrid.gpu.time(replace(Part.of(work, "encode", "prefill"), decode_tokens=0))
    if not work.decode_tokens:
        return _finish(before, None, 0.0)
    if work.pass_tokens > 1 or isinstance(work, RefinedWorkload):
        raise InputError(f"{hybrid.name}: the split drafts by itself; leave out --draft, or type another split")
    # a round yields the proposals up to the first that is wrong, and the checker's own token
    per_round = (1 - DRAFT_KEPT ** (DRAFT_TOKENS + 1)) / (1 - DRAFT_KEPT)
    rounds = work.decode_tokens / per_round
    small = replace(work, dims=replace(work.dims, n_text_layer=DRAFT_LAYERS))
    drafting = hybrid.lpu.time(Part.of(small, "prefill", "attend", "project"))
    each_s = drafting.phases["decode"] / work.decode_tokens
    checked = replace(Part.of(work, "verify"), prompt_tokens=DRAFT_TOKENS + 1, decode_tokens=0)
    check_s = rounds * hybrid.gpu.time(checked).phases["prefill"]
    draft_s = rounds * DRAFT_TOKENS * each_s
    states = work.batch * work.positions * work.dims.n_audio_state * ITEM_BYTES[work.dtype]
    link_s = hybrid.link.seconds(states) + hybrid.link.seconds(8 * DRAFT_TOKENS * work.batch, 2 * rounds)
    once_s = drafting.seconds - drafting.phases["decode"]
    return _finish(before, replace(drafting, seconds=once_s + draft_s, interval_s=once_s + draft_s), link_s, check_s)


_MODES: dict[str, Callable[[Hybrid, Workload], Shares]] = {
    "phase": _phase_split,
    "operator": _operator_split,
    "draft": _draft_split,
}


def _finish(
    there: Timing,
    here: Timing | None,
    link_s: float,
    also_s: float = 0.0,
    decode_s: float | None = None,
) -> Shares:
    """Return the shares of one batch from its parts.

    there: the time on the GPU before decoding. here: that on the LPUs; None if they do nothing.
    link_s: seconds on the link. also_s: further seconds on the GPU while decoding.
    decode_s: seconds from there to the end, where parts of it overlap; None for their sum.
    """
    gpu_s, lpu_s = there.seconds + also_s, here.seconds if here else 0.0
    if decode_s is None:
        decode_s = also_s + lpu_s + link_s
    seconds = there.seconds + decode_s
    # the GPU takes up the next batch while the LPUs are at this one, unless both are needed all the time
    interval_s = seconds if also_s else max(gpu_s, link_s, here.interval_s if here else 0.0)
    phases = {phase: there.phases[phase] for phase in PHASES}
    moved_s = min(link_s, decode_s)
    phases["transfer"] += moved_s
    mine = here.phases if here and not also_s else {}
    for phase in ("prefill", "transfer"):
        phases[phase] += mine.get(phase, 0.0)
    phases["decode"] = seconds - sum(phases[phase] for phase in PHASES if phase != "decode")
    ceilings_s = (there.ceiling_s, here.ceiling_s if here else 0.0)
    ceiling_s = max(ceilings_s) if also_s else sum(ceilings_s)
    largest = max(gpu_s, lpu_s, link_s)
    bound = "link" if largest == link_s else here.bound if here and largest == lpu_s else there.bound
    jitter = (there.jitter * gpu_s + (here.jitter * lpu_s if here else 0.0)) / seconds
    interval_s = min(seconds, interval_s)
    return Shares(gpu_s, lpu_s, link_s, seconds, interval_s, phases, ceiling_s, max(ceilings_s), bound, jitter)


def _timing(shares: Shares) -> Timing:
    rest = shares.phases, shares.ceiling_s, shares.bound, "estimate", shares.jitter
    return Timing(shares.seconds, shares.interval_s, *rest)


def _serve(hybrid: Hybrid, call: Workload, streams: int) -> Timing:
    sizes = sorted({4**power for power in range(streams.bit_length()) if 4**power < streams} | {streams})
    best: tuple[float, Shares, int] | None = None
    for size in sizes:
        try:
            shares = hybrid.shares(replace(call, batch=size))
        except CapacityError:
            if size == 1:
                raise
            break
        batches = -(-streams // size)
        seconds = shares.seconds + (batches - 1) * shares.interval_s
        if best is None or seconds < best[0]:  # a larger size may be better again: it may divide the streams evenly
            best = seconds, shares, size
    if best is None:
        raise InputError(f"{hybrid.name}: {streams} streams given; expected at least 1")
    seconds, shares, size = best
    one = _timing(shares)
    phases = {phase: part * seconds / one.seconds for phase, part in one.phases.items()}
    ceiling_s = max(one.ceiling_s, shares.busiest_ceiling_s * streams / size)
    return replace(one, seconds=seconds, interval_s=seconds, phases=phases, ceiling_s=ceiling_s)


def hybrid_backend(name: str, gpu: object, lpu: object, mode: str = "phase", link: Link | None = None) -> Hybrid:
    """Return a `Hybrid`; `InputError` unless given a GPU and an LPU.

    mode: one of `MODES`. link: by default the one in the device file of the LPU.
    """
    if not (isinstance(gpu, Gpu) and isinstance(lpu, Lpu)):
        raise InputError(f"backend {name!r}: expected a GPU and an LPU; type h100+groq-v1x16")
    if mode not in MODES:
        raise unknown("split", mode, MODES)
    if link is None:
        figures = ("partner_latency", "partner_bandwidth")
        if missing := [key for key in figures if key not in lpu.device.figures]:
            raise InputError(f"{lpu.device.name} has no {missing[0]}; add it to its device file")
        link = Link(lpu.device["partner_latency"], lpu.device["partner_bandwidth"])
    return Hybrid(name, gpu, lpu, mode, link)
