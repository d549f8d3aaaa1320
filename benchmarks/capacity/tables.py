"""The figures of a capacity study as tables, on the terminal and on the page."""

from collections.abc import Callable, Iterable, Sequence

from ...backends.gpu.runtimes import NOTE
from ..experiment.experiment import Load
from ..report.tables.table import Table
from ..report.terminal import show_table
from ..results.wording import figures, name_load_briefly, neutralise, percent
from .other_users import OtherUse, Voices
from .records import CapacityStudy, Point
from .settings import Slo
from .words import UNITS, describe_verdict, summarise_briefly

# A point as cells of a table.
CELLS: dict[str, Callable[[Point], str]] = {
    "backend": lambda point: point.backend,
    "strategy": lambda point: point.slo.strategy,
    "window>": lambda point: f"{point.slo.window_s:g} s",
    "latency>": lambda point: f"{point.slo.latency_s:g} s",
    "streams>": lambda point: f"{point.streams:,}",
    "step>": lambda point: _show(point.step_s, ".2g", " s"),
    "batch>": lambda point: _show(point.batch if point.streams else None, ".1f"),
    "p50>": lambda point: _show(point.latency_p50_s if point.streams else None, ".2f", " s"),
    "p95>": lambda point: _show(point.latency_p95_s if point.streams else None, ".2f", " s"),
    "p99>": lambda point: _show(point.latency_p99_s if point.streams else None, ".2f", " s"),
    "p99.9>": lambda point: _show(point.latency_p999_s if point.streams else None, ".2f", " s"),
    "USD/audio h>": lambda point: _show(point.usd_per_audio_h, ".4f"),
    "kJ/audio h>": lambda point: _show(point.joules_per_audio_h and point.joules_per_audio_h / 1e3, ".1f"),
    "per kW>": lambda point: _show(point.streams_per_kw if point.streams else None, ",.0f"),
    "per rack>": lambda point: _show(point.streams_per_rack if point.streams else None, ",d"),
    "WER>": lambda point: percent(point.heard and point.heard.wer),
    "heard with": lambda point: f"{point.heard.window_s:g} s every {point.heard.step_s:g} s" if point.heard else "-",
    "limited by": lambda point: point.limited_by,
    "times are": lambda point: point.provenance,
}


def print_study(study: CapacityStudy) -> None:
    """Print the answer at a glance in 120 columns, and what follows; the page and the JSON hold every point."""
    tables = [list_windows(study), list_spans(study), list_fleets(study), list_costs(study), list_capacities(study)]
    for table in filter(None, tables):
        show_table(table.title, table.columns, table.rows)
        print()
    for sentence in (*summarise_briefly(study), f"{NOTE}."):
        print(neutralise(f"- {sentence}"))


def list_capacities(study: CapacityStudy) -> Table:
    """Return how many streams each backend carries, by strategy and latency."""

    def describe(point: Point) -> str:
        dense = f"{point.streams_per_kw:,.0f}/{point.streams_per_rack:,d}" if point.streams_per_kw else "-"
        return f"{point.streams:,}/{dense}"

    title = "Streams of a server / for each kW / in a rack, by the latency that 99 of 100 words keep"
    about = (
        "A rack feeds its devices with a power that is assumed; none: the backend keeps that latency with no stream."
    )
    return _spread_out(study, title, about, study.by_latency, lambda slo: f"{slo.latency_s:g} s", "within>", describe)


def list_costs(study: CapacityStudy) -> Table:
    """Return what an hour of audio costs on each backend, by strategy and latency."""

    def describe(point: Point) -> str:
        usd, joules = point.usd_per_audio_h, point.joules_per_audio_h
        return "/".join("-" if value is None else figures(value) for value in (usd, joules and joules / 1e3))

    title = "An hour of audio, USD / kJ, by the latency that 99 of 100 words keep"
    about = (
        "At the most streams. A dash: no price or power is known. Energy is of devices at design power all the time."
    )
    return _spread_out(study, title, about, study.by_latency, lambda slo: f"{slo.latency_s:g} s", "within>", describe)


def list_windows(study: CapacityStudy) -> Table:
    """Return how many streams each backend carries, by strategy and window, with the word error rate."""

    def describe(point: Point) -> str:
        return f"{point.streams:,}/{percent(point.heard and point.heard.wer).removesuffix(' %')}"

    title = f"Streams of a server / WER in %, by window; 99 of 100 words within {study.settings.latency_s:g} s"
    about = "The rate is that of the nearest window and step that were heard: see every point."
    return _spread_out(study, title, about, study.by_window, lambda slo: "", "", describe)


def _spread_out(
    study: CapacityStudy, title: str, about: str, points: Sequence[Point], name: Callable[[Slo], str], heading: str,
    describe: Callable[[Point], str],
) -> Table:  # fmt: skip
    """Points as a table of SLOs by backends. heading, name: of a column that says what of the SLO; "" for none."""
    found = {(point.slo, point.backend): point for point in points}
    backends, order = list(dict.fromkeys(point.backend for point in points)), study.settings.strategies
    slos = sorted(dict.fromkeys(point.slo for point in points), key=lambda slo: order.index(slo.strategy))
    rows = []
    for slo in slos:
        cells = [describe(found[slo, one]) if found[slo, one].streams else "none" for one in backends]
        rows.append([f"{slo.strategy} {slo.window_s:g} s", *([name(slo)] if heading else []), *cells])
    columns = ["Windows", *([heading] if heading else []), *(f"{one}>" for one in backends)]
    return Table(title, columns, rows, about)


