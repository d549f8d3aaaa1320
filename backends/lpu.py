"""An LPU: weights stay in the chips' SRAM and every cycle is planned, so service times have no jitter.

First-order placement. Chips form nodes of up to 8, all linked to all. Every matmul is spread over the chips
of a node (tensor parallel) and the layers over the nodes (a pipeline with one batch per node in flight).

A matmul [M x K] x [K x N] is cut into tiles of K 160 by N 320; a tile takes max(M, load) cycles, where load
is the time to bring its weights into the matrix unit, and each dependent matmul pays the fill of the pipeline
once. Casts, GELU and softmax ride on the streams between. Each residual sum is an exchange between the chips
of a node.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from .device import Device
from .errors import InputError
from .timing import CapacityError, Tally, Timing
from .workload import N_FFT, Op, Workload

WEIGHTS = ("int8", "fp16")
# done on the way from one unit to the next (TSP paper: the vector unit keeps up with all four matrix planes)
_CHAINED = {"cast", "cat", "gelu", "softmax"}


@dataclass(frozen=True, eq=False, slots=True)
class Lpu:
    """`chips` linked LPU chips, or with `chips` None the least number that holds one call of the workload.

    weights: how weights are stored in SRAM; arithmetic is fp16 either way.
    """

    name: str
    device: Device
    chips: int | None = None
    weights: str = "int8"

    def time(self, workload: Workload) -> Timing:
        """One batch of calls; `interval_s` is when the next may follow through the pipeline of nodes.

        Raises `CapacityError`, with the number of chips needed, if weights and caches exceed the SRAM.
        """
        return _time(self, self.stored(workload))

    def serve(self, call: Workload, streams: int) -> Timing:
        """All streams through the pipeline, in batches of the size (a power of two, or all) done first."""
        most = max(1, self.streams_in_sram(call))
        sizes = {2**power for power in range(streams.bit_length())} | {streams}
        plans = [self._pipelined(call, streams, size) for size in sorted(sizes) if size <= most]
        return min(plans, key=lambda timing: timing.seconds)

    def _pipelined(self, call: Workload, streams: int, batch: int) -> Timing:
        one, batches = self.time(replace(call, batch=batch)), math.ceil(streams / batch)
        seconds = one.seconds + (batches - 1) * one.interval_s
        phases = {phase: part * seconds / one.seconds for phase, part in one.phases.items()}
        # with less than one batch in flight per node, it is the SRAM that keeps the pipeline from being full
        starved = batches > 1 and self.in_flight(call, batch) < self.nodes(call)
        bound, ceiling_s = "capacity" if starved else one.bound, one.ceiling_s * streams / batch
        return replace(one, seconds=seconds, interval_s=seconds, phases=phases, bound=bound, ceiling_s=ceiling_s)

    def stored(self, work: Workload) -> Workload:
        """The workload with weights as stored here; `InputError` for fp32, which it does not multiply."""
        if work.dtype != "fp16":
            raise InputError(f"{self.name} computes in fp16; {work.dtype} given")
        return replace(work, weight_dtype=self.weights)

    def chips_needed(self, work: Workload) -> int:
        """Least number of chips whose SRAM holds weights, and caches and activations of the batch."""
        stored = self.stored(work)
        need = stored.weights_bytes + work.batch * _bytes_per_call(stored)
        return math.ceil(need / self.device["sram_usable"])

    def chips_for(self, work: Workload) -> int:
        """The number of chips in use."""
        return self.chips or self.chips_needed(replace(work, batch=1))

    def nodes(self, work: Workload) -> int:
        """Number of nodes = stages of the pipeline."""
        return math.ceil(self.chips_for(work) / self.device["chips_per_node"])

    def streams_in_sram(self, call: Workload) -> int:
        """How many calls like this one can be in flight; 0 if not even one fits."""
        stored = self.stored(call)
        room = self.chips_for(call) * self.device["sram_usable"] - stored.weights_bytes
        return max(0, math.floor(room / _bytes_per_call(stored)))

    def in_flight(self, call: Workload, batch: int) -> int:
        """How many batches of this size the pipeline works on at a time."""
        return max(1, min(self.nodes(call), self.streams_in_sram(call) // batch))

    def describe(self) -> str:
        """One line: device, chips, how weights are stored, what the figures rest on."""
        chips = f"{self.chips} chips" if self.chips else "as many chips as the model needs"
        return f"{self.device.title}, {chips}, {self.weights} weights, fp16 arithmetic; first-order estimate"


def _bytes_per_call(call: Workload) -> float:
    one = replace(call, batch=1)
    return one.kv_bytes + max(op.read_bytes + op.write_bytes for op in one.ops())


@lru_cache(maxsize=65536)
def _time(lpu: Lpu, work: Workload) -> Timing:
    needed, chips = lpu.chips_needed(work), lpu.chips_for(work)
    if needed > chips:
        held = f"{chips} chips hold {chips * lpu.device['sram_usable'] / 1e6:.0f} MB"
        raise CapacityError(f"{lpu.name}: {held} of {lpu.weights} weights and caches; this takes {needed} chips")
    nodes = lpu.nodes(work)
    node = _Node(lpu.device, chips // nodes)
    tally = Tally()
    tally.include(_before_decode(lpu, replace(work, decode_tokens=0), node))
    _schedule(node, work.decode_ops(), tally)
    # activations pass from node to node for the encoder and the prompt, and once round for every token
    crossings = 2 * (nodes - 1) + (nodes * work.decode_tokens if nodes > 1 else 0)
    tally.add("transfer", "link", crossings * lpu.device["hop"])
    wire_s = (work.batch * (work.samples * 4 + (work.decode_tokens + 1) * 8)) / lpu.device["host_bandwidth"]
    tally.add("transfer", "link", wire_s + 2 * lpu.device["host_latency"])
    everything = _Node(lpu.device, chips)
    # transfers may overlap with computing, so the ceiling is the larger of the two; so is the interval
    tally.ceiling_s = max(wire_s, sum(op.count * everything.ceiling(op) for op in work.ops()))
    return tally.timing("estimate", max(wire_s, tally.seconds / lpu.in_flight(work, work.batch)))


@lru_cache(maxsize=4096)
def _before_decode(lpu: Lpu, work: Workload, node: "_Node") -> Tally:
    tally = Tally()
    _schedule(node, work.ops(), tally)
    return tally


def _schedule(node: "_Node", ops: Iterable[Op], tally: Tally) -> None:
    for op in ops:
        for bound, seconds in node.cost(op):
            tally.add(op.phase, bound, op.count * seconds)


@dataclass(frozen=True, eq=False, slots=True)
class _Node:
    device: Device
    chips: int

    def cost(self, op: Op) -> Iterable[tuple[str, float]]:
        """What the operation's time goes to, and the seconds of it."""
        if op.kind in _CHAINED:
            return ()
        if op.kind == "add" and op.phase != "mel":
            return (("link", self.exchange(op.write_bytes)),)
        if op.kind == "attention":
            batch, heads, queries, keys, size = op.shape
            share = math.ceil(batch * heads / self.chips)
            # scores, then values; each head's keys and values take the place of weights
            scores = self.matmul(queries, size, keys, copies=share, chips=1)
            values = self.matmul(queries, keys, size, copies=share, chips=1)
            return (*scores, *values)
        if (product := _as_matmul(op)) is None:
            passes = 2 if op.kind == "layer_norm" else 1  # a norm needs its row's mean and deviation first
            elements = math.prod(op.shape) * passes
            cycles = math.ceil(elements / (self.chips * self.device["vector_lanes"]))
            fill_s = self.seconds(self.device["fill"])
            return (("launch", fill_s), ("compute", self.seconds(cycles)))
        copies, m, n, k = product
        parts = self.matmul(m, k, n, copies=copies, chips=self.chips)
        # every chip sends its best token of the vocabulary rows it holds
        return (*parts, ("link", self.exchange(8 * m))) if op.kind == "logits" else parts

    def matmul(self, m: float, k: float, n: float, *, copies: float, chips: int) -> tuple[tuple[str, float], ...]:
        """Cycles of [m x k] x [k x n], `copies` times, spread over `chips`."""
        depth, width, units = (self.device[key] for key in ("matrix_depth", "matrix_width", "matrix_units"))
        tiles = copies * math.ceil(k / depth) * math.ceil(n / width)
        load = depth * width * 2 * units / self.device["weight_load"]
        rounds = math.ceil(tiles / (chips * units))
        bound = "compute" if m > load else "memory"
        return ((bound, self.seconds(rounds * max(m, load))), ("launch", self.seconds(self.device["fill"])))

    def exchange(self, size: float) -> float:
        """Seconds to sum `size` bytes over the chips: all to all at once, or in shares if faster."""
        if self.chips == 1:
            return 0.0
        hop, wire_s = self.device["hop"], size / self.device["link_bandwidth"]
        return min(hop + wire_s, 2 * (hop + wire_s / self.chips))

    def ceiling(self, op: Op) -> float:
        """Seconds at full use of every matrix unit, and of the paths that bring weights into them."""
        depth, width, units = (self.device[key] for key in ("matrix_depth", "matrix_width", "matrix_units"))
        flops = 2 * depth * width * units * self.device["clock"] * self.chips
        load = 0.0
        if (product := _as_matmul(op)) is not None and op.kind != "fft":
            copies, _, n, k = product
            load = copies * n * k * 2 / (self.device["weight_load"] * self.device["clock"] * self.chips)
        return max(op.flops / flops, load)

    def seconds(self, cycles: float) -> float:
        return cycles / self.device["clock"]


def _as_matmul(op: Op) -> tuple[float, float, float, float] | None:
    """(copies, m, n, k) of the product the operation is done as, if it is one."""
    if op.kind in ("matmul", "logits"):
        copies = op.shape[0] if len(op.shape) == 4 else 1
        m, n, k = op.shape[-3:]
        return copies, m, n, k
    if op.kind == "conv1d":
        batch, channels, outputs, kernel, rows = op.shape
        return 1, batch * rows, outputs, channels * kernel
    if op.kind == "fft":
        # the discrete Fourier transform as a matmul with real and imaginary part: there is no butterfly unit
        batch, frames, bins = op.shape
        return 1, batch * frames, 2 * bins, N_FFT
    return None


def lpu_backend(name: str, device: Device, chips: int | None = None, weights: str = "int8") -> Lpu:
    """An `Lpu`; `InputError` if the number of chips or the weight format is not possible."""
    if chips is not None and chips < 1:
        raise InputError(f"{name}: {chips} chips given; expected at least 1")
    if weights not in WEIGHTS:
        raise InputError(f"{name}: {weights!r} weights given; expected {' or '.join(WEIGHTS)}")
    return Lpu(name, device, chips, weights)
