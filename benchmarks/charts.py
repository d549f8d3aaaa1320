"""The bar charts of the report as inline SVG. Colours are classes of report.css, so that they follow light and dark."""

from collections.abc import Sequence

from .markup import Attribute, Markup, Scale, el, join, shorten, text_width, ticks
from .report_data import LONGEST_S, PHASES, Row, Score
from .units import interval_text, limit, percent, seconds, setting, share

WIDTH = 1040
LABELS = 216  # where the names of the backends end and the figures begin
ROW = 46


def span_and_wer(rows: Sequence[Row]) -> Markup:
    """Bars of span, and beside them the word error rate with its interval, one line per backend."""
    top, height = 46, 46 + ROW * len(rows) + 8
    span = Scale(0, max([LONGEST_S, *(row.span_s or 0 for row in rows)]), LABELS + 14, 640)
    steps = ticks(max([row.score.highest for row in rows] + [0.05]) * 100, 4)
    figures = max((_figure_width(percent(row.score.wer), interval_text(row.score)) for row in rows), default=0)
    rate = Scale(0, steps[-1] / 100, 690, WIDTH - 18 - figures)  # beside every whisker is room for its figures
    parts = [
        el("text", "Span: longest window in real time, seconds", x=span.start, y=14, class_="head"),
        el("text", "Word error rate, percent, 95 % interval", x=rate.start, y=14, class_="head"),
        *(vertical(span(tick), top, height - 8, f"{tick:g}") for tick in ticks(span.high, 6) if tick <= span.high),
        *(vertical(rate(tick / 100), top, height - 8, f"{tick:g}") for tick in steps),
    ]
    for i, row in enumerate(rows):
        middle = top + ROW * i + ROW / 2
        parts += [_name(row, rows, middle), _span_bar(row, span, middle), _whisker(row.score, rate, middle)]
    title = "Span and word error rate of each backend"
    lines = [f"{row.backend}: span {seconds(row.span_s)}, WER {percent(row.score.wer)}" for row in rows]
    return svg(title, "; ".join(lines), height, parts)


def _span_bar(row: Row, scale: Scale, middle: float) -> Markup:
    if row.span_s is None:
        said = f"cannot keep up ({row.limited_by})" if row.limited_by else "cannot keep up"
        return el("text", said, x=scale.start + 6, y=middle + 5, class_="none")
    end, value = scale(row.span_s), seconds(row.span_s)
    # Next to the bar, or at the end of a bar that leaves no room beside it.
    inside = end + 20 + _figure_width(value, limit(row)) > scale.end + 30
    at = {"x": end - 8, "text_anchor": "end", "class_": "on-bar"} if inside else {"x": end + 8}
    box = {"x": scale.start, "y": middle - 12, "width": end - scale.start, "height": 24, "rx": 2}
    return el(
        "g",
        el("title", f"{row.backend}: {setting(row)}: span {value}, {limit(row)}"),
        el("rect", **box, class_="bar"),
        el("rect", **box, fill="url(#hatch)") if row.provenance == "estimate" else None,
        _figure_text(value, limit(row), y=middle + 5, **at),
    )


def _whisker(score: Score, scale: Scale, middle: float) -> Markup:
    if score.wer is None:
        return el("text", "not scored", x=scale.start + 6, y=middle + 5, class_="none")
    x, whisker = scale(score.wer), None
    low, high = (scale(bound) for bound in score.ci95) if score.ci95 else (x, x)
    if score.ci95:
        caps = f"M{low:.2f} {middle - 5:.2f}v10M{high:.2f} {middle - 5:.2f}v10M{low:.2f} {middle:.2f}H{high:.2f}"
        whisker = el("path", d=caps, class_="whisker")
    value, interval = percent(score.wer), interval_text(score)
    return el(
        "g",
        el("title", f"WER {value} {interval}"),
        whisker,
        el("circle", cx=x, cy=middle, r=5.5, class_="dot"),
        _figure_text(value, interval, x=max(high, x + 6) + 9, y=middle + 5),
    )


def _figure_text(value: str, note: str, **at: Attribute) -> Markup:
    return el("text", el("tspan", value, class_="value"), " ", el("tspan", note, class_="small"), **at)


def _figure_width(value: str, note: str) -> float:
    return text_width(value, 14) + text_width(" " + note, 12)


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
    parts += [vertical(x(t / 4), top, height - 8, f"{t * 25} %") for t in range(9) if t / 4 <= x.high and t != 4]
    for i, row in enumerate(rows):
        middle = top + ROW * i + ROW / 2
        parts += [_name(row, rows, middle), _stack(row, x, middle)]
    parts.append(el("line", x1=x(1), x2=x(1), y1=top - 4, y2=height - 8, class_="limit"))
    parts.append(el("text", "step", x=x(1), y=top - 10, class_="limit-name", text_anchor="middle"))
    lines = [f"{row.backend}: {seconds(row.service_s)} of {seconds(row.due_s)}" for row in rows]
    return svg("Where the time goes", "; ".join(lines), height, parts)


def _stack(row: Row, x: Scale, middle: float) -> Markup:
    due_s, service_s = row.due_s or 1.0, row.service_s or 0.0
    phases = {name: row.phases[name] for name in (*PHASES, *sorted({*row.phases} - {*PHASES})) if name in row.phases}
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
    beyond = "→ " if service_s / due_s > x.high else ""
    value = f"{beyond}{seconds(service_s)} of {seconds(due_s)}"
    parts.append(_figure_text(value, f"= {share(row.load)}", x=x.end + 16, y=middle + 5))
    return el("g", *parts)


def _legend(x: float, rows: Sequence[Row]) -> Markup:
    shown = [name for name in PHASES if any(row.phases.get(name) for row in rows)]
    parts = []
    for name in shown:
        parts.append(el("rect", x=x, y=26, width=12, height=12, class_=f"phase {name}"))
        parts.append(el("text", name, x=x + 17, y=36, class_="small"))
        x += 17 + text_width(name, 12) + 18
    parts.append(el("path", d=f"M{x + 4:.2f} 24v16", class_="ceiling"))
    parts.append(el("text", "ceiling: peak arithmetic and bandwidth, nothing else", x=x + 12, y=36, class_="small"))
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


def vertical(x: float, top: float, bottom: float, name: str) -> Markup:
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


def svg(title: str, description: str, height: float, parts: Sequence[Markup | None]) -> Markup:
    hatch = _HATCH if any(part and "#hatch" in part for part in parts) else None
    return el(
        "svg",
        el("title", title),
        el("desc", description),
        hatch,
        *parts,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=f"{title}. {description}",
    )
