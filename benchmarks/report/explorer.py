"""Any two measures of rows against each other, chosen on the page: what is beaten is dim, own runs are ringed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import altair as alt

from ..results.wording import figures
from .charts.marks import Series, is_chosen, layer, list_series, tell
from .page import Figure, Markup, el, fold

Value = float | str | bool | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What an axis shows of a row.

    title: with its unit. more: whether more of it is better. factor: from what rows hold to what is shown.
    """

    title: str
    more: bool = False
    factor: float = 1


MEASURES = {
    "latency_p99_s": Measure("word latency, 99 %, s"),
    "latency_p95_s": Measure("word latency, 95 %, s"),
    "latency_p50_s": Measure("word latency, median, s"),
    "usd_per_audio_h": Measure("cost, USD per hour of audio"),
    "joules_per_audio_h": Measure("energy, kJ per hour of audio", factor=1e-3),
    "wer": Measure("WER, %", factor=100),
    "streams": Measure("streams per backend", more=True),
    "streams_per_kw": Measure("streams per kW", more=True),
    "span_s": Measure("span, s", more=True),
    "window_s": Measure("window, s", more=True),
}
_LATENCIES = ("latency_p99_s", "latency_p95_s", "latency_p50_s")
_STOPS_S = [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30]
_ABOUT = (
    "Pale marks are beaten: another is as good on both axes and better on one. The dashed steps join those that are "
    "not; own runs are ringed."
)
_MORE = (
    "Both axes are logarithmic; what has no figure, or one of 0, has no place. Names choose and point out. The address "
    "of this page keeps axes, limit and selection: send it to show the same view. Own runs are read from their "
    "results.json and stay in this browser."
)


def draw_explorer(
    rows: Sequence[Mapping[str, Value]],
    heading: str = "Explore: any measure against another",
    about: str = "",
    x: str = "latency_p99_s",
    y: str = "usd_per_audio_h",
    names: Sequence[str] = (),
    equal: Mapping[str, Value] | None = None,
    across: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Return a figure of rows in which a reader chooses what each axis shows, and how late words may come at most.

    rows: keys of `MEASURES` have a place on the axes, "backend" names the row and gives its colour, "own" rings it, and
    all are told when it is pointed at. x, y: what is shown first, where rows have it. names: of backends, in the order
    of the colours. equal: keys by which rows can be
    held to one value, and that value at first. across: by measure, names and heights of lines for comparison.
    """
    known = {key: one for key, one in MEASURES.items() if any(_is_placed(row.get(key)) for row in rows)}
    if len(known) < 2:
        return Figure(heading, about, [], el("p", "No row has two measures to show."))
    x, y = (key if key in known else at for key, at in zip((x, y), known, strict=False))
    limit = next((key for key in _LATENCIES if key in known), "")
    stops = _find_stops([value for row in rows if isinstance(value := row.get(limit), (int, float))])
    backends = list_series("backend", (*names, *(str(row.get("backend") or "") for row in rows)))
    tips = {f"tip{number}": key for number, key in enumerate(dict.fromkeys(key for row in rows for key in row))}
    placed = [{**row, **{name: _describe(key, row.get(key)) for name, key in tips.items()}} for row in rows]
    titles = {name: _name(key) for name, key in tips.items() if key != "own"}
    choices = {name: {key: one.title for key, one in known.items()} for name in ("x", "y")}
    starts = {"x": x, "y": y}
    for key, start in (equal or {}).items():
        found = sorted({value for row in rows if isinstance(value := row.get(key), (int, float))})
        choices[key] = {"": "all", **{f"{value:g}": f"{value:g}" for value in found}}
        starts[key] = f"{start:g}" if isinstance(start, (int, float)) else ""
    lines = {key: [{"name": name, "y": height} for name, height in one.items()] for key, one in (across or {}).items()}
    return Figure(
        heading,
        _ABOUT,
        [_draw(titles, backends)],
        fold("What this shows", el("p", f"{about} {_MORE}".strip(), class_="about")),
        series=[backends],
        above=_show_form(choices, starts, len(stops) if limit else 0),
        explorer={"rows": placed, "tips": tips, "measures": {key: asdict(one) for key, one in known.items()},
                  "stops": stops, "limit": limit, "across": lines},
    )  # fmt: skip


def _is_placed(value: Value) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _name(key: str) -> str:
    return MEASURES[key].title if key in MEASURES else key.replace("_", " ")


def _describe(key: str, value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return figures(value * MEASURES[key].factor if key in MEASURES else value)


def _find_stops(latencies: Sequence[float]) -> list[float]:
    """Round latencies from the least that some row keeps to one that all do."""
    least, most = min(latencies, default=1), max(latencies, default=1)
    above = [stop for stop in _STOPS_S if stop >= least]
    return [stop for stop, before in zip(above, [0, *above], strict=False) if before < most]


def _show_form(choices: Mapping[str, Mapping[str, str]], starts: Mapping[str, str], stops: int) -> Markup:
    """Select boxes and the slider, which the page's script reads; their names are those of the address."""
    names = {"x": "Across", "y": "Up"}
    boxes = [
        el("label", names.get(key) or _name(key).capitalize(), " ",
           el("select", *(el("option", text, value=value) for value, text in options.items()), name=key,
              data_start=starts[key]))
        for key, options in choices.items()
    ]  # fmt: skip
    slider = el("label", "Words within ", el("input", type="range", name="slo", min="0", max=str(stops),
                                             data_start=str(stops)), el("output"))  # fmt: skip
    own = el("label", "Own runs ", el("input", type="file", accept=".json", multiple=""), title="results.json of runs")
    return el("form", *boxes, slider if stops else None, own, el("p", role="status"), class_="explorer")


def _draw(titles: Mapping[str, str], backends: Series) -> alt.LayerChart:
    """Marks whose rows, domains and titles the script sets; what may be empty is no part of its description."""
    axis = alt.Axis(grid=False, format="~g", labelOverlap=True)
    scale = alt.Scale(type="log", nice=False)
    x, y = alt.X("x:Q", axis=axis, scale=scale), alt.Y("y:Q", axis=axis, scale=scale)
    base = alt.Chart(alt.NamedData(name="rows")).encode(x=x, y=y)
    chosen, beaten = is_chosen("backend"), f"datum.beaten && {is_chosen('backend')}"
    opacity = alt.when(beaten).then(alt.value(0.3)).when(chosen).then(alt.value(1)).otherwise(alt.value(0.07))
    across = alt.Chart(alt.NamedData(name="across")).encode(y=y)
    front = base.transform_filter("!datum.beaten")
    marks = base.mark_point(size=80).encode(
        color=backends.colour, shape=backends.shape, opacity=opacity, tooltip=tell(titles)
    )
    return layer(
        across.mark_rule(style="guide", aria=False),
        across.mark_text(align="left", dx=4, dy=-7, aria=False).encode(x=x, text="name:N"),
        front.mark_line(style="guide", interpolate="step-after", aria=False).encode(order="x:Q"),
        base.transform_filter("datum.own").mark_point(style="own", aria=False, filled=False, size=260, strokeWidth=1.6),
        marks,
        front.mark_text(align="left", dx=8, dy=-8, aria=False).encode(text="label:N", opacity=opacity),
        height=420,
    )
