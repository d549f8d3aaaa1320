"""A GPU as a backend: the operations of a workload, as a runtime runs them, timed kernel by kernel.

`devices/kernels.py` says how long a kernel takes, `launches.py` which kernels there are; this module adds them up.
Everything is arrays over operations, so that a sweep over thousands of workloads costs little more than one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices.device import Device
from ..devices.kernels import KERNELS, OTHER, soft_maximum
from ..errors import InputError, unknown
from ..host import JITTER
from ..timing import CapacityError, Tally, Timing, in_sequence
from ..workload.workload import PHASES, Workload
from .features import AT, Array, Rows, begin_rows, concatenate, decode_rows, spare_ended, start_of
from .runtimes import DEFAULT, FORMATS, Runtime, runtime_of

_BOUNDS = ("launch", "compute", "memory")
_PREFILL, _DECODE = PHASES.index("prefill"), PHASES.index("decode")
# cuDNN's and cuBLAS's workspaces, the CUDA context and fragmentation; an assumption, no source
_MEMORY_SHARE = 0.9
# compute capability from which on tensor cores multiply a format (NVIDIA CUDA C programming guide)
_FORMAT_SINCE = {"bf16": 8.0, "w8a8": 7.2, "fp8": 8.9}


@dataclass(frozen=True, eq=False, slots=True)
class Gpu:
    """A GPU that runs one batch of calls at a time.

    name: what to type for it. device: its figures. mode: the name of a runtime (see `runtimes`).
    weights, decoder_weights: the formats in which encoder and decoder are stored; "" is as the workload says.
    """

    name: str
    device: Device
    mode: str = DEFAULT
    weights: str = ""
    decoder_weights: str = ""

    @property
    def runtime(self) -> Runtime:
        """How the GPU is driven."""
        return runtime_of(self.mode)

    def adapt(self, work: Workload) -> Workload:
        """Return the workload with its weights as this GPU stores them."""
        stored = self.weights or self.runtime.weights
        if not (stored or self.decoder_weights):
            return work
        weights = stored or work.weight_dtype
        if weights == "fp32":  # and so is all else
            return replace(work, dtype="fp32", weight_dtype="fp32", decoder_weights="fp32")
        return replace(work, weight_dtype=weights, decoder_weights=self.decoder_weights or weights)

    def time(self, workload: Workload) -> Timing:
        """Return how long one batch of calls takes.

        Raises `CapacityError` if its weights, caches and activations exceed the memory.
        """
        return _time(self, self.adapt(workload), 1.0)

    def time_unequal(self, longest: Workload, alive: float) -> Timing:
        """Return how long a batch of unequal calls takes, which goes on until its longest call ends.

        longest: the batch, as if all calls were as long as the longest.
        alive: part of the calls that have not ended, on average over the steps.
        """
        return _time(self, self.adapt(longest), alive if self.runtime.ended == "skipped" else 1.0)

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return the time for one call of every stream, in as few equal batches as the memory allows."""
        batches = math.ceil(streams / max(1, self.largest_batch(call)))
        size, larger = divmod(streams, batches)
        return in_sequence(
            (self.time(replace(call, batch=batch)), times)
            for batch, times in ((size + 1, larger), (size, batches - larger))
            if times
        )

    def largest_batch(self, call: Workload) -> int:
        """Return how many calls like this one fit into the memory together; 0 if not even one does."""
        call = self.adapt(call)
        room = self.device["memory"] * _MEMORY_SHARE - call.weights_bytes
        return max(0, math.floor(room / _bytes_per_call(call)))

    def describe(self) -> str:
        """Return one line: device, runtime, how weights are stored, and the basis of its kernels' figures."""
        bases = ", ".join(f"{name} {kernel.basis}" for name, kernel in self.device.kernels.items())
        host = f"; host costs: {self.runtime.fitted_on}" if self.runtime.fitted_on else ""
        return f"{self.device.title}, {self.stored} weights, runtime {self.mode}; kernels: {bases}{host}"

    @property
    def stored(self) -> str:
        """How weights are stored, in words: "fp16", or "int8 encoder and fp16 decoder"."""
        stored = self.weights or self.runtime.weights or "fp16"
        if self.decoder_weights and self.decoder_weights != stored:
            return f"{stored} encoder and {self.decoder_weights} decoder"
        return stored

    @property
    def provenance(self) -> str:
        """What the predictions rest on: the weakest basis of the kernels, which take most of the time.

        Where the host launches every kernel it is "estimate", as the host's costs are those of other machines.
        """
        return "estimate" if self.runtime.host_bound else self.device.basis(*KERNELS)


