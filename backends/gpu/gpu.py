"""A GPU as a backend: the operations of a workload, run by a runtime, priced kernel by kernel.

`gpu_kernels` says what a kernel takes, `gpu_runtime` which kernels there are, this module adds them up. Everything
is arrays over operations, so that a sweep over thousands of workloads costs little more than one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices.device import Device
from ..devices.kernels import COLUMNS, KERNELS, OTHER, rows_of, soft_maximum
from ..errors import InputError, unknown
from ..host import JITTER
from ..timing import CapacityError, Tally, Timing, in_sequence
from ..workload.workload import HOP, PHASES, SAMPLE_RATE, Workload
from .launches import list_kernels, sampling_op
from .runtimes import DEFAULT, FORMATS, Runtime, runtime_of

Array = NDArray[np.float64]
_AT = {name: index for index, name in enumerate(COLUMNS)}
_BOUNDS = ("launch", "compute", "memory")
_SPARED = ("flops", "stationary", "moving", "least_flops", "least_bytes")
_PREFILL, _DECODE = PHASES.index("prefill"), PHASES.index("decode")
# cuDNN's and cuBLAS's workspaces, the CUDA context and fragmentation; an assumption, no source
_MEMORY_SHARE = 0.9
# compute capability from which on tensor cores multiply a format (NVIDIA CUDA C programming guide)
_FORMAT_SINCE = {"bf16": 8.0, "w8a8": 7.2, "fp8": 8.9}


@dataclass(frozen=True, eq=False, slots=True)
class Gpu:
    """One GPU that runs a batch of calls at a time; `mode` is the name of a runtime (see `runtimes`).

    weights, decoder_weights: how encoder and decoder are stored; "" is as the workload says.
    """

    name: str
    device: Device
    mode: str = DEFAULT
    weights: str = ""
    decoder_weights: str = ""

    @property
    def runtime(self) -> Runtime:
        """How it is driven."""
        return runtime_of(self.mode)

    def adapt(self, work: Workload) -> Workload:
        """The workload with its weights as they are stored here."""
        if not (self.weights or self.decoder_weights):
            return work
        weights = self.weights or work.weight_dtype
        return replace(work, weight_dtype=weights, decoder_weights=self.decoder_weights or weights)

    def time(self, workload: Workload) -> Timing:
        """One batch of calls; `CapacityError` if its weights, caches and activations exceed the memory."""
        return _time(self, self.adapt(workload), 1.0)

    def time_unequal(self, longest: Workload, alive: float) -> Timing:
        """A batch that goes on until its longest call ends; alive: part of its calls, in the mean over those steps."""
        return _time(self, self.adapt(longest), alive if self.runtime.ended == "skipped" else 1.0)

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
        call = self.adapt(call)
        room = self.device["memory"] * _MEMORY_SHARE - call.weights_bytes
        return max(0, math.floor(room / _bytes_per_call(call)))

    def describe(self) -> str:
        """One line: device, runtime, how weights are stored, what the figures of its kernels rest on."""
        bases = ", ".join(f"{name} {kernel.basis}" for name, kernel in self.device.kernels.items())
        stored = self.weights or "fp16"
        if self.decoder_weights and self.decoder_weights != stored:
            stored = f"{stored} encoder and {self.decoder_weights} decoder"
        host = f"; host costs: {self.runtime.fitted_on}" if self.runtime.fitted_on else ""
        return f"{self.device.title}, {stored} weights, runtime {self.mode}; kernels: {bases}{host}"

    @property
    def provenance(self) -> str:
        """What the predictions rest on: the weakest basis of the kernels, which carry most of the time.

        Where the host launches every kernel it is an estimate, as its costs are of other machines.
        """
        return "estimate" if self.runtime.host_bound else self.device.basis(*KERNELS)


def gpu_backend(name: str, device: Device, mode: str = DEFAULT, weights: str = "", decoder_weights: str = "") -> Gpu:
    """A `Gpu`; `InputError` if the runtime is not known, or the device cannot compute with weights stored so."""
    runtime_of(mode)
    for stored in (weights, decoder_weights):
        if stored and stored not in FORMATS:
            raise unknown("weight format", stored, FORMATS)
        since, has = _FORMAT_SINCE.get(stored, 0.0), device.get("compute_capability", math.inf)
        if has < since or (stored == "fp8" and device.kind == "cpu"):
            raise InputError(f"{stored} weights given; {device.title} does not multiply them; type fp16 or int8")
    return Gpu(name, device, mode, weights, decoder_weights)


def sweep(gpus: Sequence[Gpu], workloads: Sequence[Workload]) -> Array:
    """Seconds of every workload on every GPU, as `Gpu.time`; shape = (gpus, workloads); inf where it does not fit."""
    seconds = np.empty((len(gpus), len(workloads)))
    for mode, weights, decoder_weights in {(gpu.mode, gpu.weights, gpu.decoder_weights) for gpu in gpus}:
        same = [row for row, gpu in enumerate(gpus) if gpu.mode == mode and gpu.weights == weights]
        same = [row for row in same if gpus[row].decoder_weights == decoder_weights]
        _sweep([gpus[row] for row in same], [gpus[same[0]].adapt(work) for work in workloads], seconds, same)
    return seconds


def _sweep(gpus: Sequence[Gpu], workloads: Sequence[Workload], seconds: Array, at: Sequence[int]) -> None:
    """Fill rows `at` of `seconds` for GPUs of one runtime and workloads as they store them."""
    runtime = gpus[0].runtime
    steps = np.array([work.decode_tokens for work in workloads], dtype=float)
    wires = np.array([_wire_bytes(work) for work in workloads], dtype=float)
    needs = np.array([work.weights_bytes + work.batch * _bytes_per_call(work) for work in workloads])
    batches, beams = (np.array([getattr(work, name) for work in workloads], float) for name in ("batch", "beam"))
    starts = {work: index for index, work in enumerate(dict.fromkeys(map(_start, workloads)))}
    begin = _concatenate([_begin_rows(work, runtime) for work in starts])
    decode = _concatenate([_decode_rows(work, runtime) for work in workloads])
    which = np.array([starts[_start(work)] for work in workloads])
    for row, gpu in zip(at, gpus, strict=True):
        before = _sums(gpu, begin, len(starts))[0].sum((1, 2))
        after = _sums(gpu, decode, len(workloads), steps, beams)[0].sum((1, 2))
        total = before[which] + after + _wire_s(gpu.device, wires) + _host_s(gpu, batches)
        seconds[row] = np.where(needs > gpu.device["memory"] * _MEMORY_SHARE, np.inf, total)


def _host_s(gpu: Gpu, calls: Any) -> Any:
    """Seconds of the host around a batch of so many calls."""
    return (gpu.runtime.call_s + gpu.runtime.utterance_s * calls) * _slowdown(gpu)


def _slowdown(gpu: Gpu) -> float:
    return gpu.device["host_slowdown"] if gpu.runtime.of_host else 1.0


def _start(work: Workload) -> Workload:
    """The call up to its first token, which is priced once for all numbers of decode steps."""
    # with full padding, all lengths of audio are one workload
    full_s = work.dims.n_audio_ctx * 2 * HOP / SAMPLE_RATE if work.padding == "full" else work.audio_s
    return replace(work, decode_tokens=0, audio_s=full_s) if work.decode_tokens or work.audio_s != full_s else work


def _bytes_per_call(call: Workload) -> float:
    one = call if call.batch == 1 else replace(call, batch=1)
    return one.kv_bytes + _activation_bytes(_start(one))


@lru_cache(maxsize=4096)
def _activation_bytes(one: Workload) -> float:
    # the operation with the largest input and output decides, the rest is reused
    return max((op.read_bytes + op.write_bytes for op in one.ops()), default=0)


@dataclass(frozen=True, eq=False, slots=True)
class _Rows:
    """Operations as features; per operation also its phase, whether it is a kernel, and whose it is."""

    features: Array
    phase: NDArray[np.intp]
    kernel: Array
    part: NDArray[np.intp]


def _rows(work: Workload, runtime: Runtime, *, decode: bool) -> _Rows:
    phase, passes = ("decode", work.decode_tokens) if decode else ("prefill", 1)
    ops = (work.decode_ops() if passes else ()) if decode else _start(work).ops()
    # a device that shares calls with another samples where it has the logits
    if any(op.kind == "logits" for op in ops):
        ops = (*ops, sampling_op(work, runtime, phase, passes))
    run = list(list_kernels(work, runtime, ops))
    features = rows_of((op, moved) for op, moved, _ in run)
    phases = np.array([PHASES.index(op.phase) for op, _, _ in run], dtype=np.intp)
    return _Rows(features, phases, np.array([own for *_, own in run], dtype=float), np.zeros(len(run), np.intp))


def _begin_rows(work: Workload, runtime: Runtime) -> _Rows:
    """Operations up to the first token."""
    if not work.affine:
        return _rows(work, runtime, decode=False)
    rows, more = _by_batch(replace(work, batch=1), runtime)
    return replace(rows, features=rows.features + (work.batch - 1) * more)


def _decode_rows(work: Workload, runtime: Runtime) -> _Rows:
    """Operations of all decode steps, each at its mean size."""
    steps = work.decode_tokens
    fits = work.prompt_tokens + max(steps, 2) + work.pass_tokens - 1 <= work.dims.n_text_ctx
    if not (steps and fits and work.affine):
        return _rows(work, runtime, decode=True)
    rows, by_batch, by_step, by_both = _by_batch_and_step(replace(_start(work), batch=1, decode_tokens=1), runtime)
    b, t = work.batch - 1, steps - 1
    return replace(rows, features=rows.features + b * by_batch + t * by_step + b * t * by_both)


# Sizes are affine in the batch and, at the mean decode step, in the number of steps: a few workloads give them all


@lru_cache(maxsize=4096)
def _by_batch(one: Workload, runtime: Runtime) -> tuple[_Rows, Array]:
    first, second = (_rows(replace(one, batch=batch), runtime, decode=False) for batch in (1, 2))
    return first, second.features - first.features


@lru_cache(maxsize=4096)
def _by_batch_and_step(one: Workload, runtime: Runtime) -> tuple[_Rows, Array, Array, Array]:
    rows = [
        _rows(replace(one, batch=batch, decode_tokens=steps), runtime, decode=True)
        for batch, steps in ((1, 1), (2, 1), (1, 2), (2, 2))
    ]
    first, batch, step, both = (part.features for part in rows)
    return rows[0], batch - first, step - first, both - batch - step + first


def _concatenate(parts: list[_Rows]) -> _Rows:
    owner = np.repeat(np.arange(len(parts)), [len(part.phase) for part in parts])
    features, phase, kernel = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "phase", "kernel")
    )
    return _Rows(features, phase, kernel, owner)


def _sums(
    gpu: Gpu, rows: _Rows, parts: int, steps: Array | None = None, beam: Array | float = 1.0
) -> tuple[Array, Array]:
    """Seconds by part, phase and bound, shape = (parts, phases, 3), and ceilings, shape = (parts,).

    steps: decode steps of each part; None if the parts are those of calls before them. beam: texts of each part.
    """
    device, features = gpu.device, rows.features
    count, kind = features[:, _AT["count"]], features[:, _AT["kernel"]]
    peak = np.where(features[:, _AT["fp32"]] > 0, device["fp32_peak"], device["fp16_peak"])
    bandwidth, streamed = device["memory_bandwidth"], device["memory_efficiency"]
    slower = device.get("tensor_rate", 1.0), device.get("sustained", 1.0)
    floor = np.where(kind == OTHER, device["elementwise_floor"], 0.0) * rows.kernel
    moved = features[:, _AT["least_bytes"]]
    compute, memory = np.zeros(len(count)), features[:, _AT["moving"]] / (streamed * bandwidth)
    busy = memory.copy()
    for index, name in enumerate(KERNELS):
        at = np.flatnonzero(kind == index)
        if len(at):
            kernel = device.kernels[name]
            floor[at], compute[at], memory[at] = kernel.seconds(
                features[at], peak[at], bandwidth, streamed, device.shares[name], *slower
            )
            if name == "decode" and (rate := gpu.runtime.attention_rate):
                bytes_read = features[at, _AT["stationary"]] + features[at, _AT["moving"]]
                memory[at] = np.maximum(memory[at], bytes_read / (rate * device["processors"]))
            busy[at] = soft_maximum(compute[at], memory[at], kernel.order)
    ceiling = np.maximum(features[:, _AT["least_flops"]] / peak, moved / bandwidth)
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
    return _with_host(gpu, times.reshape(parts, -1, 3), launched, passes, beam), _totals(
        rows.part, count * ceiling, parts
    )


def _totals(slot: NDArray[np.intp], values: Array, slots: int) -> Array:
    return np.bincount(slot, values, slots).astype(float)


def _with_host(gpu: Gpu, times: Array, launched: Array, passes: Array, beam: Array | float) -> Array:
    """Add what the host costs to the device's seconds of each part and phase."""
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


