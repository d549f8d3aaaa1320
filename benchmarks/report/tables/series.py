"""The reference curve in words: its points as a table, and what they say about longer windows."""

from collections.abc import Sequence

from ....speech.metrics.wer import ErrorRate
from ...results.curves import CurvePoint, CurveSeries
from ...results.wording import interval, percent, points
from .cells import describe_errors
from .table import Table


def list_points(series: CurveSeries) -> Table:
    """Return the points of a reference curve, each with its paired difference to the one before."""
    columns = ("Window>", "WER, %>", "95 %", "S / D / I>", "Step to here, points, paired",
               "Second pass, % of whole windows>", "Errors for 100 cut words / others>")  # fmt: skip
    pairs = zip(series.points, (None, *series.points), strict=False)
    return Table(name_series(series), columns, [_point(series, point, before) for point, before in pairs])


def _point(series: CurveSeries, point: CurvePoint, before: CurvePoint | None) -> Sequence[str]:
    step = series.step(before, point) if before else None
    cut = point.cut_words and f"{bare_percent(point.cut_words)} / {bare_percent(point.whole_words)}"
    return (
        f"{point.window_s:g} s",
        bare_percent(point.total),
        interval(series.interval(point)),
        describe_errors(point.total),
        f"{100 * step.difference:+.1f} {interval(step.interval)}" if step else "",
        f"{100 * (point.second_passes or 0) / point.whole_calls:.0f}" if point.whole_calls else "-",
        cut or "",
    )


def bare_percent(errors: ErrorRate | None) -> str:
    """Return an error rate in percent, without the sign."""
    return percent(errors.rate if errors else None).removesuffix(" %")


def name_series(series: CurveSeries) -> str:
    """Return what was heard how, in one line."""
    step = f", a call every {series.step_s:g} s" if series.step_s else ""
    part = f", the first {series.head_s:g} s of each" if series.head_s else ""
    return (
        f"{series.model} ({series.decoding}), {series.strategy}{step}: {series.dataset}{part}, "
        f"{len(series.recordings)} recordings, {series.audio_s / 60:.1f} min"
    )


def conclude(series: CurveSeries) -> list[str]:
    """Return what a series says about longer windows, in sentences that follow from its numbers."""
    if len(series.points) < 2:
        return []
    first, last = series.points[0], series.points[-1]
    a, b = first.total.rate, last.total.rate
    factor = f"by a factor of {a / b:.1f}, from {percent(a)} to {percent(b)}" if a and b else ""
    said = [f"From {first.window_s:g} s to {last.window_s:g} s the WER falls {factor}."] if factor else []
    rises = [f"From {a:g} s to {b:g} s it rises: {points(found)}." for a, b, found in series.rises()]
    said += rises or ["Between no two windows does it rise beyond its paired interval."]
    steps = [(point, series.step(point, last)) for point in series.points[:-1]]
    settled = [point.window_s for point, found in steps if found and not found.interval[1] < 0]
    return [*said, *([f"From {settled[0]:g} s on, {last.window_s:g} s is not measurably better."] if settled else [])]
