"""`earspan report`: one page that shows a run, without a network and without a script."""

import argparse
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from .boundary_figures import boundary_section
from .charts import service_by_phase, span_and_wer
from .latency_figures import latency_section
from .markup import Markup, el, join
from .report_data import LONGEST_S, Report
from .report_tables import curve_table, planner_table, row_table, scrolling
from .schedule_chart import schedules
from .store import write_whole
from .units import seconds
from .window_chart import wer_by_window

HELP = "write the report page of a run"

# What the provenance of a time means, in the words of backends.timing.
PROVENANCES = {
    "measured": "timed on the machine that ran this benchmark",
    "fitted": "a model of the device with constants fitted to published measurements",
    "published": "a model of the device with published figures",
    "estimate": "a first-order estimate from the specification, held against no measurement",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan report`."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, which holds results.json")


def run(args: argparse.Namespace) -> int:
    """Write RUN/report.html, print its path, return the exit code. Raises `InputError` for a broken run."""
    path = args.folder / "results.json"
    try:
        results = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; earspan bench --out {args.folder} makes it") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    try:
        page = page_of(results, args.folder)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    report = args.folder / "report.html"
    write_whole(report, page)
    print(report)
    return 0


def page_of(results: dict[str, Any], folder: Path) -> str:
    """The page of any benchmark's results, whose raw files, if need be, are in `folder`."""
    if isinstance(results, dict) and results.get("benchmark") == "evaluate":
        from .evaluation_page import page_again  # which takes its style from here

        return page_again(results, folder)
    if isinstance(results, dict) and results.get("benchmark") == "strategies":
        from .strategy_page import render_strategies

        return render_strategies(results)
    if isinstance(results, dict) and results.get("benchmark") == "capacity":
        from .capacity_page import render_capacity

        return render_capacity(results)
    return render(results)


def render(results: dict[str, Any]) -> str:
    """The page for a parsed results.json: one HTML file that asks for nothing from outside.

    Raises `InputError` with the path of the field where the results are not what schema 1 says.
    """
    report = Report.read(results)
    parts = [
        _top(report),
        _summary(report),
        _measured_and_simulated(report),
        _facts(report),
        _notices(report),
        _span_figure(report) if report.rows else None,
        _window_figure(report) if report.curves else None,
        boundary_section(report.root),
        latency_section(report.root),
        _service_figure(report) if any(row.load is not None for row in report.rows) else None,
        _schedule_figure(report) if any(row.schedule for row in report.rows) else None,
        row_table(report) if report.rows else el("p", "This run has no rows."),
        planner_table(report) if report.spans else None,
        _origin(report),
    ]
    return closed_page(f"Earspan: {report.root.text('benchmark') or 'report'} of {_dataset_name(report)}", parts)


def closed_page(title: str, parts: Iterable[Markup | None]) -> str:
    """One HTML file of `parts` that asks for nothing from outside."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Whatever a result holds, the page loads nothing.
        el("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        el("title", title),
        el("style", _style()),
    )
    page = el("html", head, el("body", el("main", *parts)), lang="en")
    return f"<!doctype html>\n{page}\n"


@cache
def _style() -> Markup:
    return Markup(Path(__file__).with_name("report.css").read_text(encoding="utf-8"))


def _top(report: Report) -> Markup:
    root, date = report.root, report.root.child("environment").value.get("date")
    run = " · ".join(str(part) for part in (root.text("benchmark"), _dataset_name(report), date) if part)
    return el(
        "header",
        el("div", el("b", "Earspan"), el("span", run), class_="brand"),
        el("h1", "How much can each backend afford to hear?"),
        el(
            "p",
            "In live transcription a faster backend may listen to a longer piece of audio at once. The longest it "
            "sustains in real time is its span; this page shows the span of each backend, and the word error rate "
            "(WER) that comes with it.",
            class_="claim",
        ),
    )


def _dataset_name(report: Report) -> str:
    return report.root.child("dataset").text("name") or "unnamed data"


def _summary(report: Report) -> Markup | None:
    if not report.summary:
        return None
    first, *rest = report.summary
    lead = el("p", first, class_="lead")
    return el("div", el("h2", "In short"), lead, el("p", " ".join(rest)) if rest else None, class_="summary")


def _notices(report: Report) -> Markup | None:
    failed = [join(el("b", recording), ": ", reason) for recording, reason in report.failed]
    parts = []
    if failed:
        count = f"{len(failed)} recording" + (" was" if len(failed) == 1 else "s were")
        parts.append(el("div", el("b", f"{count} not scored."), _list(failed), class_="notice"))
    if report.warnings:
        parts.append(el("div", el("b", "Read with care."), _list(report.warnings), class_="notice"))
    return join(*parts) if parts else None


def _list(items: Iterable[str]) -> Markup:
    return el("ul", *(el("li", item) for item in items))


def _facts(report: Report) -> Markup:
    root, settings = report.root, report.root.child("settings")
    streams, latency_s = settings.number("streams"), settings.number("latency_s")
    facts = {
        "Transcribed by": root.text("model"),
        "Timed as": " ".join(filter(None, (root.text("timed_as"), root.text("timed_dtype")))),
        "Data": _dataset_name(report),
        "Strategy": settings.text("strategy"),
        "Live streams": f"{streams:g}" if streams is not None else None,
        "Step": seconds(settings.number("step_s")) if settings.number("step_s") else None,
        "Latency budget": seconds(latency_s) if latency_s is not None else "none",
        "Scored under": settings.text("normaliser"),
    }
    return el(
        "dl", *(el("div", el("dt", name), el("dd", value)) for name, value in facts.items() if value), class_="facts"
    )


def _measured_and_simulated(report: Report) -> Markup:
    return el("div", _measured(report), _simulated(report), class_="kinds")


def _measured(report: Report) -> Markup:
    model, timed_as = report.root.text("model"), report.root.text("timed_as")
    whole, sample = _amount(report, "dataset"), _amount(report, "row_dataset")
    heard = el("b", _dataset_name(report)), f": {whole}. " if whole else ". "
    notes = []
    if sample and sample != whole:
        name = report.root.child("row_dataset").text("name")
        notes.append(f"The backends were scored on {name or 'a sample'}: {sample}.")
    if model and timed_as and model != timed_as:
        notes.append(f"The rates of {timed_as}, which only the times are for, would be others.")
    return el(
        "div",
        el("h2", "Measured"),
        el("p", el("strong", "Text, and so the word error rates")),
        el("p", _model(model), " transcribed ", *heard, "Each backend heard windows as long as its span."),
        *(el("p", note) for note in notes),
        el("p", "Intervals are 95 %, by bootstrap over recordings."),
    )


def _simulated(report: Report) -> Markup:
    root, by_provenance = report.root, dict[str, list[str]]()
    for row in report.rows:
        names = by_provenance.setdefault(row.provenance or "not stated", [])
        if row.backend not in names:
            names.append(row.backend)
    padding = root.text("timed_padding")
    how = ", ".join(filter(None, (root.text("timed_dtype"), f"padding {padding}" if padding else "")))
    machine = "measured" in by_provenance
    return el(
        "div",
        el("h2", "Measured or simulated" if machine else "Simulated"),
        el("p", el("strong", "Times, and so the spans")),
        el(
            "p",
            *("Every call was timed as one of ", _model(root.text("timed_as")), f" ({how})" if how else ""),
            ":" if machine else ". No accelerator ran; a model of each device says how long it would take:",
        ),
        _list(
            join(el("b", kind), f" ({PROVENANCES[kind]})" if kind in PROVENANCES else "", f": {', '.join(names)}")
            for kind, names in by_provenance.items()
        ),
    )


def _model(name: str | None) -> Markup:
    return el("code", name) if name else join("a Whisper model that is not named")


def _amount(report: Report, key: str) -> str:
    node = report.root.child(key)
    recordings, words, audio_s = (node.number(name) for name in ("recordings", "words", "audio_s"))
    parts = [
        f"{recordings:,.0f} recording{'' if recordings == 1 else 's'}" if recordings is not None else "",
        f"{words:,.0f} words" if words is not None else "",
        f"{audio_s / 60:.1f} minutes" if audio_s is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _figure(heading: str, about: str, chart: Markup, *more: Markup | None) -> Markup:
    caption = el("figcaption", about, class_="about")
    return el("section", el("figure", el("h2", heading), caption, scrolling(chart, heading)), *more)


def _span_figure(report: Report) -> Markup:
    hatched = any(row.provenance == "estimate" for row in report.rows)
    about = (
        f"Bars end at the longest window, at most Whisper's {LONGEST_S:g} s, for which the backend keeps up, and name "
        "what stops it there. Dots are the rates of what was transcribed with windows of that length."
    )
    return _figure(
        "Span and word error rate",
        about + (" Hatched: the times are estimates, held against no measurement." if hatched else ""),
        span_and_wer(report.rows),
    )


def _window_figure(report: Report) -> Markup:
    about = (
        "What a longer window buys. Lines are measured, with their 95 % intervals; flags mark the span of each "
        "backend on the line of its strategy, or at the backend's own rate where the line does not reach."
    )
    offline_s = report.root.child("offline").number("window_s")
    note = f"windows of {seconds(offline_s)}" if offline_s else ""
    chart = wer_by_window(report.curves, report.rows, report.offline, note)
    numbers = el("details", el("summary", "The numbers behind the lines"), curve_table(report.curves))
    return _figure("Word error rate against window", about, chart, numbers)


def _service_figure(report: Report) -> Markup:
    about = (
        "The time to serve one call of every stream, by phase, as a part of the step, which is all there is. A span "
        "ends where the bar would cross the line; the short stroke is what the peak figures of the hardware allow."
    )
    return _figure("Where the time goes", about, service_by_phase(report.rows))


def _schedule_figure(report: Report) -> Markup:
    about = (
        "In which cycle each unit of an LPU works is fixed before the call starts, so a call always takes as long: one "
        "call of the row's window by itself, and enlarged below it the start of each phase, up to the second layer; "
        "the other layers repeat it. Ticks are microseconds. All chips that share a layer run the same schedule."
    )
    return _figure("The schedule of a call on LPUs", about, schedules(report.rows))


def _origin(report: Report) -> Markup:
    root = report.root
    command = root.text("command")
    groups = [
        ("Model", {"name": root.text("model"), "sha256": root.text("model_sha256"), "timed as": root.text("timed_as")}),
        ("Data", root.scalars("dataset")),
        ("Sample of the rows", root.scalars("row_dataset")),
        ("Settings", root.scalars("settings")),
        ("Scoring", {"rules": root.text("scoring")}),
        ("Environment", root.scalars("environment")),
    ]
    items = []
    for name, values in groups:
        shown = [el("div", el("i", key), " ", _scalar(value)) for key, value in values.items() if value is not None]
        if shown:
            items += [el("dt", name), el("dd", *shown)]
    return el(
        "section",
        el("h2", "Where this comes from"),
        el("pre", command) if command else None,
        el("dl", *items, class_="origin"),
    )


def _scalar(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
