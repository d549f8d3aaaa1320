"""Spans of backends, the word error rates that come with them, by load, by window, and by distance from a cut."""

from collections.abc import Sequence

import altair as alt

from ....backends.workload.op import LONGEST_S
from ....speech.metrics.boundary import Place
from ....speech.strategies import step_of
from ...experiment.experiment import Load
from ...results.records import Curve, Row
from ...results.wording import name_load_briefly, order_load, percent, seconds
from ..tables.cells import describe_errors, name_curve, name_place, name_setting
from .marks import (
    FEW_TICKS,
    LINE_PX,
    Chart,
    Series,
    Values,
    chart_values,
    describe_row,
    dim_others,
    layer,
    list_backends,
    name_ends,
    place_seconds,
    spread,
    tell,
)

_FEW_WORDS = 20  # a class of fewer words has no rate worth drawing
_IN_TWO_LINES = "[split(datum.label, ' ')[0], join(slice(split(datum.label, ' '), 1), ' ')]"  # `to` over `0.25 s`
_TYPICAL_S = 5.0  # of several windows of a strategy, the one next to this is drawn where there is room for one
_CLOSE = 1.12  # spans nearer than this share a flag: on the axis of a phone their names would stand on each other
_CELL_PX = 34


def draw_spans(rows: Sequence[Row], backends: Series) -> Chart:
    """Return bars of the span of each backend."""
    y = list_backends(row.backend for row in rows)
    base = chart_values(map(describe_row, rows)).encode(
        y=y,
        x=alt.X("span:Q", title="span, s", scale=alt.Scale(domain=[0, 1.7 * LONGEST_S]), axis=alt.Axis(
            values=[0, 5, 10, 15, 20, 25, 30])),
        opacity=dim_others("backend", dim=0.2),
        tooltip=tell(),
    )  # fmt: skip
    estimate = alt.when(alt.FieldEqualPredicate(field="times", equal="estimate"))
    bars = base.mark_bar(size=18).encode(
        color=backends.colour, fillOpacity=estimate.then(alt.value(0.55)).otherwise(alt.value(1))
    )
    return layer(bars, base.mark_text(align="left", dx=5).encode(text="span_said:N"), height=LINE_PX * len(rows))


def draw_rates(rows: Sequence[Row], backends: Series) -> Chart:
    """Return dots of the word error rate of each backend in the window that it heard, with intervals."""
    y = list_backends(row.backend for row in rows)
    values = [{**value, "end": value["high"] or 0} for value in map(describe_row, rows)]
    most = max((value["end"] for value in values), default=0) or 1
    base = chart_values(values).encode(y=y, opacity=dim_others("backend", dim=0.2), tooltip=tell())
    scale = alt.Scale(domain=[0, 2.1 * most], nice=False)
    rule = base.mark_rule(strokeWidth=1.6).encode(
        x=alt.X("low:Q", title="WER, %", scale=scale, axis=FEW_TICKS), x2="high:Q"
    )
    dots = base.mark_point(size=90).encode(x="wer:Q", color=backends.colour)
    text = base.mark_text(align="left", dx=7).encode(x="end:Q", text="wer_said:N")
    return layer(rule, dots, text, height=LINE_PX * len(rows))


def list_loads(rows: Sequence[Row]) -> list[str]:
    """Return the loads of rows, those with the shortest step first, and of these those with the fewest streams."""
    orders = {row.load: order_load(row.load, row.strategy) for row in rows if row.plan}
    return sorted(orders, key=orders.__getitem__)


def draw_map(rows: Sequence[Row], most: float, played: str = "") -> list[Chart]:
    """Return two maps of loads by backends: of spans, and of the word error rates that come with them.

    most: the rate that is darkest. played: the load that was played, which is marked with a star.
    """
    names = {row.load: name_load_briefly(row.load, row.strategy).replace("x", "×") for row in rows if row.plan}
    names = {load: names[load] + (" *" if load == played else "") for load in list_loads(rows)}
    values = [{**describe_row(row), "at": names[row.load]} for row in rows if row.plan and row.backend]
    spans = [{**one, "share": one["span"] / LONGEST_S, "cell": f"{one['span']:.3g}" if one["span"] else "–"}
             for one in values]  # fmt: skip
    rates = [
        {**one, "share": one["wer"] / (100 * most), "cell": f"{one['wer']:.1f}", "under": f"{one['window']:g} s"}
        if one["wer"] is not None
        else {**one, "share": 0, "cell": "–", "under": ""}
        for one in values
    ]
    return [
        _draw_cells(spans, list(names.values()), "heat", "Span, s"),
        _draw_cells(rates, list(names.values()), "warm", "WER, %, and the window heard"),
    ]


