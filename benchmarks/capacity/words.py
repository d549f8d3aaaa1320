"""A capacity study in sentences: what wins where, what is settled, and what the figures do not cover."""

import math
from collections.abc import Sequence
from itertools import groupby

from ...backends.serving.cost import RACK_W
from ...backends.workload.cutting import cutting_of
from ..results.wording import figures, join_words
from .records import BatchCurve, BreakEven, CapacityStudy, Claim, Point
from .settings import Slo

VERBS = {"dollars per audio hour": "cheapest", "joules per audio hour": "the least energy"}
UNITS = {"dollars per audio hour": "USD", "joules per audio hour": "J"}
_KINDS = ("GPU", "LPU", "hybrid")


def write_summary(study: CapacityStudy) -> tuple[str, ...]:
    """Return what is cheapest and what is densest at the study's SLO, by strategy: the first two sentences.

    Then the winners by latency, each conclusion with whether it is settled, prices, batches, fleets, and what the
    figures do not cover.
    """
    own = sorted(study.claims, key=lambda claim: (list(VERBS).index(claim.measure), claim.slo.latency_s))
    return (*_describe_best(study), *map(describe_claim, own), *_describe_rest(study))


def summarise_briefly(study: CapacityStudy) -> tuple[str, ...]:
    """Return the same without each conclusion by itself: the winners by latency say which are not settled."""
    return (*_describe_best(study), *_describe_rest(study))


def _describe_best(study: CapacityStudy) -> list[str]:
    said = [_describe_cheapest(study), _describe_densest(study)]
    for strategy in study.settings.strategies:
        mine = [claim for claim in study.claims if claim.slo.strategy == strategy]
        said += [describe_winners(part) for m in VERBS if (part := [claim for claim in mine if claim.measure == m])]
    return said


def _describe_rest(study: CapacityStudy) -> list[str]:
    said = [*map(_describe_break_even, study.break_even)]
    if study.batches:
        parts = "; ".join(map(_describe_batch, study.batches))
        said.append(f"Least batch with 90 % of the most calls per second: {parts}.")
    return [*said, *_describe_fleets(study), *_describe_limits(study)]


def _describe_cheapest(study: CapacityStudy) -> str:
    """What an hour of audio costs at least with each strategy, at the study's window and latency."""
    parts = []
    for strategy, points in _by_strategy(study):
        best = min(points, key=lambda point: point.usd_per_audio_h or math.inf, default=None)
        if best is None or best.usd_per_audio_h is None:
            parts.append(f"{strategy} none with a known price" if points else _describe_none(study, strategy))
        else:
            usd = f"{figures(best.usd_per_audio_h)} USD on {best.backend}"
            parts.append(f"{strategy} {usd}, {best.streams:,} streams a server")
    return f"{_where(study)}, an hour of audio costs at least: {'; '.join(parts)}."


def _describe_densest(study: CapacityStudy) -> str:
    """What carries the most streams for each kilowatt with each strategy, and what a rack then carries."""
    parts = []
    for strategy, points in _by_strategy(study):
        best = max(points, key=lambda point: point.streams_per_kw or 0.0, default=None)
        if best is None or not best.streams_per_kw:
            parts.append(_describe_none(study, strategy))
        else:
            rack = f", {best.streams_per_rack:,} in a rack" if best.streams_per_rack else ""
            parts.append(f"{strategy} {best.streams_per_kw:,.0f} on {best.backend}{rack}")
    rack = f"a rack feeds devices with {RACK_W / 1e3:g} kW, an assumption"
    return f"Streams for each kilowatt of the devices' design power, at most: {'; '.join(parts)} ({rack})."


def _describe_none(study: CapacityStudy, strategy: str) -> str:
    if strategy != "disjoint" or any(window_s < study.settings.latency_s for window_s in study.settings.windows_s):
        return f"{strategy} none"
    return f"disjoint none, since a word waits for the end of its chunk, {min(study.settings.windows_s):g} s or more"


def _by_strategy(study: CapacityStudy) -> list[tuple[str, list[Point]]]:
    """The points that carry streams at the study's window and latency, by strategy; disjoint chunks have their own."""
    asked, found = study.settings, dict[str, list[Point]]()
    for name in asked.strategies:
        found[name] = [
            point
            for point in study.points
            if (point.slo.strategy, point.slo.latency_s) == (name, asked.latency_s)
            and (point.slo.window_s == asked.window_s or not cutting_of(name).stepping)
            and point.streams
        ]
    return list(found.items())


def _where(study: CapacityStudy) -> str:
    asked = study.settings
    return f"{asked.timed_as}, windows of {asked.window_s:g} s, 99 of 100 words within {asked.latency_s:g} s"


