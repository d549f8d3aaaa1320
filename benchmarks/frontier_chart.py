"""Frontiers as inline SVG: a line for each backend over two logarithmic axes, what another backend beats in grey."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from .charts import WIDTH, svg
from .markup import Markup, Scale, el, join, text_width
from .units import figures

LEFT, RIGHT, TOP, HEIGHT = 74, WIDTH - 24, 78, 330
_KINDS = ("GPU", "LPU", "hybrid", "other")  # colours s0 to s3 of report.css
_DASHES = (None, "7 4", "2 4", "11 4 2 4", "4 2", "14 5")


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a backend: where, the label at it, and whether another backend beats it."""

    x: float
    y: float
    label: str
    told: str
    dominated: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One backend: its kind gives the colour, its turn among those of its kind the dashes."""

    name: str
    kind: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, its unit included; better: whether "low" or "high" values are; fixed ticks if any."""

    name: str
    better: str = "low"
    scale: float = 1.0


def lines_of(rows: Sequence[dict[str, Any]], x: str, y: str, better: str = "low") -> list[Line]:
    """The rows with both values, a line for each backend by rising x; dominated: a row of any backend is as good in
    both and better in one. Axes are logarithmic, so a row with a value of 0 has no place."""
    known = [row for row in rows if row["streams"] and row.get(x) and row.get(y)]
    sign = 1 if better == "low" else -1

    def beaten(row: dict[str, Any]) -> bool:
        return any(
            sign * other[x] <= sign * row[x] and other[y] <= row[y] and (other[x] != row[x] or other[y] < row[y])
            for other in known
        )

    # backends without a point keep their turn, so that dashes are the same in every chart
    names = {row["backend"]: row["kind"] for row in sorted(rows, key=lambda row: row["backend"])}
    found = []
    for name, kind in names.items():
        mine = sorted((row for row in known if row["backend"] == name), key=lambda row: row[x])
        dots = tuple(Dot(row[x], row[y], f"{row['batch']:.0f}", _told(row), beaten(row)) for row in mine)
        found.append(Line(name, kind, dots))
    return found


def _told(row: dict[str, Any]) -> str:
    usd, joules = row["usd_per_audio_h"], row["joules_per_audio_h"]
    costs = [f"{figures(usd)} USD" if usd is not None else "", f"{figures(joules)} J" if joules is not None else ""]
    return (
        f"{row['backend']}: window {row['window_s']:g} s, {row['slo_s']:g} s promised, {row['streams']} streams, "
        f"a call every {row['step_s']:.2g} s, batch {row['batch']:.1f}; {', '.join(filter(None, costs))} an audio hour"
    )


def frontier(
    title: str, lines: Sequence[Line], x: Axis, y: Axis, references: Sequence[tuple[str, float]] = ()
) -> Markup:
    """The chart. references: names and heights of lines across it."""
    dots = [dot for line in lines for dot in line.dots]
    if not dots:
        note = el("text", "No backend carries a stream here.", x=LEFT, y=TOP, class_="none")
        return svg(title, "nothing to show", TOP + 40, [note])
    across = _scale([dot.x * x.scale for dot in dots], LEFT + 12, RIGHT - 12)
    heights = [dot.y * y.scale for dot in dots] + [height * y.scale for _, height in references]
    up = _scale(heights, TOP + HEIGHT, TOP + 10)
    parts = [el("text", y.name, x=0, y=14, class_="head"), _legend(lines), _axes(across, up, x)]
    above, above_name, end = -100.0, "", RIGHT
    for name, height in sorted(references, key=lambda one: -one[1]):
        at = up(height * y.scale)
        # names of lines that are close stand side by side
        end = end - text_width(above_name, 12) - 16 if at - above < 16 else RIGHT
        above, above_name = at, name
        parts.append(el("line", x1=LEFT, x2=RIGHT, y1=at, y2=at, class_="offline"))
        parts.append(el("text", name, x=end, y=at - 5, class_="small", text_anchor="end"))
    for line in sorted(lines, key=lambda line: not all(dot.dominated for dot in line.dots)):
        parts.append(_line(line, lines, across, up, x, y))
    parts += _labels(dots, across, up, x, y)
    said = "; ".join(f"{line.name}: " + ", ".join(f"({d.x:g}, {d.y:.3g})" for d in line.dots) for line in lines)
    return svg(title, said, TOP + HEIGHT + 52, parts)