def _draw_cells(values: Sequence[Values], loads: Sequence[str], style: str, title: str) -> Chart:
    backends = list(dict.fromkeys(value["backend"] for value in values))
    x = alt.X("backend:N", title=None, scale=alt.Scale(domain=backends), axis=alt.Axis(labelAngle=-35, grid=False))
    y = alt.Y("at:N", title="streams × step", scale=alt.Scale(domain=list(loads)), axis=alt.Axis(grid=False))
    base = chart_values(values).encode(x=x, y=y, tooltip=tell(), opacity=dim_others("backend", dim=0.15))
    share = alt.FillOpacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.6], clamp=True), legend=None)
    cells = base.mark_rect(style=style, cornerRadius=2).encode(fillOpacity=share)
    under = any(value.get("under") for value in values)
    parts = [cells, base.mark_text(dy=-6 if under else 0).encode(text="cell:N")]
    if under:
        parts.append(base.mark_text(fontSize=10.5, dy=8).encode(text="under:N"))
    return layer(*parts, height=_CELL_PX * len(loads), title=title)


def draw_by_streams(rows: Sequence[Row], backends: Series) -> list[Chart]:
    """Return the span against streams, a line for each backend with its name at its end; a chart for each step.

    Steps of one load have none, and loads under which no backend keeps up are left out.
    """
    able = {row.load for row in rows if row.plan and row.span_s}
    steps: dict[str, list[Row]] = {}
    for row in rows:
        if row.plan and row.backend and row.load in able:
            # of strategies that set their own step all loads are on the same lines
            step_s = step_of(row.strategy, Load.parse(row.load).step_s)
            steps.setdefault(f"a call every {step_s:g} s" if step_s else f"{row.strategy} windows", []).append(row)
    return [
        _draw_lines(sorted(own, key=lambda row: order_load(row.load, row.strategy)), backends, title)
        for title, own in sorted(steps.items())
        if len({row.load for row in own}) > 1
    ]


def _draw_lines(rows: Sequence[Row], backends: Series, title: str) -> Chart:
    """Lines that end where a backend no longer keeps up, each set apart by a hair so that none hides another."""
    values = [{**describe_row(row), "streams": Load.parse(row.load).streams} for row in rows]
    streams = sorted({value["streams"] for value in values})
    ticks = alt.Axis(values=streams, format=",d", grid=False, labelOverlap=True, labelSeparation=6)
    across = alt.Scale(type="log", domain=[streams[0] / 1.15, streams[-1] * 1.15], nice=False)
    x = alt.X("streams:Q", title="streams (logarithmic)", axis=ticks, scale=across)
    y = alt.Y("span:Q", title="span, s", scale=alt.Scale(domain=[0, LONGEST_S], nice=False), axis=FEW_TICKS)
    parts, ends = [], []
    for number, name in enumerate(backends.names):
        own = [value for value in values if value["backend"] == name and value["span"]]
        if own:
            apart = 2.5 * (number - (len(backends.names) - 1) / 2)
            base = chart_values(own).encode(x=x, y=y, color=backends.colour, opacity=dim_others("backend"))
            parts.append(base.mark_line(yOffset=apart))
            parts.append(base.mark_point(yOffset=apart, filled=True).encode(shape=backends.shape, tooltip=tell()))
            ends.append(own[-1])
    heights = dict[str, float]()
    for last in streams:
        there = [value for value in ends if value["streams"] == last]
        found = spread([value["span"] for value in there], LONGEST_S / 18, LONGEST_S)
        heights |= {value["backend"]: height for value, height in zip(there, found, strict=True)}
    named = [{**value, "height": heights[value["backend"]]} for value in ends]
    return layer(*parts, *name_ends(named, x, "height", backends), title=title)


