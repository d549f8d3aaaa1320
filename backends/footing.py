"""What hardware a row of results stands on: without it, a table compares unlike things.

For each device: how many cards or chips, the format of the weights, the memory that is left, price and power.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .gpu.gpu import Gpu
from .hybrid.hybrid import Hybrid
from .hybrid.part import Part as Share
from .lpu.lpu import Lpu
from .roofline import Roofline
from .serving.cost import Part, Price, bill_of
from .timing import Backend
from .workload.workload import Workload


@dataclass(frozen=True, slots=True)
class Footing:
    """One device of a backend while it serves a batch.

    device: its name.
    units: cards or chips in use; all fields below are of all of them together.
    weights: the format in which weights are stored.
    arithmetic: the format in which they are multiplied.
    memory_bytes: memory for weights, caches and activations.
    left_bytes: the part of it that is left beside the weights.
    usd_per_h: price in dollars per hour; None if nobody named one.
    price: where the price is from.
    power_w: design power in watts; None if it is not known.
    """

    device: str
    units: int
    weights: str
    arithmetic: str
    memory_bytes: float
    left_bytes: float
    usd_per_h: float | None
    price: str
    power_w: float | None

    @property
    def line(self) -> str:
        """All fields in one line of text."""
        unit = "chip" if self.arithmetic.endswith("planes") else "card"
        count = f"{self.units} {unit}{'s' if self.units > 1 else ''}"
        memory = f"{self.left_bytes / 1e9:.2f} of {self.memory_bytes / 1e9:.2f} GB left beside weights"
        cost = self.price if self.usd_per_h is None else f"{self.usd_per_h:.2f} USD/h ({self.price})"
        power = "power not known" if self.power_w is None else f"{self.power_w:,.0f} W"
        return f"{self.device}: {count}, {self.weights} weights, {self.arithmetic}; {memory}; {cost}; {power}"


def list_footings(backend: Backend, work: Workload, prices: Mapping[str, Price] | None = None) -> tuple[Footing, ...]:
    """Return the hardware on which a backend serves the batch `work`, one entry for each of its devices.

    prices: by device name, as for `bill_of`; the default are those of the device files. Of a backend that has no
    device file (see `backends.own`) nothing is known: the result is empty.
    """
    if not isinstance(backend, Gpu | Lpu | Hybrid | Roofline):
        return ()
    parts = bill_of(backend, prices or {}, work).parts
    if isinstance(backend, Hybrid):
        shares = _shares(backend, work)
        return tuple(_one(one, share, part) for (one, share), part in zip(shares, parts, strict=True))
    return (_one(backend, work, parts[0]),)


def _shares(backend: Hybrid, work: Workload) -> list[tuple[Gpu | Lpu, Workload]]:
    """Return the two devices, each with the part of the batch that it does."""
    here = backend.lpu_part(work)
    if here is None:
        gpu_parts, lpu_parts = ("encode", "prefill", "attend"), ("project",)
        return [(backend.gpu, Share.of(work, *gpu_parts)), (backend.lpu, Share.of(work, *lpu_parts))]
    there = tuple(part for part in ("encode", "prefill") if part not in here.parts)
    return [(backend.gpu, Share.of(work, *there)), (backend.lpu, here)]


def _one(backend: Gpu | Lpu | Roofline, work: Workload, part: Part) -> Footing:
    arithmetic = work.dtype
    if isinstance(backend, Lpu):
        stored = backend.adapt(work)
        plan = backend.plan(work)
        weights = backend.weights + (" (GroqFlow's packing)" if backend.packing == "groqflow" else "")
        arithmetic = {"fp8": "fp8 planes", "int8": "made fp16 for the planes"}.get(backend.weights, "fp16 planes")
        memory = sum(stage.chips for stage in plan.stages) * backend.device["sram_usable"]
        held = sum(stage.weight_bytes for stage in plan.stages)
        units = backend.chips_for(stored)
    else:
        memory = backend.device["memory"]
        stored = backend.adapt(work) if isinstance(backend, Gpu) else work
        arithmetic = stored.dtype
        weights, decoder = stored.weight_dtype, stored.decoder_weight_dtype
        weights = weights if decoder == weights else f"{weights} encoder and {decoder} decoder"
        held, units = stored.weights_bytes, part.units
    if part.price is None:
        usd, basis = None, "no price known"
    else:
        usd, basis = units * part.price.usd_per_h, f"{part.price.source}, each {part.price.usd_per_h:g}"
    power = None if part.power_w is None else units * part.power_w
    return Footing(part.device, units, weights, arithmetic, memory, memory - held, usd, basis, power)
