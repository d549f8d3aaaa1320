"""The chart of word error rate against window, with the span of every backend marked on it."""

from collections.abc import Callable, Sequence

from .charts import WIDTH, svg
from .markup import Markup, Scale, el, join, shorten, text_width, ticks
from .report_data import Curve, Row, Score
from .units import curve_name, interval_text, percent, seconds

LEFT, RIGHT = 58, WIDTH - 172  # the plot; names of lines stand to the right of it
FLAG = 17  # height of the label of a backend
TICKS_S = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60)


def wer_by_window(curves: Sequence[Curve], rows: Sequence[Row], offline: Score, offline_note: str = "") -> Markup:
    """Word error rate against window, a line per strategy with its interval, every backend's span marked on it."""
    marks = sorted(((row.span_s, row) for row in rows if row.span_s), key=lambda mark: mark[0])
    windows = [point.window_s for curve in curves for point in curve.points] + [span_s for span_s, _ in marks]
    low, high = min(windows), max(windows)
    low, high = (low / 1.5, high * 1.5) if low == high else (low, high)
    x = Scale(low, high, LEFT + 14, RIGHT - 14, logarithmic=True)
    names = [shorten(row.backend, 130, 12) for _, row in marks]
    widths = [text_width(f"{name} {seconds(span_s)}", 12) for (span_s, _), name in zip(marks, names, strict=True)]
    levels = flag_levels([(x(span_s), width) for (span_s, _), width in zip(marks, widths, strict=True)])
    top = 40 + FLAG * (max(levels, default=0) + 1)
    scores = [point.score for curve in curves for point in curve.points] + [offline]
    highest = max([score.highest for score in scores] + [row.score.wer or 0 for _, row in marks] + [0.05])
    steps = ticks(highest * 100, 6)
    y = Scale(0, steps[-1] / 100, top + 350, top)
    parts = [_axes(x, y, steps)]
    ends: list[End] = []
    if offline.wer is not None:
        parts.append(el("line", x1=LEFT, x2=RIGHT, y1=y(offline.wer), y2=y(offline.wer), class_="offline"))
        ends.append((y(offline.wer), f"offline {percent(offline.wer)}", offline_note, "muted"))
    for i, curve in enumerate(curves):
        parts.append(_curve(curve, i, x, y))
        count = "" if curve.recordings is None else f"{curve.recordings:g} recordings"
        ends.append((y(curve.points[-1].score.wer or 0), curve_name(curve), count, f"series s{i % 4}"))
    parts += end_labels(ends, y)
    for i, ((span_s, row), name, level) in enumerate(zip(marks, names, levels, strict=True)):
        flag_y = top - 14 - FLAG * level
        if i == 0 or span_s > marks[i - 1][0]:  # the first of several at one span is the highest
            parts.append(el("line", x1=x(span_s), x2=x(span_s), y1=flag_y - 11, y2=y.start, class_="pole"))
        parts.append(_mark(x(span_s), row, curves, y, name, flag_y))
    described = [
        f"{curve_name(curve)}: " + ", ".join(f"{p.window_s:g} s {percent(p.score.wer)}" for p in curve.points)
        for curve in curves
    ]
    return svg("Word error rate against window", "; ".join(described), y.start + 50, parts)


def _axes(x: Scale, y: Scale, steps: Sequence[float]) -> Markup:
    parts = [el("text", "Word error rate, percent", x=0, y=14, class_="head")]
    for step in steps:
        at = y(step / 100)
        parts.append(el("line", x1=LEFT, x2=RIGHT, y1=at, y2=at, class_="grid" if step else "axis"))
        parts.append(el("text", f"{step:g}", x=LEFT - 8, y=at + 4, class_="tick", text_anchor="end"))
    for tick_s in TICKS_S:
        if x.low <= tick_s <= x.high:
            at = x(tick_s)
            parts.append(el("line", x1=at, x2=at, y1=y.start, y2=y.start + 5, class_="axis"))
            parts.append(el("text", f"{tick_s:g}", x=at, y=y.start + 20, class_="tick", text_anchor="middle"))
    name = "Window, seconds (logarithmic)"
    return join(*parts, el("text", name, x=RIGHT, y=y.start + 42, class_="head", text_anchor="end"))


