"""Strategies compared: errors against delays, windows, and what computing costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from ...results.comparison import BASELINE
from ...results.records import Curve, Results, Row
from .marks import (
    SECONDS,
    Chart,
    Series,
    Values,
    chart_values,
    describe_row,
    dim_others,
    layer,
    place_seconds,
    scale_log,
    spread,
    tell,
)

_EARLIEST_S = 0.05  # words that come with their end stand here on a logarithmic axis, which has no zero


def draw_fronts(results: Results, strategies: Series) -> list[Chart]:
    """Return for each backend word error rate against word latency, a line for each strategy, and the front."""
    fronts = results.comparison.fronts if results.comparison else {}
    values = [_timed(row, "p95") for row in results.rows if row.latency_p95_s is not None and row.wer is not None]
    x = place_seconds("at", "word latency, 95th percentile, s", [value["at"] for value in values])
    charts = []
    for backend, front in fronts.items():
        own = [value for value in values if value["backend"] == backend]
        best = [value for key in front for value in own if (value["strategy"], value["window"]) == key]
        steps = chart_values(best).mark_line(
            interpolate="step-after", strokeDash=[5, 4], style="guide", strokeWidth=1.6
        )
        lines = _lines(own, x, alt.Y("wer:Q", title="WER, %"), strategies)
        charts.append(layer(*([steps.encode(x=x, y="wer:Q", order="at:Q")] if best else []), *lines, title=backend))
    return charts


def draw_strategies(curves: Sequence[Curve], strategies: Series) -> Chart:
    """Return word error rate against window, a line for each strategy, with intervals."""
    # Beside each other, for the intervals to be seen.
    values = [
        {**describe_row(row), "at": (row.window_s or 0) * 1.012 ** (number - len(curves) / 2)}
        for number, curve in enumerate(curves)
        for row in curve.points
    ]
    x = place_seconds("at", "window, s (logarithmic)", [value["at"] for value in values])
    lines = _lines(values, x, alt.Y("wer:Q", title="WER, %"), strategies)
    # A name at the end of each line, those at one window apart from each other.
    most, named = max((value["high"] or value["wer"] or 0 for value in values), default=0) or 1, list[Values]()
    ends = [value for one in strategies.names if (value := _end(values, one))]
    for window in {value["window"] for value in ends}:
        own = [value for value in ends if value["window"] == window]
        at = max(value["at"] for value in own)
        heights = spread([value["wer"] for value in own], most / 24, most)
        named += [{**value, "at": at, "height": height} for value, height in zip(own, heights, strict=True)]
    names = (
        chart_values(named)
        .mark_text(align="left", dx=9)
        .encode(x=x, y="height:Q", text="strategy:N", color=strategies.colour, opacity=dim_others("strategy"))
    )
    whiskers = lines[0].mark_rule().encode(y=alt.Y("low:Q", title="WER, %"), y2="high:Q")
    return layer(whiskers, *lines, *([names] if named else []), height=360)


def _end(values: Sequence[Values], strategy: str) -> Values | None:
    """The value of a strategy with the longest window."""
    own = [value for value in values if value["strategy"] == strategy and value["wer"] is not None]
    return max(own, key=lambda value: value["window"], default=None)


def draw_chunks(results: Results, backends: Series) -> Chart:
    """Return the median latency of disjoint chunks against their length, a line for each backend."""
    rows = [*results.rows, *(row for curve in results.curves for row in curve.points)]
    values = [_timed(row, "p50") for row in rows if row.strategy == BASELINE and row.latency_p50_s is not None]
    x = place_seconds("window", "chunk, s (logarithmic)", [value["window"] for value in values])
    y = alt.Y("at:Q", title="word latency, median, s", scale=alt.Scale(type="log"), axis=alt.Axis(values=SECONDS))
    return layer(*_lines(values, x, y, backends))


def draw_awareness(results: Results, backends: Series) -> Chart:
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
    x = place_seconds("free", "the same without computing, s", ends)
    y = alt.Y("at:Q", title="median word latency, s", scale=scale_log(ends), axis=alt.Axis(values=SECONDS))
    diagonal = [{"free": at, "at": at} for at in (min(ends, default=1), max(ends, default=1))]
    guide = chart_values(diagonal).mark_line(style="guide", strokeWidth=1.4).encode(x=x, y=y)
    return layer(guide, *_lines(values, x, y, backends)[1:])


def _timed(row: Row, percentile: str) -> Values:
    values = describe_row(row)
    return {**values, "at": max(values[percentile], _EARLIEST_S)}


def _lines(values: Sequence[Mapping[str, Any]], x: alt.X, y: alt.Y, series: Series) -> list[alt.Chart]:
    """Lines, and points on them; hollow where a backend falls behind."""
    lines = chart_values(values).mark_line(strokeWidth=1.3).encode(order="window:Q")
    found = [lines.encode(x=x, y=y, opacity=dim_others(series.field), color=series.colour)]
    for keeps_up in (True, False):
        # A layer without values has no extent, of which Vega warns.
        if own := [value for value in values if value["keeps_up"] == keeps_up]:
            points = chart_values(own).mark_point(filled=keeps_up, strokeWidth=1.6, size=60)
            found.append(points.encode(x=x, y=y, opacity=dim_others("backend", "strategy"), color=series.colour,
                                       shape=series.shape, tooltip=tell()))  # fmt: skip
    return found
