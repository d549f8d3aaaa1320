"""The charts of the report as inline SVG. Colours are classes of report.css, so that they follow light and dark."""

from collections.abc import Callable, Sequence

from .markup import Markup, Scale, el, escape, join, shorten, text_width, ticks
from .report_data import Curve, Row, Score

WIDTH = 1040
LABELS = 216  # where the names of the backends end and the figures begin
ROW = 46
PHASES = ("mel", "encode", "prefill", "decode", "transfer")
LONGEST_S = 30.0  # Whisper's window


def seconds(value: float | None) -> str:
    """A time with its unit: three digits, milliseconds below 10 ms."""
    if value is None:
        return "–"
    return f"{value * 1000:.3g}\u00a0ms" if 0 < abs(value) < 0.01 else f"{figures(value)}\u00a0s"


def figures(value: float) -> str:
    """Three significant digits, all of them before the point, no exponent for everyday sizes."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(value: float | None) -> str:
    """A fraction in percent, one decimal."""
    return "–" if value is None else f"{value * 100:.1f}\u00a0%"


def interval_text(score: Score) -> str:
    """The 95 % interval in percent, in brackets; empty if there is none."""
    return "" if score.ci95 is None else f"[{score.ci95[0] * 100:.1f}–{score.ci95[1] * 100:.1f}]"


def setting(row: Row) -> str:
    """Strategy, streams and step of a row, as far as they are stated."""
    parts = [row.strategy]
    if row.streams is not None:
        parts.append(f"{row.streams:g} stream" + ("" if row.streams == 1 else "s"))
    if row.step_s is not None:
        parts.append(f"step {seconds(row.step_s)}")
    return ", ".join(filter(None, parts))


def curve_name(curve: Curve) -> str:
    """Strategy and step of a curve."""
    return curve.strategy + (f", step {seconds(curve.step_s)}" if curve.step_s else "")


def limit(row: Row) -> str:
    """What keeps the span from growing, in words."""
    if row.limited_by in ("", "nothing"):
        return "all of Whisper's window" if row.span_s and row.span_s >= LONGEST_S else ""
    return f"limit: {row.limited_by}"


def span_and_wer(rows: Sequence[Row]) -> Markup:
    """Bars of span, and beside them the word error rate with its interval, one line per backend."""
    top, height = 46, 46 + ROW * len(rows) + 8
    span = Scale(0, max([LONGEST_S, *(row.span_s or 0 for row in rows)]), LABELS + 14, 640)
    steps = ticks(max([row.score.highest for row in rows] + [0.05]) * 100, 4)
    rate = Scale(0, steps[-1] / 100, 690, 1000)
    parts = [
        el("text", "Span: longest window in real time, seconds", x=span.start, y=14, class_="head"),
        el("text", "Word error rate, percent, 95 % interval", x=rate.start, y=14, class_="head"),
        *(
            _vertical(span(tick), top, height - 8, f"{tick:g}")
            for tick in ticks(span.high, 6)
            if tick <= span.high
        ),
        *(_vertical(rate(tick / 100), top, height - 8, f"{tick:g}") for tick in steps),
    ]
    for i, row in enumerate(rows):
        middle = top + ROW * i + ROW / 2
        parts += [_name(row, rows, middle), _span_bar(row, span, middle), _whisker(row.score, rate, middle)]
    title = "Span and word error rate of each backend"
    lines = [f"{row.backend}: span {seconds(row.span_s)}, WER {percent(row.score.wer)}" for row in rows]
    return _svg(title, "; ".join(lines), height, parts)


def _span_bar(row: Row, scale: Scale, middle: float) -> Markup:
    if row.span_s is None:
        return el(
            "text",
            f"cannot keep up ({limit(row) or 'no window fits'})",
            x=scale.start + 6,
            y=middle + 5,
            class_="none",
        )
    end, value = scale(row.span_s), seconds(row.span_s)
    width = text_width(value, 14) + text_width(limit(row), 12) + 12
    inside = end + width > scale.end + 30
    at = {"x": end - 8, "text_anchor": "end"} if inside else {"x": end + 8}
    box = {"x": scale.start, "y": middle - 12, "width": end - scale.start, "height": 24, "rx": 2}
    return el(
        "g",
        el("title", f"{row.backend}: {setting(row)}: span {value}, {limit(row)}"),
        el("rect", **box, class_="bar"),
        el("rect", **box, fill="url(#hatch)") if row.provenance == "estimate" else None,
        el("text", el("tspan", value, class_="value"), " ", el("tspan", limit(row), class_="small"), y=middle + 5, class_="on-bar" if inside else "", **at),
    )  # fmt: skip


def _whisker(score: Score, scale: Scale, middle: float) -> Markup:
    if score.wer is None:
        return el("text", "not scored", x=scale.start + 6, y=middle + 5, class_="none")
    x, parts = scale(score.wer), []
    low, high = (scale(bound) for bound in score.ci95) if score.ci95 else (x, x)
    if score.ci95:
        cap = f"M{low:.2f} {middle - 5}v10M{high:.2f} {middle - 5}v10M{low:.2f} {middle}H{high:.2f}"
        parts.append(el("path", d=cap, class_="whisker"))
    parts.append(el("circle", cx=x, cy=middle, r=5.5, class_="dot"))
    value, interval = percent(score.wer), interval_text(score)
    width = text_width(value, 14) + text_width(interval, 12) + 18
    right = max(high, x + 6)
    at = {"x": right + 9} if right + width < WIDTH else {"x": min(low, x - 6) - 9, "text_anchor": "end"}
    parts.append(
        el(
            "text",
            el("tspan", value, class_="value"),
            " ",
            el("tspan", interval, class_="small"),
            y=middle + 5,
            **at,
        )
    )
    return el("g", el("title", f"WER {value} {interval}"), *parts)


def wer_by_window(curves: Sequence[Curve], rows: Sequence[Row], offline: Score) -> Markup:
    """Word error rate against window, a line per strategy with its interval, every backend's span marked on it."""
    marks = sorted(((row.span_s, row) for row in rows if row.span_s), key=lambda mark: mark[0])
    windows = [point.window_s for curve in curves for point in curve.points] + [span_s for span_s, _ in marks]
    low, high = min(windows), max(windows)
    low, high = (low / 1.5, high * 1.5) if low == high else (low, high)
    left, right = 58, WIDTH - 172
    x = Scale(low, high, left + 14, right - 14, logarithmic=True)
    names = [shorten(row.backend, 150, 12) + f" {figures(span_s)}\u00a0s" for span_s, row in marks]
    levels = flag_levels(
        [(x(span_s), text_width(name, 12)) for (span_s, _), name in zip(marks, names, strict=True)]
    )
    top = 40 + 17 * (max(levels, default=0) + 1)
    bottom = top + 330
    highest = max(
        [point.score.highest for curve in curves for point in curve.points] + [offline.highest, 0.05]
    )
    steps = ticks(highest * 100, 6)
    y = Scale(0, steps[-1] / 100, bottom, top)
    parts = [el("text", "Word error rate, percent", x=0, y=14, class_="head")]
    for tick in steps:
        parts.append(el("line", x1=left, x2=right, y1=y(tick / 100), y2=y(tick / 100), class_="grid"))
        parts.append(
            el("text", f"{tick:g}", x=left - 8, y=y(tick / 100) + 4, class_="tick", text_anchor="end")
        )
    for tick in (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60):
        if low <= tick <= high:
            parts.append(el("line", x1=x(tick), x2=x(tick), y1=bottom, y2=bottom + 5, class_="axis"))
            parts.append(
                el("text", f"{tick:g}", x=x(tick), y=bottom + 20, class_="tick", text_anchor="middle")
            )
    parts.append(el("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
    parts.append(
        el("text", "Window, seconds (logarithmic)", x=right, y=bottom + 42, class_="head", text_anchor="end")
    )
    ends: list[tuple[float, str, str, str]] = []
    if offline.wer is not None:
        parts.append(el("line", x1=left, x2=right, y1=y(offline.wer), y2=y(offline.wer), class_="offline"))
        ends.append((y(offline.wer), f"offline {percent(offline.wer)}", "whole recording", "muted"))
    for i, curve in enumerate(curves):
        parts.append(_curve(curve, i, x, y))
        count = "" if curve.recordings is None else f"{curve.recordings:g} recordings"
        ends.append((y(curve.points[-1].score.wer or 0), curve_name(curve), count, f"series s{i % 4}"))
    parts += _end_labels(ends, right + 10, top, bottom)
    for (span_s, row), name, level in zip(marks, names, levels, strict=True):
        parts.append(_mark(x(span_s), span_s, row, curves, y, name, top - 14 - 17 * level))
    described = [f"{curve_name(curve)}: " + ", ".join(
        f"{point.window_s:g} s {percent(point.score.wer)}" for point in curve.points) for curve in curves]  # fmt: skip
    return _svg("Word error rate against window", "; ".join(described), bottom + 50, parts)


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


def _mark(
    at_x: float, span_s: float, row: Row, curves: Sequence[Curve], y: Scale, name: str, flag_y: float
) -> Markup:
    found = on_curve(row, curves)
    at_y = y(found[1]) if found else y.start
    said = f"{percent(found[1])} on its curve" if found else "no rate measured at this window"
    return el(
        "g",
        el("title", f"{row.backend}: span {seconds(span_s)}, {said}"),
        el("line", x1=at_x, x2=at_x, y1=flag_y - 10, y2=at_y, class_="pole"),
        el("circle", cx=at_x, cy=at_y, r=6, class_=f"mark s{found[0] % 4}" if found else "mark"),
        el("text", name, x=at_x + 5, y=flag_y, class_="flag"),
    )


def _curve(curve: Curve, index: int, x: Scale, y: Scale) -> Markup:
    line, parts = "", []
    for i, point in enumerate(curve.points):
        at_x, at_y = x(point.window_s), y(point.score.wer or 0)
        line += f"{'L' if i else 'M'}{at_x:.2f} {at_y:.2f}"
        title = f"{curve_name(curve)}, window {seconds(point.window_s)}: WER {percent(point.score.wer)} {interval_text(point.score)}"
        parts.append(el("path", el("title", title), d=_SHAPES[index % 4](at_x, at_y), class_="point"))
    known = [(x(point.window_s), *point.score.ci95) for point in curve.points if point.score.ci95]
    around = [(at, y(high)) for at, _, high in known] + [(at, y(low)) for at, low, _ in reversed(known)]
    band = (
        el("polygon", points=" ".join(f"{a:.2f},{b:.2f}" for a, b in around), class_="band")
        if known
        else None
    )
    return el("g", band, el("path", d=line, class_="line"), *parts, class_=f"series s{index % 4}")


# Shapes besides colours: circle, square, diamond, triangle.
_SHAPES: tuple[Callable[[float, float], str], ...] = (
    lambda x, y: f"M{x - 3.5:.2f} {y:.2f}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0",
    lambda x, y: f"M{x - 3.5:.2f} {y - 3.5:.2f}h7v7h-7z",
    lambda x, y: f"M{x:.2f} {y - 5:.2f}l5 5l-5 5l-5 -5z",
    lambda x, y: f"M{x:.2f} {y - 5:.2f}l5 9h-10z",
)


def _end_labels(ends: list[tuple[float, str, str, str]], x: float, top: float, bottom: float) -> list[Markup]:
    """The names of lines at their right ends, pushed apart where they would overlap."""
    ends, gap, placed = sorted(ends), 36, list[float]()
    for at_y, *_ in ends:
        placed.append(max([at_y, *(y + gap for y in placed[-1:])]))
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], bottom - 10 if i == len(placed) - 1 else placed[i + 1] - gap)
    return [
        el(
            "text",
            el("tspan", shorten(name, WIDTH - x, 13), x=x, y=max(y, top) - 1, class_="end"),
            el("tspan", note, x=x, dy=15, class_="small"),
            class_=css,
        )
        for y, (_, name, note, css) in zip(placed, ends, strict=True)
    ]


