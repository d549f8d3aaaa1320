"""The page of spans: how much each backend can afford to hear, and what that does to the word error rate."""

from collections.abc import Sequence
from dataclasses import fields

from ..results.records import Results, Row
from ..results.summary import summarise_itself, summarise_loads
from ..results.wording import name_load, seconds
from .charts import spans as charts
from .charts import times
from .charts.marks import Series, list_series
from .page import Figure, Markup, el, fold, join, list_facts, list_items, render_page, show_section, show_table
from .tables.cells import name_setting
from .tables.endpoints import list_endpoints
from .tables.spans import (
    list_boundary_errors,
    list_curves,
    list_footings,
    list_gains,
    list_latencies,
    list_rows,
    list_streaming,
)

_LEAST_DARK = 0.05  # a map's darkest word error rate is no less: differences of tenths of a percent are no alarm
# What the provenance of a time means, in the words of `backends.timing`.
_PROVENANCES = {
    "measured": "the wall clock of real work, on the machine or the endpoint that is named",
    "fitted": "a model of the device with constants fitted to published measurements",
    "published": "a model of the device with published figures",
    "estimate": "a first-order estimate from the specification, held against no measurement",
}


def render_spans(results: Results) -> str:
    """Return the page of the spans of backends under one load, with those under others below."""
    rows, curves = results.played, results.curves
    points = [row for curve in curves for row in curve.points]
    numbers, footings = list_curves(curves), list_footings(rows)
    scored = [row for row in rows if row.backend]
    load = name_load(results.experiment.load.name, results.experiment.strategy)
    backends = list_series("backend", (row.backend for row in results.rows if row.backend))
    windows = "What a longer window buys. Grey lines are measured, with their 95 % intervals; flags mark the span of "
    windows += "each backend, marks what it heard in the longest window that is no longer."
    parts = [
        show_head(
            results,
            "How much can each backend afford to hear?",
            "In live transcription a faster backend may listen to a longer piece of audio at once. The longest it "
            "sustains in real time is its span; this page shows the span of each backend, and the word error rate "
            "(WER) that comes with it.",
        ),
        Figure(
            "Span and word error rate",
            f"At {load}. Bars end at the longest window for which the backend keeps up, at most the 30 s that Whisper "
            "takes, and name what stops it there; pale ones rest on estimates, held against no measurement. Dots are "
            "the rates of what was transcribed in windows of that length, with 95 % intervals.",
            [charts.draw_spans(scored, backends), charts.draw_rates(scored, backends)],
            series=[backends],
        )
        if scored
        else None,
        show_warnings(results),
        *show_loads(results, backends),
        Figure(
            "Word error rate against window",
            windows,
            [charts.draw_windows(curves, scored, backends)],
            fold("The numbers behind the lines", show_table(numbers)) if numbers else None,
            series=[backends],
        )
        if points
        else None,
        show_latency(results, rows),
        *show_times(rows),
        show_section(list_endpoints(results.endpoints)),
        show_boundary_errors(charts.find_typical(points or rows), [*points, *rows]),
        show_section(list_rows([*results.rows, *results.as_heard])),
        fold(footings.title, show_table(footings)) if footings else None,
        show_origin(results),
    ]
    return render_page(f"Earspan: spans on {results.data}", parts)


