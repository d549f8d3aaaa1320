"""The page of a capacity study: what wins where, how sure that is, frontiers, fleets, and what was assumed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import altair as alt

from ..experiment.store import write_whole
from ..report.charts import chart_values, layer, pick_by, scale_log, style_by, tell
from ..report.page import (
    Chart,
    Figure,
    Markup,
    el,
    fold,
    join,
    list_facts,
    list_items,
    render_page,
    show_section,
    show_table,
)
from .records import BatchCurve, BatchRow, CapacityStudy, Point
from .tables import CELLS, list_claims, list_demand, list_fleets, list_points
from .words import describe_step

_HOLLOW = "Hollow: another backend is as good in both and better in one. Numbers beside the others are mean batches."
_PLAIN = alt.Axis(grid=False, format="~g", labelOverlap=True)


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows of a point, and whether more of it is better."""

    title: str
    value: Callable[[Point], float | None]
    more_is_better: bool = False


LATENCY = Axis("latency that 99 of 100 words keep, s (logarithmic)", lambda point: point.slo.latency_s)
WINDOW = Axis("window that every call hears, s (logarithmic)", lambda point: point.slo.window_s, more_is_better=True)
WER = Axis("WER, % (logarithmic)", lambda point: point.wer and 100 * point.wer)
COST = Axis("USD per hour of audio (logarithmic)", lambda point: point.usd_per_audio_h)
ENERGY = Axis(
    "kJ per hour of audio (logarithmic)", lambda point: point.joules_per_audio_h and point.joules_per_audio_h / 1e3
)


def write_capacity_page(folder: Path, study: CapacityStudy) -> Path:
    """Write the page of a study as `report.html` into `folder`, and return its path. Raises `InputError`."""
    path = folder / "report.html"
    write_whole(path, render_capacity(study))
    return path


def render_capacity(study: CapacityStudy) -> str:
    """Return the page of a study: one HTML file that asks for nothing from outside."""
    window_s, latency_s = f"{study.settings.window_s:g} s", f"{study.settings.latency_s:g} s"
    by_latency, by_window = study.by_latency, study.by_window
    prices = {reference.name: reference.usd_per_audio_h for reference in study.references}
    every = "The most streams of each backend at each SLO, and how they fare; latency is of words."
    points = list_points("All points", study.points, tuple(CELLS))
    parts = [
        _show_head(study),
        _show_kinds(study),
        _frame(
            "Cost against latency",
            f"Windows of {window_s}. Each point: the most streams that keep the latency, at the best step. Dashed "
            "across: what public services ask for an hour of audio; theirs holds much more than a device.",
            draw_frontier(by_latency, LATENCY, COST, prices),
        ),
        _frame(
            "Energy against latency",
            f"Windows of {window_s}; devices at design power all the time, without host, network or cooling.",
            draw_frontier(by_latency, LATENCY, ENERGY),
        ),
        _frame(
            "Cost against span",
            f"{latency_s} of latency for 99 of 100 words; the longer a call hears, the more it decodes.",
            draw_frontier(by_window, WINDOW, COST),
        ),
        _show_wer(study, by_window),
        Figure(
            "What a batch buys",
            "Calls per second as a part of the most that each device reaches, against the size of its batch; beside "
            "it, decode steps alone. The encoder, whose 30 s fill a GPU by themselves, is why the lines of whole calls "
            "bend early.",
            [
                draw_batches(study.batches, "whole call", lambda row: row.calls_per_s),
                draw_batches(study.batches, "decode steps alone", lambda row: row.decoded_per_s),
            ],
        ),
        show_section(list_claims(study)),
        fold(points.title, el("p", every, class_="about"), show_table(points)),
        show_section(list_fleets(study)),
        el("div", el("b", "No larger fleet. " if study.fleets else "No fleet. "), study.no_fleet, class_="notice")
        if study.no_fleet
        else None,
        show_section(list_demand(study)),
        _show_origin(study),
    ]
    return render_page(f"Earspan: capacity of {study.settings.timed_as}", parts)


