"""The strategies of a run compared: on the terminal, and as a page with its figures."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from .boundary_figures import boundary_section
from .markup import Markup, el, join
from .report import PROVENANCES, closed_page
from .report_data import Node
from .report_tables import scrolling, table_of
from .strategy_results import BASELINE, Row
from .summary import interval, percent, print_closing
from .tables import show_table
from .xy_chart import Axis, Frame, Point, Series, xy_figure

_WITHIN = ("backend", "budget>", "strategy", "window>", "WER>", "95 % interval", "latency p95>", "WER less disjoint's")
_ROWS = (
    "backend", "strategy", "window>", "WER>", "95 % interval", "latency p50>", "p95>",
    "load>", "backlog>", "not heard>",
)  # fmt: skip
_LATENCY = Axis("word latency, 95th percentile, s", logarithmic=True)
_WER = Axis("WER, %", factor=100)


def print_strategies(results: dict[str, Any], folder: Path) -> None:
    """Every row, the best within each budget, and the closing sentences on standard output."""
    settings = results["settings"]
    title = (
        f"{results['model']} heard, {results['timed_as']} timed, {settings['streams']} streams a device, a call every "
        f"{settings['step_s']:g} s where windows slide, overload policy: {settings['overload']}"
    )
    show_table(title, _ROWS, [_cells(row) for row in results["rows"] if row["backend"]])
    show_table("lowest WER within a latency budget", _WITHIN, [_within_cells(entry) for entry in results["within"]])
    print_closing(results, folder)


def _cells(row: Row) -> list[str]:
    return [
        row["backend"],
        row["strategy"],
        _seconds(row["window_s"]),
        percent(row["wer"]),
        interval(row["wer_ci95"]),
        _seconds(row["latency_p50_s"]),
        _seconds(row["latency_p95_s"]),
        f"{row['load']:.2f}" + ("" if row["keeps_up"] else " too slow"),
        _seconds(row["backlog_s"]),
        _seconds(row["unheard_s"]) if row["unheard_s"] else "",
    ]


def _within_cells(entry: dict[str, Any]) -> list[str]:
    against = entry["against_disjoint"]
    said = (
        f"{100 * against['difference']:+.1f} [{100 * against['ci95'][0]:+.1f}, {100 * against['ci95'][1]:+.1f}]"
        if against
        else ""
    )
    return [
        entry["backend"],
        _seconds(entry["budget_s"]),
        entry["strategy"],
        _seconds(entry["window_s"]),
        percent(entry["wer"]),
        interval(entry["wer_ci95"]),
        _seconds(entry["latency_p95_s"]),
        said,
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g} s"


def render_strategies(results: dict[str, Any]) -> str:
    """The page of a comparison of strategies. Raises `InputError` where the results are not those of one."""
    try:
        parts = [
            _top(results),
            _figure(
                "WER against word latency",
                "Each point is a strategy with one window, lines join the windows of a strategy; hollow: the backend "
                "falls behind. The dashed steps are the front: no other point that keeps up is both earlier and "
                "better. Latency: from the end of a spoken word until it is shown; 95 of 100 words keep it.",
                xy_figure("WER against word latency", _latency_frames(results), _LATENCY, _WER),
            ),
            _figure(
                "WER against window",
                "What a longer window buys each strategy, with 95 % intervals by bootstrap over recordings.",
                xy_figure(
                    "WER against window", [_window_frame(results)], Axis("window, s", logarithmic=True), _WER, 360
                ),
            ),
            _figure(
                "Latency of disjoint chunks against their length",
                "Whisper pads every call to 30 s, so a short chunk costs nearly as much as a long one. Where that is "
                "more than the chunk lasts, calls queue up (hollow: without end, the longer the recording the worse) "
                "and a longer chunk lowers the latency. Unaware: the same on infinitely fast hardware.",
                xy_figure(
                    "Latency against chunk length",
                    [_chunk_frame(results)],
                    Axis("chunk, s", logarithmic=True),
                    Axis("word latency, median, s", logarithmic=True),
                ),
            ),
            _figure(
                "Aware against unaware of the time to compute",
                "Median word latency on each backend against that of the same calls on infinitely fast hardware; on "
                "the dashed line computing costs nothing.",
                xy_figure(
                    "Aware against unaware",
                    [_aware_frame(results)],
                    Axis("median word latency if computing took no time, s", logarithmic=True),
                    Axis("median word latency, s", logarithmic=True),
                ),
                _clock_table(results),
            ),
            _within_table(results),
            boundary_section(_seams(results)),
            _row_table(results),
            _origin(results),
        ]
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"not the results of earspan strategies ({error!r}); run it again") from error
    return closed_page(f"Earspan: strategies on {results['dataset']['name']}", parts)


def _top(results: dict[str, Any]) -> Markup:
    first, *rest = results["summary"]
    claim = (
        "Live audio has to be cut before Whisper can hear it. Each strategy cuts it in its own way and shows words at "
        "its own time; this page plays them all on an exact clock and compares errors and delays."
    )
    return join(
        el(
            "header",
            el("div", el("b", "Earspan"), el("span", f"strategies · {results['dataset']['name']}"), class_="brand"),
            el("h1", "Which way of cutting live audio?"),
            el("p", claim, class_="claim"),
        ),
        el("div", el("h2", "In short"), el("p", first, class_="lead"), el("p", " ".join(rest)), class_="summary"),
    )


def _figure(heading: str, about: str, chart: Markup, *more: Markup | None) -> Markup:
    caption = el("figcaption", about, class_="about")
    return el("section", el("figure", el("h2", heading), caption, scrolling(chart, heading)), *more)


def _seams(results: dict[str, Any]) -> Node:
    """The unaware rows as `boundary_section` reads settings; it draws the first strategies only."""
    first = [name for name in ("disjoint", "overlap", "sliding", "alignatt") if name in results["strategies"]]
    rows = [row for row in results["rows"] if row["backend"] is None]
    curves = [
        {"strategy": name, "step_s": None, "points": [row for row in rows if row["strategy"] == name]}
        for name in dict.fromkeys([*first, *results["strategies"]])
    ]
    return Node({"curves": curves}, "")


def _styles(results: dict[str, Any]) -> dict[str, int]:
    return {name: number % 7 for number, name in enumerate(results["strategies"])}


def _of(results: dict[str, Any], backend: str | None, strategy: str) -> list[Row]:
    rows = [row for row in results["rows"] if (row["backend"], row["strategy"]) == (backend, strategy)]
    return [row for row in rows if row["wer"] is not None and row["latency_p95_s"] is not None]


def _latency_frames(results: dict[str, Any]) -> list[Frame]:
    frames = []
    for backend, front in results["fronts"].items():
        series, by_key = [], dict[tuple[str, float], Row]()
        for name, style in _styles(results).items():
            rows = _of(results, backend, name)
            by_key |= {(name, row["window_s"]): row for row in rows}
            points = (
                Point(max(row["latency_p95_s"], 0.05), row["wer"], _said(row), solid=row["keeps_up"]) for row in rows
            )
            series.append(Series(name, style, tuple(points)))
        best = [by_key[strategy, window_s] for strategy, window_s in front]
        steps = tuple((max(row["latency_p95_s"], 0.05), row["wer"]) for row in best)
        frames.append(Frame(backend, tuple(series), steps))
    return frames


def _said(row: Row) -> str:
    return (
        f"{row['strategy']} {row['window_s']:g} s: WER {percent(row['wer'])} {interval(row['wer_ci95'])}, "
        f"latency {_seconds(row['latency_p50_s'])} / {_seconds(row['latency_p95_s'])}"
    )


def _window_frame(results: dict[str, Any]) -> Frame:
    series = []
    for name, style in _styles(results).items():
        rows = _of(results, None, name)
        points = (
            Point(
                row["window_s"] * 1.012 ** (style - 3),
                row["wer"],
                _said(row),
                tuple(row["wer_ci95"]) if row["wer_ci95"] else None,
            )
            for row in rows  # beside each other, for the intervals to be seen
        )
        series.append(Series(name, style, tuple(points)))
    return Frame("", tuple(series))


def _chunk_frame(results: dict[str, Any]) -> Frame:
    series = []
    for style, backend in enumerate([*results["fronts"], None]):
        rows = _of(results, backend, BASELINE)
        points = (Point(r["window_s"], max(r["latency_p50_s"], 0.05), _said(r), solid=r["keeps_up"]) for r in rows)
        series.append(Series(backend or "unaware", style if backend else 6, tuple(points)))
    return Frame("", tuple(series))


def _aware_frame(results: dict[str, Any]) -> Frame:
    free = {
        (row["strategy"], row["window_s"]): row["latency_p50_s"] for row in results["rows"] if row["backend"] is None
    }
    series = []
    for style, backend in enumerate(results["fronts"]):
        rows = [row for name in results["strategies"] for row in _of(results, backend, name) if row["keeps_up"]]
        points = tuple(
            Point(max(at_s, 0.05), max(row["latency_p50_s"], 0.05), _said(row))
            for row in rows
            if (at_s := free.get((row["strategy"], row["window_s"]))) is not None
        )
        series += [Series(backend, style, (point,)) for point in points]
    return Frame("", tuple(series), diagonal=True)


def _clock_table(results: dict[str, Any]) -> Markup:
    """The same calls on the clocks of other tools."""
    free = {
        (row["strategy"], row["window_s"]): row["latency_p50_s"] for row in results["rows"] if row["backend"] is None
    }
    rows = [row for row in results["rows"] if row["backend"] and row["latency_p50_s"] is not None]
    cells = (
        [
            row["backend"],
            row["strategy"],
            *(
                _seconds(value)
                for value in (
                    row["window_s"],
                    free.get((row["strategy"], row["window_s"])),
                    row["no_queue_p50_s"],
                    row["latency_p50_s"],
                    row["summed_p50_s"],
                )
            ),
        ]
        for row in rows
    )
    head = ["Backend", "Strategy", "Window", "Unaware", "No queue", "Exact", "All work added up"]
    about = (
        "Median word latency of the same calls on other clocks: without computing; with each call's own computing but "
        "no queue, as simulstream has it; exactly; and with all computing so far added to the audio, as SimulEval does."
    )
    return el(
        "details",
        el("summary", "What other clocks would say"),
        el("p", about),
        scrolling(table_of(head, cells), "Clocks"),
    )


def _within_table(results: dict[str, Any]) -> Markup:
    about = (
        "The best window of each strategy for which 95 of 100 words keep the budget. The last column is the difference "
        "to the best disjoint chunks in the same budget, in points of WER, with its 95 % interval (paired bootstrap)."
    )
    return _table("Lowest WER within a budget", about, _WITHIN, map(_within_cells, results["within"]))


def _row_table(results: dict[str, Any]) -> Markup:
    about = (
        "Load: service time for each second of audio, all streams together. Backlog: the longest that a call waited. "
        "Not heard: audio in no call, summed over recordings: dropped, or silence that `vad` left out."
    )
    return _table("All figures", about, _ROWS, (_cells(row) for row in results["rows"] if row["backend"]))


def _table(heading: str, about: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = [column[:1].upper() + column[1:].rstrip(">") for column in columns]
    return el("section", el("h2", heading), el("p", about, class_="about"), scrolling(table_of(head, rows), heading))


def _origin(results: dict[str, Any]) -> Markup:
    settings, dataset = results["settings"], results["dataset"]
    facts = {
        "Command": results["command"],
        "Measured": f"text and WER of {results['model']} on {dataset['name']}: {dataset['recordings']} recordings, "
        f"{dataset['audio_s'] / 60:.1f} minutes, {dataset['words']} words",
        "Simulated": f"times of {results['timed_as']} ({results['timed_dtype']}, {results['timed_padding']} padding)",
        "Load": f"{settings['streams']} streams a device, a call every {settings['step_s']:g} s where windows slide",
        "Overload policy": settings["overload"],
        "Scoring": results["scoring"],
        **({"Word times": results["word_times"]["note"]} if results.get("word_times") else {}),
        **{
            b["backend"]: f"{b['describe']} ({PROVENANCES.get(b['provenance'], 'the model does not fit')})"
            for b in results["backends"]
        },
    }
    items = (part for name, value in facts.items() for part in (el("dt", name), el("dd", value)))
    return el("section", el("h2", "Where this comes from"), el("dl", *items, class_="origin"))
