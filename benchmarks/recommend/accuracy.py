"""Word error rate by strategy and window, as a run or the reference curve has measured it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError
from ..results.curves import CurveSeries, read_curve
from ..results.records import read_results

REFERENCE_CURVE = Path(__file__).parents[1] / "results" / "reference_curve.json"
_PLANNED = ("disjoint", "sliding")  # strategies that servers are simulated with


@dataclass(frozen=True, slots=True)
class Heard:
    """One way of cutting audio, and what it did to the text.

    strategy, window_s, step_s: how audio was cut; the step of disjoint chunks is the window.
    wer, wer_ci95: as fractions.
    """

    strategy: str
    window_s: float
    step_s: float
    wer: float
    wer_ci95: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What was heard, in every way that servers are simulated with. model, data: by whom, on what."""

    model: str
    data: str
    ways: tuple[Heard, ...]

    @property
    def best(self) -> Heard:
        """The way with the fewest errors."""
        return min(self.ways, key=lambda way: way.wer)

    def within(self, above_best: float) -> tuple[Heard, ...]:
        """Return the ways whose error rate is above the best by no more than that."""
        return tuple(way for way in self.ways if way.wer <= self.best.wer + above_best + 1e-12)


def read_accuracy(folder: str | None) -> Accuracy:
    """Return what a run has measured, or the reference curve. Raises `InputError` where there is nothing to go by."""
    if folder is None:
        return _of_series(read_curve(REFERENCE_CURVE))
    if (Path(folder) / "curve.json").exists():
        return _of_series(read_curve(Path(folder) / "curve.json"))
    results = read_results(Path(folder))
    ways = [
        Heard(curve.strategy, row.window_s, curve.step_s or row.window_s, row.wer, row.wer_ci95)
        for curve in results.curves
        for row in curve.points
        if curve.strategy in _PLANNED and row.window_s is not None and row.wer is not None
    ]
    return _checked(Accuracy(results.provenance.model, results.data, tuple(ways)), folder)


def _of_series(series: Sequence[CurveSeries]) -> Accuracy:
    """The first model and dataset of a reference curve that has both ways of cutting."""
    first = next((one for one in series if one.strategy == "sliding"), series[0])
    mine = [s for s in series if s.strategy in _PLANNED and (s.model, s.dataset) == (first.model, first.dataset)]
    ways = []
    for one in mine:
        for point in one.points:
            if point.total.rate is not None:
                step_s = one.step_s or point.window_s
                ways.append(Heard(one.strategy, point.window_s, step_s, point.total.rate, one.interval(point)))
    return _checked(Accuracy(first.model, first.dataset, tuple(ways)), "the reference curve")


def _checked(found: Accuracy, origin: str) -> Accuracy:
    if not found.ways:
        raise InputError(f"{origin}: no curve of disjoint or sliding windows in it; earspan bench makes one")
    return found