def show_loads(results: Results, backends: Series) -> list[Figure]:
    """Return spans and rates by load, as maps and as lines, for each Whisper that is timed, and what follows from them.

    Nothing where there is one load.
    """
    about = (
        "The longest window that each backend sustains under each load, and the word error rate of the longest window "
        "that was heard and is no longer. Darker is longer, and worse. A dash: it keeps up with no window, or none as "
        "short was heard. The star: what was played. Lines end where a backend no longer keeps up; where they meet "
        "they are drawn side by side."
    )
    again = "The same for the Whisper that was heard, timed as itself: text and time are of one model."
    most = max([_LEAST_DARK, *(row.wer or 0 for row in (*results.rows, *results.as_heard))])
    found = []
    for rows, heading, told, said in (
        (results.rows, "Span map", about, summarise_loads(results)),
        (
            results.as_heard,
            f"Span map with {results.provenance.model} timed as itself",
            again,
            summarise_itself(results),
        ),
    ):
        planned = [row for row in rows if row.plan and row.backend]
        models = {row.plan.model for row in planned if row.plan}
        if len(charts.list_loads(planned)) > 1:
            maps = charts.draw_map(planned, most, results.experiment.load.name)
            lines = charts.draw_by_streams(planned, backends)
            table = list_gains([gain for gain in results.gains if gain.model in models], results.experiment.strategy)
            below = [list_items(said)] if said else []
            below += [fold(table.title, show_table(table))] if table else []
            found.append(Figure(heading, told, [*maps, *lines], join(*below), [backends]))
    return found


def show_head(results: Results, heading: str, claim: str) -> Markup:
    """Return the top of a page: the answer, in the sentences of the summary, under what it is about."""
    first, *rest = results.summary or ("",)
    said = " · ".join(filter(None, (results.data, results.provenance.date)))
    origin = results.provenance
    kinds = f"Measured: the text, by {origin.model}, and so the word error rates."
    if results.endpoints:
        kinds += f" Text and times of {', '.join(one.backend for one in results.endpoints)} are measured there."
    if results.simulated:
        kinds += f" Simulated: times, as those of {origin.timed_as}, and so spans and latencies."
    return join(
        el("header", el("div", el("b", "Earspan"), el("span", said), class_="brand"), el("h1", heading)),
        el("div", el("p", first, class_="lead"), fold("Every conclusion", list_items(rest)) if rest else None,
           class_="summary") if first else None,
        el("p", claim, class_="claim"),
        el("p", kinds, class_="about"),
    )  # fmt: skip


def show_warnings(results: Results) -> Markup:
    """Return what was not scored, and what weakens the results."""
    failed = [f"{failure.recording}: {failure.reason}" for failure in results.failed]
    kinds = {"Not scored": failed, "Read with care": results.warnings}
    shown = [
        el("details", el("summary", f"{name}: {len(items)}"), list_items(items), class_="notice", open="")
        for name, items in kinds.items()
        if items
    ]
    return join(*shown)


def show_kinds(results: Results) -> Markup:
    """Return what is measured, and what is simulated by which kind of model."""
    origin, experiment = results.provenance, results.experiment
    heard = [
        f"{one.name}: {one.recordings:,} recordings, {one.words:,} words, {one.audio_s / 60:.1f} minutes"
        + (f" ({one.part})" if one.part != one.name else "")
        for one in results.datasets
    ]
    other = f"The rates of {origin.timed_as}, which only the times are for, would be others."
    kinds: dict[str, dict[str, None]] = {}
    for row in results.rows:
        if row.plan:
            kinds.setdefault(row.plan.provenance or "without a time, since the model does not fit", {})[
                row.plan.backend
            ] = None
    timed = [
        join(el("b", kind), f" ({_PROVENANCES[kind]})" if kind in _PROVENANCES else "", f": {', '.join(names)}")
        for kind, names in kinds.items()
    ]
    budget = f", words within {seconds(experiment.latency_s)}" if experiment.latency_s else ""
    measured = el(
        "div",
        el("h2", "Measured"),
        el("p", el("strong", "Text, and so the word error rates")),
        el("p", el("code", origin.model), f" transcribed (imported: {results.imported.file}):" if results.imported
           else " transcribed:"),
        list_items(heard),
        el("p", f"Intervals are 95 %, by bootstrap over {results.units} {results.resampled}. ",
           other if origin.model != origin.timed_as else ""),
    )  # fmt: skip
    load = name_load(experiment.load.name, experiment.strategy)
    how = f" ({origin.timed_dtype}, {experiment.padding} padding), {load}{budget}:"
    simulated = el(
        "div",
        el("h2", "Simulated" if "measured" not in kinds else "Measured or simulated"),
        el("p", el("strong", "Times, and so the spans")),
        el("p", "Every call was timed as one of ", el("code", origin.timed_as), how),
        list_items(timed),
    )
    return el("div", measured, simulated if kinds else None, class_="kinds")


