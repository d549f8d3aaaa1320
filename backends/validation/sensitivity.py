"""How much an answer depends on assumptions: each figure of a device at both ends of its plausible range."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..devices.device import Device


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The answer with one figure at the least and at the largest value of its range, in the figure's unit."""

    figure: str
    unit: str
    least: float
    largest: float
    at_least: float
    at_largest: float

    @property
    def spread(self) -> float:
        """How far apart the two answers are."""
        return abs(self.at_largest - self.at_least)


def sensitivities(device: Device, answer: Callable[[Device], float]) -> tuple[Sensitivity, ...]:
    """`answer` for each figure with a range, all others as they are; the most sensitive first."""
    found = []
    for name, figure in device.figures.items():
        if figure.range is None:
            continue
        ends = [
            answer(replace(device, figures=MappingProxyType({**device.figures, name: replace(figure, value=value)})))
            for value in figure.range
        ]
        found.append(Sensitivity(name, figure.unit, *figure.range, *ends))
    return tuple(sorted(found, key=lambda row: -row.spread))