def service_by_phase(rows: Sequence[Row]) -> Markup:
    """Service time as a part of the time there is for it, stacked by phase; one step is a line."""
    rows = [row for row in rows if row.load is not None]
    top, height = 74, 74 + ROW * len(rows) + 8
    worst = max(row.load or 0 for row in rows)
    x = Scale(0, min(max(worst, 1.05), 2.0), LABELS + 14, 800)
    parts = [
        el("text", "Service time as a part of the step", x=x.start, y=14, class_="head"),
        _legend(x.start, rows),
    ]
    parts += [
        _vertical(x(t / 4), top, height - 8, f"{t * 25} %") for t in range(9) if t / 4 <= x.high and t != 4
    ]
    for i, row in enumerate(rows):
        middle = top + ROW * i + ROW / 2
        parts += [_name(row, rows, middle), _stack(row, x, middle)]
    parts.append(el("line", x1=x(1), x2=x(1), y1=top - 4, y2=height - 8, class_="limit"))
    parts.append(el("text", "step", x=x(1), y=top - 10, class_="limit-name", text_anchor="middle"))
    lines = [f"{row.backend}: {seconds(row.service_s)} of {seconds(row.due_s)}" for row in rows]
    return _svg("Where the time goes", "; ".join(lines), height, parts)