def _scale(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = min(values), max(values)
    return Scale(low / 1.25, high * 1.25, start, end, logarithmic=True)


def _ticks(scale: Scale) -> list[float]:
    """1, 2 and 5 of every power of ten within the scale."""
    first, last = floor(log10(scale.low)), floor(log10(scale.high)) + 1
    values = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    return [value for value in values if scale.low <= value <= scale.high]


def _axes(across: Scale, up: Scale, x: Axis) -> Markup:
    parts = []
    for value in _ticks(up):
        parts.append(el("line", x1=LEFT, x2=RIGHT, y1=up(value), y2=up(value), class_="grid"))
        parts.append(el("text", f"{value:g}", x=LEFT - 8, y=up(value) + 4, class_="tick", text_anchor="end"))
    bottom = up.start
    parts.append(el("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="axis"))
    for value in _ticks(across):
        parts.append(el("line", x1=across(value), x2=across(value), y1=bottom, y2=bottom + 5, class_="axis"))
        parts.append(el("text", f"{value:g}", x=across(value), y=bottom + 20, class_="tick", text_anchor="middle"))
    return join(*parts, el("text", x.name, x=RIGHT, y=bottom + 42, class_="head", text_anchor="end"))


def _style(line: Line, lines: Sequence[Line]) -> tuple[str, str | None]:
    """Class of the colour, and dashes."""
    turn = [one.name for one in lines if one.kind == line.kind].index(line.name)
    return f"series s{_KINDS.index(line.kind)}", _DASHES[turn % len(_DASHES)]


def _line(line: Line, lines: Sequence[Line], across: Scale, up: Scale, x: Axis, y: Axis) -> Markup:
    css, dashes = _style(line, lines)
    places = [(across(dot.x * x.scale), up(dot.y * y.scale), dot) for dot in line.dots]
    path = "".join(f"{'L' if i else 'M'}{at_x:.2f} {at_y:.2f}" for i, (at_x, at_y, _) in enumerate(places))
    parts = [el("path", d=path, class_="line", stroke_dasharray=dashes)]
    for at_x, at_y, dot in places:
        beaten = " beaten" if dot.dominated else ""
        parts.append(el("circle", el("title", dot.told), cx=at_x, cy=at_y, r=4.5, class_="point" + beaten))
    faded = " faded" if all(dot.dominated for dot in line.dots) else ""
    return el("g", *parts, class_=css + faded)


def _labels(dots: Sequence[Dot], across: Scale, up: Scale, x: Axis, y: Axis) -> list[Markup]:
    """The labels of points, those on the frontier first, as far as none covers another."""
    placed: list[tuple[float, float]] = []
    found = []
    for dot in sorted(dots, key=lambda dot: dot.dominated):
        at_x, at_y = across(dot.x * x.scale), up(dot.y * y.scale) - 9
        if dot.label and all(abs(at_x - other_x) > 22 or abs(at_y - other_y) > 13 for other_x, other_y in placed):
            placed.append((at_x, at_y))
            css = "small beaten" if dot.dominated else "small"
            found.append(el("text", dot.label, x=at_x, y=at_y, class_=css, text_anchor="middle"))
    return found


def _legend(lines: Sequence[Line]) -> Markup:
    parts, at, row = [], 0.0, 0
    for line in (line for line in lines if line.dots):
        css, dashes = _style(line, lines)
        width = 34 + text_width(line.name, 12) + 22
        if at + width > WIDTH:
            at, row = 0.0, row + 1
        y = 34 + 18 * row
        parts.append(el("g", el("path", d=f"M{at:.2f} {y}h26", class_="line", stroke_dasharray=dashes), class_=css))
        parts.append(el("text", line.name, x=at + 32, y=y + 4, class_="small"))
        at += width
    return join(*parts)


def batch_lines(batches: Sequence[dict[str, Any]], value: str) -> list[Line]:
    """Calls or tokens per second against the batch, as a part of the most that each backend reaches."""
    found = []
    for one in batches:
        rows = [row for row in one["rows"] if row[value]]
        most = max((row[value] for row in rows), default=0)
        dots = tuple(
            Dot(
                row["batch"],
                100 * row[value] / most,
                "",
                f"{one['backend']}, batch {row['batch']}: {row[value]:,.0f}/s",
            )
            for row in rows
        )
        if dots:
            found.append(Line(one["backend"], one["kind"], dots))
    return found