def describe_winners(claims: Sequence[Claim]) -> str:
    """Return who wins by one measure from which latency to which, and where that is not settled."""
    parts = []
    for answer, group in groupby(claims, key=lambda claim: claim.answer):
        latencies = [f"{claim.slo.latency_s:g}" for claim in group]
        name = "no backend" if answer == "none" else answer
        parts.append(f"{name} at {' to '.join(dict.fromkeys((latencies[0], latencies[-1])))} s")
    turned = [f"{claim.slo.latency_s:g}" for claim in claims if not claim.settled]
    verdict = f"not settled at {', '.join(turned)} s" if turned else "all settled"
    measure, cut = claims[0].measure, _cut(claims[0].slo)
    of = " of those with a known price" if UNITS[measure] == "USD" else ""
    return f"{cut}, {VERBS[measure]}{of} by word latency: {'; '.join(parts)} ({verdict})."


def _cut(slo: Slo) -> str:
    """How audio is cut: the windows of strategies that set their own step follow from the latency."""
    if slo.strategy == "disjoint":
        return "Disjoint chunks"
    return (
        f"Windows of {slo.window_s:g} s, {slo.strategy}"
        if cutting_of(slo.strategy).stepping
        else slo.strategy.capitalize()
    )


def describe_claim(claim: Claim) -> str:
    """Return a conclusion and whether it is settled."""
    slo, unit = claim.slo, UNITS[claim.measure]
    where = f"At {slo.latency_s:g} s of word latency (99 of 100 words) and {slo.strategy} windows of {slo.window_s:g} s"
    priced = f" with a known {'price' if unit == 'USD' else 'power'}"
    if claim.answer == "none":
        return f"{where}, no backend{priced} carries a stream. {describe_verdict(claim)}."
    (first, best), *rest = sorted(claim.figures.items(), key=lambda item: item[1])
    others = [f"{kind} {figures(value)} {unit}" for kind, value in rest]
    others += [f"{kind} none{priced}" for kind in _KINDS if kind not in claim.figures]
    verb = f"{'is' if unit == 'USD' else 'takes'} {VERBS[claim.measure]}"
    told = f"{where}, {claim.backend} ({first}) {verb}: {figures(best)} {unit} an audio hour"
    return f"{'; '.join([told, ', '.join(others)] if others else [told])}. {describe_verdict(claim)}."


def describe_verdict(claim: Claim) -> str:
    """Return whether a conclusion is settled, and if not, what overturns it."""
    if claim.settled:
        return "Settled: no variation overturns it"
    turns = "; ".join(f"{answer} if {name}" for name, answer in claim.others.items())
    return f"Not settled by the model's accuracy: {turns}"


def _describe_break_even(row: BreakEven) -> str:
    if row.usd_per_h <= 0:
        return f"The price of {row.device} is not known; {row.backend} costs more than {row.against} at any."
    return (
        f"The price of {row.device} is not known: type --price {row.device}=USD for a card or chip and hour. "
        f"{row.backend} costs as much as {row.against} at {row.usd_per_h:.2g} USD."
    )


def _describe_batch(curve: BatchCurve) -> str:
    enough, alone = curve.enough, curve.enough_to_decode
    if enough is None:
        return f"{curve.backend} cannot hold one call"
    if curve.kind == "GPU":
        return f"{curve.backend} {enough.batch} (decode steps alone {alone and alone.batch})"
    return f"{curve.backend} {enough.batch}, {enough.batch * enough.in_flight:.0f} in service together"


def _describe_fleets(study: CapacityStudy) -> list[str]:
    if not study.fleets:
        return [f"No fleet: {study.no_fleet}."] if study.no_fleet else []
    first, most = min(study.fleets), max(study.fleets)
    alone, fleet = study.fleets[first], study.fleets[most]
    groups = ", ".join(f"{group.servers:,} {group.option.name}" for group in fleet.groups)
    return [
        f"A fleet for {most:,} streams ({', '.join(study.settings.tiers)}) costs {fleet.usd_per_h:,.0f} USD an hour, "
        f"{fleet.usd_per_h / most:.3g} a stream (one stream alone: {alone.usd_per_h / first:.3g}): {groups}."
    ]


def _describe_limits(study: CapacityStudy) -> list[str]:
    timed_as, source = study.settings.timed_as, study.accuracy
    padding = study.settings.padding
    told = [f"Times are simulated: {timed_as}, {padding} padding, on device models; nothing was measured."]
    told.append(
        f"WER is {source.model}'s on {source.data}, measured in the windows and steps that stand beside it; time is "
        f"{timed_as}'s."
    )
    if unheard := [name for name in source.missing if name in study.settings.strategies]:
        told.append(f"Nobody has heard {source.data} in {join_words(unheard)} windows: there is no WER of them.")
    return told
