"""A capacity study in sentences: what wins where, what is settled, and what the figures do not cover."""

from collections.abc import Sequence
from itertools import groupby

from ..results.wording import figures
from .records import BatchCurve, BreakEven, CapacityStudy, Claim

VERBS = {"dollars per audio hour": "cheapest", "joules per audio hour": "the least energy"}
UNITS = {"dollars per audio hour": "USD", "joules per audio hour": "J"}
_KINDS = ("GPU", "LPU", "hybrid")


def write_summary(study: CapacityStudy) -> tuple[str, ...]:
    """Return the winners at the study's window, by dollars and by energy, which are the first two sentences.

    Then each conclusion with whether it is settled, prices, batches, fleets, and what the figures do not cover.
    """
    own = [claim for claim in study.claims if claim.slo.window_s == study.settings.window_s]
    own.sort(key=lambda claim: (list(VERBS).index(claim.measure), claim.slo.latency_s))
    said = [describe_winners([claim for claim in own if claim.measure == measure]) for measure in VERBS]
    said += [*map(describe_claim, own), *map(_describe_break_even, study.break_even)]
    if study.batches:
        parts = "; ".join(map(_describe_batch, study.batches))
        said.append(f"Least batch with 90 % of the most calls per second: {parts}.")
    return (*said, *_describe_fleets(study), *_describe_limits(study))


def describe_winners(claims: Sequence[Claim]) -> str:
    """Return who wins by one measure from which latency to which, and where that is not settled."""
    parts = []
    for answer, group in groupby(claims, key=lambda claim: claim.answer):
        latencies = [f"{claim.slo.latency_s:g}" for claim in group]
        name = "no backend" if answer == "none" else answer
        parts.append(f"{name} at {' to '.join(dict.fromkeys((latencies[0], latencies[-1])))} s")
    turned = [f"{claim.slo.latency_s:g}" for claim in claims if not claim.settled]
    verdict = f"not settled at {', '.join(turned)} s" if turned else "all settled"
    measure, window_s = claims[0].measure, claims[0].slo.window_s
    of = " of those with a known price" if UNITS[measure] == "USD" else ""
    return f"Windows of {window_s:g} s, {VERBS[measure]}{of} by word latency: {'; '.join(parts)} ({verdict})."


def describe_claim(claim: Claim) -> str:
    """Return a conclusion and whether it is settled."""
    slo, unit = claim.slo, UNITS[claim.measure]
    where = f"At {slo.latency_s:g} s of word latency (99 of 100 words) and windows of {slo.window_s:g} s"
    priced = " with a known price" if unit == "USD" else ""
    if claim.answer == "none":
        return f"{where}, no backend{priced} carries a stream. {describe_verdict(claim)}."
    (first, best), *rest = sorted(claim.figures.items(), key=lambda item: item[1])
    others = [f"{kind} {figures(value)} {unit}" for kind, value in rest]
    others += [f"{kind} none{priced}" for kind in _KINDS if kind not in claim.figures]
    told = f"{where}, {claim.backend} ({first}) is {VERBS[claim.measure]}: {figures(best)} {unit} an audio hour"
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
    timed_as, source = study.settings.timed_as, study.wer_source
    padding = study.settings.padding
    told = [f"Times are simulated: {timed_as}, {padding} padding, on device models; nothing was measured."]
    if source:
        told.append(
            f"WER is {source.model}'s on {source.dataset}, measured {describe_step(source.step_s)}; time is "
            f"{timed_as}'s: the two are different Whispers."
        )
    return told


def describe_step(step_s: float | None) -> str:
    """Return the step at which a WER was measured, in words."""
    return "at a step that is not told" if step_s is None else f"at a step of {step_s:g} s"