def gpu_backend(name: str, device: Device, mode: str = DEFAULT, weights: str = "", decoder_weights: str = "") -> Gpu:
    """Return a `Gpu`; `InputError` if the runtime is not known or the device cannot multiply weights stored so."""
    runtime_of(mode)
    if "fp32" in (weights, decoder_weights) and weights != decoder_weights:
        raise InputError(f"backend {name!r}: fp32 is for all of the model; leave out enc and dec")
    for stored in (weights, decoder_weights):
        if stored and stored not in FORMATS:
            raise unknown("weight format", stored, FORMATS)
        since, has = _FORMAT_SINCE.get(stored, 0.0), device.get("compute_capability", math.inf)
        if has < since or (stored == "fp8" and device.kind == "cpu"):
            raise InputError(f"{stored} weights given; {device.title} does not multiply them; type fp16 or int8")
    return Gpu(name, device, mode, weights, decoder_weights)


def sweep(gpus: Sequence[Gpu], workloads: Sequence[Workload]) -> Array:
    """Return the seconds of every workload on every GPU; shape = (gpus, workloads), inf where one does not fit."""
    seconds = np.empty((len(gpus), len(workloads)))
    for mode, weights, decoder_weights in {(gpu.mode, gpu.weights, gpu.decoder_weights) for gpu in gpus}:
        same = [row for row, gpu in enumerate(gpus) if gpu.mode == mode and gpu.weights == weights]
        same = [row for row in same if gpus[row].decoder_weights == decoder_weights]
        _sweep([gpus[row] for row in same], [gpus[same[0]].adapt(work) for work in workloads], seconds, same)
    return seconds


def _sweep(gpus: Sequence[Gpu], workloads: Sequence[Workload], seconds: Array, at: Sequence[int]) -> None:
    """Fill the rows `at` of `seconds` for GPUs of one runtime, given the workloads as these store them."""
    runtime = gpus[0].runtime
    steps = np.array([work.decode_tokens for work in workloads], dtype=float)
    wires = np.array([_wire_bytes(work) for work in workloads], dtype=float)
    needs = np.array([work.weights_bytes + work.batch * _bytes_per_call(work) for work in workloads])
    batches, beams = (np.array([getattr(work, name) for work in workloads], float) for name in ("batch", "beam"))
    starts = {work: index for index, work in enumerate(dict.fromkeys(map(start_of, workloads)))}
    begin = concatenate([begin_rows(work, runtime) for work in starts])
    decode = concatenate([decode_rows(work, runtime) for work in workloads])
    which = np.array([starts[start_of(work)] for work in workloads])
    for row, gpu in zip(at, gpus, strict=True):
        before = _sums(gpu, begin, len(starts))[0].sum((1, 2))
        after = _sums(gpu, decode, len(workloads), steps, beams)[0].sum((1, 2))
        total = before[which] + after + _wire_s(gpu.device, wires) + _host_s(gpu, batches)
        seconds[row] = np.where(needs > gpu.device["memory"] * _MEMORY_SHARE, np.inf, total)


def _host_s(gpu: Gpu, calls: Any) -> Any:
    """Return the seconds of the host around a batch of so many calls."""
    return (gpu.runtime.call_s + gpu.runtime.utterance_s * calls) * _slowdown(gpu)


def _slowdown(gpu: Gpu) -> float:
    return gpu.device["host_slowdown"] if gpu.runtime.of_host else 1.0


def _bytes_per_call(call: Workload) -> float:
    one = call if call.batch == 1 else replace(call, batch=1)
    return one.kv_bytes + _activation_bytes(start_of(one))


@lru_cache(maxsize=4096)
def _activation_bytes(one: Workload) -> float:
    # the operation with the largest input and output decides, the rest is reused
    return max((op.read_bytes + op.write_bytes for op in one.ops()), default=0)


