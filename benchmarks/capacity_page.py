"""The page of a capacity study: what wins where, how sure that is, frontiers, batches, fleets and what was assumed."""

from collections.abc import Sequence
from typing import Any

from ..backends.errors import InputError
from .capacity_words import UNITS, verdict_of
from .frontier_chart import Axis, Line, batch_lines, frontier, lines_of
from .markup import Markup, el, join
from .report import closed_page
from .report_tables import scrolling
from .units import figures

Row = dict[str, Any]
COST = Axis("Dollars per hour of audio (logarithmic)")
ENERGY = Axis("Kilojoules per hour of audio, at design power all the time (logarithmic)", scale=1e-3)


def render_capacity(results: Row) -> str:
    """The page for a parsed results.json of `earspan capacity`; `InputError` if that is not whole."""
    try:
        return closed_page(f"Earspan: capacity of {results['timed_as']}", _parts(results))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"not a whole capacity study ({error!r}); run earspan capacity again") from error


def _parts(results: Row) -> list[Markup | None]:
    window_s, latency_s = results["settings"]["window"], results["settings"]["latency"]
    by_latency = [row for row in results["points"] if row["window_s"] == window_s]
    by_window = [row for row in results["points"] if row["slo_s"] == latency_s]
    lines = (Axis("Latency that 99 of 100 words keep, seconds (logarithmic)"), "slo_s", by_latency)
    prices = [(row["name"], row["usd_per_audio_h"]) for row in results["references"]]
    dots = "Numbers at points are mean batches. Grey: another backend is as good in both and better in one."
    return [
        _top(results),
        _summary(results["summary"]),
        _kinds(results),
        _figure(
            "Cost against latency",
            f"Windows of {window_s:g} s. Each point: the most streams that keep the latency, at the best step. {dots} "
            "Dashed across: what public services ask for an hour of audio; theirs holds much more than a device.",
            _chart("Cost against latency", by_latency, lines[0], lines[1], COST, "usd_per_audio_h", prices),
        ),
        _figure(
            "Energy against latency",
            f"Windows of {window_s:g} s; devices without host, network or cooling. {dots}",
            _chart("Energy against latency", by_latency, lines[0], lines[1], ENERGY, "joules_per_audio_h"),
        ),
        _figure(
            "Cost against span",
            f"{latency_s:g} s of latency for 99 of 100 words; the longer a call hears, the more it decodes. {dots}",
            _chart("Cost against span", by_window, Axis("Window that every call hears, seconds (logarithmic)", "high"),
                   "window_s", COST, "usd_per_audio_h"),
        ),
        _wer_figure(results, by_window, latency_s, dots),
        _figure(
            "What a batch buys",
            "Calls per second as a part of the most that each device reaches, against the size of its batch; below, "
            "decode steps alone. The encoder, whose 30 s fill a GPU by themselves, is why the upper lines bend early.",
            join(_share("Whole call", results, "calls_per_s"), _share("Decode steps alone", results, "decoded_per_s")),
        ),
        _claims(results),
        _points(results["points"]),
        _fleets(results),
        _elasticity(results),
        _assumptions(results),
    ]  # fmt: skip


def _chart(
    title: str,
    rows: Sequence[Row],
    x: Axis,
    key: str,
    y: Axis,
    value: str,
    references: Sequence[tuple[str, float]] = (),
) -> Markup:
    return frontier(title, lines_of(rows, key, value, x.better), x, y, references)


def _share(title: str, results: Row, value: str) -> Markup:
    lines: list[Line] = batch_lines(results["batches"], value)
    return frontier(f"{title}: batch", lines, Axis("Batch (logarithmic)"), Axis(f"{title}: percent of the most"))