def draw_windows(curves: Sequence[Curve], rows: Sequence[Row], backends: Series) -> Chart:
    """Return word error rate against window, a line for each curve with its interval, and the spans of backends."""
    values = [{**describe_row(row), "curve": name_curve(curve)} for curve in curves for row in curve.points]
    marks = [describe_row(row) for row in rows if row.window_s is not None and row.wer is not None]
    x = place_seconds("window", "window, s (logarithmic)", [value["window"] for value in (*values, *marks)])
    wer = alt.Y("wer:Q", title="WER, %")
    base = chart_values(values).encode(x=x)
    band = base.mark_area(style="band").encode(alt.Y("low:Q", title="WER, %"), alt.Y2("high:Q"), detail="curve:N")
    dashes = alt.StrokeDash("curve:N", scale=alt.Scale(domain=list(map(name_curve, curves))),
                            legend=alt.Legend(title=None, orient="top", symbolType="stroke"))  # fmt: skip
    line = base.mark_line(style="guided").encode(y=wer, strokeDash=dashes)
    points = base.mark_point(style="guided").encode(y=wer, tooltip=tell())
    found = [band, line, points]
    if flagged := _flags(rows):
        flags = chart_values(flagged).encode(x="window:Q")
        found.append(flags.mark_rule(strokeDash=[2, 3]).encode(tooltip=[alt.Tooltip("name:N", title="Spans")]))
        found.append(flags.mark_text(angle=270, align="right", baseline="bottom", dx=-4, dy=-3).encode(
            y=alt.value(0), text="name:N"))  # fmt: skip
    if marks:
        heard = chart_values(marks).mark_point(filled=False, size=130, strokeWidth=2.4)
        found.append(heard.encode(x=x, y=wer, tooltip=tell(), color=backends.colour, shape=backends.shape,
                                  opacity=dim_others("backend")))  # fmt: skip
    return layer(*found, height=340)


def _flags(rows: Sequence[Row]) -> list[Values]:
    """The spans of backends with their names; those that are next to each other share a flag."""
    found: list[tuple[float, list[Row]]] = []
    for row in sorted((row for row in rows if row.span_s), key=lambda row: row.span_s or 0):
        if found and (row.span_s or 0) < _CLOSE * found[-1][0]:
            found[-1][1].append(row)
        else:
            found.append((row.span_s or 0, [row]))
    return [
        {
            "window": at_s,
            "name": ", ".join(row.backend or "" for row in group) + _range([row.span_s or 0 for row in group]),
        }
        for at_s, group in found
    ]


def _range(spans_s: Sequence[float]) -> str:
    return f" {seconds(spans_s[0])}" if spans_s[0] == spans_s[-1] else f" {spans_s[0]:g} to {spans_s[-1]:g} s"


def find_typical(rows: Sequence[Row]) -> list[Row]:
    """Return of each strategy and backend the row whose window is next to 5 s, at most four, which can be told apart.

    Only rows are returned whose errors by distance from a cut are known.
    """
    drawn = [row for row in rows if row.boundary_errors and any(map(_drawn, row.boundary_errors.places))]
    drawn.sort(key=lambda row: abs((row.window_s or _TYPICAL_S) - _TYPICAL_S))
    found: dict[tuple[str | None, str], Row] = {}
    for row in drawn:
        found.setdefault((row.backend, row.strategy), row)
    return list(found.values())[:4]


def _drawn(place: Place) -> bool:
    return place.errors.ref_words >= _FEW_WORDS


def draw_distances(rows: Sequence[Row], series: Series) -> Chart:
    """Return lines of word error rate over the classes of distance from a cut, one for each of `rows`."""
    values = [
        {
            "setting": name_setting(row),
            "at": number,
            "place": name_place(place),
            "wer": 100 * (place.errors.rate or 0),
            "wer_said": percent(place.errors.rate),
            "errors": describe_errors(place.errors),
            "words": place.errors.ref_words,
        }
        for row in rows
        for number, place in enumerate(row.boundary_errors.places if row.boundary_errors else ())
        if _drawn(place)
    ]
    places = max((row.boundary_errors.places for row in rows if row.boundary_errors), key=len, default=())
    names = {"setting": "Setting", "place": "Distance", "wer_said": "WER", "errors": "S / D / I", "words": "Words"}
    base = chart_values(values).encode(
        x=alt.X("place:N", sort=list(map(name_place, places)), title="distance of the word from the nearest cut",
                axis=alt.Axis(labelAngle=0, labelExpr=_IN_TWO_LINES, labelOverlap=False)),
        y=alt.Y("wer:Q", title="WER, %"),
        opacity=dim_others("setting"),
        tooltip=tell(names),
        color=series.colour,
    )  # fmt: skip
    return layer(base.mark_line(), base.mark_point().encode(shape=series.shape), height=300)