def _sums(
    gpu: Gpu, rows: Rows, parts: int, steps: Array | None = None, beam: Array | float = 1.0
) -> tuple[Array, Array]:
    """Return the seconds of several parts by phase and bound, and the ceiling of each part in seconds.

    The shapes are (parts, phases, 3), with bounds as in `_BOUNDS`, and (parts,).
    steps: decode steps of each part; None if the parts are what comes before decoding.
    beam: texts of each call, of each part.
    """
    device, features = gpu.device, rows.features
    count, kind = features[:, AT["count"]], features[:, AT["kernel"]]
    peak = np.where(features[:, AT["fp32"]] > 0, device["fp32_peak"], device["fp16_peak"])
    bandwidth, streamed = device["memory_bandwidth"], device["memory_efficiency"]
    slower = device.get("tensor_rate", 1.0), device.get("sustained", 1.0)
    floor = np.where(kind == OTHER, device["elementwise_floor"], 0.0) * rows.kernel
    moved = features[:, AT["least_bytes"]]
    compute, memory = np.zeros(len(count)), features[:, AT["moving"]] / (streamed * bandwidth)
    busy = memory.copy()
    for index, name in enumerate(KERNELS):
        at = np.flatnonzero(kind == index)
        if len(at):
            kernel = device.kernels[name]
            floor[at], compute[at], memory[at] = kernel.seconds(
                features[at], peak[at], bandwidth, streamed, device.shares[name], *slower
            )
            if name == "decode" and (rate := gpu.runtime.attention_rate):
                bytes_read = features[at, AT["stationary"]] + features[at, AT["moving"]]
                memory[at] = np.maximum(memory[at], bytes_read / (rate * device["processors"]))
            busy[at] = soft_maximum(compute[at], memory[at], kernel.order)
    ceiling = np.maximum(features[:, AT["least_flops"]] / peak, moved / bandwidth)
    slot = rows.part * len(PHASES) + rows.phase
    bound = np.where(compute > memory, 1, 2)
    cells = parts * len(PHASES)
    times = _totals(slot * 3 + bound, count * busy, cells * 3).reshape(cells, 3)
    times[:, 0] = _totals(slot, count * floor, cells)
    launched = _totals(slot, count * rows.kernel, cells).reshape(parts, -1)
    passes = np.zeros_like(launched)
    if steps is None:
        passes[:, :_DECODE] = launched[:, :_DECODE] > 0
    else:
        passes[:, _DECODE] = steps
    return _add_host(gpu, times.reshape(parts, -1, 3), launched, passes, beam), _totals(
        rows.part, count * ceiling, parts
    )


def _totals(slot: NDArray[np.intp], values: Array, slots: int) -> Array:
    return np.bincount(slot, values, slots).astype(float)


def _add_host(gpu: Gpu, times: Array, launched: Array, passes: Array, beam: Array | float) -> Array:
    """Return the seconds of each part and phase with the host's costs added.

    times: the device's seconds, shape = (parts, phases, 3). launched, passes: kernels and decoder passes, shape =
    (parts, phases).
    """
    runtime, slowdown = gpu.runtime, _slowdown(gpu)
    thinking = (passes.T * beam).T * runtime.step_s * slowdown
    thinking[:, :_PREFILL] = 0.0
    if not runtime.host_bound:
        times[..., 0] += passes * gpu.device["graph_launch"] + thinking
        return times
    host = launched * runtime.launch_s * slowdown + thinking
    # launches overlap with kernels: the slower of the two is the time of the phase
    slower = host > times.sum(2)
    times[slower] = 0.0
    times[..., 0] += np.where(slower, host, 0.0)
    return times


@lru_cache(maxsize=65536)
def _time(gpu: Gpu, work: Workload, alive: float) -> Timing:
    device, fits = gpu.device, gpu.largest_batch(work)
    if work.batch > fits:
        need = (work.weights_bytes + work.batch * _bytes_per_call(work)) / _MEMORY_SHARE / 2**30
        given = device["memory"] / 2**30
        raise CapacityError(f"{gpu.name} has {given:.0f} GiB; batch {work.batch} needs {need:.0f}; at most {fits} fit")
    (times,), (ceiling_s,) = _sums(gpu, begin_rows(work, gpu.runtime), 1)
    if work.decode_tokens:
        rows = spare_ended(decode_rows(work, gpu.runtime), alive)
        (after,), (decode_ceiling_s,) = _sums(gpu, rows, 1, np.array([float(work.decode_tokens)]), work.beam)
        times, ceiling_s = times + after, ceiling_s + decode_ceiling_s
    tally, wire = Tally(), _wire_bytes(work)
    for phase, bounds in zip(PHASES, times.tolist(), strict=True):
        for bound, seconds in zip(_BOUNDS, bounds, strict=True):
            tally.add(phase, bound, seconds)
    tally.add("transfer", "link", _wire_s(device, wire))
    tally.add("transfer", "launch", float(_host_s(gpu, work.batch)))
    tally.ceiling_s = float(ceiling_s) + wire / device["host_bandwidth"]
    return replace(tally.timing(gpu.provenance), jitter=JITTER, batch=work.batch)


def _wire_bytes(work: Workload) -> int:
    """Return the bytes between host and device: audio in fp32 one way, tokens in int64 the other."""
    return work.batch * (work.samples * 4 + (work.decode_tokens + 1) * 8)


def _wire_s(device: Device, wire_bytes: Any) -> Any:
    # a decode step's own hand-shake is in its launch
    return wire_bytes / device["host_bandwidth"] + 2 * device["host_latency"]
