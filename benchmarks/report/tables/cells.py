"""What cells say: settings, curves, loads and places by name, and figures with their intervals as text."""

from collections.abc import Sequence

from ....backends.workload.op import LONGEST_S
from ....speech.metrics.boundary import Place
from ....speech.metrics.significance import Difference
from ....speech.metrics.wer import ErrorRate
from ...experiment.experiment import IMPORTED
from ...results.records import Curve, Latency, Row
from ...results.wording import interval, percent, seconds


def name_setting(row: Row) -> str:
    """Return the backend, if there is one, how audio was cut, and the window, as `h100: sliding 15 s, step 1 s`."""
    step = f", step {seconds(row.step_s)}" if row.step_s else ""
    if row.strategy == IMPORTED:
        return row.backend or ""
    cut = f"{row.strategy} {seconds(row.window_s)}{step}"
    return cut if row.backend is None else f"{row.backend}: {cut}"


def name_curve(curve: Curve) -> str:
    """Return strategy and step of a curve."""
    return curve.strategy + (f", step {seconds(curve.step_s)}" if curve.step_s else "")


def name_place(place: Place) -> str:
    """Return a class of distance from a cut in words."""
    if place.to_s is None:
        return f"over {place.from_s:g} s"
    return f"to {place.to_s:g} s" if place.to_s else "cut through"


def describe_wer(wer: float | None, ends: Sequence[float] | None) -> str:
    """Return a word error rate with its interval."""
    return f"{percent(wer)} {interval(ends)}".rstrip()


def describe_difference(found: Difference | None) -> str:
    """Return a paired difference of error rates in points, with its interval; empty where there is none."""
    return f"{100 * found.difference:+.1f} {interval(found.interval)}" if found else ""


def describe_errors(errors: ErrorRate) -> str:
    """Return substitutions, deletions and insertions."""
    return f"{errors.substitutions:,} / {errors.deletions:,} / {errors.insertions:,}"


def describe_latency(latency: Latency | None) -> str:
    """Return median, 95th and 99th percentile of word latency."""
    if latency is None or latency.p50_s is None:
        return ""
    return " / ".join(map(seconds, (latency.p50_s, latency.p95_s, latency.p99_s)))


def describe_limit(row: Row) -> str:
    """Return what stops the span, in words."""
    limit = row.plan.limited_by if row.plan else ""
    whole = row.span_s is not None and row.span_s >= LONGEST_S
    return ("all that Whisper takes" if whole else "") if limit in ("", "nothing") else limit
