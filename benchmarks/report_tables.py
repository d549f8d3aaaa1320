"""The tables of the report: every figure of every row, and the planner's answers at other loads."""

from collections.abc import Callable, Iterable, Sequence

from .markup import Markup, el, join
from .report_data import LONGEST_S, Curve, Plan, Report, Row, Score
from .units import curve_name, figures, interval_text, percent, seconds, setting, share, stream_count

Column = tuple[str, str, Callable[[Row], Markup | str]]
COLUMNS: list[Column] = [
    ("Span", "limited by", lambda row: _two(seconds(row.span_s), row.limited_by)),
    ("Service", "of the step", lambda row: _two(seconds(row.service_s), share(row.load))),
    ("Ceiling", "", lambda row: seconds(row.ceiling_s)),
    ("Speed", "× real time", lambda row: "–" if row.speed_factor is None else f"{figures(row.speed_factor)}\u00a0×"),
    ("WER", "95 % interval", lambda row: _rate(row.score)),
    ("Sub / del / ins", "of words", lambda row: _counts(row.score)),
    ("Word latency", "median, 95 %", lambda row: _latency(row)),
    ("Keeps up", "", lambda row: {True: "yes", False: "no", None: "–"}[row.sustainable]),
    ("Times from", "", lambda row: row.provenance or "–"),
]


def row_table(report: Report) -> Markup:
    """Every row with its units and intervals."""
    settings = {setting(row) for row in report.rows}
    varied = len(settings) > 1
    head = [_two("Backend", "device, setting" if varied else "device")]
    table = table_of(
        head + [_two(name, unit) for name, unit, _ in COLUMNS],
        (
            [join(row.backend, _small(row.describe), _small(setting(row) if varied else ""))]
            + [show(row) for _, _, show in COLUMNS]
            for row in report.rows
        ),
    )
    about = (
        "Service: time to serve one call of every stream. Ceiling: the same at peak arithmetic and nominal bandwidth. "
        "Speed: audio seconds handled per second of the backend. Word latency: from the end of a spoken word until it "
        "is shown."
    )
    note = "" if varied or settings == {""} else f"All rows: {', '.join(settings)}. "
    heading = el("h2", "All figures"), el("p", note + about, class_="about")
    return el("section", *heading, scrolling(table, "All figures"))


def _small(text: str) -> Markup | None:
    return el("small", text) if text else None


def _two(first: str, second: str) -> Markup:
    return join(first, _small(second))


def _counts(score: Score) -> Markup:
    counts = (score.substitutions, score.deletions, score.insertions)
    if all(count is None for count in counts):
        return join("–")
    shown = " / ".join("–" if count is None else f"{count:,.0f}" for count in counts)
    return _two(shown, "" if score.ref_words is None else f"of {score.ref_words:,.0f}")


def _latency(row: Row) -> Markup:
    return _two(seconds(row.latency_p50_s), "" if row.latency_p95_s is None else seconds(row.latency_p95_s))


def scrolling(table: Markup, name: str) -> Markup:
    """A box that scrolls sideways where the page is narrow, by keyboard too."""
    return el("div", table, class_="scroll", tabindex="0", role="region", aria_label=name)


def table_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table whose first column names the row; the others are aligned to the right."""
    heading = el(
        "tr", el("th", head[0], scope="col"), *(el("th", name, scope="col", class_="number") for name in head[1:])
    )
    body = (
        el("tr", el("th", cells[0], scope="row"), *(el("td", cell, class_="number") for cell in cells[1:]))
        for cells in rows
    )
    return el("table", el("thead", heading), el("tbody", *body))


def curve_table(curves: Sequence[Curve]) -> Markup:
    """Word error rate and interval by window, a column for each curve."""
    by_window = [{point.window_s: point.score for point in curve.points} for curve in curves]
    return table_of(
        ["Window", *map(curve_name, curves)],
        (
            [seconds(window_s), *(_rate(scores.get(window_s)) for scores in by_window)]
            for window_s in sorted(set().union(*by_window))
        ),
    )


def _rate(score: Score | None) -> Markup:
    return join("–") if score is None else _two(percent(score.wer), interval_text(score))


def planner_table(report: Report) -> Markup:
    """The spans of every backend, a line for each number of streams and step."""
    names = list(dict.fromkeys(plan.backend for plan in report.spans))
    cells = {(plan.streams, plan.step_s, plan.backend): plan for plan in report.spans}
    settings = report.root.child("settings")
    this = (settings.number("streams"), settings.number("step_s"))
    rows = []
    for streams, step_s in sorted({(plan.streams, plan.step_s) for plan in report.spans}):
        name = f"{stream_count(streams)}, step {seconds(step_s)}"
        heading = el("th", name, el("small", "this run") if (streams, step_s) == this else "", scope="row")
        found = (_heat(cells.get((streams, step_s, backend))) for backend in names)
        rows.append(el("tr", heading, *found, class_="this" if (streams, step_s) == this else None))
    head = el("tr", el("th", "Streams, step", scope="col"), *(el("th", name, scope="col") for name in names))
    about = (
        "The same planner at other loads: the longest window each backend sustains, and what stops it. A dash: it "
        "cannot keep up at any window. One row is not the whole truth: which backend is ahead depends on the load."
    )
    table = el("table", el("thead", head), el("tbody", *rows), class_="heat")
    return el("section", el("h2", "Span by load"), el("p", about, class_="about"), scrolling(table, "Span by load"))


def _heat(plan: Plan | None) -> Markup:
    if plan is None:
        return el("td", class_="no")
    if plan.span_s is None:
        return el("td", "–", el("small", plan.limited_by), class_="no")
    limited_by = "" if plan.limited_by == "nothing" else plan.limited_by
    return el(
        "td", seconds(plan.span_s), el("small", limited_by), style=f"--heard:{min(plan.span_s / LONGEST_S, 1):.3f}"
    )
