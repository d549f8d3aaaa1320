"""What a row of results stands on, without which it compares unlike things.

How many cards or chips, the format of the weights, the memory that is left, what the price rests on, and the power.
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

    units: cards or chips in use. weights: format in which they are held. arithmetic: of their products. memory_bytes:
    of all units, for weights, caches and activations; left_bytes: of it without the weights. usd_per_h: of all units,
    None if nobody named a price; price: what it rests on. power_w: design power of all units, None if it is not known.
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
        """All of it in a line."""
        unit = "chip" if self.arithmetic.endswith("planes") else "card"
        count = f"{self.units} {unit}{'s' if self.units > 1 else ''}"
        memory = f"{self.left_bytes / 1e9:.2f} of {self.memory_bytes / 1e9:.2f} GB left beside weights"
        cost = self.price if self.usd_per_h is None else f"{self.usd_per_h:.2f} USD/h ({self.price})"
        power = "power not known" if self.power_w is None else f"{self.power_w:,.0f} W"
        return f"{self.device}: {count}, {self.weights} weights, {self.arithmetic}; {memory}; {cost}; {power}"


def list_footings(backend: Backend, work: Workload, prices: Mapping[str, Price] | None = None) -> tuple[Footing, ...]:
    """One for each device of the backend, for one batch of calls. prices: as for `bill_of`; default device files."""
    parts = bill_of(backend, prices or {}, work).parts
    if isinstance(backend, Hybrid):
        shares = _shares(backend, work)
        return tuple(_one(one, share, part) for (one, share), part in zip(shares, parts, strict=True))
    return (_one(backend, work, parts[0]),)


def _shares(backend: Hybrid, work: Workload) -> list[tuple[Backend, Workload]]:
    here = backend.lpu_part(work)
    if here is None:
        gpu_parts, lpu_parts = ("encode", "prefill", "attend"), ("project",)
        return [(backend.gpu, Share.of(work, *gpu_parts)), (backend.lpu, Share.of(work, *lpu_parts))]
    there = tuple(part for part in ("encode", "prefill") if part not in here.parts)
    return [(backend.gpu, Share.of(work, *there)), (backend.lpu, here)]


def _one(backend: Backend, work: Workload, part: Part) -> Footing:
    weights, arithmetic = work.weight_dtype, work.dtype
    if isinstance(backend, Lpu):
        stored = backend.stored(work)
        plan = backend.plan(work)
        weights = backend.weights + (" (GroqFlow's packing)" if backend.packing == "groqflow" else "")
        arithmetic = {"fp8": "fp8 planes", "int8": "made fp16 for the planes"}.get(backend.weights, "fp16 planes")
        memory = sum(stage.chips for stage in plan.stages) * backend.device["sram_usable"]
        held = sum(stage.weight_bytes for stage in plan.stages)
        units = backend.chips_for(stored)
    else:
        device = backend.device if isinstance(backend, Gpu | Roofline) else None
        memory = device["memory"] if device else 0.0
        stored = backend.stored(work) if isinstance(backend, Gpu) else work
        weights, decoder = stored.weight_dtype, stored.decoder_weight_dtype
        weights = weights if decoder == weights else f"{weights} encoder and {decoder} decoder"
        held, units = stored.weights_bytes, part.units
    if part.price is None:
        usd, basis = None, "no price known"
    else:
        usd, basis = units * part.price.usd_per_h, f"{part.price.source}, each {part.price.usd_per_h:g}"
    power = None if part.power_w is None else units * part.power_w
    return Footing(part.device, units, weights, arithmetic, memory, memory - held, usd, basis, power)