def _stack(row: Row, x: Scale, middle: float) -> Markup:
    due_s, service_s = row.due_s or 1.0, row.service_s or 0.0
    phases = {
        name: row.phases[name] for name in (*PHASES, *sorted({*row.phases} - {*PHASES})) if name in row.phases
    }
    rest = service_s - sum(phases.values())
    if rest > 0.01 * service_s:
        phases["other"] = rest
    parts, start = [], 0.0
    for name, phase_s in phases.items():
        left, right = (x(min(value / due_s, x.high)) for value in (start, start + phase_s))
        start += phase_s
        css = f"phase {name}" if name in PHASES else "phase other"
        title = el("title", f"{row.backend}, {name}: {seconds(phase_s)}")
        parts.append(el("rect", title, x=left, y=middle - 12, width=right - left, height=24, class_=css))
    if row.ceiling_s is not None and row.ceiling_s / due_s <= x.high:
        at = x(row.ceiling_s / due_s)
        title = el("title", f"{row.backend}, ceiling: {seconds(row.ceiling_s)}")
        parts.append(el("path", title, d=f"M{at:.2f} {middle - 16}v32", class_="ceiling"))
    beyond = " →" if service_s / due_s > x.high else ""
    value = f"{seconds(service_s)} of {seconds(due_s)}"
    share = f"{beyond} {service_s / due_s * 100:.0f}\u00a0%"
    parts.append(
        el(
            "text",
            el("tspan", value, class_="value"),
            el("tspan", f" ={share}", class_="small"),
            x=x.end + 16,
            y=middle + 5,
        )
    )
    return el("g", *parts)


