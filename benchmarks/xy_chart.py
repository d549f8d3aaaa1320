"""Points and lines over two axes, as inline SVG in the style of report.css; several frames may share a figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .charts import WIDTH, svg
from .markup import Markup, Scale, el, join, text_width, ticks

LOG_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_LEFT, _TOP, _BOTTOM, _GAP = 52.0, 62.0, 52.0, 30.0


@dataclass(frozen=True, slots=True)
class Point:
    """A measured point, what it says when pointed at, its interval in y, and whether it counts (else it is hollow)."""

    x: float
    y: float
    title: str
    interval: tuple[float, float] | None = None
    solid: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """Points in the order in which a line joins them; `style` is the number of a colour and shape."""

    name: str
    style: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows: its name, whether it is logarithmic, and the factor from values to what is written."""

    name: str
    logarithmic: bool = False
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One plot: a heading, its series, and guides: `front` is drawn as steps; `diagonal` marks y = x."""

    heading: str
    series: tuple[Series, ...]
    front: tuple[tuple[float, float], ...] = ()
    diagonal: bool = False


def xy_figure(title: str, frames: Sequence[Frame], x: Axis, y: Axis, height: float = 330.0) -> Markup:
    """The frames side by side on equal axes, under one legend."""
    points = [point for frame in frames for series in frame.series for point in series.points]
    if not points:
        return el("p", "No point to show.")
    width = (WIDTH - _GAP * (len(frames) - 1)) / len(frames)
    bounds = x, [point.x for point in points]
    tall = y, [value for point in points for value in (point.y, *(point.interval or ()))]
    parts = [_legend(frames)]
    for number, frame in enumerate(frames):
        left = number * (width + _GAP)
        across = _scale(*bounds, left + _LEFT, left + width - 8)
        upward = _scale(*tall, _TOP + height, _TOP + 8)
        parts.append(_frame(frame, across, upward, x, y))
    said = "; ".join(
        f"{frame.heading} {series.name}: " + ", ".join(point.title for point in series.points)
        for frame in frames
        for series in frame.series
    )
    return svg(title, said, _TOP + height + _BOTTOM, parts)


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> Scale:
    if axis.logarithmic:
        low, high = min(values) / 1.15, max(values) * 1.15
        return Scale(low, high, start, end, logarithmic=True)
    return Scale(0.0, ticks(max([*values, 1e-3]) * axis.factor, 6)[-1] / axis.factor, start, end)


def _tick_values(scale: Scale, axis: Axis) -> list[float]:
    if axis.logarithmic:
        return [tick for tick in LOG_TICKS if scale.low <= tick <= scale.high]
    return [tick / axis.factor for tick in ticks(scale.high * axis.factor, 6)]


def _frame(frame: Frame, across: Scale, upward: Scale, x: Axis, y: Axis) -> Markup:
    left, right, bottom, top = across.start, across.end, upward.start, upward.end
    parts = [el("text", frame.heading, x=left, y=top - 14, class_="head")]
    for tick in _tick_values(upward, y):
        at = upward(tick)
        parts.append(el("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
        parts.append(el("text", f"{tick * y.factor:g}", x=left - 7, y=at + 4, class_="tick", text_anchor="end"))
    for tick in _tick_values(across, x):
        at = across(tick)
        parts.append(el("line", x1=at, x2=at, y1=bottom, y2=bottom + 5, class_="axis"))
        parts.append(el("text", f"{tick * x.factor:g}", x=at, y=bottom + 19, class_="tick", text_anchor="middle"))
    parts.append(el("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
    parts.append(el("text", x.name, x=right, y=bottom + 40, class_="small", text_anchor="end"))
    parts.append(el("text", y.name, x=left - 44, y=top - 32, class_="small"))
    if frame.diagonal:
        low, high = max(across.low, upward.low), min(across.high, upward.high)
        line = {"x1": across(low), "y1": upward(low), "x2": across(high), "y2": upward(high)}
        parts.append(el("line", **line, class_="offline"))
    if frame.front:
        steps = f"M{across(frame.front[0][0]):.2f} {upward(frame.front[0][1]):.2f}"
        steps += "".join(f"H{across(at):.2f}V{upward(value):.2f}" for at, value in frame.front[1:])
        parts.append(el("path", d=f"{steps}H{right:.2f}", class_="front"))
    return join(*parts, *(_series(series, across, upward) for series in frame.series))


def _series(series: Series, across: Scale, upward: Scale) -> Markup:
    at = [(across(point.x), upward(point.y)) for point in series.points]
    line = "".join(f"{'L' if i else 'M'}{px:.2f} {py:.2f}" for i, (px, py) in enumerate(at))
    parts: list[Markup | None] = [el("path", d=line, class_="thin")]
    for (px, py), point in zip(at, series.points, strict=True):
        if point.interval:
            low, high = (upward(end) for end in point.interval)
            parts.append(el("path", d=f"M{px:.2f} {low:.2f}V{high:.2f}", class_="spread"))
        shape = SHAPES[series.style % len(SHAPES)](px, py)
        parts.append(el("path", el("title", point.title), d=shape, class_="point" if point.solid else "hollow"))
    return el("g", *parts, class_=f"series s{series.style}")


def _legend(frames: Sequence[Frame]) -> Markup:
    names = {series.name: series.style for frame in frames for series in frame.series}
    x, parts = _LEFT, list[Markup]()
    for name, style in names.items():
        parts.append(el("g", el("path", d=SHAPES[style % len(SHAPES)](x, 8), class_="point"), class_=f"s{style}"))
        parts.append(el("text", name, x=x + 9, y=12, class_="small"))
        x += 9 + text_width(name, 12) + 22
    return join(*parts)


# Shapes besides colours: circle, square, diamond, triangle, triangle upside down, bar, cross.
SHAPES: tuple[Callable[[float, float], str], ...] = (
    lambda x, y: f"M{x - 4:.2f} {y:.2f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    lambda x, y: f"M{x - 3.5:.2f} {y - 3.5:.2f}h7v7h-7z",
    lambda x, y: f"M{x:.2f} {y - 5:.2f}l5 5l-5 5l-5 -5z",
    lambda x, y: f"M{x:.2f} {y - 5:.2f}l5 9h-10z",
    lambda x, y: f"M{x:.2f} {y + 5:.2f}l5 -9h-10z",
    lambda x, y: f"M{x - 5:.2f} {y - 2:.2f}h10v4h-10z",
    lambda x, y: f"M{x - 4:.2f} {y - 1.5:.2f}h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z",
)
