"""An LPU: weights stay in the chips' SRAM and every cycle is planned, so service times have no jitter.

A call's time is the length of its calendar (`lpu_plan`, `lpu_schedule`), plus the way from and to the host. Groups
of chips share every matmul and the layers go over the groups; how many chips make a group is the choice that
serves the streams first. Calls in flight take turns on the groups.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from .device import Device
from .errors import InputError
from .lpu_chip import Chip
from .lpu_plan import Pass, Plan, alone_cycles, ceiling, finish_cycles, interval_cycles, make_plan
from .timing import CapacityError, Tally, Timing
from .workload import HOP, SAMPLE_RATE, Workload

WEIGHTS = ("int8", "fp16")
_MOST_CHIPS = 512


@dataclass(frozen=True, eq=False, slots=True)
class Lpu:
    """`chips` linked LPU chips, or with `chips` None the least number that holds one call of the workload.

    weights: how weights are stored in SRAM; arithmetic is fp16 either way. group: chips that share a matmul, at
    most; None for the best.
    """

    name: str
    device: Device
    chips: int | None = None
    weights: str = "int8"
    group: int | None = None

    @property
    def chip(self) -> Chip:
        """Units and latencies."""
        return _chip(self)

    def time(self, workload: Workload) -> Timing:
        """One batch of calls; `interval_s` is when the next may follow, on average over a long row of them.

        Raises `CapacityError`, with the number of chips needed, if weights and caches exceed the SRAM.
        """
        return _time(self, self.stored(workload))

    def serve(self, call: Workload, streams: int) -> Timing:
        """All streams, in batches of the size (a power of two, or all) and on groups with which they are done first.

        The batches are in flight together, as far as the SRAM holds their caches.
        """
        return _serve(self, self.stored(call), streams)

    def plan(self, work: Workload) -> Plan:
        """Placement and passes with which `time` serves the batch."""
        return _best(self, self.stored(work))

    def stored(self, work: Workload) -> Workload:
        """The workload as compiled: weights as stored here, and audio that is not padded to 30 s in whole seconds.

        Every length is a program of its own, so there is not one for each. `InputError` for fp32, which the chips
        do not multiply.
        """
        if work.dtype != "fp16":
            raise InputError(f"{self.name} computes in fp16; {work.dtype} given")
        audio_s = work.audio_s
        if work.padding == "fit":
            longest_s = work.dims.n_audio_ctx * 2 * HOP / SAMPLE_RATE
            audio_s = min(longest_s, math.ceil(round(audio_s, 6)))
        return replace(work, weight_dtype=self.weights, audio_s=audio_s)

    def chips_needed(self, work: Workload) -> int:
        """Least number of chips whose SRAM holds weights, and caches and activations of the batch."""
        return _chips_needed(self, self.stored(work))

    def chips_for(self, work: Workload) -> int:
        """The number of chips in use."""
        return self.chips or self.chips_needed(replace(work, batch=1))

    def describe(self) -> str:
        """One line: device, chips, how weights are stored, what the figures rest on."""
        chips = f"{self.chips} chips" if self.chips else "as many chips as the model needs"
        return f"{self.device.title}, {chips}, {self.weights} weights, fp16 arithmetic; static schedule, an estimate"

    def groups(self, chips: int) -> list[int]:
        """Sizes of a group that are tried: all chips of a node, for short calls; half and pairs, for many in flight."""
        largest = min(chips, round(self.device["chips_per_node"]))
        return [self.group] if self.group else sorted({largest, -(-largest // 2), min(2, largest)}, reverse=True)


@lru_cache(maxsize=256)
def _chip(lpu: Lpu) -> Chip:
    return Chip.of(lpu.device)


def _template(work: Workload) -> Workload:
    """What a plan depends on: the number of decode steps only matters in being none."""
    return replace(work, decode_tokens=min(1, work.decode_tokens))


def _plan(lpu: Lpu, chips: int, group: int, work: Workload) -> Plan:
    return make_plan(lpu.chip, lpu.device["sram_usable"], chips, min(group, chips), _template(work))


@lru_cache(maxsize=65536)
def _plans(lpu: Lpu, work: Workload) -> tuple[tuple[Plan, tuple[Pass, ...], int], ...]:
    """Every way to place the batch that fits, with its passes and how many batches are in flight."""
    chips = lpu.chips_for(work)
    # groups of unlike size wait for the smallest: better to leave the chips idle that are one too many
    shapes = dict.fromkeys((used, group) for group in lpu.groups(chips) for used in (chips, chips // group * group))
    tried = (_plan(lpu, used, group, work) for used, group in shapes if used)
    held = ((plan, min(len(plan.stages), plan.calls_in_flight(work.kv_bytes))) for plan in tried)
    return tuple((plan, plan.passes(work), in_flight) for plan, in_flight in held if in_flight)


def _best(lpu: Lpu, work: Workload) -> Plan:
    """The placement that is done first; `CapacityError` if none fits."""
    if not (plans := _plans(lpu, work)):
        chips = lpu.chips_for(work)
        held = f"{chips} chips hold {chips * lpu.device['sram_usable'] / 1e6:.0f} MB"
        need = f"this takes {lpu.chips_needed(work)} chips"
        raise CapacityError(f"{lpu.name}: {held} of {lpu.weights} weights and caches; {need}")
    return min(plans, key=lambda found: alone_cycles(found[1]))[0]


@lru_cache(maxsize=4096)
def _chips_needed(lpu: Lpu, work: Workload) -> int:
    least = max(1, int((work.weights_bytes + work.batch * work.kv_bytes) // lpu.device["sram_usable"]))
    node = round(lpu.device["chips_per_node"])

    def fits(chips: int) -> bool:
        plans = (_plan(lpu, chips, group, work) for group in lpu.groups(chips))
        return any(plan.calls_in_flight(work.kv_bytes) for plan in plans)

    # whole nodes first, then chip by chip
    nodes = -(-least // node)
    enough = next((chips for chips in range(nodes * node, _MOST_CHIPS, node) if fits(chips)), None)
    if enough is None:
        raise CapacityError(f"{lpu.name}: more than {_MOST_CHIPS} chips are needed; type a smaller batch or model")
    return next(chips for chips in range(max(least, enough - node + 1), enough + 1) if fits(chips))


def _in_flight(plan: Plan, work: Workload) -> int:
    return min(len(plan.stages), plan.calls_in_flight(work.kv_bytes))


@lru_cache(maxsize=65536)
def _time(lpu: Lpu, work: Workload) -> Timing:
    return _timing(lpu, _best(lpu, work), work)


def _timing(lpu: Lpu, plan: Plan, work: Workload) -> Timing:
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


def _wire_s(lpu: Lpu, work: Workload) -> float:
    """Audio in fp32 from the host, tokens back in int64."""
    return work.batch * (work.samples * 4 + (work.decode_tokens + 1) * 8) / lpu.device["host_bandwidth"]


@lru_cache(maxsize=65536)
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
        return _time(lpu, call)  # which says that not one call fits
    seconds, plan, work = best
    one, batches = _timing(lpu, plan, work), -(-streams // work.batch)
    phases = {phase: part * seconds / one.seconds for phase, part in one.phases.items()}
    # with less than one batch in flight per stage, it is the SRAM that keeps the pipeline from being full
    starved = batches > _in_flight(plan, work) and _in_flight(plan, work) < len(plan.stages)
    bound, ceiling_s = "capacity" if starved else one.bound, one.ceiling_s * streams / work.batch
    return replace(one, seconds=seconds, interval_s=seconds, phases=phases, bound=bound, ceiling_s=ceiling_s)


def lpu_backend(name: str, device: Device, chips: int | None = None, weights: str = "int8") -> Lpu:
    """An `Lpu`; `InputError` if the number of chips or the weight format is not possible."""
    if chips is not None and chips < 1:
        raise InputError(f"{name}: {chips} chips given; expected at least 1")
    if weights not in WEIGHTS:
        raise InputError(f"{name}: {weights!r} weights given; expected {' or '.join(WEIGHTS)}")
    return Lpu(name, device, chips, weights)
