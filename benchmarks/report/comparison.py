"""The page of strategies compared: errors against delays on each backend, and what is best within a budget."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from ..results.comparison import BASELINE
from ..results.records import Curve, Results, Row
from .charts import (
    SECONDS,
    chart_values,
    describe_row,
    find_typical,
    layer,
    pick_by,
    place_seconds,
    scale_log,
    style_by,
    tell,
)
from .page import Chart, Figure, el, fold, render_page, show_section, show_table
from .spans import show_boundary_errors, show_head, show_kinds, show_origin, show_warnings
from .tables import list_candidates, list_clocks, list_curves, list_strategies

_EARLIEST_S = 0.05  # words that come with their end stand here on a logarithmic axis, which has no zero


def render_comparison(results: Results) -> str:
    """Return the page of strategies compared."""
    curves = results.curves
    typical = find_typical([row for curve in curves for row in curve.points])
    numbers, clocks = list_curves(curves), list_clocks(results)
    parts = [
        show_head(
            results,
            "Which way of cutting live audio?",
            "Live audio has to be cut before Whisper can hear it. Each strategy cuts it in its own way and shows words "
            "at its own time; this page plays them all on an exact clock and compares errors and delays.",
        ),
        show_kinds(results),
        show_warnings(results),
        Figure(
            "WER against word latency",
            "Each point is a strategy with one window, lines join the windows of a strategy; hollow: the backend falls "
            "behind. The dashed steps are the front: no other point that keeps up is both earlier and better. Latency: "
            "from the end of a spoken word until it is shown; 95 of 100 words keep it.",
            draw_fronts(results),
        ),
        show_section(list_candidates(results.comparison.within if results.comparison else ())),
        Figure(
            "WER against window",
            "What a longer window buys each strategy, with 95 % intervals.",
            [draw_strategies(curves)],
            fold("The numbers behind the lines", show_table(numbers)) if numbers else None,
        ),
        Figure(
            "Latency of disjoint chunks against their length",
            "Whisper pads every call to 30 s, so a short chunk costs nearly as much as a long one. Where that is more "
            "than the chunk lasts, calls queue up (hollow: without end, the longer the recording the worse) and a "
            "longer chunk lowers the latency. Unaware: the same on infinitely fast hardware.",
            [draw_chunks(results)],
        ),
        Figure(
            "Aware against unaware of the time to compute",
            "Median word latency on each backend against that of the same calls on infinitely fast hardware; on the "
            "dashed line computing costs nothing.",
            [draw_awareness(results)],
            fold(clocks.title, el("p", clocks.about), show_table(clocks)),
        ),
        show_boundary_errors(typical, [row for curve in curves for row in curve.points]),
        show_section(list_strategies(results.rows)),
        show_origin(results),
    ]
    return render_page(f"Earspan: strategies on {results.data}", parts)


def draw_fronts(results: Results) -> list[Chart]:
    """Return for each backend word error rate against word latency, a line for each strategy, and the front."""
    fronts = results.comparison.fronts if results.comparison else {}
    values = [_timed(row, "p95") for row in results.rows if row.latency_p95_s is not None and row.wer is not None]
    x = place_seconds("at", "word latency, 95th percentile, s", [value["at"] for value in values])
    names = {row.strategy: None for row in results.rows}
    charts = []
    for backend, front in fronts.items():
        own = [value for value in values if value["backend"] == backend]
        best = [value for key in front for value in own if (value["strategy"], value["window"]) == key]
        steps = chart_values(best).mark_line(
            interpolate="step-after", strokeDash=[5, 4], style="guide", strokeWidth=1.6
        )
        lines = _lines(own, x, alt.Y("wer:Q", title="WER, %"), "strategy", names)
        charts.append(layer(steps.encode(x=x, y="wer:Q", order="at:Q"), *lines, title=backend))
    return charts


def draw_strategies(curves: Sequence[Curve]) -> Chart:
    """Return word error rate against window, a line for each strategy, with intervals."""
    # Beside each other, for the intervals to be seen.
    values = [
        {**describe_row(row), "at": (row.window_s or 0) * 1.012 ** (number - len(curves) / 2)}
        for number, curve in enumerate(curves)
        for row in curve.points
    ]
    x = place_seconds("at", "window, s (logarithmic)", [value["at"] for value in values])
    names = [curve.strategy for curve in curves]
    lines = _lines(values, x, alt.Y("wer:Q", title="WER, %"), "strategy", names)
    whiskers = lines[0].mark_rule().encode(y=alt.Y("low:Q", title="WER, %"), y2="high:Q")
    return layer(whiskers, *lines, height=360)


def draw_chunks(results: Results) -> Chart:
    """Return the median latency of disjoint chunks against their length, a line for each backend."""
    rows = [*results.rows, *(row for curve in results.curves for row in curve.points)]
    values = [_timed(row, "p50") for row in rows if row.strategy == BASELINE and row.latency_p50_s is not None]
    x = place_seconds("window", "chunk, s (logarithmic)", [value["window"] for value in values])
    y = alt.Y("at:Q", title="word latency, median, s", scale=alt.Scale(type="log"), axis=alt.Axis(values=SECONDS))
    return layer(*_lines(values, x, y, "backend", [value["backend"] for value in values]))


def draw_awareness(results: Results) -> Chart:
    """Return the median latency of each setting on its backend against that on infinitely fast hardware."""
    free = {(row.strategy, row.window_s): row.latency_p50_s for curve in results.curves for row in curve.points}
    values = [
        {**_timed(row, "p50"), "free": max(free_s, _EARLIEST_S)}
        for row in results.rows
        if row.latency_p50_s is not None
        and row.work is not None
        and row.work.keeps_up
        and (free_s := free.get((row.strategy, row.window_s))) is not None
    ]
    ends = [value[name] for value in values for name in ("free", "at")]
    x = place_seconds("free", "median word latency if computing took no time, s", ends)
    y = alt.Y("at:Q", title="median word latency, s", scale=scale_log(ends), axis=alt.Axis(values=SECONDS))
    diagonal = [{"free": at, "at": at} for at in (min(ends, default=1), max(ends, default=1))]
    guide = chart_values(diagonal).mark_line(style="guide", strokeWidth=1.4).encode(x=x, y=y)
    return layer(guide, *_lines(values, x, y, "backend", [value["backend"] for value in values])[1:])


def _timed(row: Row, percentile: str) -> dict[str, Any]:
    values = describe_row(row)
    return {**values, "at": max(values[percentile], _EARLIEST_S)}


def _lines(
    values: Sequence[Mapping[str, Any]], x: alt.X, y: alt.Y, series: str, names: Iterable[str]
) -> tuple[alt.Chart, ...]:
    """Lines, and points on them; hollow where a backend falls behind."""
    picked, opacity = pick_by(series)
    colour, shape = style_by(series, names)
    lines = chart_values(values).mark_line(strokeWidth=1.3).encode(order="window:Q")
    kept = chart_values(value for value in values if value["keeps_up"]).mark_point()
    behind = chart_values(value for value in values if not value["keeps_up"]).mark_point(filled=False, strokeWidth=1.6)
    points = [marks.encode(shape=shape, tooltip=tell()) for marks in (kept, behind)]
    points[0] = points[0].add_params(picked).properties(name="points")
    return tuple(marks.encode(x=x, y=y, opacity=opacity, color=colour) for marks in (lines, *points))
