"""The page of a measurement: the measured capacity curve beside the simulated ones, WER, and every load in a table."""

from collections.abc import Collection, Mapping

import altair as alt

from ..report.charts.marks import Chart, Series, Values, chart_values, dim_others, layer, list_series, tell
from ..report.page import Figure, Markup, el, join, list_facts, list_items, render_page, show_section
from ..results.wording import seconds
from .records import Measured
from .words import SLO_SAID, conclude, list_loads, name_measured

MEASURED = "measured"
_SHARES = ("p95", "p50")


def render_measured(found: Measured) -> str:
    """Return the page: one HTML file that asks for nothing from outside."""
    asked = found.measurement
    series = list_series("backend", (MEASURED, *(one.backend for one in found.beside)))
    promise = "" if asked.slo_s is None else f" The rule across is the SLO, {seconds(asked.slo_s)}."
    beside = (
        f" Beside it, simulated: {asked.timed_as}, {asked.strategy} windows of {seconds(asked.window_s)}, a call every "
        f"{seconds(asked.traffic.step_s)}."
        if found.beside
        else ""
    )
    about = f"Latency of {SLO_SAID[asked.slo_on]} against streams at once: solid p95, dashed p50.{promise}{beside}"
    wer = "Word error rate of the final texts; bars: 95 %, recordings resampled."
    parts = [
        join(
            el("header", el("div", el("b", "Earspan"), el("span", "measured streams"), class_="brand"),
               el("h1", "How many live streams does this server carry?")),
            el("p", name_measured(found), class_="lead"),
            list_items(conclude(found)),
        ),
        Figure("Latency against streams", about, [draw_latency(found, series)], series=[series]),
        Figure("Errors against streams", wer, [draw_wer(found)]),
        show_section(list_loads(found)),
        _show_origin(found),
    ]  # fmt: skip
    return render_page("Earspan: measured streams", parts)


def _tell(value: object) -> str:
    return ", ".join(f"{name} {one}" for name, one in value.items()) if isinstance(value, Mapping) else str(value)


def draw_latency(found: Measured, series: Series) -> Chart:
    """Return p50 and p95 of latency against the number of streams, measured and simulated."""
    values = _list_latencies(found)
    base = chart_values(values).encode(
        x=_streams_axis({value["streams"] for value in values}),
        y=alt.Y("late:Q", title="latency, s", scale=alt.Scale(zero=True)),
        color=series.colour,
        opacity=dim_others("backend"),
    )
    dashes = alt.StrokeDash("share:N", scale=alt.Scale(domain=list(_SHARES), range=[[1, 0], [4, 3]]), legend=None)
    names = {"backend": "Server", "streams": "Streams", "share": "Share of words", "said": "Latency"}
    dots = base.mark_point().encode(shape=series.shape, tooltip=tell(names))
    rules = [] if found.measurement.slo_s is None else [
        chart_values([{"at": found.measurement.slo_s}]).mark_rule(style="limit").encode(y="at:Q")
    ]  # fmt: skip
    return layer(base.mark_line().encode(strokeDash=dashes), dots, *rules)


def draw_wer(found: Measured) -> Chart:
    """Return the word error rate against the number of streams, with its interval."""
    rows = [
        {"streams": load.streams, "wer": 100 * load.wer, "low": 100 * (load.wer_ci95 or (load.wer,) * 2)[0],
         "high": 100 * (load.wer_ci95 or (load.wer,) * 2)[1]}
        for load in found.loads
        if load.wer is not None
    ]  # fmt: skip
    base = chart_values(rows).encode(x=_streams_axis([load.streams for load in found.loads]))
    y = alt.Y("wer:Q", title="word error rate, %", scale=alt.Scale(zero=True))
    bars = base.mark_rule().encode(y=alt.Y("low:Q", title="word error rate, %"), y2="high:Q")
    return layer(bars, base.mark_line().encode(y=y), base.mark_point().encode(y=y), height=220)


def _list_latencies(found: Measured) -> list[Values]:
    values, measure = list[Values](), found.measurement.slo_on
    for load in found.loads:
        late = {"word": load.word_latency, "steady": load.steady_latency, "ttfs": load.ttfs}[measure]
        values += [_latency(MEASURED, load.streams, share, getattr(late, f"{share}_s")) for share in _SHARES]
    for one in found.beside:
        kept = [load for load in one.loads if load.keeps_up]
        values += [_latency(one.backend, load.streams, share, getattr(load, f"{share}_s"))
                   for load in kept for share in _SHARES]  # fmt: skip
    return [value for value in values if value["late"] is not None]


def _latency(backend: str, streams: int, share: str, at_s: float | None) -> Values:
    return {"backend": backend, "streams": streams, "share": share, "late": at_s, "said": seconds(at_s)}


def _streams_axis(streams: Collection[int]) -> alt.X:
    scale = alt.Scale(type="log", base=2) if len(streams) > 1 else alt.Scale(zero=True)
    return alt.X(
        "streams:Q",
        title="streams at once",
        scale=scale,
        axis=alt.Axis(values=sorted(streams), format="d", labelOverlap=True),
    )


def _show_origin(found: Measured) -> Markup:
    facts = {name: _tell(value) for name, value in found.machine.items() if value}
    kinds = "Measured: text and time are the server's own, over the network there was. Simulated: a model of a device."
    return el("section", el("h2", "Where this comes from"), el("p", kinds, class_="about"), list_facts({**facts}))