@lru_cache(maxsize=4096)
def _begin(gpu: Gpu, work: Workload) -> tuple[Array, float]:
    times, ceiling = _sums(gpu, _begin_rows(work, gpu.runtime), 1)
    return times[0], float(ceiling[0])


@lru_cache(maxsize=65536)
def _time(gpu: Gpu, work: Workload, alive: float) -> Timing:
    device, fits = gpu.device, gpu.largest_batch(work)
    if work.batch > fits:
        need = (work.weights_bytes + work.batch * _bytes_per_call(work)) / _MEMORY_SHARE / 2**30
        given = device["memory"] / 2**30
        raise CapacityError(f"{gpu.name} has {given:.0f} GiB; batch {work.batch} needs {need:.0f}; at most {fits} fit")
    times, ceiling_s = _begin(gpu, _start(work))
    if work.decode_tokens:
        rows = _alive(_decode_rows(work, gpu.runtime), alive)
        after, decode_ceiling = _sums(gpu, rows, 1, np.array([float(work.decode_tokens)]), work.beam)
        times, ceiling_s = times + after[0], ceiling_s + float(decode_ceiling[0])
    tally, wire = Tally(), _wire_bytes(work)
    for phase, bounds in zip(PHASES, times.tolist(), strict=True):
        for bound, seconds in zip(_BOUNDS, bounds, strict=True):
            tally.add(phase, bound, seconds)
    tally.add("transfer", "link", _wire_s(device, wire))
    tally.add("transfer", "launch", float(_host_s(gpu, work.batch)))
    tally.ceiling_s = ceiling_s + wire / device["host_bandwidth"]
    return replace(tally.timing(gpu.provenance), jitter=JITTER, batch=work.batch)


def _alive(rows: _Rows, part: float) -> _Rows:
    """The same, with the attention of calls that have ended spared."""
    if part == 1:
        return rows
    features = rows.features.copy()
    mine = np.ix_(features[:, _AT["kernel"]] == KERNELS.index("decode"), [_AT[name] for name in _SPARED])
    features[mine] *= part
    return replace(rows, features=features)


def _wire_bytes(work: Workload) -> int:
    """Audio to the device in fp32, tokens back in int64."""
    return work.batch * (work.samples * 4 + (work.decode_tokens + 1) * 8)


def _wire_s(device: Device, wire_bytes: Any) -> Any:
    # a decode step's own hand-shake is in its launch
    return wire_bytes / device["host_bandwidth"] + 2 * device["host_latency"]
