"""A run scored: rows of backends, curves against the window, and what longer spans buy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...backends.errors import InputError
from ...speech.metrics.normalise import get_normaliser, normaliser_version
from ...speech.metrics.significance import Difference
from ...speech.metrics.wer import ErrorRate, wer_interval
from ...speech.strategies import OFFLINE
from ..experiment.experiment import Experiment
from ..experiment.records import Imported, Plan, Run
from ..experiment.store import SCHEMA
from .accuracy import find_step_effects
from .compare import check_same_data
from .comparison import Groups, compare_strategies, find_gains
from .endpoints import sum_up
from .evaluation import evaluate
from .latency import Aligned, align_tracks, find_boundary_errors, find_policy, measure_latency, measure_work
from .records import Curve, Results, Row
from .summary import summarise
from .units import pair_units, pool, units_of
from .wording import join_words, points

# Below, a result says itself that it is weak. The words: at 5 % WER, 1,000 words are 50 errors, which alone vary by
# 14 %. The units: published test sets have 40 speakers (LibriSpeech) and 11 (TED-LIUM).
_FEW_WORDS, _FEW_UNITS, _DOMINANT = 1000, 10, 0.5


def score(run: Run, normaliser: str | None = None, batch: Run | None = None) -> Results:
    """Return the results of a run, as a pure function of what it stored.

    normaliser: scores under other rules than those of the experiment.
    batch: of the same recordings heard at once, what streaming costs beside it is told (`Row.less_batch`); by default
        the run's own `offline` setting, if it has one. Raises `InputError` for unknown rules and other recordings.
    """
    experiment = run.experiment if normaliser is None else replace(run.experiment, normaliser=normaliser)
    get_normaliser(experiment.normaliser)
    items = align_tracks(run, experiment.normaliser)
    groups = _by_setting(items)
    whole = _heard_at_once(run, experiment.normaliser, batch, groups)
    basis = _Basis(experiment, whole, run.imported)
    curves = _curves(basis, groups)
    plans = {plan.backend: plan for plan in run.plans[: len(experiment.backends)]}
    rest, as_heard = _other_plans(run, experiment)
    if experiment.play == "grid":
        rows = _grid_rows(basis, groups, plans)
        comparison = compare_strategies(experiment, rows, groups)
    else:
        rows = _played_rows(basis, groups, plans)
        comparison = None
        rows += [_joined_row(plan, curves) for plan in rest]
    own = [_joined_row(plan, curves) for plan in as_heard]
    everyone = next(iter(groups.values()), [])
    resampled, units = units_of(everyone)
    results = Results(
        schema=SCHEMA,
        experiment=experiment,
        provenance=run.provenance,
        datasets=run.datasets,
        scoring=normaliser_version(experiment.normaliser),
        resampled=resampled,
        units=len(units),
        rows=tuple(rows),
        curves=curves,
        as_heard=tuple(own),
        gains=() if comparison else tuple(find_gains([*rows, *own], groups, experiment.seed)),
        comparison=comparison,
        evaluation=evaluate(run, items, experiment) if len(groups) == 1 else None,
        batch=_name_batch(batch or run, whole),
        endpoints=tuple(sum_up(one, experiment.endpoint) for one in run.measured),
        aligned=run.aligned,
        imported=run.imported,
        failed=run.failed,
        warnings=(
            *run.warnings,
            *_warn(everyone, resampled, units),
            *_warn_of_steps(rows, curves),
            *_warn_of_policies(rows),
            *_warn_of_import(run.imported),
        ),
    )
    return replace(results, summary=tuple(summarise(results)))


def _other_plans(run: Run, experiment: Experiment) -> tuple[list[Plan], list[Plan]]:
    """The plans of loads that were not played, and those of the model that is heard."""
    timed = run.provenance.timed_as
    others = run.plans[len(experiment.backends) :]
    rest = [plan for plan in others if plan.model == timed and plan.load != experiment.load.name]
    return rest, [plan for plan in others if plan.model != timed]


def _by_setting(items: Sequence[Aligned]) -> dict[tuple, list[Aligned]]:
    groups: dict[tuple, list[Aligned]] = {}
    for item in items:
        groups.setdefault(item.track.setting, []).append(item)
    return groups


def _heard_at_once(run: Run, normaliser: str, batch: Run | None, groups: Groups) -> Sequence[Aligned]:
    """The recordings of a run as they are heard at once, in `batch` or in the run itself; empty where they are not."""
    if batch is not None:
        check_same_data(run, batch)
        groups = _by_setting(align_tracks(batch, normaliser))
        if len(groups) > 1 and not any(strategy == OFFLINE for _, strategy, *_ in groups):
            raise InputError(f"--batch has {len(groups)} settings, none of them {OFFLINE}; expected one that hears all")
    whole = [items for (_, strategy, *_), items in groups.items() if strategy == OFFLINE]
    return whole[0] if whole else next(iter(groups.values()), []) if batch is not None else []


def _name_batch(run: Run, whole: Sequence[Aligned]) -> str:
    return f"{run.provenance.model}, {whole[0].track.strategy}" if whole else ""


@dataclass(frozen=True, slots=True)
class _Basis:
    """What every row is made with. whole: the recordings heard at once, if they were."""

    experiment: Experiment
    whole: Sequence[Aligned]
    imported: Imported | None


def _row(basis: _Basis, items: Sequence[Aligned], plan: Plan | None) -> Row:
    experiment, whole, imported = basis.experiment, basis.whole, basis.imported
    timed = imported is None or imported.shown or imported.given
    track = items[0].track
    errors = pool(item.errors for item in items)
    return Row(
        backend=track.backend,
        load=experiment.load.name,
        strategy=track.strategy,
        window_s=track.window_s or None,
        step_s=track.step_s,
        recordings=len(items),
        wer=errors.rate,
        wer_ci95=wer_interval(list(units_of(items)[1].values()), experiment.seed),
        errors=errors,
        plan=plan,
        latency=measure_latency(items, imported) if timed else None,
        boundary_errors=find_boundary_errors(items),
        work=None if imported else measure_work(items),
        policy=find_policy(items) if timed else None,
        less_batch=pair_units(whole, items, experiment.seed) if whole and track.strategy != OFFLINE else None,
    )


def _curves(basis: _Basis, groups: Groups) -> tuple[Curve, ...]:
    """Settings on infinitely fast hardware, by strategy and step."""
    found: dict[tuple[str, float | None], list[tuple[Row, Sequence[Aligned]]]] = {}
    for (backend, strategy, _, step_s), items in sorted(groups.items(), key=lambda group: group[0][2]):
        if backend is None:
            found.setdefault((strategy, step_s), []).append((_row(basis, items, None), items))
    return tuple(
        Curve(*key, tuple(row for row, _ in points), pair_units(points[0][1], points[-1][1], basis.experiment.seed))
        for key, points in found.items()
    )


def _grid_rows(basis: _Basis, groups: Groups, plans: Mapping[str, Plan]) -> list[Row]:
    """Every setting that a backend played, by backend, then in the order of strategies and windows."""
    names = list(basis.experiment.grid)
    played = [(backend, items) for (backend, *_), items in groups.items() if backend is not None]
    brief = {name: replace(plan, schedule=(), footing=()) for name, plan in plans.items()}
    rows = [_row(basis, items, brief[backend]) for backend, items in played]
    return sorted(rows, key=lambda row: (row.backend or "", names.index(row.strategy), row.window_s or 0))


def _played_rows(basis: _Basis, groups: Groups, plans: Mapping[str, Plan]) -> list[Row]:
    """A row for each backend in the order of the experiment, also for those that sustain no window."""
    rows = []
    for name in basis.experiment.backends:
        plan = plans.get(name)  # none of a system that was imported
        items = next((items for (backend, *_), items in groups.items() if backend == name), None)
        if items:
            rows.append(_row(basis, items, plan))
        elif plan:
            nothing = (None, plan.step_s, 0, None, None, ErrorRate.zero())
            rows.append(Row(name, plan.load, plan.strategy, *nothing, plan=plan))
    return rows


def _joined_row(plan: Plan, curves: Sequence[Curve]) -> Row:
    """A backend under a load that was not played: its span, rounded down to a window that was heard."""
    curve = next((curve for curve in curves if curve.strategy == plan.strategy), None)
    point = curve.point_at(plan.span_s) if curve else None
    if point is None:
        nothing = (None, plan.step_s, 0, None, None, ErrorRate.zero())
        return Row(plan.backend, plan.load, plan.strategy, *nothing, joined=True, plan=plan)
    figures = (point.window_s, plan.step_s, point.recordings, point.wer, point.wer_ci95, point.errors)
    return Row(plan.backend, plan.load, plan.strategy, *figures, joined=True, plan=plan)


def _warn_of_steps(rows: Sequence[Row], curves: Sequence[Curve]) -> list[str]:
    """Where rows are joined to a curve that was heard at another step, and what that does to errors elsewhere."""
    steps_s = {curve.strategy: curve.step_s for curve in curves if curve.step_s}
    loads: dict[tuple[str, float, float], list[str]] = {}
    for row in rows:
        heard_s = steps_s.get(row.strategy)
        if row.joined and row.wer is not None and heard_s and row.step_s and row.step_s != heard_s:
            loads.setdefault((row.strategy, heard_s, row.step_s), []).append(row.load)
    return [
        f"error rates under {join_words(list(dict.fromkeys(own)))} were heard at a step of {heard_s:g} s; "
        f"{_say_step(*find_step_effects(strategy, heard_s, step_s))}"
        for (strategy, heard_s, step_s), own in loads.items()
    ]


def _say_step(data: str, effects: Sequence[tuple[float, Difference]]) -> str:
    if not effects:
        return "what their own step does to them was not measured"
    found = ", ".join(f"{points(effect)} in windows of {window_s:g} s" for window_s, effect in effects)
    return f"their own step changes them on {data} by {found}"


def _warn_of_import(imported: Imported | None) -> list[str]:
    """What the file of another program does not say."""
    if imported is None:
        return []
    if not imported.shown and not imported.given:
        return [f"{imported.file} has no times: there are word errors and no latency"]
    if not imported.shown:
        return [f"{imported.file} says how much audio was given and not when words were shown: computing is left out"]
    return []


def _warn_of_policies(rows: Sequence[Row]) -> list[str]:
    """Where words are held back to the end of a recording, though the lag looks like that of a stream."""
    return [
        f"{row.backend}, {row.strategy}: the policy is likely degenerate: {100 * (row.policy.before_end or 0):.0f} % "
        f"of the words came before the end of their recording, and the average lag promises "
        f"{100 * (row.policy.expected or 0):.0f} %"
        for row in rows
        if row.policy and row.policy.degenerate
    ]


def _warn(items: Sequence[Aligned], resampled: str, units: Mapping[str, ErrorRate]) -> list[str]:
    """What weakens a result, said by the result itself."""
    words = [item.errors.ref_words for item in items]
    warnings = []
    if len(units) < 2:
        warnings.append("one recording: there is no interval, since recordings or speakers are what is resampled")
    elif len(units) < _FEW_UNITS:
        warnings.append(f"{len(units)} {resampled}: they may not stand for others, and the interval is rough")
    if sum(words) < _FEW_WORDS:
        warnings.append(f"{sum(words)} reference words: differences below a few percent are noise")
    if len(words) > 2 and max(words) > sum(words) * _DOMINANT:
        longest = max(items, key=lambda item: item.errors.ref_words)
        warnings.append(f"{longest.reference.id!r} holds more than half of the words")
    if resampled == "recordings" and len(units) > 1:
        warnings.append("speakers are not named, or there is one: recordings of one voice count as independent")
    return warnings
