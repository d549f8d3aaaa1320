"""Charts of typed rows, as Vega-Lite that altair writes; without colours, which are those of the page's theme."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from ...backends.timing import PHASES
from ...backends.workload.op import LONGEST_S
from ...speech.metrics.boundary import Place
from ..experiment.records import Plan
from ..results.records import Curve, Row
from ..results.wording import figures, percent, seconds
from . import tables
from .page import Chart

_FEW_WORDS = 20  # a class of fewer words has no rate worth drawing
_TYPICAL_S = 5.0  # of several windows of a strategy, the one next to this is drawn where there is room for one
_CLOSE = 1.05  # spans nearer than this share a flag
SECONDS = [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300]
_FEW_TICKS = alt.Axis(tickCount=6)
_TIPS = {
    "setting": "Setting", "span_said": "Span", "wer_said": "WER", "errors": "S / D / I", "words": "Words",
    "late_said": "Latency 50 / 95 / 99 %", "first_said": "First word, 50 %",
    "busy": "Busy", "times": "Times are",
}  # fmt: skip


def describe_row(row: Row) -> dict[str, Any]:
    """Return what charts place of a row, and what they say when pointed at."""
    late, plan = row.latency, row.plan
    low, high = row.wer_ci95 or (row.wer, row.wer)
    return {
        "backend": row.backend or "unaware",
        "strategy": row.strategy,
        "window": row.window_s,
        "span": row.span_s or 0,
        "wer": row.wer and 100 * row.wer,
        "low": low and 100 * low,
        "high": high and 100 * high,
        "p50": late and late.p50_s,
        "p95": late and late.p95_s,
        "p99": late and late.p99_s,
        "first": late and late.first_word_p50_s,
        "keeps_up": row.work is None or row.work.keeps_up,
        "setting": tables.name_setting(row),
        "span_said": _describe_span(row),
        "wer_said": "not scored" if row.wer is None else tables.describe_wer(row.wer, row.wer_ci95),
        "errors": tables.describe_errors(row.errors),
        "words": row.errors.ref_words,
        "late_said": tables.describe_latency(late) or "-",
        "first_said": seconds(late.first_word_p50_s if late else None),
        "busy": "-" if row.work is None else f"{row.work.busy:.2f}",
        "times": (plan.provenance if plan else None) or "-",
    }


def _describe_span(row: Row) -> str:
    limit = tables.describe_limit(row)
    if not row.span_s:
        return f"keeps up with none ({limit})"
    return seconds(row.span_s) + (f", {limit}" if row.span_s < LONGEST_S else "")


def chart_values(values: Iterable[Mapping[str, Any]]) -> alt.Chart:
    """Return a chart of `values`, still without marks."""
    return alt.Chart(alt.Data(values=list(values)))


def layer(*layers: alt.Chart, height: int | alt.Step = 320, title: str | None = None) -> alt.LayerChart:
    """Return one chart of all layers, as wide as its place on the page."""
    found = alt.LayerChart(layer=list(layers)).properties(width="container", height=height)
    return found if title is None else found.properties(title=title)


def tell(names: Mapping[str, str] = _TIPS) -> list[alt.Tooltip]:
    """Return what a mark says when pointed at: fields, by name, and what they are called."""
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in names.items()]


def _list_backends(names: Iterable[str | None]) -> alt.Y:
    """A line for each backend, in this order."""
    return alt.Y("backend:N", title=None, scale=alt.Scale(domain=[name or "unaware" for name in dict.fromkeys(names)]))


def scale_log(values: Iterable[float]) -> alt.Scale:
    """Return a logarithmic scale from the least to the most of `values`."""
    known = sorted(values) or [1.0, LONGEST_S]
    return alt.Scale(type="log", domain=[known[0] / 1.1, known[-1] * 1.1], nice=False)


def place_seconds(field: str, title: str, values: Iterable[float]) -> alt.X:
    """Return a logarithmic axis of seconds that holds all `values`."""
    return alt.X(f"{field}:Q", title=title, scale=scale_log(values), axis=alt.Axis(values=SECONDS, grid=False))


def pick_by(field: str) -> tuple[alt.Parameter, Any]:
    """Return a selection by the legend, and the opacity of what is selected and what is not."""
    picked = alt.selection_point(name="picked", fields=[field], bind="legend")
    return picked, alt.when(picked).then(alt.value(1)).otherwise(alt.value(0.12))


def style_by(field: str, names: Iterable[str]) -> tuple[alt.Color, alt.Shape]:
    """Return colour and shape of a series by its name, which are the same in every chart of `names`."""
    scale = alt.Scale(domain=list(dict.fromkeys(names)))
    legend = alt.Legend(title=None, orient="top", columns=4)
    return (
        alt.Color(f"{field}:N", scale=scale, legend=legend),
        alt.Shape(f"{field}:N", scale=scale, legend=legend),
    )


def draw_spans(rows: Sequence[Row]) -> Chart:
    """Return bars of the span of each backend."""
    y = _list_backends(row.backend for row in rows)
    base = chart_values(map(describe_row, rows)).encode(
        y=y,
        x=alt.X("span:Q", title="span, s", scale=alt.Scale(domain=[0, 1.4 * LONGEST_S]), axis=alt.Axis(
            values=[0, 5, 10, 15, 20, 25, 30])),
        tooltip=tell(),
    )  # fmt: skip
    estimate = alt.when(alt.FieldEqualPredicate(field="times", equal="estimate"))
    bars = base.mark_bar(size=18).encode(opacity=estimate.then(alt.value(0.55)).otherwise(alt.value(1)))
    return layer(bars, base.mark_text(align="left", dx=5).encode(text="span_said:N"), height=alt.Step(34))


def draw_rates(rows: Sequence[Row]) -> Chart:
    """Return dots of the word error rate of each backend in the window that it heard, with intervals."""
    y = _list_backends(row.backend for row in rows)
    values = [{**value, "end": value["high"] or 0} for value in map(describe_row, rows)]
    most = max((value["end"] for value in values), default=0) or 1
    base = chart_values(values).encode(y=y, tooltip=tell())
    scale = alt.Scale(domain=[0, 1.6 * most], nice=False)
    rule = base.mark_rule(strokeWidth=1.6).encode(
        x=alt.X("low:Q", title="WER, %", scale=scale, axis=_FEW_TICKS), x2="high:Q"
    )
    dots = base.mark_point(size=90).encode(x="wer:Q")
    text = base.mark_text(align="left", dx=7).encode(x="end:Q", text="wer_said:N")
    return layer(rule, dots, text, height=alt.Step(34))


def draw_windows(curves: Sequence[Curve], rows: Sequence[Row]) -> Chart:
    """Return word error rate against window, a line for each curve with its interval, and the spans of backends."""
    values = [{**describe_row(row), "curve": tables.name_curve(curve)} for curve in curves for row in curve.points]
    marks = [describe_row(row) for row in rows if row.window_s is not None and row.wer is not None]
    x = place_seconds("window", "window, s (logarithmic)", [value["window"] for value in (*values, *marks)])
    picked, opacity = pick_by("curve")
    colour, shape = style_by("curve", map(tables.name_curve, curves))
    base = chart_values(values).encode(x=x, opacity=opacity, color=colour)
    wer = alt.Y("wer:Q", title="WER, %")
    pale = alt.when(picked).then(alt.value(0.16)).otherwise(alt.value(0.03))
    ends = {"y": alt.Y("low:Q", title="WER, %"), "y2": "high:Q"}
    band = base.mark_area().encode(opacity=pale, **ends)
    line = base.mark_line().encode(y=wer)
    points = base.mark_point().encode(y=wer, shape=shape, tooltip=tell()).add_params(picked).properties(name="points")
    flags = chart_values(_flags(rows))
    poles = flags.mark_rule(strokeDash=[2, 3]).encode(x="window:Q", tooltip=[alt.Tooltip("name:N", title="Spans")])
    names = flags.mark_text(angle=270, align="right", baseline="bottom", dx=-4, dy=-3).encode(
        x="window:Q", y=alt.value(0), text="name:N"
    )
    heard = chart_values(marks).mark_point(filled=False, size=110, strokeWidth=2).encode(x=x, y=wer, tooltip=tell())
    return layer(band, poles, line, points, heard, names, height=360)


def _flags(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The spans of backends with their names; those that are next to each other share a flag."""
    found: list[tuple[float, list[Row]]] = []
    for row in sorted((row for row in rows if row.span_s), key=lambda row: row.span_s or 0):
        if found and (row.span_s or 0) < _CLOSE * found[-1][0]:
            found[-1][1].append(row)
        else:
            found.append((row.span_s or 0, [row]))
    return [
        {"window": at_s, "name": ", ".join(row.backend or "" for row in group) + f" {seconds(group[-1].span_s)}"}
        for at_s, group in found
    ]


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