def find_beaten(points: Sequence[Point], x: Axis, y: Axis) -> list[tuple[Point, float, float, bool]]:
    """Return the points that have a place on both logarithmic axes, with it, and whether another point beats each.

    One beats another that is as good in both and better in one.
    """
    sign = -1 if x.more_is_better else 1
    known = [(p, at, up) for p in points if p.streams and (at := x.value(p)) and (up := y.value(p))]

    def is_beaten(at: float, up: float) -> bool:
        return any(sign * a <= sign * at and u <= up and (a != at or u < up) for _, a, u in known)

    return [(point, at, up, is_beaten(at, up)) for point, at, up in known]


def draw_frontier(
    points: Sequence[Point], x: Axis, y: Axis, references: Mapping[str, float] | None = None
) -> Chart | None:
    """Return a line for each backend over two logarithmic axes; None where no point has a place.

    references: names and heights of lines across.
    """
    placed, across = find_beaten(points, x, y), references or {}
    if not placed:
        return None
    tips = {f"cell{number}": column.rstrip(">") for number, column in enumerate(CELLS)}
    values = [
        {
            "at": at,
            "up": up,
            "turn": turn,
            "beaten": beaten,
            "backend": point.backend,
            "label": f"{point.batch:.0f}",
            **{name: cell(point) for name, cell in zip(tips, CELLS.values(), strict=True)},
        }
        for turn, (point, at, up, beaten) in enumerate(placed)
    ]
    picked, opacity = pick_by("backend")
    color, shape = style_by("backend", (point.backend for point in points))
    heights = [up for _, _, up, _ in placed]
    # below the lowest point there is room for its label
    up = alt.Y("up:Q", title=y.title, axis=_PLAIN, scale=scale_log([0.7 * min(heights), *heights, *across.values()]))
    base = chart_values(values).encode(
        x=alt.X("at:Q", title=x.title, axis=_PLAIN, scale=scale_log(at for _, at, _, _ in placed)),
        y=up,
        color=color,
        opacity=opacity,
    )
    dots, beaten = base.transform_filter("!datum.beaten"), base.transform_filter("datum.beaten")
    shown = {"shape": shape, "tooltip": tell(names=tips)}
    marks = (
        beaten.mark_point(filled=False, strokeWidth=1.6).encode(**shown),
        dots.mark_point().encode(**shown).add_params(picked).properties(name="points"),
        dots.mark_text(dy=13).encode(text="label:N", color=alt.Undefined),
    )
    lines = []
    for number, name in enumerate(sorted(across, key=across.__getitem__)):
        rule = chart_values([{"up": across[name], "name": name}]).encode(y=up)
        # names of lines that are close stand at different ends
        end = rule.mark_text(align="right", dx=-4, dy=-7) if number % 2 else rule.mark_text(align="left", dx=4, dy=-7)
        lines += [
            rule.mark_rule(style="guide"),
            end.encode(text="name:N", x=alt.value("width" if number % 2 else 0)),
        ]
    return layer(*lines, base.mark_line(strokeWidth=1.3).encode(order="turn:Q"), *marks, height=400)


def draw_batches(curves: Sequence[BatchCurve], title: str, value: Callable[[BatchRow], float | None]) -> Chart:
    """Return calls or tokens per second against the batch, as a part of the most that each backend reaches."""
    values = []
    for curve in curves:
        speeds = {row.batch: speed for row in curve.rows if (speed := value(row))}
        values += [
            {
                "backend": curve.backend,
                "batch": batch,
                "part": 100 * speed / max(speeds.values()),
                "speed": f"{speed:,.0f}/s",
            }
            for batch, speed in speeds.items()
        ]
    picked, opacity = pick_by("backend")
    color, shape = style_by("backend", (curve.backend for curve in curves))
    base = chart_values(values).encode(
        x=alt.X("batch:Q", title="batch (logarithmic)", scale=alt.Scale(type="log", base=2), axis=_PLAIN),
        y=alt.Y("part:Q", title="% of the most"),
        color=color,
        opacity=opacity,
    )
    tips = tell(names={"backend": "Backend", "batch": "Batch", "speed": "Speed"})
    dots = base.mark_point().encode(shape=shape, tooltip=tips).add_params(picked).properties(name="points")
    return layer(base.mark_line(), dots, title=title)


