"""The whole study: the most streams at every SLO, which conclusions stand, spans, the cheapest fleets, and why."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from ...backends.errors import InputError
from ...backends.serving.capacity import simulate_span
from ...backends.serving.cost import REFERENCES
from ...backends.serving.fleet import Fleet, Tier, demand_after
from ...backends.span import span
from ...backends.workload.cutting import cutting_of
from ..experiment import store
from ..experiment.progress import Progress, Silence
from ..experiment.records import describe_machine
from ..results.accuracy import Accuracy, read_accuracy
from .claims import VARIATIONS, find_claims
from .records import BreakEven, CapacityStudy, DemandChange, SpanPair, StudyProvenance
from .scenario import Scenario
from .settings import CapacitySettings, Slo, TierShare
from .words import write_summary

FLEET_SIZES = tuple(10**power for power in range(7))
PRICE_RATIOS = (0.5, 0.1)
ELASTICITIES = (0.5, 1.0, 1.5)


def study_capacity(settings: CapacitySettings, progress: Progress | None = None) -> CapacityStudy:
    """Return the study that the settings ask for; minutes of simulation. Raises `InputError` before they begin."""
    progress, began_s = progress or Silence(), time.monotonic()
    accuracy = read_accuracy(settings.wer_run)
    scenario = Scenario.open(settings, accuracy)
    tiers = settings.read_tiers()
    tier_slos = {tier.name: choose_slo(tier, settings, accuracy) for tier in tiers}
    with progress.stage("capacities, as modelled and with the models off") as advance:
        claims = find_claims(scenario, settings.by_latency, advance)
    with progress.stage("fleets"):
        fleets, no_fleet = _find_fleets(scenario, tiers, tier_slos)
    with progress.stage("spans by load"):
        spans = _find_spans(scenario)
    elasticities = ELASTICITIES if settings.elasticity is None else (settings.elasticity,)
    study = CapacityStudy(
        settings=settings,
        accuracy=accuracy,
        bills=scenario.bills,
        break_even=find_break_even(scenario, _first_slo(settings, settings.latency_s)),
        references=REFERENCES,
        points=tuple(scenario.find_best(backend, slo) for slo in settings.slos for backend in scenario.backends),
        claims=claims,
        variations=tuple(variation.name for variation in VARIATIONS),
        batches=tuple(map(scenario.time_batches, scenario.backends)),
        spans=spans,
        fleets=fleets,
        no_fleet=no_fleet,
        elasticity=tuple(DemandChange(e, r, **asdict(demand_after(r, e))) for e in elasticities for r in PRICE_RATIOS),
        provenance=_describe(time.monotonic() - began_s),
    )
    return replace(study, summary=write_summary(study))


def choose_slo(tier: TierShare, settings: CapacitySettings, accuracy: Accuracy) -> Slo:
    """Return what a tier is promised: the window of the settings, or the shortest one that has the tier's WER.

    That is, of the windows that were heard with the first of the settings' strategies, at the step nearest to half the
    tier's latency. Raises `InputError` if none has it, or none was measured.
    """
    strategy = settings.strategies[0]
    if tier.wer is None:
        return _first_slo(settings, tier.latency_s)
    heard = {window_s: accuracy.at(strategy, window_s, tier.latency_s / 2) for window_s in sorted(settings.windows_s)}
    known = {window_s: way.wer for window_s, way in heard.items() if way is not None}
    window_s = next((window_s for window_s, rate in known.items() if rate <= tier.wer), None)
    if window_s is None:
        least = f"the least is {min(known.values()):.3f}" if known else "none was measured"
        raise InputError(f"tier {tier.name!r}: no {strategy} window has a WER of {tier.wer:g}; {least}")
    return Slo(window_s, tier.latency_s, strategy)


def _first_slo(settings: CapacitySettings, latency_s: float) -> Slo:
    """The SLO of the first strategy at a latency."""
    strategy = settings.strategies[0]
    return Slo(settings.window_within(strategy, latency_s) or settings.window_s, latency_s, strategy)


def share_out(size: int, shares: Sequence[float]) -> list[int]:
    """Return whole streams by tier that add up to `size`: rounded down, the rest to the largest remainders."""
    exact = [share * size for share in shares]
    counts = [int(part + 1e-9) for part in exact]
    order = sorted(range(len(shares)), key=lambda index: counts[index] - exact[index])
    for index in order[: size - sum(counts)]:
        counts[index] += 1
    return counts


def find_break_even(scenario: Scenario, slo: Slo) -> tuple[BreakEven, ...]:
    """Return the price at which each backend without one would cost as much as the cheapest that has one."""
    points = [scenario.find_best(backend, slo) for backend in scenario.backends]
    priced = [(point.usd_per_audio_h, point.backend) for point in points if point.usd_per_audio_h is not None]
    found = []
    for point in points if priced else []:
        usd, against = min(priced)
        bill = scenario.bills[point.backend]
        price = bill.break_even_usd_per_h(point.streams, usd) if point.streams else None
        if price is not None:
            found.append(BreakEven(point.backend, bill.unpriced[0], against, price, slo))
    return tuple(found)


def _find_fleets(scenario: Scenario, tiers: Sequence[TierShare], slos: dict[str, Slo]) -> tuple[dict[int, Fleet], str]:
    """The cheapest fleet for one stream up to a million, and why there is none for more."""
    found: dict[int, Fleet] = {}
    for size in FLEET_SIZES:
        counts = share_out(size, [tier.share for tier in tiers])
        asked = [Tier(one.name, count, one.latency_s, one.wer) for one, count in zip(tiers, counts, strict=True)]
        try:
            found[size] = scenario.find_fleet(asked, slos)
        except InputError as error:
            return found, str(error)
    return found, ""


def _find_spans(scenario: Scenario) -> tuple[SpanPair, ...]:
    """The spans as the planner has them, with all streams due at once, and as simulated, each at its own time."""
    found = []
    for load in scenario.settings.read_loads():
        for strategy in [name for name in scenario.settings.strategies if cutting_of(name).stepping]:
            for backend in scenario.backends:
                common = {"streams": load.streams, "step_s": load.step_s, "strategy": strategy}
                stream = replace(scenario.load, window_s=max(load.step_s, 1.0), **common)
                planned = span(
                    backend,
                    scenario.template.dims,
                    padding=scenario.template.padding,
                    tokens_per_s=stream.tokens_per_s,
                    **common,
                )
                simulated_s, limited_by = simulate_span(backend, scenario.template, stream)
                found.append(SpanPair(backend.name, load.name, strategy, planned.span_s, simulated_s, limited_by))
    return tuple(found)


def _describe(wall_s: float) -> StudyProvenance:
    typed = {"command": "earspan " + shlex.join(sys.argv[1:]), "wall_s": round(wall_s, 1)}
    return store.convert({**describe_machine(), **typed}, StudyProvenance)