def draw_distances(rows: Sequence[Row]) -> Chart:
    """Return lines of word error rate over the classes of distance from a cut, one for each of `rows`."""
    values = [
        {
            "setting": tables.name_setting(row),
            "place": tables.name_place(place),
            "wer": 100 * (place.errors.rate or 0),
            "wer_said": percent(place.errors.rate),
            "errors": tables.describe_errors(place.errors),
            "words": place.errors.ref_words,
        }
        for row in rows
        for place in (row.boundary_errors.places if row.boundary_errors else ())
        if _drawn(place)
    ]
    places = max((row.boundary_errors.places for row in rows if row.boundary_errors), key=len, default=())
    picked, opacity = pick_by("setting")
    colour, shape = style_by("setting", map(tables.name_setting, rows))
    names = {"setting": "Setting", "place": "Distance", "wer_said": "WER", "errors": "S / D / I", "words": "Words"}
    base = chart_values(values).encode(
        x=alt.X("place:N", sort=list(map(tables.name_place, places)), title="distance of the word from the nearest cut",
                axis=alt.Axis(labelAngle=0)),
        y=alt.Y("wer:Q", title="WER, %"),
        opacity=opacity,
        tooltip=tell(names),
        color=colour,
    )  # fmt: skip
    points = base.mark_point().encode(shape=shape).add_params(picked).properties(name="points")
    return layer(base.mark_line(), points)


