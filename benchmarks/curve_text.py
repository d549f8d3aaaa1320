"""The reference curve in words and tables: each window with its interval, the steps between them, what follows."""

from collections.abc import Sequence

from ..speech.metrics.wer import ErrorRate
from .curve_data import CurvePoint, CurveSeries
from .summary import interval
from .tables import show_table


def print_series(series: CurveSeries) -> None:
    """Print one series as a table, and what follows from it."""
    columns = ("window>", "WER>", "95 %", "S / D / I>", "step, paired", "encoder passes a call>", "cut / other words>")
    rows = [_row(series, point, before) for point, before in zip(series.points, (None, *series.points), strict=False)]
    show_table(title(series), columns, rows)
    print("\n".join(findings(series)), end="\n\n")


def title(series: CurveSeries) -> str:
    """What was heard how, in one line."""
    step = f", a call every {series.step_s:g} s" if series.step_s else ""
    part = f", the first {series.head_s:g} s of each" if series.head_s else ""
    return (
        f"{series.model} ({series.decoding}), {series.strategy}{step}: {series.dataset}{part}, "
        f"{len(series.recordings)} recordings, {series.audio_s / 60:.1f} min"
    )


def _row(series: CurveSeries, point: CurvePoint, before: CurvePoint | None) -> Sequence[str]:
    total = point.total
    return (
        f"{point.window_s:g} s",
        percent(total.rate),
        interval(series.interval(point)),
        f"{total.substitutions} / {total.deletions} / {total.insertions}",
        step_text(series, before, point),
        f"{point.encoder_passes / max(1, point.calls):.2f}",
        f"{percent(rate(point.cut_words))} / {percent(rate(point.whole_words))}" if point.cut_words else "",
    )


def findings(series: CurveSeries) -> list[str]:
    """What a series says about longer windows, in sentences that follow from its numbers."""
    if len(series.points) < 2:
        return []
    first, last = series.points[0], series.points[-1]
    said = []
    if first.total.rate and last.total.rate:
        said.append(
            f"From {first.window_s:g} s to {last.window_s:g} s the WER falls by a factor of "
            f"{first.total.rate / last.total.rate:.1f}, from {percent(first.total.rate)} to {percent(last.total.rate)}."
        )
    rises = series.rises()
    if rises:
        said += [
            f"From {a:g} s to {b:g} s it rises: {found.difference * 100:+.1f} points "
            f"[{found.interval[0] * 100:+.1f}, {found.interval[1] * 100:+.1f}] paired."
            for a, b, found in rises
        ]
    else:
        said.append("Between no two windows does it rise beyond its paired interval.")
    settled = [
        point.window_s
        for point in series.points[:-1]
        if (found := series.step(point, last)) and not found.interval[1] < 0
    ]
    if settled:
        said.append(f"From {settled[0]:g} s on, {last.window_s:g} s is not measurably better.")
    return said


def step_text(series: CurveSeries, before: CurvePoint | None, point: CurvePoint) -> str:
    """The paired difference to the window before in points, with its interval; empty where there is none."""
    step = series.step(before, point) if before else None
    if not step:
        return ""
    return f"{step.difference * 100:+.1f} [{step.interval[0] * 100:+.1f}, {step.interval[1] * 100:+.1f}]"


def rate(errors: ErrorRate | None) -> float | None:
    """The error rate, or None where there is none."""
    return errors.rate if errors else None


def percent(value: float | None) -> str:
    """A fraction in percent."""
    return "–" if value is None else f"{value * 100:.1f} %"
