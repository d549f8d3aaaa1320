"""One row: what was heard how, on what, with which figures, and all that is needed to believe it."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...speech.metrics.significance import Difference
from ...speech.metrics.wer import ErrorRate
from ..experiment import store
from ..experiment.records import Run
from ..imports.formats import MEASURE
from ..results.records import Results, Row
from ..results.score import score

OURS = "earspan"
IMPORTED, MEASURED, SIMULATED, NO_TIMES = "imported", "measured", "simulated", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of the leaderboard; its file is named after `name`.

    by: who made it.
    system: what answered: the model that was heard, or the system that was imported.
    backend, timed_as: what was timed, and as which Whisper.
    times: "simulated", "measured", "imported", or "none". times_are: the kind of simulation.
    strategy, window_s, step_s, load: how audio was cut, and how many streams there were.
    dataset, part, dataset_digest: what was heard, over its audio files and texts.
    recordings, audio_s, words: of it.
    scoring: normaliser and aligner, with versions.
    wer, wer_ci95, errors: the word error rate, its 95 % interval, and the counts behind it.
    resampled, units: what the interval draws, and of how many.
    latency_p50_s, latency_p95_s, latency_p99_s: word latency. ttfs_p50_s, ttfs_p95_s, ttfs_p99_s: time to final
        segment. None where they are not known.
    batch, less_batch: WER less that of the same recordings heard at once, and by what; None if there is none.
    degenerate: whether the policy likely is.
    model_digest: over the tensors of the weights; empty where those are not ours to know.
    engine, packages, git, platform, date, command: what it was made with; a git revision that ends in "-dirty" had
        changes, None is a release.
    calls_sha256: over the calls of the run. file_sha256: of the imported file, empty if there is none.
    warnings: what weakens it, said by the results themselves.
    """

    schema: int
    by: str
    system: str
    backend: str | None
    timed_as: str
    times: str
    times_are: str
    strategy: str
    window_s: float | None
    step_s: float | None
    load: str
    dataset: str
    part: str
    dataset_digest: str
    recordings: int
    audio_s: float
    words: int
    scoring: str
    wer: float
    wer_ci95: tuple[float, float]
    errors: ErrorRate
    resampled: str
    units: int
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    ttfs_p50_s: float | None
    ttfs_p95_s: float | None
    ttfs_p99_s: float | None
    batch: str
    less_batch: Difference | None
    degenerate: bool
    model_digest: str
    engine: str
    packages: dict[str, str]
    git: str | None
    platform: str
    date: str
    command: str
    calls_sha256: str
    file_sha256: str
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its file, without ending."""
        window = f"{self.window_s:g}s" if self.window_s else ""
        parts = (self.dataset, self.system, self.backend, self.strategy, window, self.by)
        distinct = dict.fromkeys(filter(None, parts))
        return re.sub(r"[^a-z0-9.]+", "-", "-".join(distinct).lower()).strip("-.")


def make_entry(run: Run, *, by: str = OURS, backend: str | None = None, batch: Run | None = None) -> Entry:
    """Return the row of a stored run, as `earspan submit` writes it.

    run: as it was read from its folder, which holds its digest.
    by: who submits it.
    backend: which, where the run has several.
    batch: the same recordings heard at once. Raises `InputError`, in one line, for what cannot be ranked: a run that
        was not stored, recordings that failed, several datasets, no word, no interval, weights or data without digest.
    """
    results = score(run, batch=batch)
    row = _choose(results, backend)
    _check(run, results, row)
    [heard], origin, latency = results.datasets, results.provenance, row.latency
    figures = {
        f"{name}_{part}_s": getattr(latency, f"{prefix}{part}_s", None)
        for name, prefix in (("latency", ""), ("ttfs", "ttfs_"))
        for part in ("p50", "p95", "p99")
    }
    return Entry(
        schema=store.SCHEMA,
        by=by,
        system=origin.model,
        backend=row.backend,
        timed_as=origin.timed_as if results.simulated else "",
        times=_kind_of_times(results, row),
        times_are=(row.plan.provenance if row.plan else None) or "",
        strategy=row.strategy,
        window_s=row.window_s,
        step_s=row.step_s,
        load=row.load,
        dataset=heard.name,
        part=heard.part,
        dataset_digest=heard.digest,
        recordings=heard.recordings,
        audio_s=heard.audio_s,
        words=row.errors.ref_words,
        scoring=results.scoring,
        wer=row.wer or 0.0,
        wer_ci95=row.wer_ci95 or (0.0, 0.0),
        errors=row.errors,
        resampled=results.resampled,
        units=results.units,
        **figures,
        batch=results.batch if row.less_batch else "",
        less_batch=row.less_batch,
        degenerate=row.policy is not None and row.policy.degenerate,
        model_digest=origin.digest,
        engine=origin.engine,
        packages=origin.packages,
        git=origin.git,
        platform=origin.platform,
        date=origin.date,
        command=origin.command,
        calls_sha256=run.calls_sha256,
        file_sha256=results.imported.sha256 if results.imported else "",
        warnings=results.warnings,
    )


def _choose(results: Results, backend: str | None) -> Row:
    rows = [row for row in results.heard if row.wer is not None and backend in (None, row.backend)]
    if backend is not None and not rows:
        raise unknown("backend", backend, {row.backend or "none" for row in results.heard})
    if len(rows) != 1:
        kinds = "no word error rate" if not rows else f"{len(rows)} rows"
        raise InputError(f"{kinds} in this run; expected one: type --backend NAME, or make it with earspan evaluate")
    return rows[0]


def _check(run: Run, results: Results, row: Row) -> None:
    """Raise `InputError` for the first thing that keeps a row from being ranked."""
    problems = (
        (not run.calls_sha256, "the run was not stored; write it with out=..., which keeps its digest"),
        (len(results.datasets) != 1, f"{len(results.datasets)} datasets; a row is of one"),
        (bool(results.failed), f"{len(results.failed)} recordings failed; a row is of all: mend them and run it again"),
        (not all(one.digest for one in results.datasets), "the data has no digest; make the run again"),
        (not row.errors.ref_words, "no reference word"),
        (row.wer_ci95 is None, "no interval, since there is one recording or speaker; choose more of the dataset"),
        (
            not (results.provenance.digest or results.imported or row.is_measured),
            "nothing says which weights were heard; make the run again with this version",
        ),
    )
    if problem := next((said for found, said in problems if found), None):
        raise InputError(f"cannot be ranked: {problem}")


def _kind_of_times(results: Results, row: Row) -> str:
    if results.imported:
        if results.imported.format == MEASURE:
            return MEASURED
        return IMPORTED if results.imported.shown or results.imported.given else NO_TIMES
    if row.backend is None:
        return NO_TIMES
    return MEASURED if row.is_measured else SIMULATED


def write_entry(folder: Path, entry: Entry) -> Path:
    """Write a row into `folder` and return its file. Raises `InputError` where that is not possible."""
    path = folder / f"{entry.name}.json"
    store.write_whole(path, store.encode(entry, indent=1) + "\n")
    return path


def read_entries(folder: Path) -> list[Entry]:
    """Return the rows in `folder`, by name. Raises `InputError` for a file that is no row, or not named after it."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"{folder}: no rows; type earspan submit RUN to write one")
    entries = []
    for path in paths:
        entry = store.read_record(path, Entry)
        if path.stem != entry.name:
            raise InputError(f"{path}: its row is {entry.name!r}; rename it, or submit it again")
        entries.append(entry)
    return entries
