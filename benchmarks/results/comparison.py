"""Strategies compared on the clock of each backend, and backends under each load: who makes fewer errors, surely?"""

from collections.abc import Iterator, Mapping, Sequence

from ...speech.metrics.significance import paired_bootstrap
from ...speech.metrics.wer import ErrorRate
from ...speech.strategies import OFFLINE
from ..experiment.experiment import Experiment
from .latency import Aligned
from .records import Candidate, Comparison, Gain, Row
from .units import pair_units

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


def find_gains(rows: Sequence[Row], groups: Groups, seed: int) -> list[Gain]:
    """Return what faster backends buy, by the model that is timed and by load, in the order of `rows`.

    Under each load from the shortest window that was heard to the longest: a step ends where the difference is certain,
    which is where its paired interval is clear of 0, and at the longest. Endpoints, whose texts are their own, are left
    out.
    """
    loads: dict[tuple[str, str], dict[float, list[Row]]] = {}
    for row in rows:
        if row.window_s is not None and not row.is_asked:
            heard = loads.setdefault((row.plan.model if row.plan else "", row.load), {})
            heard.setdefault(row.window_s, []).append(row)
    return [gain for heard in loads.values() for gain in _climb(sorted(heard.items()), groups, seed)]


def _climb(heard: Sequence[tuple[float, Sequence[Row]]], groups: Groups, seed: int) -> Iterator[Gain]:
    """The steps of one load, whose backends are given by the window that they heard."""
    base = 0
    for at in range(1, len(heard)):
        (from_s, slower), (to_s, faster) = heard[base], heard[at]
        found = pair_units(_heard_by(slower[0], groups), _heard_by(faster[0], groups), seed)
        if at == len(heard) - 1 or (found and found.is_certain):
            names = [tuple(row.backend or "" for row in own) for own in (slower, faster)]
            model = slower[0].plan.model if slower[0].plan else ""
            yield Gain(from_s, to_s, (slower[0].wer, faster[0].wer), found, model, slower[0].load, *names)
            base = at


def _heard_by(row: Row, groups: Groups) -> Sequence[Aligned]:
    """The recordings as a backend heard them: those of its calls, or of the curve that its span was joined to."""
    played = None if row.joined else row.backend
    way = (played, row.strategy, row.window_s)
    return next(items for setting, items in groups.items() if setting[:3] == way)