def _show_head(study: CapacityStudy) -> Markup:
    lead, rest = study.summary[:2], study.summary[2:]
    told = " · ".join(("capacity", study.settings.timed_as, study.provenance.date))
    return join(
        el("header", el("div", el("b", "Earspan"), el("span", told), class_="brand"),
           el("h1", "How many live streams, and at what cost?")),
        el("div", *(el("p", sentence, class_="lead") for sentence in lead), fold("Every conclusion", list_items(rest)),
           class_="summary"),
        el(
            "p",
            "Every live stream calls at its own time, hears a window, and wants its words soon. This page shows the "
            "most streams that GPUs, LPUs and both together carry at each SLO, what an hour of audio then costs, and "
            "which of the conclusions would survive the models being wrong.",
            class_="claim",
        ),
    )  # fmt: skip


def _show_kinds(study: CapacityStudy) -> Markup:
    source = study.wer_source
    measured = (
        f"{source.model} on {source.dataset}, from the run {source.run!r}."
        if source
        else "Nothing: no run with word error rates was given (--wer RUN)."
    )
    simulated = (
        f"{study.settings.timed_as}, {study.settings.padding} padding: service times by device models, queues and "
        "batches call by call. No accelerator ran."
    )
    return el(
        "div",
        el("div", el("h2", "Measured"), el("p", el("strong", "Word error rates")), el("p", measured)),
        el("div", el("h2", "Simulated"), el("p", el("strong", "Times, streams, cost, energy")), el("p", simulated)),
        class_="kinds",
    )


def _show_wer(study: CapacityStudy, points: Sequence[Point]) -> Figure | None:
    source = study.wer_source
    if not source or all(point.wer is None for point in points):
        return None
    about = (
        f"{study.settings.latency_s:g} s of latency. WER is {source.model}'s on {source.dataset} in windows of each "
        f"length, measured {describe_step(source.step_s)}; time and cost are {study.settings.timed_as}'s."
    )
    if without := sorted({point.slo.window_s for point in points if point.wer == 0}):
        windows = ", ".join(f"{window_s:g}" for window_s in without)
        about += f" Windows of {windows} s have no error, and no place on a logarithmic axis."
    return _frame("Cost against word error rate", about, draw_frontier(points, WER, COST))


def _frame(heading: str, about: str, chart: Chart | None) -> Figure:
    if chart is None:
        return Figure(heading, about, [], el("p", "No backend has a place here."))
    return Figure(heading, f"{about} {_HOLLOW}", [chart])


def _show_origin(study: CapacityStudy) -> Markup:
    """Prices and powers with their sources, what services ask, and every setting."""
    prices: dict[str, str] = {}
    for part in (part for bill in study.bills.values() for part in bill.parts):
        price = part.price
        told = "price not known" if price is None else f"{price.usd_per_h:.3g} USD/h ({price.source})"
        if price is not None and price.low != price.high:
            told += f", {price.low:g} to {price.high:g}"
        power = "power not known" if part.power_w is None else f"{part.power_w:g} W"
        prices[part.device] = f"{told}; {power}"
    asked = {
        one.name: f"{one.usd_per_audio_h:.3g} USD an hour, {'live' if one.live else 'files'}; {one.source}"
        for one in study.references
    }
    groups = {"Prices and power": prices, "What services ask": asked}
    for name, record in (("Settings", study.settings), ("Provenance", study.provenance)):
        groups[name] = {one.name: str(getattr(record, one.name)) for one in fields(record)}
    shown = [fold(name, list_facts({**facts})) for name, facts in groups.items()]
    return el("section", el("h2", "Where this comes from"), el("pre", study.provenance.command), *shown)
