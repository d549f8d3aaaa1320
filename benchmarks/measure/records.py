"""What a measurement stores, and what follows from it.

A measurement is a folder: `measurement.json` (what was asked, what was said in the recordings), `streams-N.jsonl` (a
line for each of N streams: every chunk that was sent, everything that the server said, each with its time),
`results.json` (what follows from them) and `report.html`. A load's file appears when the load is over, and whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError
from ...speech.metrics.latency import LatencySummary
from ...speech.metrics.wer import ErrorRate
from ...speech.streaming.paced import Streamed
from ..experiment import store
from ..experiment.records import Reference
from .settings import Measurement

VALID, INVALID = "VALID", "INVALID"


@dataclass(frozen=True, slots=True)
class Kept:
    """What was asked, and the references of what was played. machine: what it was measured with and when."""

    schema: int
    measurement: Measurement
    machine: dict[str, object]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What so many streams at once came to. Measures are of the streams that came to their end.

    streams, ended: how many there were, and how many came to their end.
    audio_s: that was sent.
    verdict, reason: `VALID`; or `INVALID`, and why the figures are not the server's.
    late_p99_s, late_max_s: how late chunks were sent by our own fault.
    held_max_s: the longest that the server made us wait with a chunk.
    errors: how many there were of each kind (`backends.measured.streams.session.FAILURES`).
    failures: in a line each.
    ttfs: time to final segment: from the end of a stretch of speech until its last word is final.
    word_latency: from the end of a word until it is final.
    steady_latency: until it stands as it does at the end, final or not.
    erasure: words taken back for each that remains; None without words.
    stalls, longest_stall_s: how often, and how long at most, a spoken word waited for any change of the text.
    word_errors, wer, wer_ci95: of the final texts; the interval resamples recordings, and is None for one alone.
    keeps_slo: None without an SLO. broken_by: why it does not.
    """

    streams: int
    ended: int
    audio_s: float
    verdict: str
    reason: str
    late_p99_s: float
    late_max_s: float
    held_max_s: float
    errors: dict[str, int]
    failures: tuple[str, ...]
    ttfs: LatencySummary
    word_latency: LatencySummary
    steady_latency: LatencySummary
    erasure: float | None
    stalls: int
    longest_stall_s: float
    word_errors: ErrorRate
    wer: float | None
    wer_ci95: tuple[float, float] | None
    keeps_slo: bool | None = None
    broken_by: str = ""


@dataclass(frozen=True, slots=True)
class SimulatedLoad:
    """Latency of words of so many streams on a simulated server, in seconds; keeps_up: whether calls end in time."""

    streams: int
    p50_s: float
    p95_s: float
    keeps_up: bool


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated server beside the measured one.

    backend, provenance: which, and what its times are.
    loads: by rising number of streams.
    most_streams: that keep the SLO; None without one.
    """

    backend: str
    provenance: str
    loads: tuple[SimulatedLoad, ...]
    most_streams: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What this measurement asked for; loads that were measured before are not among it.

    requests: calls of `openai:`, failed ones among them, else streams.
    billed_s: seconds of audio that are billed for them.
    cost_usd: what that costs, if all of it is billed; None where no price is stated.
    is_over: whether the budget ended it before all loads were tried.
    """

    requests: int = 0
    billed_s: float = 0.0
    cost_usd: float | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a measurement.

    loads: by rising number of streams.
    most_streams: the most that kept the SLO; 0 if none did, None without an SLO.
    limited_by: why more were not kept, or not tried.
    beside: simulated servers under the same loads.
    machine: what it was measured with.
    spent: on the server.
    """

    schema: int
    measurement: Measurement
    loads: tuple[LoadResult, ...]
    most_streams: int | None
    limited_by: str
    beside: tuple[Simulated, ...]
    machine: dict[str, object]
    spent: Spent = Spent()

    @property
    def is_clean(self) -> bool:
        """Whether every load is valid, nothing failed, and the budget was enough."""
        return not self.spent.is_over and all(load.verdict == VALID and not load.errors for load in self.loads)


def read_kept(folder: Path, measurement: Measurement) -> Kept | None:
    """Return what a folder keeps of an earlier part of this measurement; None if there is nothing.

    Raises `InputError` where it is of another measurement.
    """
    path = folder / "measurement.json"
    if not path.exists():
        return None
    kept = store.read_record(path, Kept)
    if kept.measurement.played != measurement.played:
        raise InputError(f"{folder}: holds a measurement of another target, or otherwise played; type another --out")
    return kept


def read_streams(folder: Path, streams: int) -> tuple[Streamed, ...] | None:
    """Return a load that was played before; None if there is none. Raises `InputError` for a damaged one."""
    path = _path(folder, streams)
    if not path.exists():
        return None
    lines, advice = store.read_text(path).split("\n"), "delete the file to measure that load again"
    return tuple(store.decode(line, Streamed, f"{path}:{at}: {advice}") for at, line in enumerate(lines, 1) if line)


def write_streams(folder: Path, streams: int, played: Iterable[Streamed]) -> None:
    """Keep a load. Raises `InputError`."""
    store.write_whole(_path(folder, streams), "".join(f"{store.encode(one)}\n" for one in played))


def _path(folder: Path, streams: int) -> Path:
    return folder / f"streams-{streams}.jsonl"