def flag_levels(flags: Sequence[tuple[float, float]]) -> list[int]:
    """How high each label (x, width), given by rising x, has to stand for none to cover another or its pole.

    A label hangs to the right of its pole. It has to be above every pole that it would reach, and above the label
    of that pole; labels at one x are stacked.
    """
    levels = [0] * len(flags)
    for i in reversed(range(len(flags))):
        reach = flags[i][0] + flags[i][1] + 14
        below = [levels[j] for j in range(i + 1, len(flags)) if flags[j][0] <= reach]
        levels[i] = max(below, default=-1) + 1
    return levels


def on_curve(row: Row, curves: Sequence[Curve]) -> tuple[int, float] | None:
    """Index of the curve of the row's strategy and its rate at the row's span; None where it was not measured.

    The curve of the same step is taken if there is one, else the first of the strategy.
    """
    fitting = [i for i, curve in enumerate(curves) if curve.strategy == row.strategy]
    for i in sorted(fitting, key=lambda i: curves[i].step_s != row.step_s):
        wer = curves[i].wer_at(row.span_s) if row.span_s is not None else None
        if wer is not None:
            return i, wer
    return None


def _mark(x: float, row: Row, curves: Sequence[Curve], y: Scale, name: str, flag_y: float) -> Markup:
    found = on_curve(row, curves)
    if found:
        wer, said = found[1], f"{percent(found[1])} on its curve"
    elif row.score.wer is not None:  # beside the curves, but heard all the same
        wer, said = row.score.wer, f"{percent(row.score.wer)} as scored itself"
    else:
        wer, said = 0.0, "no rate measured at this window"
    return el(
        "g",
        el("title", f"{row.backend}: span {seconds(row.span_s)}, {said}"),
        el("circle", cx=x, cy=y(wer), r=6, class_=f"mark s{found[0] % 4}" if found else "mark"),
        el("text", el("tspan", name, class_="end"), f" {seconds(row.span_s)}", x=x + 5, y=flag_y, class_="flag"),
    )


def _curve(curve: Curve, index: int, x: Scale, y: Scale) -> Markup:
    line, parts = "", []
    for i, point in enumerate(curve.points):
        at_x, at_y = x(point.window_s), y(point.score.wer or 0)
        line += f"{'L' if i else 'M'}{at_x:.2f} {at_y:.2f}"
        score = f"WER {percent(point.score.wer)} {interval_text(point.score)}"
        title = el("title", f"{curve_name(curve)}, window {seconds(point.window_s)}: {score}")
        parts.append(el("path", title, d=SHAPES[index % 4](at_x, at_y), class_="point"))
    known = [(x(point.window_s), *point.score.ci95) for point in curve.points if point.score.ci95]
    around = [(at, y(high)) for at, _, high in known] + [(at, y(low)) for at, low, _ in reversed(known)]
    band = el("polygon", points=" ".join(f"{a:.2f},{b:.2f}" for a, b in around), class_="band") if known else None
    return el("g", band, el("path", d=line, class_="line"), *parts, class_=f"series s{index % 4}")


# Shapes besides colours: circle, square, diamond, triangle.
SHAPES: tuple[Callable[[float, float], str], ...] = (
    lambda x, y: f"M{x - 3.5:.2f} {y:.2f}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0",
    lambda x, y: f"M{x - 3.5:.2f} {y - 3.5:.2f}h7v7h-7z",
    lambda x, y: f"M{x:.2f} {y - 5:.2f}l5 5l-5 5l-5 -5z",
    lambda x, y: f"M{x:.2f} {y - 5:.2f}l5 9h-10z",
)


End = tuple[float, str, str, str]  # y of the end of a line, its name, a note, its classes


def end_labels(ends: list[End], y: Scale) -> list[Markup]:
    """The names of lines at their right ends, pushed apart where they would overlap."""
    ends, gap, placed = sorted(ends), 36, list[float]()
    for end_y, *_ in ends:
        placed.append(max([end_y, *(above + gap for above in placed[-1:])]))
    lowest = y.start - 10
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], lowest)
        lowest = placed[i] - gap
    x = RIGHT + 10
    return [
        el(
            "text",
            el("tspan", shorten(name, WIDTH - x, 13), x=x, y=at, class_="end"),
            el("tspan", note, x=x, dy=15, class_="small"),
            class_=css,
        )
        for at, (_, name, note, css) in zip(placed, ends, strict=True)
    ]
