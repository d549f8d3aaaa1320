"""How late words came, in the report: the spread of word latency of each row, and every measure of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from .charts import LABELS, ROW, svg, vertical
from .markup import Markup, Scale, el, join, shorten, ticks
from .report_data import Node
from .report_tables import scrolling, table_of
from .units import figures, seconds

_EARLIEST = -1e300  # a good guess comes before the end of its word
ABOUT = (
    "From the end of a spoken word until it is shown for good, on the clock of the backend: the dot is the median, the "
    "line goes on to 95 %, the stroke is 99 %; the open mark is the first right word of a recording, its median."
)
MEASURES = (
    "LAAL, DAL, StreamLAAL (by sentence) and LongYAAL compare with a speaker who is even over the audio; the small "
    "figure counts audio only, without computation. Sentences are cut by the alignment of words. Continuous: "
    "ufal/asr_latency, the mean over words aligned by characters. Erasure: shown words taken back, for each final one. "
    "RTF: seconds of work for each second of audio. Backlog: the longest that a call waited."
)
_LAGGING = {"LAAL": "laal", "DAL": "dal", "StreamLAAL": "stream_laal", "LongYAAL": "long_yaal"}


@dataclass(frozen=True, slots=True)
class Lateness:
    """The latencies of one row by name, in seconds, erasure and RTF among them."""

    backend: str
    values: dict[str, float]

    @property
    def drawn(self) -> bool:
        return all(f"latency_p{n}_s" in self.values for n in (50, 95, 99))


_NAMES = (
    *(f"latency_p{n}_s" for n in (50, 95, 99)),
    *(f"{name}{kind}_s" for name in _LAGGING.values() for kind in ("", "_ca")),
    "continuous_latency_s", "first_word_p50_s", "first_word_max_s", "normalised_erasure", "rtf", "backlog_s",
)  # fmt: skip


def latency_section(root: Node) -> Markup | None:
    """The figure and the table; None where nothing was timed."""
    found = [_read(row) for row in root.children("rows")]
    found = [one for one in found if one.values]
    drawn = [one for one in found if one.drawn]
    if not drawn:
        return None
    heading = "How late words come"
    about = " ".join(filter(None, (ABOUT, root.child("word_times").text("note"))))
    chart = scrolling(spread_of_latency(drawn), heading)
    figure = el("figure", el("h2", heading), el("figcaption", about, class_="about"), chart)
    table = el("details", el("summary", "Every measure"), el("p", MEASURES, class_="about"), _table(found))
    return el("section", figure, table)


def _read(row: Node) -> Lateness:
    values = {name: row.number(name, lowest=_EARLIEST) for name in _NAMES}
    return Lateness(row.text("backend") or "", {name: value for name, value in values.items() if value is not None})


def spread_of_latency(rows: Sequence[Lateness]) -> Markup:
    """A line for each row from the median of word latency to its 95th percentile, and marks beside."""
    top, height = 46, 46 + ROW * len(rows) + 8
    named = [row.values[name] for row in rows for name in _NAMES if name.startswith(("latency", "first_word_p50"))
             if name in row.values]  # fmt: skip
    low = min(0.0, *named)
    steps = ticks(max(*named, 0.1), 6)
    x = Scale(low, steps[-1], LABELS + 14, 860)
    parts = [
        el("text", "Word latency, seconds", x=x.start, y=14, class_="head"),
        *(vertical(x(tick), top, height - 8, f"{tick:g}") for tick in steps),
    ]
    for i, row in enumerate(rows):
        parts.append(_spread(row, x, top + ROW * i + ROW / 2))
    lines = [f"{row.backend}: median {seconds(row.values['latency_p50_s'])}" for row in rows]
    return svg("Word latency of each backend", "; ".join(lines), height, parts)


def _spread(row: Lateness, x: Scale, middle: float) -> Markup:
    p50_s, p95_s, p99_s = (row.values[f"latency_p{n}_s"] for n in (50, 95, 99))
    first_s = row.values.get("first_word_p50_s")
    said = f"{row.backend}: median {seconds(p50_s)}, 95 % {seconds(p95_s)}, 99 % {seconds(p99_s)}"
    said += f", first word {seconds(first_s)}" if first_s is not None else ""
    strokes = f"M{x(p95_s):.2f} {middle - 5:.2f}v10M{x(p99_s):.2f} {middle - 3:.2f}v6"
    path = f"M{x(p50_s):.2f} {middle:.2f}H{x(p95_s):.2f}{strokes}"
    return el(
        "g",
        el("title", said),
        el("text", shorten(row.backend, LABELS, 15), x=0, y=middle + 5, class_="name"),
        el("path", d=path, class_="whisker"),
        None if first_s is None else el("circle", cx=x(first_s), cy=middle, r=5, class_="mark"),
        el("circle", cx=x(p50_s), cy=middle, r=5.5, class_="dot"),
        el(
            "text",
            el("tspan", seconds(p50_s), class_="value"),
            " ",
            el("tspan", f"95 %: {seconds(p95_s)}", class_="small"),
            x=x.end + 24,
            y=middle + 5,
        ),
    )


def _table(rows: Sequence[Lateness]) -> Markup:
    head = ["Backend", "50 / 95 / 99 %", "First word", *_LAGGING, "Continuous", "Erasure", "RTF", "Backlog"]
    return scrolling(table_of(head, (_cells(row.backend, row.values) for row in rows)), "Every measure of latency")


def _cells(backend: str, values: dict[str, float]) -> list[str]:
    def shown(name: str) -> str:
        return seconds(values.get(name))

    def bare(name: str) -> str:
        return figures(values[name]) if name in values else "–"

    percentiles = " / ".join(figures(values[name]) if name in values else "–" for name in _NAMES[:3])
    lagging = [_two(shown(f"{name}_ca_s"), shown(f"{name}_s")) for name in _LAGGING.values()]
    first = _two(shown("first_word_p50_s"), shown("first_word_max_s"))
    plain = [bare("normalised_erasure"), bare("rtf"), shown("backlog_s")]
    return [backend, f"{percentiles} s", first, *lagging, shown("continuous_latency_s"), *plain]


def _two(first: str, second: str) -> Markup:
    return join(first, el("small", second))