def _wer_figure(results: Row, rows: Sequence[Row], latency_s: float, dots: str) -> Markup | None:
    source = results["wer_source"]
    if not source or not any(row["wer"] is not None for row in rows):
        return None
    about = (
        f"{latency_s:g} s of latency. WER is {source['model']}'s on {source['dataset']} in windows of each length, "
        f"measured at a step of {source['step_s']:g} s; time and cost are {results['timed_as']}'s. {dots}"
    )
    if without := sorted({row["window_s"] for row in rows if row["wer"] == 0}):
        windows = ", ".join(f"{window_s:g}" for window_s in without)
        about += f" Windows of {windows} s have no error, and no place on a logarithmic axis."
    axis = Axis("Word error rate, percent (logarithmic)", scale=100.0)
    chart = _chart("Cost against WER", rows, axis, "wer", COST, "usd_per_audio_h")
    return _figure("Cost against word error rate", about, chart)


def _top(results: Row) -> Markup:
    date = results["environment"].get("date")
    told = " · ".join(str(part) for part in ("capacity", results["timed_as"], date) if part)
    return el(
        "header",
        el("div", el("b", "Earspan"), el("span", told), class_="brand"),
        el("h1", "How many live streams, and at what cost?"),
        el(
            "p",
            "A server is promised nothing but work: every live stream calls at its own time, hears a window, and wants "
            "its words soon. This page shows the most streams that GPUs, LPUs and both together carry at each slo, "
            "what an hour of audio then costs, and which of the conclusions would survive the models being wrong.",
            class_="claim",
        ),
    )


def _summary(said: Sequence[str]) -> Markup:
    return el("div", el("h2", "In short"), el("ul", *(el("li", sentence) for sentence in said)), class_="summary")


def _kinds(results: Row) -> Markup:
    source = results["wer_source"]
    text = (
        f"{source['model']} on {source['dataset']}, from the run {source['run']!r}."
        if source
        else "Nothing: no run with word error rates was given (--wer RUN)."
    )
    served = f"{results['timed_as']}, {results['timed_padding']} padding: service times by device models, queues and "
    return el(
        "div",
        el("div", el("h2", "Measured"), el("p", el("strong", "Word error rates")), el("p", text)),
        el("div", el("h2", "Simulated"), el("p", el("strong", "Times, streams, cost, energy")),
           el("p", served + "batches call by call. No accelerator ran.")),
        class_="kinds",
    )  # fmt: skip


def _figure(heading: str, about: str, chart: Markup) -> Markup:
    caption = el("figcaption", about, class_="about")
    return el("section", el("figure", el("h2", heading), caption, scrolling(chart, heading)))


