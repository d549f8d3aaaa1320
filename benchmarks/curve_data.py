"""The reference curve as records: word errors against the window, by model, dataset and strategy; as JSON and back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..backends.errors import InputError
from ..speech.metrics.significance import Difference, paired_bootstrap
from ..speech.metrics.wer import ErrorRate, wer_interval
from .store import write_whole

SCHEMA = "earspan curve 1"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was heard with one window.

    window_s: of each call; of `offline`, which hears all at once, Whisper's own 30 s. errors: of each recording, in the
    order of the series. calls: that were made. encoder_passes, decoder_runs: that they took, all together. cut_words:
    errors of the words that a cut goes through; whole_words: of the others; None where no word times are known.
    """

    window_s: float
    errors: tuple[ErrorRate, ...]
    calls: int
    encoder_passes: int
    decoder_runs: int
    cut_words: ErrorRate | None = None
    whole_words: ErrorRate | None = None

    @property
    def total(self) -> ErrorRate:
        """Errors of all recordings together."""
        return sum(self.errors, ErrorRate.zero())


@dataclass(frozen=True, slots=True)
class CurveSeries:
    """One model, dataset and strategy, at several windows.

    model, digest, source: which Whisper, over its tensors, from where. engine: with its version. decoding: by name.
    dataset, dataset_digest: what was listened to. audio_s: in all. head_s: how much of each recording was heard, None
    for all of it. recordings, units: name of each recording, and of the speaker (or recording) it is resampled with.
    strategy, step_s: how audio was cut. points: by window.
    """

    model: str
    digest: str
    source: str
    engine: str
    decoding: str
    dataset: str
    dataset_digest: str
    audio_s: float
    head_s: float | None
    recordings: tuple[str, ...]
    units: tuple[str, ...]
    strategy: str
    step_s: float | None
    points: tuple[CurvePoint, ...] = ()

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells it from others: all but its points."""
        return tuple(getattr(self, name) for name in self.__slots__ if name not in ("points", "source"))

    def with_point(self, point: CurvePoint) -> "CurveSeries":
        """With one point more, or another in the place of one with its window."""
        others = [one for one in self.points if one.window_s != point.window_s]
        return replace(self, points=tuple(sorted([*others, point], key=lambda one: one.window_s)))

    def by_unit(self, point: CurvePoint) -> list[ErrorRate]:
        """Errors of each unit that intervals resample."""
        names = dict.fromkeys(self.units)
        pairs = list(zip(self.units, point.errors, strict=True))
        return [sum((rate for unit, rate in pairs if unit == name), ErrorRate.zero()) for name in names]

    def interval(self, point: CurvePoint, seed: int = 0) -> tuple[float, float] | None:
        """The 95 % interval of the word error rate at a point."""
        return wer_interval(self.by_unit(point), seed)

    def step(self, earlier: CurvePoint, later: CurvePoint, seed: int = 0) -> Difference | None:
        """The word error rate of `later` less that of `earlier`, paired by unit."""
        return paired_bootstrap(self.by_unit(earlier), self.by_unit(later), seed)

    def rises(self, seed: int = 0) -> list[tuple[float, float, Difference]]:
        """Windows between which the error rate rises beyond its paired interval."""
        return [
            (a.window_s, b.window_s, found)
            for at, a in enumerate(self.points)
            for b in self.points[at + 1 :]
            if (found := self.step(a, b, seed)) and found.interval[0] > 0
        ]


def merged(known: Sequence[CurveSeries], new: CurveSeries) -> tuple[CurveSeries, ...]:
    """`known` with the points of `new`, which go to the series of its identity or make one of their own."""
    series = list(known)
    for at, one in enumerate(series):
        if one.identity == new.identity:
            for point in new.points:
                one = one.with_point(point)
            series[at] = one
            return tuple(series)
    return (*series, new)


def write_curve(path: Path, series: Sequence[CurveSeries]) -> None:
    """Write a curve as JSON, whole or not at all. Raises `InputError` where that is not possible."""
    rows = [_series_row(one) for one in series]
    lines = ",\n".join(_spread(row) for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; type another --out") from error
    write_whole(path, f'{{"schema": "{SCHEMA}", "series": [\n{lines}\n]}}\n')


def read_curve(path: Path) -> tuple[CurveSeries, ...]:
    """The curve in a file. Raises `InputError` for a file that cannot be read or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; make one with earspan curve") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); make it again with earspan curve") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f"{path}: no {SCHEMA!r}; make one with earspan curve")
    try:
        return tuple(_series_of(row) for row in content["series"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error!r}); make it again with earspan curve") from error


def _series_row(series: CurveSeries) -> dict[str, object]:
    row = {name: getattr(series, name) for name in CurveSeries.__slots__}
    return {**row, "points": [_point_row(point) for point in series.points]}


def _point_row(point: CurvePoint) -> dict[str, object]:
    row = {name: getattr(point, name) for name in CurvePoint.__slots__}
    for name in ("cut_words", "whole_words"):
        row[name] = None if row[name] is None else _counts(row[name])
    return {**row, "errors": [_counts(rate) for rate in point.errors]}


def _counts(rate: ErrorRate) -> list[int]:
    return [rate.substitutions, rate.deletions, rate.insertions, rate.ref_words]


def _spread(row: dict[str, object]) -> str:
    """JSON with a line for each point, so that a change of one is a change of one line."""
    points = row["points"]
    head = json.dumps({**row, "points": []})[:-2]
    return head + "\n" + ",\n".join(json.dumps(point) for point in points) + "\n]}"  # pyright: ignore[reportGeneralTypeIssues]


def _series_of(row: dict) -> CurveSeries:
    points = tuple(_point_of(point) for point in row["points"])
    tuples = {name: tuple(row[name]) for name in ("recordings", "units")}
    return CurveSeries(**{**row, **tuples, "points": points})


def _point_of(row: dict) -> CurvePoint:
    optional = {name: row[name] and ErrorRate(*row[name]) for name in ("cut_words", "whole_words")}
    return CurvePoint(**{**row, **optional, "errors": tuple(ErrorRate(*counts) for counts in row["errors"])})