def show_boundary_errors(drawn: Sequence[Row], rows: Sequence[Row]) -> Figure | Markup | None:
    """Return what the boundaries of calls do: a figure of some rows, a table of all; None where nobody looked."""
    table = list_boundary_errors(rows)
    if table is None:
        return None
    if not drawn:
        return show_section(table)
    about = (
        "Word error rate by how far a word is from the nearest cut, where the audio of a call begins or ends. A curve "
        "that falls from the left says that cuts make the errors; a flat one, that they do not: overlapping windows "
        "have cuts which other calls heard across. Classes of fewer than 20 words are left out."
    )
    below = fold(table.title, el("p", table.about, class_="about"), show_table(table))
    series = list_series("setting", map(name_setting, drawn))
    return Figure("Errors by distance from a cut", about, [charts.draw_distances(drawn, series)], below, [series])


def show_latency(results: Results, rows: Sequence[Row]) -> Figure | None:
    """Return how late words came; None where nothing was timed."""
    timed = [row for row in rows if row.latency_p50_s is not None]
    table = list_latencies(timed)
    if table is None:
        return None
    about = (
        "From the end of a spoken word until it is shown for good, on the clock of the backend: the dot is the median, "
        "the line goes on to 95 %, the short stroke is 99 %; the open mark is the first right word of a recording, its "
        "median."
    )
    note = f" {results.aligned.note}" if results.aligned else ""
    streaming = list_streaming(rows, results.batch)
    below = join(*(
        fold(one.title, el("p", one.about, class_="about"), show_table(one)) for one in (table, streaming) if one
    ))  # fmt: skip
    backends = list_series("backend", (row.backend for row in results.rows if row.backend))
    return Figure("How late words come", about + note, [times.draw_latencies(timed, backends)], below, [backends])


def show_times(rows: Sequence[Row]) -> list[Figure]:
    """Return where the time goes, and the schedules of LPUs, as far as there are any."""
    service = (
        "The time to serve one call of every stream, by phase, as a part of the step, which is all there is. A span "
        "ends where the bar would cross the line; the short stroke is what the peak figures of the hardware allow."
    )
    schedule = (
        "In which cycle each unit of an LPU works is fixed before the call starts, so a call always takes as long: one "
        "call of the row's window by itself, and enlarged the start of each phase, up to the second layer; the other "
        "layers repeat it. All chips that share a layer run the same schedule. MXM: matrix planes; LOAD: weights in; "
        "VXM: vector unit; SXM: transposes; C2C: chip links."
    )
    busy = [row for row in rows if row.plan and row.plan.busy is not None]
    gantts = [chart for row in rows if row.plan for chart in times.draw_schedule(row.plan)]
    found = [Figure("Where the time goes", service, [times.draw_service(busy)])] if busy else []
    return [*found, *([Figure("The schedule of a call on LPUs", schedule, gantts)] if gantts else [])]


def show_origin(results: Results) -> Markup:
    """Return where the results come from: the command, the model, the data, every setting, the environment."""
    origin = {one.name: getattr(results.provenance, one.name) for one in fields(results.provenance)}
    experiment = {one.name: getattr(results.experiment, one.name) for one in fields(results.experiment)}
    data = {
        one.name: f"{one.part}, {one.licence or 'no licence known'}, sha256 {one.digest}" for one in results.datasets
    }
    groups = {
        "Provenance": origin | {"scoring": results.scoring, "word times": results.aligned and results.aligned.note},
        "Data": data,
        "Experiment": experiment,
    }
    shown = [fold(name, list_facts({key: _plain(one) for key, one in facts.items()})) for name, facts in groups.items()]
    kinds = show_kinds(results)
    return el("section", el("h2", "Where this comes from"), el("pre", results.provenance.command), kinds, *shown)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(one)}" for key, one in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)
