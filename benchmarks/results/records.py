"""The results of a run as records, from the score to the page; `results.json` is these and nothing else."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from ...backends.measured.address import is_endpoint
from ...speech.metrics.boundary import BoundaryErrors
from ...speech.metrics.degeneracy import Degeneracy
from ...speech.metrics.significance import Difference
from ...speech.metrics.wer import ErrorRate
from ..experiment import store
from ..experiment.experiment import Experiment
from ..experiment.records import AlignedWords, Failure, Heard, Imported, Plan, Provenance
from .endpoints import EndpointUse

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """How late words came, in seconds; None where no reference has word times, or nothing was heard.

    p50_s, p95_s, p99_s: from the end of a spoken word until it was shown, of `words` words.
    continuous_s: the mean over words aligned by characters (ufal/asr_latency).
    first_word_p50_s, first_word_max_s: of the first right word of each recording.
    ttfs_p50_s, ttfs_p95_s, ttfs_p99_s: time to final segment, from the end of speech, that is of a word with a pause
        behind it, until that word was shown for good; of `ttfs_stretches` stretches of speech.
    laal_s, dal_s, stream_laal_s, long_yaal_s: against a speaker who is even over the audio, counting audio only; with
        `_ca_`, computation too.
    no_queue_p50_s, summed_p50_s: what p50_s would be said to be by tools without a queue, and by those that add all
        computation up.
    normalised_erasure: shown words taken back, for each final one.
    rtf: seconds of work for each second of audio.
    backlog_s: the longest that a call waited.
    """

    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    words: int = 0
    continuous_s: float | None = None
    first_word_p50_s: float | None = None
    first_word_max_s: float | None = None
    ttfs_p50_s: float | None = None
    ttfs_p95_s: float | None = None
    ttfs_p99_s: float | None = None
    ttfs_stretches: int = 0
    laal_s: float | None = None
    laal_ca_s: float | None = None
    dal_s: float | None = None
    dal_ca_s: float | None = None
    stream_laal_s: float | None = None
    stream_laal_ca_s: float | None = None
    long_yaal_s: float | None = None
    long_yaal_ca_s: float | None = None
    no_queue_p50_s: float | None = None
    summed_p50_s: float | None = None
    normalised_erasure: float | None = None
    rtf: float | None = None
    backlog_s: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a backend did for all recordings.

    calls: how many.
    encoder_passes, decoder_runs: of one call, on average.
    service_mean_s: of one call.
    busy: service time for each second of audio; above 1 it falls behind without end.
    unheard_s: audio in no call, dropped or left out as silence.
    last_wait_s: the longest that a last call waited.
    cut_off: calls whose text broke off.
    """

    calls: int
    encoder_passes: float | None
    decoder_runs: float | None
    service_mean_s: float | None
    busy: float
    unheard_s: float
    last_wait_s: float
    cut_off: int

    @property
    def keeps_up(self) -> bool:
        """Whether the backend does not fall further and further behind."""
        return self.busy <= 1


@dataclass(frozen=True, slots=True)
class Row:
    """One backend in one setting under one load, with what was heard and how late.

    backend: None on infinitely fast hardware.
    load: as "16x0.25".
    strategy, step_s: how audio was cut.
    window_s: the window that was heard; None where the backend sustains none.
    joined: whether the texts are those of the same window on infinitely fast hardware, the span being rounded down to
        it, and no latency is known.
    plan: what the planner found.
    recordings: that were scored.
    wer, wer_ci95: pooled word error rate as a fraction, with its 95 % interval.
    errors: the counts behind it.
    latency, boundary_errors, work, policy: None where the backend was not played.
    less_batch: WER less that of the same recordings heard at once, paired; None where there is nothing to compare with.
    """

    backend: str | None
    load: str
    strategy: str
    window_s: float | None
    step_s: float | None
    recordings: int
    wer: float | None
    wer_ci95: Interval | None
    errors: ErrorRate
    joined: bool = False
    plan: Plan | None = None
    latency: Latency | None = None
    boundary_errors: BoundaryErrors | None = None
    work: Work | None = None
    policy: Degeneracy | None = None
    less_batch: Difference | None = None

    @property
    def span_s(self) -> float | None:
        """The longest window that the backend sustains under this load."""
        return self.plan and self.plan.span_s

    @property
    def is_measured(self) -> bool:
        """Whether its times are those of real work, not of a model of the hardware."""
        return self.plan is not None and self.plan.provenance == "measured"

    @property
    def is_asked(self) -> bool:
        """Whether it is an endpoint, whose texts and times are its own."""
        return self.backend is not None and is_endpoint(self.backend)

    @property
    def latency_p50_s(self) -> float | None:
        """Median word latency."""
        return self.latency and self.latency.p50_s

    @property
    def latency_p95_s(self) -> float | None:
        """95th percentile of word latency."""
        return self.latency and self.latency.p95_s