def list_points(title: str, points: Iterable[Point], columns: Sequence[str], csv: str = "") -> Table:
    """Return points as rows of these columns; `csv` holds all that is known of them."""
    rows = [[CELLS[column](point) for column in columns] for point in points]
    return Table(title, columns, rows, picks="backend" if columns[0] == "backend" else "", csv=csv)


def list_claims(study: CapacityStudy) -> Table:
    """Return every conclusion, and whether it stands."""
    rows = [
        (
            f"{claim.slo.latency_s:g} s",
            f"{claim.slo.window_s:g} s",
            claim.slo.strategy,
            claim.measure,
            f"{claim.answer} ({claim.backend})" if claim.backend else claim.answer,
            ", ".join(f"{kind} {figures(value)} {UNITS[claim.measure]}" for kind, value in claim.figures.items()),
            describe_verdict(claim),
        )
        for claim in study.claims
    ]
    columns = ("latency>", "window>", "strategy", "least", "by", "best of each kind", "with the models off")
    return Table(
        "Every conclusion, and what overturns it",
        columns,
        rows,
        f"Every conclusion again, with: {'; '.join(study.variations)}.",
    )


def list_spans(study: CapacityStudy) -> Table:
    """Return the span of each backend under each load, planned and simulated."""
    backends = list(dict.fromkeys(one.backend for one in study.spans))
    rows = []
    cases = dict.fromkeys((one.load, one.strategy) for one in study.spans)
    for load, strategy in sorted(cases, key=lambda case: Load.parse(case[0])):
        pairs = {one.backend: one for one in study.spans if (one.load, one.strategy) == (load, strategy)}
        spans = [" / ".join(dict.fromkeys(map(_span, (pairs[n].planned_s, pairs[n].simulated_s)))) for n in backends]
        rows.append([name_load_briefly(load, strategy), strategy, *spans])
    about = (
        "Where the windows of all streams are clocked together (the planner, as in earspan bench), and where each "
        "stream calls at its own time (simulated); once where both are the same."
    )
    columns = ["Load", "Windows", *(f"{name}>" for name in backends)]
    return Table("Span by load (streams x step), s, clocked together / at their own times", columns, rows, about)


def _span(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:g}"


def list_fleets(study: CapacityStudy) -> Table | None:
    """Return the cheapest fleets; None where there is none."""
    rows = []
    for streams, fleet in study.fleets.items():
        groups = []
        for group in fleet.groups:
            held = ", ".join(f"{count:,} {tier}" for tier, count in group.streams.items() if count)
            groups.append(f"{group.servers:,} x {group.option.name} ({held})")
        check = "; ".join(fleet.notes) or "mixes simulated"
        usd = fleet.usd_per_h
        rows.append((f"{streams:,}", f"{usd:,.2f}", f"{usd / streams:.4f}", ", ".join(groups), check))
    about = (
        f"Tiers (part of the streams : seconds for 99 of 100 words : WER): {', '.join(study.settings.tiers)}. "
        "Least dollars by a mixed-integer programme; the fullest server of each kind is then simulated with its mix."
    )
    columns = ("streams>", "USD/h>", "USD per stream and hour>", "servers", "check")
    return Table("Cheapest fleet", columns, rows, about) if rows else None


def list_demand(study: CapacityStudy) -> Table:
    """Return what lower prices do to demand."""
    rows = [
        [f"{one.elasticity:g}", f"{one.price_ratio:g}", f"{one.audio:.2f}", f"{one.spend:.2f}", f"{one.work:.2f}"]
        for one in study.elasticity
    ]
    about = (
        "If demand is a constant times price to the power of minus elasticity (an assumption, not measured): a price "
        "r times as high makes r^-e times the audio, and r^(1-e) times the spending; if the price fell because devices "
        "do more in an hour, device hours change as spending does. Above e = 1 a cheaper hour makes more work in all "
        "(Jevons), below it less."
    )
    columns = ("elasticity>", "price, times>", "hours of audio, times>", "spending, times>", "device hours, times>")
    return Table("What a lower price does to demand", columns, rows, about)


def list_other_use(use: OtherUse) -> Table:
    """Return what the backends do for speech synthesis or an agent."""
    rows: list[tuple[str, ...]] = []
    for one in use.rows:
        if isinstance(one, Voices):
            costs = _show(one.usd_per_audio_h, ".4f"), _show(one.joules_per_audio_h, ",.0f")
            rows.append(
                (one.backend, f"{one.step_s:g} s", f"{one.streams:,}", _hold(one.call_s), *costs, one.limited_by)
            )
        else:
            rows.append((one.backend, str(one.depth), str(one.calls), _hold(one.seconds), _show(one.usd, ".2e")))
    columns = ("backend", "step>", "streams>", "one call>", "USD/audio h>", "J/audio h>", "limited by")
    nested = ("backend", "depth>", "calls>", "one task>", "USD a task>")
    return Table(use.about, columns if isinstance(use.rows[0], Voices) else nested, rows)


def _show(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def _hold(seconds: float | None) -> str:
    return "cannot hold it" if seconds is None else f"{seconds:.3f} s"