def draw_latencies(rows: Sequence[Row]) -> Chart:
    """Return the spread of word latency of each backend, from the median to the 99th percentile."""
    y = _list_backends(row.backend for row in rows)
    base = chart_values(describe_row(row) for row in rows).encode(y=y, tooltip=tell())
    span = base.mark_rule(strokeWidth=2).encode(x=alt.X("p50:Q", title="word latency, s", axis=_FEW_TICKS), x2="p95:Q")
    ticks = [base.mark_tick(size=size, thickness=2).encode(x=f"{name}:Q") for name, size in (("p95", 14), ("p99", 8))]
    first = base.mark_point(filled=False, shape="diamond").encode(x="first:Q")
    return layer(span, *ticks, first, base.mark_point(size=90).encode(x="p50:Q"), height=alt.Step(34))


def draw_service(rows: Sequence[Row]) -> Chart:
    """Return the service time of each backend by phase, as a part of the time there is for it, to twice that time."""
    plans = [row.plan for row in rows if row.plan and row.plan.busy is not None]
    y = _list_backends(plan.backend for plan in plans)
    most = min(max([105.0, *(100 * (plan.busy or 0) for plan in plans)]), 200.0)
    parts = [part for plan in plans for part in _stack_phases(plan, most)]
    names = {"backend": "Backend", "phase": "Phase", "time": "Time", "said": "All phases"}
    axis = alt.Axis(values=[at for at in range(0, 201, 25) if at <= most])
    scale = alt.Scale(domain=[0, 1.5 * most], nice=False)
    bars = chart_values(parts).mark_bar(size=18).encode(
        y=y,
        x=alt.X("start:Q", title="service time, % of the step", scale=scale, axis=axis),
        x2="end:Q",
        color=_colour_phases(parts, "top"),
        tooltip=tell(names),
    )  # fmt: skip
    ends = [
        {"backend": plan.backend, "ceiling": at if (at := _share(plan, plan.ceiling_s) or 0) <= most else None,
         "end": min(max(100.0, 100 * (plan.busy or 0)), most), "said": _describe_service(plan)}
        for plan in plans
    ]  # fmt: skip
    base = chart_values(ends).encode(y=y)
    ceiling = base.mark_tick(size=26, thickness=2.4).encode(x="ceiling:Q")
    text = base.mark_text(align="left", dx=8).encode(x="end:Q", text="said:N")
    limit = chart_values([{"at": 100}]).mark_rule(style="limit").encode(x="at:Q")
    return layer(bars, limit, ceiling, text, height=alt.Step(34))


