"""An LPU as a backend: weights stay in the SRAM of its chips and every cycle is planned ahead.

A call's time is the length of its schedule (`plan.py`, `schedule.py`) plus the way from and to the host, and only the
host's part of it scatters. Groups of chips share every matmul, and the layers are dealt out to the groups. How many
chips make a group, and whether all groups share the rows of the encoder, is chosen so that the streams are done first.
Calls in flight take turns on the groups.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from ..devices.device import Device
from ..errors import InputError
from ..host import add_host
from ..timing import CapacityError, Tally, Timing
from ..workload.workload import HOP, SAMPLE_RATE, Workload
from .chip import Chip
from .passes import Pass, alone_cycles, finish_cycles, interval_cycles
from .plan import Plan, ceiling, make_plan

WEIGHTS = ("int8", "fp8", "fp16")
PACKINGS = ("tight", "groqflow")
_MOST_CHIPS = 1024
# up to 264 chips, every node is linked to every other (TSM22); a rack of Groq 3 LPX has 256 chips
_THREE_HOPS = 256


@dataclass(frozen=True, eq=False, slots=True)
class Lpu:
    """Linked LPU chips that hold the model together.

    name: what to type for them. device: the figures of a chip.
    chips: how many; None for the least number that holds one call of the workload.
    weights: how weights are stored in SRAM; int8 ones are made fp16 on their way to the planes, fp8 ones are multiplied
        as they are, where the device does that. All other arithmetic is fp16.
    group: chips that share a matmul, at most; None for the best.
    packing: "tight" fills the usable SRAM, "groqflow" puts as much weight on a chip as compiled models have been
        published with.
    """

    name: str
    device: Device
    chips: int | None = None
    weights: str = "int8"
    group: int | None = None
    packing: str = "tight"

    @property
    def chip(self) -> Chip:
        """Units and latencies of one chip."""
        return _chip(self)

    def time(self, workload: Workload) -> Timing:
        """Return how long one batch of calls takes; its `interval_s` is the average over a long row of batches.

        Raises `CapacityError`, with the number of chips needed, if weights and caches exceed the SRAM.
        """
        work = self.adapt(workload)
        return _add_host(_timing(self, _best(self, work), work), work)

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return the time for one call of every stream, with batches and groups of the size that is done first.

        Sizes of a batch are powers of two, or all streams; batches are in flight together, as far as the SRAM holds
        their caches.
        """
        return _serve(self, self.adapt(call), streams)

    def plan(self, work: Workload) -> Plan:
        """Return the plan with which `time` serves the batch."""
        return _best(self, self.adapt(work))

    def adapt(self, work: Workload) -> Workload:
        """Return the workload as it is compiled: with weights as stored here, and audio rounded up to whole seconds.

        Every length of audio that is not padded to 30 s needs a program of its own, so there is one for each second.
        Raises `InputError` for fp32, which the chips do not multiply.
        """
        if work.dtype != "fp16":
            raise InputError(f"{self.name} computes in fp16; {work.dtype} given")
        audio_s = work.audio_s
        if work.padding == "fit":
            longest_s = work.dims.n_audio_ctx * 2 * HOP / SAMPLE_RATE
            audio_s = min(longest_s, math.ceil(round(audio_s, 6)))
        booked = getattr(work, "for_schedule", None)
        stored = {"weight_dtype": self.weights, "decoder_weights": ""}
        return replace(booked() if booked else work, audio_s=audio_s, **stored)

    def chips_needed(self, work: Workload) -> int:
        """Return the least number of chips whose SRAM holds weights, and caches and activations of the batch."""
        return _chips_needed(self, self.adapt(work))

    def chips_for(self, work: Workload) -> int:
        """Return the number of chips in use."""
        return self.chips or self.chips_needed(replace(work, batch=1))

    def describe(self) -> str:
        """Return one line: device, chips, how weights are stored, what the figures rest on."""
        chips = f"{self.chips} chips" if self.chips else "as many chips as the model needs"
        arithmetic = {"fp8": "fp8 products with weights, else fp16", "int8": "fp16 arithmetic after conversion"}
        packed = ", packed as GroqFlow does" if self.packing == "groqflow" else ""
        how = f"{self.weights} weights{packed}, {arithmetic.get(self.weights, 'fp16 arithmetic')}"
        return f"{self.device.title}, {chips}, {how}; static schedule, an estimate"

    @property
    def weights_limit(self) -> float:
        """The most bytes of weights that one chip holds."""
        return self.device["sram_packed" if self.packing == "groqflow" else "sram_usable"]

    def groups(self, chips: int) -> list[int]:
        """Return the sizes of a group that are tried.

        They are all chips of a node, which makes calls short; half of them and pairs, which keep many calls in flight;
        and, where links lead out of a node, all chips within three hops.
        """
        if self.group:
            return [self.group]
        node = round(self.device["chips_per_node"])
        largest = min(chips, node)
        most = min(chips, _THREE_HOPS)
        wide = {most} if chips > node and "global_bandwidth" in self.device.figures else set()
        return sorted({largest, -(-largest // 2), min(2, largest), *wide}, reverse=True)


@lru_cache(maxsize=256)
def _chip(lpu: Lpu) -> Chip:
    return Chip.with_weights(lpu.device, lpu.weights)


def _template(work: Workload) -> Workload:
    """Return the part of the workload on which a plan depends: whether there are decode steps, not how many."""
    return replace(work, decode_tokens=min(1, work.decode_tokens))


def _try_plans(lpu: Lpu, chips: int, group: int, work: Workload) -> Iterator[Plan]:
    """Yield the plans on groups of at most `group` chips that fit: with layers whole if possible, else cut."""
    group, work = min(group, chips), _template(work)
    room = chips * lpu.device["sram_usable"] - work.weights_bytes - work.batch * work.kv_bytes
    if room < 0:
        return

    def plan(**how: bool) -> Plan | None:
        found = make_plan(lpu.chip, lpu.device["sram_usable"], chips, group, work, **how)
        fits = all(stage.weight_bytes <= stage.chips * lpu.weights_limit for stage in found.stages)
        return found if fits and found.calls_in_flight(work.kv_bytes) else None

    whole = plan() or plan(cut=True)
    if whole:
        yield whole
    reach = chips <= lpu.chip.node or lpu.chip.wide
    copies = (math.ceil(chips / group) - 1) * _encoder_bytes(work)
    if chips > group and reach and 0 < copies <= room and (spread := plan(spread=True) or plan(spread=True, cut=True)):
        yield spread


@lru_cache(maxsize=4096)
def _encoder_bytes(work: Workload) -> float:
    return sum(op.count * op.weight_bytes for op in work.ops() if op.phase == "encode")


@lru_cache(maxsize=65536)
def _plans(lpu: Lpu, work: Workload) -> tuple[tuple[Plan, tuple[Pass, ...], int], ...]:
    """Return every plan that fits, with its passes and the number of batches in flight."""
    chips = lpu.chips_for(work)
    # groups of unlike size wait for the smallest: better to leave the chips idle that are one too many
    shapes = dict.fromkeys((used, group) for group in lpu.groups(chips) for used in (chips, chips // group * group))
    tried = (plan for used, group in shapes if used for plan in _try_plans(lpu, used, group, work))
    held = ((plan, _in_flight(plan, work)) for plan in tried)
    return tuple((plan, plan.passes(work), in_flight) for plan, in_flight in held if in_flight)


def _best(lpu: Lpu, work: Workload) -> Plan:
    """Return the plan that is done first; `CapacityError` if none fits."""
    if not (plans := _plans(lpu, work)):
        chips = lpu.chips_for(work)
        held = f"{chips} chips hold {chips * lpu.weights_limit / 1e6:.0f} MB"
        need = f"this takes {lpu.chips_needed(work)} chips"
        raise CapacityError(f"{lpu.name}: {held} of {lpu.weights} weights and caches; {need}")
    return min(plans, key=lambda found: alone_cycles(found[1]))[0]


@lru_cache(maxsize=4096)
def _chips_needed(lpu: Lpu, work: Workload) -> int:
    usable = (work.weights_bytes + work.batch * work.kv_bytes) // lpu.device["sram_usable"]
    least = max(1, int(usable), int(work.weights_bytes // lpu.weights_limit))
    node = round(lpu.device["chips_per_node"])

    def fits(chips: int) -> bool:
        plans = (plan for group in lpu.groups(chips) for plan in _try_plans(lpu, chips, group, work))
        return any(plan.calls_in_flight(work.kv_bytes) for plan in plans)

    # whole nodes first, then chip by chip
    nodes = -(-least // node)
    enough = next((chips for chips in range(nodes * node, _MOST_CHIPS, node) if fits(chips)), None)
    if enough is None:
        raise CapacityError(f"{lpu.name}: more than {_MOST_CHIPS} chips are needed; type a smaller batch or model")
    return next(chips for chips in range(max(least, enough - node + 1), enough + 1) if fits(chips))


def _in_flight(plan: Plan, work: Workload) -> int:
    return min(len(plan.stages), plan.calls_in_flight(work.kv_bytes))


def _timing(lpu: Lpu, plan: Plan, work: Workload) -> Timing:
    """Return the time of one batch on a plan, with transfers from and to the host but without the host's own work."""
    tally, clock = Tally(), plan.chip.clock_hz
    passes = plan.passes(work)
    for run in passes:
        for leg in run.legs:
            for phase, block, repeats in leg.parts:
                for bound, cycles in block.bounds:
                    tally.add(phase, bound, run.times * repeats * cycles / clock)
            tally.add("transfer", "link", run.times * leg.hop / clock)
    wire_s = _wire_s(lpu, work)
    tally.add("transfer", "link", wire_s + 2 * lpu.device["host_latency"])
    # transfers may overlap with computing, so the ceiling is the larger of the two; so is the interval
    tally.ceiling_s = max(wire_s, ceiling(plan, work))
    interval_s = interval_cycles(passes, _in_flight(plan, work)) / clock
    return tally.timing("estimate", min(tally.seconds, max(wire_s, interval_s)))


def _add_host(timing: Timing, work: Workload) -> Timing:
    """Return the timing with the host's work, which a hybrid counts at the device that takes in the audio."""
    return add_host(timing) if work.samples else timing


def _wire_s(lpu: Lpu, work: Workload) -> float:
    """Return the seconds in which audio in fp32 comes from the host and tokens in int64 go back."""
    return work.batch * (work.samples * 4 + (work.decode_tokens + 1) * 8) / lpu.device["host_bandwidth"]


def _serve(lpu: Lpu, call: Workload, streams: int) -> Timing:
    sizes = sorted({2**power for power in range(streams.bit_length())} | {streams})
    best: tuple[float, Plan, Workload] | None = None
    for size in sizes:
        work, batches = replace(call, batch=size), -(-streams // size)
        if not (plans := _plans(lpu, work)):
            break
        wire_s = _wire_s(lpu, work)
        for plan, passes, in_flight in plans:
            cycles = finish_cycles(passes, batches, in_flight)
            seconds = max(batches * wire_s, cycles / plan.chip.clock_hz + wire_s) + 2 * lpu.device["host_latency"]
            if best is None or seconds < best[0]:
                best = seconds, plan, work
    if best is None:
        return lpu.time(call)  # which says that not one call fits
    seconds, plan, work = best
    one, batches = _timing(lpu, plan, work), -(-streams // work.batch)
    phases = {phase: part * seconds / one.seconds for phase, part in one.phases.items()}
    # with less than one batch in flight per stage, it is the SRAM that keeps the pipeline from being full
    starved = batches > _in_flight(plan, work) and _in_flight(plan, work) < len(plan.stages)
    bound, ceiling_s = "capacity" if starved else one.bound, one.ceiling_s * streams / work.batch
    served = replace(one, seconds=seconds, interval_s=seconds, phases=phases, bound=bound, ceiling_s=ceiling_s)
    return _add_host(served, work)


def lpu_backend(name: str, device: Device, chips: int | None = None, weights: str = "", packing: str = "tight") -> Lpu:
    """Return an `Lpu`; `InputError` if the number of chips, the weight format or the packing is not possible.

    weights: by default fp8 where the device multiplies it, else int8.
    """
    narrow = "matrix_units_fp8" in device.figures
    if chips is not None and chips < 1:
        raise InputError(f"{name}: {chips} chips given; expected at least 1")
    known = [format for format in WEIGHTS if narrow or format != "fp8"]
    if weights and weights not in known:
        raise InputError(f"{name}: {weights!r} weights given; expected {' or '.join(known)}")
    if packing not in PACKINGS or (packing == "groqflow" and "sram_packed" not in device.figures):
        raise InputError(f"{name}: packing {packing!r} is not known of {device.name}; leave it out")
    return Lpu(name, device, chips, weights or ("fp8" if narrow else "int8"), packing=packing)