def _legend(x: float, rows: Sequence[Row]) -> Markup:
    shown = [name for name in PHASES if any(row.phases.get(name) for row in rows)]
    parts = []
    for name in shown:
        parts.append(el("rect", x=x, y=26, width=12, height=12, class_=f"phase {name}"))
        parts.append(el("text", name, x=x + 17, y=36, class_="small"))
        x += 17 + text_width(name, 12) + 18
    parts.append(el("path", d=f"M{x + 4:.2f} 24v16", class_="ceiling"))
    parts.append(
        el("text", "ceiling: peak arithmetic and bandwidth, nothing else", x=x + 12, y=36, class_="small")
    )
    return join(*parts)


def _name(row: Row, rows: Sequence[Row], middle: float) -> Markup:
    """Name of a row's backend, and below it what tells the row from others: the setting, else the device."""
    settings = {setting(other) for other in rows}
    note = setting(row) if len(settings) > 1 else row.describe.split(",")[0].split(";")[0]
    return el(
        "g",
        el("title", f"{row.backend}: {row.describe}; {setting(row)}"),
        el("text", shorten(row.backend, LABELS, 15), x=0, y=middle - (1 if note else -5), class_="name"),
        el("text", shorten(note, LABELS, 12), x=0, y=middle + 15, class_="small") if note else None,
    )


def _vertical(x: float, top: float, bottom: float, name: str) -> Markup:
    return el(
        "g",
        el("line", x1=x, x2=x, y1=top - 4, y2=bottom, class_="grid"),
        el("text", name, x=x, y=top - 10, class_="tick", text_anchor="middle"),
    )


_HATCH = el(
    "defs",
    el(
        "pattern",
        el("path", d="M0 0v7", class_="hatch"),
        id="hatch",
        width=7,
        height=7,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    ),
)


def _svg(title: str, description: str, height: float, parts: Sequence[Markup | None]) -> Markup:
    hatch = _HATCH if any(part and "#hatch" in part for part in parts) else None
    return el(
        "svg",
        el("title", title),
        el("desc", description),
        hatch,
        *parts,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=f"{title}. {escape(description)}",
    )