def _stack_phases(plan: Plan, most: float) -> list[dict[str, Any]]:
    """The phases one after another, and what is missing to the whole, in percent of the step up to `most`."""
    phases = [(name, plan.phases.get(name, 0.0)) for name in PHASES]
    rest_s = (plan.service_s or 0) - sum(phase_s for _, phase_s in phases)
    found, start = list[dict[str, Any]](), 0.0
    for name, phase_s in [*phases, ("other", rest_s if rest_s > 0.01 * (plan.service_s or 0) else 0.0)]:
        end = start + (_share(plan, phase_s) or 0)
        if phase_s and start < most:
            found.append({"backend": plan.backend, "phase": name, "start": start, "end": min(end, most),
                          "time": seconds(phase_s), "said": _describe_service(plan)})  # fmt: skip
        start = end
    return found


def _colour_phases(parts: Sequence[Mapping[str, Any]], orient: Any) -> alt.Color:
    """Colours of phases, with a legend of those that there are."""
    order = [*PHASES, "other"]
    there = {part["phase"] for part in parts}
    legend = alt.Legend(title=None, orient=orient, values=[name for name in order if name in there])
    return alt.Color("phase:N", scale=alt.Scale(domain=order), legend=legend)


def _share(plan: Plan, value_s: float | None) -> float | None:
    due_s = plan.step_s or plan.span_s
    return 100 * value_s / due_s if value_s is not None and due_s else None


def _describe_service(plan: Plan) -> str:
    said = f"{seconds(plan.service_s)} of {seconds(plan.step_s or plan.span_s)}: {figures(100 * (plan.busy or 0))} %"
    return f"→ {said}" if (plan.busy or 0) > 2 else said


def draw_schedule(plan: Plan) -> list[Chart]:
    """Return what an LPU does in a call: the whole, and enlarged the start of each phase by unit."""
    panels: dict[str, list[dict[str, Any]]] = {}
    for unit, phase, start_us, end_us in sorted(plan.schedule, key=lambda slot: slot[2]):
        # The spectrogram is a moment before the encoder.
        panel = "" if unit == "program" else "encode" if phase == "mel" else phase
        panels.setdefault(panel, []).append({"unit": unit, "phase": phase, "start": start_us, "end": end_us})
    whole = panels.pop("", [])
    charts = [_gantt(whole, f"{plan.backend}: the whole call")] if whole else []
    return charts + [_gantt(slots, f"{plan.backend}: the start of {name}") for name, slots in panels.items()]


def _gantt(slots: Sequence[Mapping[str, Any]], title: str) -> Chart:
    domain = [min(slot["start"] for slot in slots), max(slot["end"] for slot in slots)]
    names = {"unit": "Unit", "phase": "Phase", "start": "From, µs", "end": "To, µs"}
    bars = chart_values(slots).mark_bar(height=12).encode(
        x=alt.X("start:Q", title="µs", scale=alt.Scale(domain=domain, nice=False), axis=_FEW_TICKS),
        x2="end:Q",
        y=alt.Y("unit:N", title=None),
        color=_colour_phases(slots, "bottom"),
        tooltip=tell(names),
    )  # fmt: skip
    return layer(bars, height=alt.Step(22), title=title)
