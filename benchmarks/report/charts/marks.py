"""What every chart is made of: axes, colours of series, what a mark says when pointed at, and what is dim."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from ....backends.workload.op import LONGEST_S
from ...results.records import Row
from ...results.wording import figures, name_load, seconds
from ..tables.cells import describe_errors, describe_latency, describe_limit, describe_wer, name_setting

Chart = alt.Chart | alt.LayerChart | alt.HConcatChart
SECONDS = [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300]
FEW_TICKS = alt.Axis(tickCount=6)
UNAWARE = "unaware"  # what infinitely fast hardware is called among backends
LINE_PX = 34  # the height of a backend's line
FIELDS = ("backend", "strategy", "setting")  # what a reader may choose
_TIPS = {
    "setting": "Setting", "load_said": "Load", "span_said": "Span", "service_said": "Service", "wer_said": "WER",
    "errors": "S / D / I", "words": "Words", "late_said": "Latency 50 / 95 / 99 %", "first_said": "First word, 50 %",
    "busy": "Busy", "times": "Times are",
}  # fmt: skip

Values = dict[str, Any]  # what one mark is drawn from, by field: Vega reads it as JSON


@dataclass(frozen=True, slots=True)
class Series:
    """What the colours and shapes of charts stand for.

    field: one of `FIELDS`. names: in the order of the colours, the same in every chart of a page.
    """

    field: str
    names: tuple[str, ...]

    @property
    def colour(self) -> alt.Color:
        """Colours by name; what they stand for is said beside the charts, for all of them."""
        return alt.Color(f"{self.field}:N", scale=alt.Scale(domain=list(self.names)), legend=None)

    @property
    def shape(self) -> alt.Shape:
        """Shapes by name."""
        return alt.Shape(f"{self.field}:N", scale=alt.Scale(domain=list(self.names)), legend=None)


def list_series(field: str, names: Iterable[str | None]) -> Series:
    """Return the series of these names, each once."""
    return Series(field, tuple(dict.fromkeys(name or UNAWARE for name in names)))


def describe_row(row: Row) -> Values:
    """Return what charts place of a row, and what they say when pointed at."""
    late, plan = row.latency, row.plan
    low, high = row.wer_ci95 or (row.wer, row.wer)
    busy = plan and plan.busy
    return {
        "backend": row.backend or UNAWARE,
        "strategy": row.strategy,
        "load": row.load,
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
        "setting": name_setting(row),
        "load_said": name_load(row.load, row.strategy) if row.backend else "-",
        "span_said": _describe_span(row),
        "service_said": seconds(plan and plan.service_s) + (f", {figures(100 * busy)} % of the step" if busy else ""),
        "wer_said": "not scored" if row.wer is None else describe_wer(row.wer, row.wer_ci95),
        "errors": describe_errors(row.errors),
        "words": row.errors.ref_words,
        "late_said": describe_latency(late) or "-",
        "first_said": seconds(late.first_word_p50_s if late else None),
        "busy": "-" if row.work is None else f"{row.work.busy:.2f}",
        "times": (plan.provenance if plan else None) or "-",
    }


def _describe_span(row: Row) -> str:
    limit = describe_limit(row)
    if not row.span_s:
        return f"keeps up with none ({limit})"
    return seconds(row.span_s) + (f", {limit}" if row.span_s < LONGEST_S else "")


def chart_values(values: Iterable[Mapping[str, Any]]) -> alt.Chart:
    """Return a chart of `values`, still without marks."""
    return alt.Chart(alt.Data(values=list(values)))


def layer(*layers: alt.Chart, height: int = 320, title: str | None = None) -> alt.LayerChart:
    """Return one chart of all layers, as wide as its place on the page; `height` is that of the plot itself."""
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    found = alt.LayerChart(layer=list(layers)).properties(width="container", height=height, autosize=fit)
    return found if title is None else found.properties(title=title)


def tell(names: Mapping[str, str] = _TIPS) -> list[alt.Tooltip]:
    """Return what a mark says when pointed at: fields, by name, and what they are called."""
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in names.items()]


def list_backends(names: Iterable[str | None]) -> alt.Y:
    """Return an axis with a line for each backend, in this order."""
    return alt.Y("backend:N", title=None, scale=alt.Scale(domain=list(list_series("backend", names).names)))


def scale_log(values: Iterable[float]) -> alt.Scale:
    """Return a logarithmic scale from the least to the most of `values`."""
    known = sorted(values) or [1.0, LONGEST_S]
    return alt.Scale(type="log", domain=[known[0] / 1.1, known[-1] * 1.1], nice=False)


def place_seconds(field: str, title: str, values: Iterable[float]) -> alt.X:
    """Return a logarithmic axis of seconds that holds all `values`."""
    return alt.X(f"{field}:Q", title=title, scale=scale_log(values), axis=alt.Axis(values=SECONDS, grid=False))


def is_chosen(*fields: str) -> str:
    """Return the test of Vega whether a mark is chosen, by all of these fields; where nothing is, all are."""
    return " && ".join(f"(!length(chosen.{one}) || indexof(chosen.{one}, datum.{one}) >= 0)" for one in fields)


def dim_others(*fields: str, full: float = 1, dim: float = 0.12) -> Any:
    """Return the opacity of marks that are chosen, and of those that are not."""
    return alt.when(is_chosen(*fields)).then(alt.value(full)).otherwise(alt.value(dim))


def name_ends(values: Iterable[Mapping[str, Any]], x: alt.X, height: str, backends: "Series") -> list[alt.Chart]:
    """Return the name of each backend to the right of the end of its line, over a halo that lines do not cross.

    values: the ends. height: the field that says how high a name stands.
    """
    names = chart_values(values).encode(x=x, y=alt.Y(f"{height}:Q"), text="backend:N", opacity=dim_others("backend"))
    halo = names.mark_text(style="halo", align="left", dx=9)
    return [halo, names.mark_text(align="left", dx=9).encode(color=backends.colour)]


def spread(heights: Sequence[float], least: float, most: float) -> list[float]:
    """Return `heights` such that no two are nearer than `least`, from 0 up to `most` as far as there is room."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    found, below, above = list(heights), -least, most + least
    for at in order:
        found[at] = below = max(heights[at], below + least)
    for at in reversed(order):
        found[at] = above = min(found[at], above - least)
    return found
