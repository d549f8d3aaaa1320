"""Strategies compared on the clock of each backend: fronts, and the best within a latency budget."""

from collections.abc import Mapping, Sequence

from ...speech.metrics.significance import paired_bootstrap
from ...speech.metrics.wer import ErrorRate
from ...speech.strategies import OFFLINE
from ..experiment.experiment import Experiment
from .latency import Aligned
from .records import Candidate, Comparison, Row

BUDGETS_S = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
BASELINE, REFERENCE = "disjoint", OFFLINE

Groups = Mapping[tuple, Sequence[Aligned]]


def compare_strategies(experiment: Experiment, rows: Sequence[Row], groups: Groups) -> Comparison:
    """Return the fronts of each backend, and the best window of each strategy in each latency budget."""
    budgets_s = [experiment.latency_s] if experiment.latency_s else list(BUDGETS_S)
    fronts = {
        name: tuple(
            (row.strategy, row.window_s or 0.0)
            for row in front([row for row in live_rows(rows, name) if row.strategy != REFERENCE])
        )
        for name in experiment.backends
    }
    within = tuple(
        candidate
        for name in experiment.backends
        for budget_s in budgets_s
        for candidate in _within(live_rows(rows, name), groups, budget_s)
    )
    return Comparison(tuple(experiment.grid), fronts, within)


def live_rows(rows: Sequence[Row], backend: str) -> list[Row]:
    """Return the rows of a backend that it sustains and that have a latency."""
    mine = [row for row in rows if row.backend == backend and row.latency_p95_s is not None]
    return [row for row in mine if row.work and row.work.keeps_up]


def front(rows: Sequence[Row]) -> list[Row]:
    """Return the rows than which no other is both earlier (95th percentile) and better, earliest first."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.latency_p95_s or 0, row.wer or 0)):
        if not best or (row.wer or 0) < (best[-1].wer or 0):
            best.append(row)
    return best


def _within(rows: Sequence[Row], groups: Groups, budget_s: float) -> list[Candidate]:
    """The best window of each strategy whose words keep a budget, and its differences to the best and to disjoint.

    Differences are paired by recording: voices differ more than strategies do, and all of them heard the same.
    """
    kept = [row for row in rows if (row.latency_p95_s or 0) <= budget_s]
    best = {row.strategy: row for row in sorted(kept, key=lambda row: -(row.wer or 0))}

    def errors(row: Row) -> list[ErrorRate]:
        items = groups[row.backend, row.strategy, row.window_s, row.step_s]
        return [item.errors for item in sorted(items, key=lambda item: item.reference.id)]

    least, base = min(best.values(), key=lambda row: row.wer or 0, default=None), best.get(BASELINE)
    candidates = [
        Candidate(
            backend=row.backend or "",
            budget_s=budget_s,
            strategy=row.strategy,
            window_s=row.window_s or 0.0,
            wer=row.wer or 0.0,
            wer_ci95=row.wer_ci95,
            latency_p95_s=row.latency_p95_s or 0.0,
            above_best=paired_bootstrap(errors(least), errors(row)) if least and row is not least else None,
            against_disjoint=paired_bootstrap(errors(base), errors(row)) if base and row is not base else None,
        )
        for row in best.values()
    ]
    return sorted(candidates, key=lambda candidate: candidate.wer)