@dataclass(frozen=True, slots=True)
class Curve:
    """Word error rate against the window on infinitely fast hardware, under one strategy.

    points: by rising window.
    last_less_first: WER of the longest window less that of the shortest, paired.
    """

    strategy: str
    step_s: float | None
    points: tuple[Row, ...]
    last_less_first: Difference | None

    def point_at(self, window_s: float | None) -> Row | None:
        """Return the point with the longest window that is no longer than `window_s`; None if there is none."""
        found = [p for p in self.points if window_s is not None and p.window_s is not None and p.window_s <= window_s]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Gain:
    """What faster backends buy over slower ones under a load: a longer window, of the same recordings.

    from_s, to_s: the windows that were heard. wer: with both.
    difference: WER of the longer window less that of the shorter one, paired; None for too few recordings.
    model, load: the timed model, and the load as "16x0.25". slower, faster: backends that heard the one, the other.
    """

    from_s: float
    to_s: float
    wer: tuple[float | None, float | None]
    difference: Difference | None
    model: str = ""
    load: str = ""
    slower: tuple[str, ...] = ()
    faster: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """The best window of a strategy whose words keep a latency budget on a backend.

    above_best: WER less that of the best strategy in the budget.
    against_disjoint: less that of disjoint chunks; both paired, None for the strategy itself, or without the other.
    """

    backend: str
    budget_s: float
    strategy: str
    window_s: float
    wer: float
    wer_ci95: Interval | None
    latency_p95_s: float
    above_best: Difference | None
    against_disjoint: Difference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Strategies compared.

    fronts: by backend, (strategy, window) that no other is both earlier and better than.
    """

    strategies: tuple[str, ...]
    fronts: dict[str, tuple[tuple[str, float], ...]]
    within: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Pooled errors of a dataset, a speaker, or all.

    cer: character error rate over `ref_characters`.
    """

    name: str
    recordings: int
    wer: float | None
    wer_ci95: Interval | None
    errors: ErrorRate
    cer: float | None
    ref_characters: int


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """Errors of one recording."""

    recording: str
    speaker: str | None
    dataset: str
    wer: float | None
    errors: ErrorRate
    cer: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One setting in detail.

    total, by_dataset, by_speaker, by_recording: errors. silence: recordings without a reference word, and insertions
        there.
    common: the most frequent substitutions, insertions and deletions, each words and count.
    """

    total: Group
    by_dataset: tuple[Group, ...]
    by_speaker: tuple[Group, ...]
    by_recording: tuple[RecordingScore, ...]
    silent_recordings: int
    silent_insertions: int
    common: dict[str, tuple[tuple[str | int, ...], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All results of a run.

    experiment, provenance, datasets, aligned, imported, failed: of the run.
    scoring: normaliser and aligner, with versions.
    resampled, units: what intervals resample, speakers or recordings, and how many.
    rows: backends, by load, the one that was played first.
    curves: on infinitely fast hardware.
    as_heard: rows of all loads with the model that is heard timed as itself, where that was asked for.
    gains: what longer spans buy, by the model that is timed and by load.
    comparison: where backends played the grid.
    evaluation: where there is one setting.
    batch: what the rows' `less_batch` compares with; empty where there is nothing.
    endpoints: how those were that were asked.
    warnings: what weakens the results, said by themselves.
    summary: the results in sentences.
    """

    schema: int
    experiment: Experiment
    provenance: Provenance
    datasets: tuple[Heard, ...]
    scoring: str
    resampled: str
    units: int
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    as_heard: tuple[Row, ...] = ()
    gains: tuple[Gain, ...] = ()
    comparison: Comparison | None = None
    evaluation: Evaluation | None = None
    batch: str = ""
    endpoints: tuple[EndpointUse, ...] = ()
    aligned: AlignedWords | None = None
    imported: Imported | None = None
    failed: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: tuple[str, ...] = field(default=())

    @property
    def played(self) -> tuple[Row, ...]:
        """Rows of the load that was played."""
        return tuple(row for row in self.rows if row.load == self.experiment.load.name)

    @property
    def heard(self) -> tuple[Row, ...]:
        """Rows that were heard: those of the load that was played, and the points of curves."""
        return (*self.played, *(row for curve in self.curves for row in curve.points))

    @property
    def simulated(self) -> tuple[str, ...]:
        """Backends that were not asked, so that their times were planned."""
        if self.imported:
            return ()
        return tuple(dict.fromkeys(row.backend for row in self.rows if row.backend and not row.is_asked))

    @property
    def data(self) -> str:
        """What was listened to, by name."""
        return ", ".join(heard.name for heard in self.datasets)

    @property
    def part(self) -> str:
        """What of it was listened to."""
        return ", ".join(heard.part for heard in self.datasets)


def encode_results(results: Results) -> str:
    """Return what `results.json` holds."""
    return store.encode(results, indent=1)


def write_results(folder: Path, results: Results) -> None:
    """Write `results.json` into `folder`. Raises `InputError` where that is not possible."""
    store.write_whole(folder / "results.json", encode_results(results))


def read_results(folder: Path) -> Results:
    """Return the results in `folder`. Raises `InputError`, naming the field, for a file that holds something else."""
    return store.read_record(folder / "results.json", Results)


def figures_of(record: Latency | Work) -> dict[str, float]:
    """Return the numbers of a record by name, those that are None left out."""
    values = {one.name: getattr(record, one.name) for one in fields(record)}
    return {name: value for name, value in values.items() if value is not None}
