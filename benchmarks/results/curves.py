"""The reference curve: word errors against the window, by model, dataset and strategy, gathered from many runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...backends.errors import InputError
from ...backends.workload.cutting import CUTTINGS
from ...speech.metrics.significance import Difference, paired_bootstrap
from ...speech.metrics.wer import ErrorRate, wer_interval
from ..experiment import store
from ..experiment.records import Run
from .latency import Aligned, align_tracks, find_boundary_errors
from .units import pool

_TENTHS = 10
_SAME_S = 0.01  # two times as near as this are one


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was heard with one window.

    window_s: of each call; of `offline`, which hears all at once, Whisper's own 30 s.
    errors: of each recording, in the order of the series.
    calls, encoder_passes, decoder_runs: that were made, all together.
    whole_calls, second_passes: calls that hear a whole window, not the first seconds of a recording or its end, and how
        many of them took a second pass of the encoder; None where it was not counted.
    cut_words, whole_words: errors of the words that a cut goes through, and of the others; None without word times.
    pieces: where calls follow from pauses, what they are like: the means of each tenth by rising gap, which are
        seconds from the call before, of audio heard, and from the end of that audio to the call's arrival.
    """

    window_s: float
    errors: tuple[ErrorRate, ...]
    calls: int
    encoder_passes: int
    decoder_runs: int
    whole_calls: int | None = None
    second_passes: int | None = None
    cut_words: ErrorRate | None = None
    whole_words: ErrorRate | None = None
    pieces: tuple[tuple[float, float, float], ...] | None = None

    @property
    def total(self) -> ErrorRate:
        """Errors of all recordings together."""
        return pool(self.errors)


