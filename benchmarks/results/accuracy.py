"""Word error rate by strategy, window and step, as a run or the reference curve has measured it."""

from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError
from ...backends.serving.arrivals import Traffic
from ...backends.workload.cutting import STRATEGIES, own_step_s
from ...datasets.objects import is_url
from ...speech.metrics.significance import Difference, paired_bootstrap
from ..experiment.shared import Place
from .curves import CurvePoint, CurveSeries, read_curve
from .records import Curve, read_results
from .wording import join_words

REFERENCE_CURVE = Path(__file__).with_name("reference_curve.json")


@dataclass(frozen=True, slots=True)
class Heard:
    """One way of cutting audio, and what it did to the text.

    strategy, window_s, step_s: how audio was cut; the step of a strategy that sets its own is that one, on average.
    wer, wer_ci95: as fractions.
    """

    strategy: str
    window_s: float
    step_s: float
    wer: float
    wer_ci95: tuple[float, float] | None

    @property
    def stream(self) -> Traffic:
        """One live stream that is cut so."""
        return Traffic(1, self.window_s, self.step_s, self.strategy)


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

    @property
    def missing(self) -> tuple[str, ...]:
        """The strategies that servers are simulated with, but that were not heard."""
        return tuple(name for name in STRATEGIES if name not in {way.strategy for way in self.ways})

    def within(self, above_best: float) -> tuple[Heard, ...]:
        """Return the ways whose error rate is above the best by no more than that."""
        return tuple(way for way in self.ways if way.wer <= self.best.wer + above_best + 1e-12)

    def at(self, strategy: str, window_s: float, step_s: float) -> Heard | None:
        """Return what was heard nearest below: at the longest window up to this one, and there at the nearest step.

        None where the strategy was not heard in a window as short.
        """
        mine = [way for way in self.ways if way.strategy == strategy and way.window_s <= window_s + 1e-9]
        longest_s = max((way.window_s for way in mine), default=0.0)
        same = [way for way in mine if way.window_s == longest_s]
        return min(same, key=lambda way: (abs(way.step_s - step_s), way.step_s), default=None)


def pair_ways(origin: str | None, before: Heard, after: Heard) -> Difference | None:
    """Return how the error rates of two ways differ, paired by speaker or recording.

    origin: as of `read_accuracy`. None where the ways were not heard on the same recordings, or the errors of each were
        not kept.
    """
    series = _curve_of(origin)
    found = [(one, point) for way in (before, after) for one in series for point in one.points if _is(way, one, point)]
    if len(found) != 2:
        return None
    (one, first), (other, second) = found
    return paired_bootstrap(one.by_unit(first), other.by_unit(second)) if one.recordings == other.recordings else None


def find_step_effects(strategy: str, before_s: float, after_s: float) -> tuple[str, list[tuple[float, Difference]]]:
    """Return what another step does to error rates on the reference curve: on which data, and by window how much.

    before_s, after_s: seconds between two calls. Rates of one window are paired by speaker, the earlier subtracted;
    there are none where one of the steps was not heard.
    """
    own = [one for one in _curve_of(None) if one.strategy == strategy]
    before, after = (next((one for one in own if one.step_s == step_s), None) for step_s in (before_s, after_s))
    if before is None or after is None:
        return "", []
    later = {point.window_s: point for point in after.points}
    pairs = [(point, later[point.window_s]) for point in before.points if point.window_s in later]
    found = [(a.window_s, paired_bootstrap(before.by_unit(a), after.by_unit(b))) for a, b in pairs]
    return before.dataset, [(window_s, effect) for window_s, effect in found if effect is not None]


def read_accuracy(origin: str | None) -> Accuracy:
    """Return what was measured: by the reference curve, on one of its datasets, or by a run of one's own.

    origin: the folder or URL of a run, the name of a dataset of the reference curve, or None for its first.
    Raises `InputError` where there is nothing to go by.
    """
    if is_url(origin or ""):
        origin = str(Place(origin or "").fetched())
    if origin is None or not (Path(origin) / "results.json").exists():
        series = _curve_of(origin)
        if not series:
            raise InputError(f"{origin}: no curve of {join_words(STRATEGIES)} windows in it; earspan bench makes one")
        ways = tuple(_way(one, point) for one in series for point in one.points if point.total.rate is not None)
        return _checked(Accuracy(series[0].model, series[0].dataset, ways), str(origin))
    results = read_results(Path(origin))
    ways = [
        Heard(curve.strategy, row.window_s, _step_s(curve, row.window_s), row.wer, row.wer_ci95)
        for curve in results.curves
        for row in curve.points
        if curve.strategy in STRATEGIES and row.window_s is not None and row.wer is not None
    ]
    return _checked(Accuracy(results.provenance.model, results.data, tuple(ways)), origin)


def _curve_of(origin: str | None) -> list[CurveSeries]:
    """The series that the first model heard on one dataset, of the reference curve or of one's own.

    The dataset is the one that is named, or the first that was heard in windows that slide.
    """
    path = REFERENCE_CURVE if origin is None else Path(origin) / "curve.json"
    if origin is not None and (Path(origin) / "results.json").exists():
        return []
    named = None if path.exists() or origin is None else origin
    planned = [one for one in read_curve(REFERENCE_CURVE if named else path) if one.strategy in STRATEGIES]
    if named:
        names = list(dict.fromkeys(one.dataset for one in planned))
        planned = [one for one in planned if named in (one.dataset, Path(one.dataset).parent.name)]
        if not planned:
            raise InputError(f"{named}: neither a run nor a dataset of the reference curve, {join_words(names)}")
    first = next((one for one in planned if one.strategy == "sliding"), planned[0] if planned else None)
    # rates of one table are of the same recordings
    return [one for one in planned if first and _part(one) == _part(first)]


def _part(series: CurveSeries) -> tuple[object, ...]:
    return series.model, series.dataset, series.recordings


def _step_s(curve: CurveSeries | Curve, window_s: float) -> float:
    """The seconds between two calls: those of the curve, or where the strategy sets its own, those of that window."""
    return own_step_s(curve.strategy, window_s) or curve.step_s or window_s


def _way(series: CurveSeries, point: CurvePoint) -> Heard:
    step_s = _step_s(series, point.window_s)
    return Heard(series.strategy, point.window_s, step_s, point.total.rate or 0.0, series.interval(point))


def _is(way: Heard, series: CurveSeries, point: CurvePoint) -> bool:
    step_s = _step_s(series, point.window_s)
    return (way.strategy, way.window_s, way.step_s) == (series.strategy, point.window_s, step_s)


def _checked(found: Accuracy, origin: str) -> Accuracy:
    if not found.ways:
        raise InputError(f"{origin}: no curve of {join_words(STRATEGIES)} windows in it; earspan bench makes one")
    return found
