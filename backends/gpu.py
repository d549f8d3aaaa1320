"""A GPU: each kernel takes a floor plus the soft maximum of a compute and a memory ceiling.

    t = floor + (a^q + b^q)^(1/q),   a = FLOPs / (efficiency * peak),   b = bytes / (efficiency * bandwidth)

Floor, efficiencies and q come from the device's file, fitted to measured GEMMs where a table is public.
Weights are streamed from memory at every decode step. Attention and elementwise kernels have figures of their
own.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from .device import Device
from .errors import InputError
from .timing import CapacityError, Tally, Timing, in_sequence
from .workload import Op, Workload

MODES = ("graph", "eager")

# What compiled decoders do not launch on its own: casts and residual sums go into the next kernel (the sums'
# memory traffic stays), and new keys and values are written in place instead of copying the cache.
_FUSED = {"cast": 0, "cat": 0, "add": 1}
_MATRIX = {"conv1d", "matmul", "logits"}
# cuDNN's and cuBLAS's workspaces, the CUDA context and fragmentation; an assumption, no source
_MEMORY_SHARE = 0.9


@dataclass(frozen=True, eq=False, slots=True)
class Gpu:
    """One GPU that runs a batch of calls at a time.

    mode "graph": kernels run back to back from CUDA graphs, compiled, one graph per phase and decode step.
    mode "eager": the host launches every operation that the openai-whisper modules dispatch.
    """

    name: str
    device: Device
    mode: str = "graph"

    def time(self, workload: Workload) -> Timing:
        """One batch of calls; `CapacityError` if its weights, caches and activations exceed the memory."""
        return _time(self, workload)

    def serve(self, call: Workload, streams: int) -> Timing:
        """One batch of all streams, or as many equal batches as the memory makes necessary."""
        batches = math.ceil(streams / max(1, self.largest_batch(call)))
        size, larger = divmod(streams, batches)
        return in_sequence(
            (self.time(replace(call, batch=batch)), times)
            for batch, times in ((size + 1, larger), (size, batches - larger))
            if times
        )

    def largest_batch(self, call: Workload) -> int:
        """How many calls like this one fit in memory together; 0 if none does."""
        room = self.device["memory"] * _MEMORY_SHARE - call.weights_bytes
        return max(0, math.floor(room / _bytes_per_call(call)))

    def describe(self) -> str:
        """One line: device, mode, what the GEMM figures rest on."""
        return f"{self.device.title}, fp16, {self.mode}; GEMM figures: {self.provenance}"

    @property
    def provenance(self) -> str:
        """What the predictions rest on: the basis of the GEMM figures, which carry most of the time.

        Eager mode is an estimate, as its host cost per operation is one.
        """
        if self.mode == "eager":
            return "estimate"
        return self.device.basis("gemm_floor", "gemm_compute_efficiency", "gemm_memory_efficiency")


def _bytes_per_call(call: Workload) -> float:
    one = replace(call, batch=1)
    # activations: the operation with the largest input and output decides, the rest is reused
    return one.kv_bytes + max(op.read_bytes + op.write_bytes for op in one.ops())


@lru_cache(maxsize=65536)
def _time(gpu: Gpu, work: Workload) -> Timing:
    device, fits = gpu.device, gpu.largest_batch(work)
    if work.batch > fits:
        need = (work.weights_bytes + work.batch * _bytes_per_call(work)) / _MEMORY_SHARE / 2**30
        given = device["memory"] / 2**30
        raise CapacityError(f"{gpu.name} has {given:.0f} GiB; batch {work.batch} needs {need:.0f}; at most {fits} fit")
    # only the decode phase knows the number of steps, so the rest is priced once for all of them
    tally = Tally()
    tally.include(_before_decode(gpu, replace(work, decode_tokens=0)))
    if work.decode_tokens:
        _price(gpu, "decode", work.decode_ops(), work.decode_tokens, tally)
    _transfer(device, work, tally)
    return tally.timing(gpu.provenance)


@lru_cache(maxsize=4096)
def _before_decode(gpu: Gpu, work: Workload) -> Tally:
    tally, ops = Tally(), work.ops()
    for phase in ("mel", "encode", "prefill"):
        _price(gpu, phase, (op for op in ops if op.phase == phase), 1, tally)
    return tally


def _price(gpu: Gpu, phase: str, ops: Iterable[Op], passes: int, tally: Tally) -> None:
    """Add the time of one phase, which runs `passes` times."""
    kernels = _Kernels(gpu.device, gpu.mode == "graph")
    host_s = passes * gpu.device["graph_launch"] if kernels.fused else 0.0
    busy = {"launch": 0.0, "compute": 0.0, "memory": 0.0}
    for op in ops:
        floor, compute, memory, order = kernels.cost(op)
        busy["launch"] += op.count * floor
        busy["compute" if compute > memory else "memory"] += op.count * _softmax(compute, memory, order)
        tally.ceiling_s += op.count * kernels.ceiling(op)
        if not kernels.fused:
            host_s += op.count * gpu.device["eager_launch"]
    device_s = sum(busy.values())
    if not kernels.fused and host_s > device_s:
        # launches overlap with kernels: the slower of the two is the time of the phase
        tally.add(phase, "launch", host_s)
        return
    for bound, seconds in busy.items():
        tally.add(phase, bound, seconds)
    if kernels.fused:
        tally.add(phase, "launch", host_s)


def _transfer(device: Device, work: Workload, tally: Tally) -> None:
    """Audio to the device in fp32, tokens back in int64; a decode step's own hand-shake is in its launch."""
    there, back = work.batch * work.samples * 4, work.batch * (work.decode_tokens + 1) * 8
    wire_s = (there + back) / device["host_bandwidth"]
    tally.add("transfer", "link", wire_s + 2 * device["host_latency"])
    tally.ceiling_s += wire_s