def _table(heading: str, about: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Markup:
    """A section with a table; columns whose name ends in ">" are numbers."""

    def cell(name: str, column: str, value: str | None) -> Markup:
        return el(name, value, class_="number" if column.endswith(">") else None)

    head = el("tr", *(cell("th", column, column.rstrip(">")) for column in columns))
    body = [el("tr", *(cell("td", c, value) for c, value in zip(columns, row, strict=True))) for row in rows]
    table = el("table", el("thead", head), el("tbody", *body))
    return el("section", el("h2", heading), el("p", about, class_="about"), scrolling(table, heading))


def _claims(results: Row) -> Markup:
    rows = [
        [
            f"{row['slo_s']:g} s",
            f"{row['window_s']:g} s",
            row["measure"],
            row["answer"] if not row["backend"] else f"{row['answer']} ({row['backend']})",
            ", ".join(f"{kind} {figures(value)}" for kind, value in row["figures"].items())
            + (f" {UNITS[row['measure']]}" if row["figures"] else ""),
            verdict_of(row),
        ]
        for row in results["claims"]
    ]
    columns = ("latency>", "window>", "least", "by", "best of each kind", "with the models off")
    about = "Every conclusion again, with: " + "; ".join(results["variations"]) + "."
    return _table("Interval of truth", about, columns, rows)


def _points(points: Sequence[Row]) -> Markup:
    rows = [
        [
            row["backend"],
            f"{row['window_s']:g} s",
            f"{row['slo_s']:g} s",
            str(row["streams"]),
            f"{row['step_s']:.2g} s" if row["step_s"] else "–",
            f"{row['batch']:.1f}" if row["streams"] else "–",
            *(f"{row[f'latency_p{q}_s']:.2f} s" if row["streams"] else "–" for q in ("50", "95", "99", "99.9")),
            f"{row['usd_per_audio_h']:.4f}" if row["usd_per_audio_h"] is not None else "–",
            row["limited_by"],
            row["provenance"],
        ]
        for row in points
    ]
    columns = ("backend", "window>", "promised>", "streams>", "step>", "batch>", "p50>", "p95>", "p99>", "p99.9>",
               "USD/audio h>", "limited by", "times are")  # fmt: skip
    about = "The most streams of each backend at each slo, and how they fare; latency is of words."
    table = _table("All points", about, columns, rows)
    return el("details", el("summary", "All points as a table"), table)


def _fleets(results: Row) -> Markup | None:
    if not results["fleets"]:
        return el("div", el("b", "No fleet. "), results["no_fleet"], class_="notice") if results["no_fleet"] else None
    rows = [
        [
            f"{row['streams']:,}",
            f"{row['usd_per_h']:,.2f}",
            f"{row['usd_per_audio_h']:.4f}",
            ", ".join(
                f"{g['servers']:,} × {g['backend']} ("
                + ", ".join(f"{count:,} {tier}" for tier, count in g["streams"].items() if count)
                + ")"
                for g in row["groups"]
            ),
            "; ".join(row["notes"]) or "mixes simulated",
        ]
        for row in results["fleets"]
    ]
    about = (
        f"Tiers (part of the streams : seconds for 99 of 100 words : WER): {', '.join(results['settings']['tiers'])}. "
        "Least dollars by a mixed-integer programme; the fullest server of each kind is then simulated with its mix."
    )
    return _table("Fleets", about, ("streams>", "USD/h>", "USD per stream and hour>", "servers", "check"), rows)


def _elasticity(results: Row) -> Markup:
    rows = [
        [f"{row['elasticity']:g}", f"{row['price_ratio']:g}", f"{row['audio']:.2f}", f"{row['spend']:.2f}",
         f"{row['work']:.2f}"]
        for row in results["elasticity"]
    ]  # fmt: skip
    about = (
        "If demand is a constant times price to the power of minus elasticity (an assumption, not measured): a price "
        "r times as high makes r^-e times the audio, and r^(1-e) times the spending; if the price fell because devices "
        "do more in an hour, device hours change as spending does. Above e = 1 a cheaper hour makes more work in all "
        "(Jevons), below it less."
    )
    columns = ("elasticity>", "price, times>", "hours of audio, times>", "spending, times>", "device hours, times>")
    return _table("What a lower price does to demand", about, columns, rows)


def _assumptions(results: Row) -> Markup:
    items = []
    for row in results["prices"]:
        price = row["price"]
        told = "price not known" if price is None else f"{price['usd_per_h']:.3g} USD/h ({price['source']})"
        if price is not None and price["low"] != price["high"]:
            told += f", {price['low']:g} to {price['high']:g}"
        power = "power not known" if row["power_w"] is None else f"{row['power_w']:g} W"
        items += [el("dt", row["device"]), el("dd", f"{told}; {power}")]
    for row in results["references"]:
        kind = "live" if row["live"] else "files"
        items += [el("dt", row["name"]), el("dd", f"{row['usd_per_audio_h']:.3g} USD an hour, {kind}; {row['source']}")]
    settings = ", ".join(f"{key} {value}" for key, value in results["settings"].items())
    items += [el("dt", "Settings"), el("dd", settings)]
    return el("section", el("h2", "Where this comes from"), el("pre", results["command"]),
              el("dl", *items, class_="origin"))  # fmt: skip
