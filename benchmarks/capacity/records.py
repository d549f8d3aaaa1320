"""A capacity study as records, from the simulation to the page; `results.json` is these and nothing else."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...backends.errors import InputError
from ...backends.serving.cost import Bill, Reference
from ...backends.serving.fleet import Fleet
from ..experiment import store
from ..results.accuracy import Accuracy, Heard
from .settings import CapacitySettings, Slo

_FILE = "results.json"


@dataclass(frozen=True, slots=True)
class Point:
    """The most streams of one backend that keep an SLO, and how they fare.

    kind: "GPU", "LPU", "hybrid" or "other". streams: 0 if it cannot keep it. step_s: between calls of a stream, None
    without streams. limited_by: what fails with more streams, in a word; reason: in a sentence. batch: mean size.
    busy: part of the time of its busiest station. latency_p..._s: of words. usd_per_audio_h, joules_per_audio_h: of an
    hour of audio, None where price or power is not known. streams_per_kw, streams_per_rack: by the devices' design
    power, see `backends.serving.cost.RACK_W`. heard: what was measured nearest below the window, and there nearest to
    the step; None where nothing was. provenance: of the times.
    """

    backend: str
    kind: str
    slo: Slo
    streams: int
    step_s: float | None
    limited_by: str
    reason: str
    heard: Heard | None
    provenance: str = "estimate"
    batch: float = 0.0
    busy: float = 0.0
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None
    latency_p999_s: float | None = None
    usd_per_audio_h: float | None = None
    joules_per_audio_h: float | None = None
    streams_per_kw: float | None = None
    streams_per_rack: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A conclusion: which kind of backend is best at an SLO, by a measure.

    answer: the kind, or "none" if no backend keeps the SLO. backend: the best one. figures: the best value of every
    kind. others: by variation of the models, the answers that differ.
    """

    slo: Slo
    measure: str
    answer: str
    backend: str | None
    figures: dict[str, float]
    others: dict[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether the conclusion stands in every variation."""
        return not self.others


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The price of `device` at which `backend` costs as much as `against` at an SLO; not above 0 if at no price."""

    backend: str
    device: str
    against: str
    usd_per_h: float
    slo: Slo


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One size of a batch. decoded_per_s: tokens of the decode steps alone. in_flight: batches served at a time."""

    batch: int
    calls_per_s: float
    decoded_per_s: float | None
    in_flight: float


@dataclass(frozen=True, slots=True)
class BatchCurve:
    """Calls per second by batch, as far as the memory holds them; without rows it does not hold one call."""

    backend: str
    kind: str
    rows: tuple[BatchRow, ...]

    @property
    def enough(self) -> BatchRow | None:
        """The least batch with 90 % of the most calls per second."""
        best = max((row.calls_per_s for row in self.rows), default=0)
        return next((row for row in self.rows if row.calls_per_s >= 0.9 * best), None)

    @property
    def enough_to_decode(self) -> BatchRow | None:
        """The least batch with 90 % of the most decoded tokens per second."""
        best = max((row.decoded_per_s or 0 for row in self.rows), default=0)
        return next((row for row in self.rows if row.decoded_per_s and row.decoded_per_s >= 0.9 * best), None)


@dataclass(frozen=True, slots=True)
class SpanPair:
    """The span of a backend under a load, as "16x0.25", with windows that slide.

    planned_s: all streams due at once. simulated_s: each at its own time. limited_by: what limits the second.
    """

    backend: str
    load: str
    strategy: str
    planned_s: float | None
    simulated_s: float | None
    limited_by: str


@dataclass(frozen=True, slots=True)
class DemandChange:
    """What a price `price_ratio` times as high does to hours of audio, spending and device hours, all relative."""

    elasticity: float
    price_ratio: float
    audio: float
    spend: float
    work: float


@dataclass(frozen=True, slots=True)
class StudyProvenance:
    """Where a study comes from: what was typed, versions, revision, machine, time in UTC, and how long it took."""

    command: str
    packages: dict[str, str]
    git: str | None
    python: str
    platform: str
    date: str
    wall_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityStudy:
    """A whole study.

    accuracy: every word error rate that was measured, and by whom on what. bills: what each backend's parts cost and
    draw. references: what public services ask. points: for every SLO, every backend. claims: for the SLOs where the
    latency varies, by dollars and by joules; variations: of the models, in which each was made again. spans: by load.
    fleets: the cheapest, by streams; no_fleet: why there is none, or none larger.
    summary: all of it in sentences.
    """

    schema: int = store.SCHEMA
    benchmark: Literal["capacity"] = "capacity"
    settings: CapacitySettings
    provenance: StudyProvenance
    accuracy: Accuracy
    bills: dict[str, Bill]
    break_even: tuple[BreakEven, ...]
    references: tuple[Reference, ...]
    points: tuple[Point, ...]
    claims: tuple[Claim, ...]
    variations: tuple[str, ...]
    batches: tuple[BatchCurve, ...]
    spans: tuple[SpanPair, ...]
    fleets: dict[int, Fleet]
    no_fleet: str
    elasticity: tuple[DemandChange, ...]
    summary: tuple[str, ...] = ()

    @property
    def by_latency(self) -> list[Point]:
        """The points of the SLOs where the latency varies, by rising latency."""
        asked = self.settings.by_latency
        own = [point for point in self.points if point.slo in asked]
        return sorted(own, key=lambda point: point.slo.latency_s)

    @property
    def by_window(self) -> list[Point]:
        """The points of the SLOs where the window varies, by rising window."""
        asked = self.settings.by_window
        own = [point for point in self.points if point.slo in asked]
        return sorted(own, key=lambda point: point.slo.window_s)


def is_study(folder: Path) -> bool:
    """Return whether the results in `folder` are those of a capacity study, not of a run."""
    path = folder / _FILE
    if not path.exists():
        return False
    try:
        return store.read_kind(path) == "capacity"
    except InputError:
        return not (folder / "run.json").exists()  # a run is scored again, whatever its results look like


def read_study(folder: Path) -> CapacityStudy:
    """Return the study in `folder`. Raises `InputError`, naming the field, for a file that holds something else."""
    return store.read_record(folder / _FILE, CapacityStudy)


def write_study(folder: Path, study: CapacityStudy) -> None:
    """Write `results.json` into `folder`, which is made if need be. Raises `InputError` where that is not possible."""
    store.write_whole(folder / _FILE, store.encode(study, indent=1))
