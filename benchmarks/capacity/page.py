"""The page of a capacity study: any two measures against each other, what is sure of that, fleets, and assumptions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import altair as alt

from ..experiment.store import write_whole
from ..report.charts.marks import (
    Chart,
    Series,
    chart_values,
    dim_others,
    layer,
    list_series,
    name_ends,
    spread,
    tell,
)
from ..report.explorer import draw_explorer
from ..report.page import Figure, Markup, el, fold, join, list_facts, list_items, render_page, show_section, show_table
from ..report.tables.figures import write_csv
from .records import BatchCurve, BatchRow, CapacityStudy
from .tables import (
    CELLS,
    list_capacities,
    list_claims,
    list_costs,
    list_demand,
    list_fleets,
    list_points,
    list_spans,
    list_windows,
)

_PLAIN = alt.Axis(grid=False, format="~g", labelOverlap=True)


def write_capacity_page(folder: Path, study: CapacityStudy) -> Path:
    """Write the page of a study as `report.html` into `folder`, and return its path. Raises `InputError`."""
    path = folder / "report.html"
    write_whole(path, render_capacity(study))
    return path


def render_capacity(study: CapacityStudy) -> str:
    """Return the page of a study: one HTML file that asks for nothing from outside."""
    backends = list_series("backend", (point.backend for point in study.points))
    every = "The most streams of each backend at each SLO, and how they fare; latency is of words."
    points = list_points("All points", study.points, tuple(CELLS), write_csv(study.points))
    parts = [
        _show_head(study),
        Figure(
            "Streams for each kilowatt",
            "The most streams of each backend for a kilowatt of its design power, against the latency that 99 of 100 "
            f"words keep; windows of {study.settings.window_s:g} s. Both axes are logarithmic.",
            [draw_density(study, backends, name) for name in study.settings.strategies if name != "disjoint"],
            series=[backends],
        ),
        show_section(list_capacities(study)),
        show_section(list_costs(study)),
        replace(_explore(study), folded=True),
        show_section(list_spans(study)),
        show_section(list_fleets(study)),
        el("div", el("b", "No larger fleet. " if study.fleets else "No fleet. "), study.no_fleet, class_="notice")
        if study.no_fleet
        else None,
        el("section", el("h2", "More"), *(
            fold(table.title, el("p", table.about, class_="about"), show_table(table))
            for table in (list_windows(study), list_claims(study), replace(points, about=every), list_demand(study))
        )),
        replace(_show_batches(study, backends), folded=True),
        _show_origin(study),
    ]  # fmt: skip
    return render_page(f"Earspan: capacity of {study.settings.timed_as}", parts)


def _show_batches(study: CapacityStudy, backends: Series) -> Figure:
    about = (
        "Calls per second as a part of the most that each device reaches, against the size of its batch; beside it, "
        "decode steps alone. The encoder, whose 30 s fill a GPU by themselves, is why whole calls bend early."
    )
    charts = [
        draw_batches(study.batches, backends, "whole call", lambda row: row.calls_per_s),
        draw_batches(study.batches, backends, "decode steps alone", lambda row: row.decoded_per_s),
    ]
    return Figure("What a batch buys", about, charts, series=[backends])


def _explore(study: CapacityStudy) -> Figure:
    """The points that hold streams, by any two measures."""
    rows = [
        {
            "backend": point.backend, "strategy": point.slo.strategy, "streams": point.streams,
            "window_s": point.slo.window_s, "step_s": point.step_s,
            "batch": point.batch, "latency_p50_s": point.latency_p50_s, "latency_p99_s": point.latency_p99_s,
            "usd_per_audio_h": point.usd_per_audio_h, "joules_per_audio_h": point.joules_per_audio_h,
            "streams_per_kw": point.streams_per_kw, "wer": point.heard and point.heard.wer,
            "limited_by": point.limited_by, "times_are": point.provenance,
        }
        for point in study.points
        if point.streams
    ]  # fmt: skip
    about = (
        "The most streams of each backend at each SLO, at the best step. Dashed across: what public services ask for "
        "an hour of audio; theirs holds much more than a device. Energy is of devices at design power all the time."
    )
    about += f" WER is {study.accuracy.model}'s on {study.accuracy.data}."
    prices = {reference.name: reference.usd_per_audio_h for reference in study.references}
    equal = {"window_s": study.settings.window_s, "strategy": study.settings.strategies[0]}
    names = [point.backend for point in study.points]
    across = {"usd_per_audio_h": prices}
    return draw_explorer(rows, "Any two measures: what streams cost", about, names=names, equal=equal, across=across)


def _stop_at(values: Sequence[float]) -> alt.Axis:
    return alt.Axis(grid=False, format=",~g", labelOverlap=True, values=list(values))


def draw_density(study: CapacityStudy, backends: Series, strategy: str) -> Chart:
    """Return streams for each kilowatt against the latency, of one strategy; all strategies on the same axes."""
    values = [
        {
            "backend": point.backend,
            "latency": point.slo.latency_s,
            "density": point.streams_per_kw,
            "streams": f"{point.streams:,}",
            "rack": f"{point.streams_per_rack:,}",
        }
        for point in study.by_latency
        if point.streams and point.streams_per_kw and point.slo.strategy == strategy
    ]
    latencies = sorted(study.settings.latencies_s)
    densities = [point.streams_per_kw for point in study.by_latency if point.streams_per_kw] or [1.0]
    stops = [stop * 10**power for power in range(-1, 6) for stop in (1, 2, 5)]
    across = alt.Scale(type="log", domain=[latencies[0] * 0.95, latencies[-1] * 1.05], nice=False)
    up = alt.Scale(type="log", domain=[min(densities) * 0.9, max(densities) * 1.1], nice=False)
    x = alt.X("latency:Q", title="99 of 100 words within, s", scale=across, axis=_stop_at(latencies))
    base = chart_values(values).encode(
        x=x,
        y=alt.Y("density:Q", title="streams per kW", scale=up, axis=_stop_at(stops)),
        color=backends.colour,
        opacity=dim_others("backend"),
    )
    names = {"backend": "Backend", "latency": "Latency, s", "density": "Streams per kW", "streams": "Streams a server",
             "rack": "Streams a rack"}  # fmt: skip
    dots = base.mark_point().encode(shape=backends.shape, tooltip=tell(names=names))
    ends = list({value["backend"]: value for value in values}.values())
    height, low = math.log(max(densities) / min(densities)) or 1.0, min(densities)
    heights = spread([math.log(value["density"] / low) for value in ends], height / 18, height)
    named = [{**value, "height": low * math.exp(at)} for value, at in zip(ends, heights, strict=True)]
    return layer(base.mark_line(), dots, *name_ends(named, x, "height", backends), title=strategy)


def draw_batches(
    curves: Sequence[BatchCurve], backends: Series, title: str, value: Callable[[BatchRow], float | None]
) -> Chart:
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
    base = chart_values(values).encode(
        x=alt.X("batch:Q", title="batch (logarithmic)", scale=alt.Scale(type="log", base=2), axis=_PLAIN),
        y=alt.Y("part:Q", title="% of the most"),
        color=backends.colour,
        opacity=dim_others("backend"),
    )
    tips = tell(names={"backend": "Backend", "batch": "Batch", "speed": "Speed"})
    dots = base.mark_point().encode(shape=backends.shape, tooltip=tips)
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
    measured = (
        f"{study.accuracy.model} on {study.accuracy.data}, from {study.settings.wer_run or 'the reference curve'}."
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
    kinds = _show_kinds(study)
    return el("section", el("h2", "Where this comes from"), el("pre", study.provenance.command), kinds, *shown)