@dataclass(frozen=True, slots=True)
class CurveSeries:
    """One model, dataset and strategy, at several windows.

    model, digest, source: which Whisper, over its tensors, from where.
    engine: with its version.
    decoding: by name.
    dataset, dataset_digest: what was listened to.
    audio_s: in all.
    head_s: how much of each recording, None for all.
    recordings, units: name of each recording, and of the speaker (or recording) that it is resampled with.
    strategy, step_s: how audio was cut.
    points: by rising window.
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
        """What tells it from others: all but its points and who packed the weights."""
        return tuple(getattr(self, name) for name in self.__slots__ if name not in ("points", "source"))

    def with_point(self, point: CurvePoint) -> "CurveSeries":
        """Return it with one point more, or another in the place of one with its window."""
        others = [one for one in self.points if one.window_s != point.window_s]
        return replace(self, points=tuple(sorted([*others, point], key=lambda one: one.window_s)))

    def by_unit(self, point: CurvePoint) -> list[ErrorRate]:
        """Return the errors of each unit that intervals resample."""
        pairs = list(zip(self.units, point.errors, strict=True))
        return [pool(rate for unit, rate in pairs if unit == name) for name in dict.fromkeys(self.units)]

    def interval(self, point: CurvePoint, seed: int = 0) -> tuple[float, float] | None:
        """Return the 95 % interval of the word error rate at a point."""
        return wer_interval(self.by_unit(point), seed)

    def step(self, earlier: CurvePoint, later: CurvePoint, seed: int = 0) -> Difference | None:
        """Return the word error rate of `later` less that of `earlier`, paired by unit."""
        return paired_bootstrap(self.by_unit(earlier), self.by_unit(later), seed)

    def rises(self, seed: int = 0) -> list[tuple[float, float, Difference]]:
        """Return the windows between which the error rate rises beyond its paired interval."""
        return [
            (a.window_s, b.window_s, found)
            for at, a in enumerate(self.points)
            for b in self.points[at + 1 :]
            if (found := self.step(a, b, seed)) and found.interval[0] > 0
        ]


@dataclass(frozen=True, slots=True)
class ReferenceCurve:
    """The content of a `curve.json`."""

    schema: int
    series: tuple[CurveSeries, ...]


def series_of(run: Run) -> list[CurveSeries]:
    """Return what a run heard on infinitely fast hardware, a series for each strategy and step."""
    experiment, heard = run.experiment, run.datasets[0]
    groups: dict[tuple[str, float | None], dict[float, list[Aligned]]] = {}
    for item in align_tracks(run, experiment.normaliser):
        backend, strategy, window_s, step_s = item.track.setting
        if backend is None:
            groups.setdefault((strategy, step_s), {}).setdefault(window_s, []).append(item)
    found = []
    for (strategy, step_s), points in groups.items():
        recordings = [item.reference for item in next(iter(points.values()))]
        series = CurveSeries(
            model=run.provenance.model,
            digest=run.provenance.digest or run.provenance.sha256,
            source=run.provenance.source,
            engine=run.provenance.engine.partition(": ")[2],
            decoding=experiment.decoding,
            dataset=heard.name,
            dataset_digest=heard.digest,
            audio_s=round(sum(one.duration_s for one in recordings), 2),
            head_s=experiment.head_s,
            recordings=tuple(one.id for one in recordings),
            units=tuple(one.speaker or one.id for one in recordings),
            strategy=strategy,
            step_s=step_s,
        )
        for window_s, items in points.items():
            series = series.with_point(_point(window_s, items))
        found.append(series)
    return found


def _point(window_s: float, items: Sequence[Aligned]) -> CurvePoint:
    calls = [call for item in items for call in item.track.calls]
    # the last call of a recording hears its end, where nothing is cut off
    inner = [call for item in items for call in item.track.calls if call.end_s < item.reference.duration_s - _SAME_S]
    whole = [call for call in inner if call.end_s - call.start_s > window_s - _SAME_S]
    timed = all(item.reference.words is not None for item in items)
    places = [place.errors for place in find_boundary_errors(items).places] if timed else []
    return CurvePoint(
        window_s,
        tuple(item.errors for item in items),
        calls=len(calls),
        encoder_passes=sum(call.encoder_passes for call in calls),
        decoder_runs=sum(call.decoder_runs for call in calls),
        whole_calls=len(whole),
        second_passes=sum(call.encoder_passes > 1 for call in whole),
        cut_words=places[0] if places else None,
        whole_words=pool(places[1:]) if places else None,
        pieces=_tenths(items),
    )


def _tenths(items: Sequence[Aligned]) -> tuple[tuple[float, float, float], ...] | None:
    """What calls are like where they follow from pauses; None where they do not, or were too few to say."""
    strategy = items[0].track.strategy
    if strategy not in CUTTINGS or CUTTINGS[strategy].even:
        return None
    rows = sorted(
        (call.arrival_at_s - before.arrival_at_s, call.end_s - call.start_s, call.arrival_at_s - call.end_s)
        for item in items
        for before, call in pairwise(item.track.calls)
        # the end of a recording cuts its last call short
        if call.end_s < item.reference.duration_s - _SAME_S
    )
    if len(rows) < _TENTHS:
        return None
    tenths = np.array_split(np.array(rows), _TENTHS)
    return tuple(tuple(round(float(value), 3) for value in tenth.mean(axis=0)) for tenth in tenths)  # pyright: ignore[reportReturnType]


def merge_series(known: Sequence[CurveSeries], new: CurveSeries) -> tuple[CurveSeries, ...]:
    """Return `known` with the points of `new`, which go to the series of its identity or make one of their own."""
    series = list(known)
    for at, one in enumerate(series):
        if one.identity == new.identity:
            for point in new.points:
                one = one.with_point(point)
            series[at] = one
            return tuple(series)
    return (*series, new)


def write_curve(path: Path, series: Sequence[CurveSeries]) -> None:
    """Write a reference curve, a line for each point. Raises `InputError` where that is not possible."""
    bodies = []
    for one in series:
        head = store.encode(replace(one, points=()))[: -len("[]}")]
        bodies.append(f"{head}[\n" + ",\n".join(map(store.encode, one.points)) + "\n]}")
    store.write_whole(path, f'{{"schema": {store.SCHEMA}, "series": [\n' + ",\n".join(bodies) + "\n]}\n")


def read_curve(path: Path) -> tuple[CurveSeries, ...]:
    """Return the reference curve in a file. Raises `InputError` for a file that holds something else."""
    series = store.read_record(path, ReferenceCurve).series
    for one in series:
        for point in one.points:
            if not len(one.recordings) == len(one.units) == len(point.errors):
                raise InputError(
                    f"{path}: {one.dataset}, {one.strategy}, {point.window_s:g} s: errors of {len(point.errors)} "
                    f"recordings, and {len(one.recordings)} of them by name; hear that window again with earspan curve"
                )
    return series
