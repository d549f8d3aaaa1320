"""How much a backend's time depends on assumptions in its device files: each at both ends of its plausible range."""

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..devices.device import Device
from ..errors import InputError
from ..gpu.gpu import Gpu
from ..hybrid.hybrid import Hybrid, hybrid_backend
from ..lpu.lpu import Lpu
from ..registry import get_backend
from ..roofline import Roofline
from ..timing import Backend, CapacityError
from ..workload.workload import Workload


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The service time of one batch with one figure of a device changed.

    device, figure: which. unit: of the figure, as in its file.
    value, least, largest: the figure as it is, and the ends of its range.
    seconds, at_least_s, at_largest_s: the time with each of them; inf where the batch does not fit.
    """

    device: str
    figure: str
    unit: str
    value: float
    least: float
    largest: float
    seconds: float
    at_least_s: float
    at_largest_s: float

    @property
    def spread(self) -> float:
        """How far apart the times at the two ends are, relative to the time as it is."""
        return abs(self.at_largest_s - self.at_least_s) / self.seconds


def measure_sensitivity(name: str, work: Workload) -> tuple[Sensitivity, ...]:
    """Return how the time for a batch depends on each figure that has a range, the most sensitive first.

    name: of a backend, as for `get_backend`. Figures that do not change the time, such as prices, are left out. Raises
    `InputError` for a backend without a device file, and `CapacityError` if the batch does not fit.
    """
    backend = get_backend(name)
    seconds, found = backend.time(work).seconds, []
    for device in _devices(backend):
        for key, figure in device.figures.items():
            if figure.range is None:
                continue
            ends = (_time_with(backend, device, key, value, work) for value in figure.range)
            found.append(Sensitivity(device.name, key, figure.unit, figure.value, *figure.range, seconds, *ends))
    return tuple(sorted((row for row in found if row.spread), key=lambda row: -row.spread))


def _devices(backend: Backend) -> tuple[Device, ...]:
    if isinstance(backend, Hybrid):
        return backend.gpu.device, backend.lpu.device
    if isinstance(backend, Gpu | Lpu | Roofline):
        return (backend.device,)
    raise InputError(f"{backend.name} has no device file; type a backend that has one, such as groq-v1x16")


def _time_with(backend: Backend, device: Device, key: str, value: float, work: Workload) -> float:
    """Return the seconds for `work` with one figure of a device changed; inf if it does not fit."""
    figures = {**device.figures, key: replace(device.figures[key], value=value)}
    try:
        return _with_device(backend, device, replace(device, figures=MappingProxyType(figures))).time(work).seconds
    except CapacityError:
        return math.inf


def _with_device(backend: Backend, old: Device, new: Device) -> Backend:
    if isinstance(backend, Hybrid):
        gpu, lpu = (replace(one, device=new) if one.device is old else one for one in (backend.gpu, backend.lpu))
        return hybrid_backend(backend.name, gpu, lpu, backend.mode)
    return replace(backend, device=new) if isinstance(backend, Gpu | Lpu | Roofline) else backend
