"""Claims 1 and 2: whether a slow device has to hear less at once, and what hearing less does to the words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...backends.span import span
from ...backends.timing import Backend
from ...backends.workload.models import DIMENSIONS
from ...speech.metrics.significance import Difference, paired_bootstrap
from ..capacity.claims import Variation
from ..results.curves import CurvePoint, CurveSeries
from .ground import AS_MODELLED, ERRORS, Ground, judge, put_off
from .records import Case, Evidence, Figure

MARGIN = 0.01  # of the word error rate: a gain that is surely below one point counts as none
HEARD_STEP_S = 1.0  # between two calls, where the errors of windows that overlap were measured
SHORT_S, LONG_S = 5.0, 30.0
HEAD_S = 40.0  # of each recording that was heard in all ways
DRASTIC = 2  # times as many errors


@dataclass(frozen=True, slots=True)
class Way:
    """How audio is cut and for how many streams.

    streams: live recordings on one device. strategy: how audio is cut, by name.
    step_s: between two calls of a stream; None for a strategy that sets its own. latency_s: what words must keep; None
    for any. data: which errors, by the beginning of a dataset's name. model: the Whisper that is timed; None for the
    usual one.
    """

    streams: int
    strategy: str
    step_s: float | None = None
    latency_s: float | None = None
    data: str = "talks-clean"
    model: str | None = None

    @property
    def words(self) -> str:
        """The way in words."""
        streams = f"{self.streams} stream{'s' if self.streams > 1 else ''}"
        late = f", words within {self.latency_s:g} s" if self.latency_s else ""
        step = f", a call every {self.step_s:g} s" if self.step_s else ""
        where = "" if self.data == "talks-clean" else f"{self.data}, "
        timed = f"{self.model} timed as itself, " if self.model else ""
        return f"{timed}{where}{streams}, {self.strategy}{step}{late}"


WAYS = (
    Way(1, "sliding", 0.25),
    Way(8, "sliding", 1.0),
    Way(16, "sliding", 0.25),
    Way(64, "sliding", 1.0),
    Way(256, "sliding", 2.0),
    Way(8, "alignatt", 1.0),
    Way(64, "alignatt", 1.0),
    Way(1, "disjoint", latency_s=2.0),
    Way(1, "disjoint", latency_s=5.0),
    Way(16, "disjoint", latency_s=5.0),
    Way(16, "vad", latency_s=5.0),
    Way(3600, "sliding", 1.0, model="tiny.en"),
    *(
        way
        for data in ("talks-noisy", "speech-long")
        for way in (
            Way(1, "sliding", 0.25, data=data),
            Way(64, "sliding", 1.0, data=data),
            Way(16, "disjoint", latency_s=5.0, data=data),
        )
    ),
)


def check_speed(ground: Ground) -> Evidence:
    """Claim 1: between the slowest and the fastest device that keep up, does the faster one make fewer errors?"""
    cases = [case for way in WAYS if (case := _compare_devices(ground, way)) is not None]
    return Evidence(
        f"At each load, the longest window that each of {', '.join(one.name for one in ground.backends)} sustains, "
        "rounded down to one whose errors were measured; then the slowest device that keeps up beside the fastest: "
        "fewer errors by a paired interval clear of zero. A gain that is surely below one point is none.",
        tuple(cases),
        (
            "large-v3 is timed and tiny.en is heard, two Whispers, unless it is timed as itself",
            "errors of windows that slide were measured with a call every second; clean talks, unless others are named",
            "a device that sustains less than the shortest window heard is given the errors of that one, to its favour",
        ),
    )


def _compare_devices(ground: Ground, way: Way) -> Case | None:
    series = find_series(ground.series, way.strategy, HEARD_STEP_S if way.step_s else None, way.data)
    if series is None:
        return None
    heard = {point.window_s: point for point in series.points}
    windows: dict[str, dict[str, float]] = {}  # by variation and device, of those that keep up with a window heard
    spans: dict[str, float | None] = {}
    for variation in (AS_MODELLED, *ERRORS):
        windows[variation.name] = {}
        for backend in ground.backends:
            found_s = _find_span(ground, put_off(backend, variation), way)
            spans = spans | {backend.name: found_s} if variation is AS_MODELLED else spans
            if found_s is not None:
                # shorter windows than were heard are given the errors of the shortest that was, to their favour
                fitting = [window_s for window_s in heard if window_s <= found_s + 1e-9] or [min(heard)]
                windows[variation.name][backend.name] = max(fitting)
    able = [one.name for one in ground.backends if all(one.name in found for found in windows.values())]
    if len(able) < 2:
        return None
    nominal = windows[AS_MODELLED.name]
    # of devices that are alike the first is the slow one, and the last the fast one
    slow, fast = min(able, key=nominal.__getitem__), max(reversed(able), key=nominal.__getitem__)

    def gain(variation: Variation) -> Difference | None:
        found = windows[variation.name]
        return series.step(heard[found[slow]], heard[found[fast]])

    figures = [Figure(f"{name} sustains", span_s, "s") for name, span_s in spans.items()]
    figures += [measure(series, heard[window_s]) for window_s in dict.fromkeys((nominal[slow], nominal[fast]))]
    if (found := gain(AS_MODELLED)) is not None:
        figures.append(differ(f"{fast} less {slow}", found))
    return judge(f"{way.words}: {fast} against {slow}", lambda one: _is_less(gain(one)), figures)


def _find_span(ground: Ground, backend: Backend, way: Way) -> float | None:
    rest = {"streams": way.streams, "step_s": way.step_s, "latency_s": way.latency_s}
    dims = DIMENSIONS[way.model] if way.model else ground.dims
    return span(backend, dims, strategy=way.strategy, **rest).span_s


def _is_less(found: Difference | None) -> bool | None:
    """Whether a rate is lower: surely, surely not by a point, or (None) not to be told."""
    if found is None or (found.interval[0] < -MARGIN and found.interval[1] >= 0):
        return None
    return found.interval[1] < 0


def check_window(ground: Ground) -> Evidence:
    """Claim 2: do windows of 5 s have more errors than windows of 30 s, and at least twice as many?"""
    cases: list[Case] = []
    for series in ground.series:
        points = {point.window_s: point for point in series.points}
        if SHORT_S not in points or LONG_S not in points or series.head_s != HEAD_S:
            continue
        short, long = points[SHORT_S], points[LONG_S]
        more, twice = series.step(long, short), _exceed(series, long, short, DRASTIC)
        if more is None or twice is None:
            continue
        cut = f"a call every {series.step_s:g} s, " if series.step_s else ""
        name = f"{series.model} on {series.dataset.partition('/')[0]}, {series.strategy}, {cut}5 s against 30 s"
        rates = [measure(series, point) for point in (long, short)]
        figures = [*rates, differ("5 s less 30 s", more), *_boundary(short)]
        cases.append(Case(f"{name}: more errors", _is_more(more), tuple(figures), basis="measured"))
        margin = (*rates, differ(f"5 s less {DRASTIC} times 30 s", twice))
        cases.append(Case(f"{name}: at least twice as many", _is_more(twice), margin, basis="measured"))
    return Evidence(
        "Word error rates of the reference curve, the same recordings in both windows; two questions to each series: "
        "more errors, and at least twice as many (which is how drastic is read here), by paired intervals.",
        tuple(cases),
        ("the first 40 s of each recording", "two people who take turns do not overlap: windows are disjoint"),
        "how people do it",
    )


def _is_more(found: Difference) -> bool | None:
    """Whether a rate is higher: surely, surely not by a point, or (None) not to be told."""
    return None if found.interval[0] <= 0 and found.interval[1] > MARGIN else found.interval[0] > 0


def _exceed(series: CurveSeries, base: CurvePoint, other: CurvePoint, times: int) -> Difference | None:
    """The rate of `other` less `times` that of `base`, paired."""
    many = [
        replace(one, **{kind: times * getattr(one, kind) for kind in ("substitutions", "deletions", "insertions")})
        for one in series.by_unit(base)
    ]
    return paired_bootstrap(many, series.by_unit(other))


def _boundary(point: CurvePoint) -> list[Figure]:
    cut, whole = point.cut_words, point.whole_words
    if cut is None or whole is None or not (cut.ref_words and whole.ref_words):
        return []
    wrong = [100 * (one.substitutions + one.deletions) / one.ref_words for one in (cut, whole)]
    return [Figure("of words cut through, wrong", wrong[0], "%"), Figure("of others", wrong[1], "%")]


def find_series(
    series: Sequence[CurveSeries], strategy: str, step_s: float | None, data: str = "talks-clean"
) -> CurveSeries | None:
    """Return the first series of a strategy, step and dataset that has several windows; None if there is none."""
    fitting = (one for one in series if (one.strategy, one.step_s) == (strategy, step_s) and len(one.points) > 1)
    return next((one for one in fitting if one.dataset.startswith(data)), None)


def measure(series: CurveSeries, point: CurvePoint) -> Figure:
    """Return the word error rate of a window with its interval."""
    ends, rate = series.interval(point), point.total.rate
    ci95 = None if ends is None else (100 * ends[0], 100 * ends[1])
    return Figure(f"WER at {point.window_s:g} s", None if rate is None else 100 * rate, "%", ci95)


def differ(name: str, found: Difference) -> Figure:
    """Return a difference of word error rates with its interval."""
    low, high = found.interval
    return Figure(name, 100 * found.difference, "points", (100 * low, 100 * high))