def _softmax(compute: float, memory: float, order: float) -> float:
    high, low = max(compute, memory), min(compute, memory)
    return high * (1 + (low / high) ** order) ** (1 / order) if low > 0 else high


@dataclass(frozen=True, slots=True)
class _Kernels:
    device: Device
    fused: bool

    def peak(self, op: Op) -> float:
        return self.device["fp32_peak" if op.dtype == "fp32" else "fp16_peak"]

    def ceiling(self, op: Op) -> float:
        """Time at peak arithmetic and nominal bandwidth; what fusing leaves out moves nothing."""
        moved = op.bytes * _FUSED.get(op.kind, 1) if self.fused else op.bytes
        return max(op.flops / self.peak(op), moved / self.device["memory_bandwidth"])

    def cost(self, op: Op) -> tuple[float, float, float, float]:
        """Floor, compute and memory seconds of one kernel, and the order of the soft maximum."""
        device, hard = self.device, math.inf
        stream_s = op.bytes / device["memory_bandwidth"]
        if op.kind in _MATRIX:
            compute = op.flops / (device["gemm_compute_efficiency"] * self.peak(op))
            memory = stream_s / device["gemm_memory_efficiency"]
            return device["gemm_floor"], compute, memory, device["gemm_softmax_order"]
        if op.kind == "attention":
            compute = op.flops / (device["encoder_attention_efficiency"] * self.peak(op))
            memory = stream_s / device["gemm_memory_efficiency"]
            if op.phase == "encode":
                return device["encoder_attention_floor"], compute, memory, hard
            # with few queries, a head's keys and values are streamed by few processors, even if others idle
            batch, heads = op.shape[:2]
            head_s = op.read_bytes / (batch * heads) / device["decoder_attention_head_bandwidth"]
            return device["decoder_attention_floor"], compute, max(memory, head_s), hard
        memory = stream_s / device["elementwise_efficiency"]
        if self.fused and op.kind in _FUSED:
            return 0.0, 0.0, memory * _FUSED[op.kind], hard
        return device["elementwise_floor"], 0.0, memory, hard


def gpu_backend(name: str, device: Device, mode: str = "graph") -> Gpu:
    """A `Gpu`; `InputError` if the mode is not known."""
    if mode not in MODES:
        raise InputError(f"GPU mode {mode!r} given; expected {' or '.join(MODES)}")
    return Gpu(name, device, mode)
