"""A capacity study in words: what wins where, what is settled, and the tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backends.gpu.runtimes import NOTE
from .tables import show_table
from .units import figures

Row = dict[str, Any]
VERBS = {"dollars per audio hour": "cheapest", "joules per audio hour": "the least energy"}
UNITS = {"dollars per audio hour": "USD", "joules per audio hour": "J"}


def sentences(results: Row) -> list[str]:
    """The conclusions, each with whether it is settled; then what the figures do not cover."""
    said = [sentence for measure in VERBS for sentence in _by_measure(results, measure)]
    return [*said, *_break_even(results), *_batches(results), *_fleets(results), *_caveats(results)]


def _by_measure(results: Row, measure: str) -> list[str]:
    """One sentence for every run of latencies with the same winner, at the study's window."""
    window_s = results["settings"]["window"]
    rows = sorted(
        (row for row in results["claims"] if row["measure"] == measure and row["window_s"] == window_s),
        key=lambda row: row["slo_s"],
    )
    return [_claim(row, measure) for row in rows]


def _claim(row: Row, measure: str) -> str:
    where = f"At {row['slo_s']:g} s of word latency (99 of 100 words) and windows of {row['window_s']:g} s"
    if row["answer"] == "none":
        told = f"{where}, no backend {'with a known price ' if 'dollars' in measure else ''}carries a stream"
    else:
        unit = UNITS[measure]
        ranked = sorted(row["figures"].items(), key=lambda item: item[1])
        (first, best), *rest = ranked
        absent = [kind for kind in ("GPU", "LPU", "hybrid") if kind not in row["figures"]]
        others = [f"{kind} {figures(value)} {unit}" for kind, value in rest] + [f"{kind} none" for kind in absent]
        told = f"{where}, {row['backend']} ({first}) is {VERBS[measure]}: {figures(best)} {unit} an audio hour"
        told += f"; {', '.join(others)}" if others else ""
    return f"{told}. {verdict_of(row)}."


def verdict_of(row: Row) -> str:
    """Whether a conclusion is settled, and if not, what overturns it."""
    if row["settled"]:
        return "Settled: no variation overturns it"
    turns = "; ".join(f"{answer} if {name}" for name, answer in row["others"].items())
    return f"Not settled by the model's accuracy: {turns}"


def _break_even(results: Row) -> list[str]:
    return [
        f"The price of {row['device']} is not known: type --price {row['device']}=USD for a card or chip and hour. "
        f"{row['backend']} costs as much as {row['against']} at {row['usd_per_h']:.2g} USD."
        if row["usd_per_h"] > 0
        else f"The price of {row['device']} is not known; {row['backend']} costs more than {row['against']} at any."
        for row in results.get("break_even", [])
    ]


def _batches(results: Row) -> list[str]:
    parts = []
    for row in results["batches"]:
        if row["batch_90"] is None:
            parts.append(f"{row['backend']} cannot hold one call")
        elif row["kind"] == "GPU":
            parts.append(f"{row['backend']} {row['batch_90']} (decode steps alone {row['batch_90_decode']})")
        else:
            parts.append(f"{row['backend']} {row['batch_90']}, {row['served_together_90']:.0f} in service together")
    return [f"Least batch with 90 % of the most calls per second: {'; '.join(parts)}."] if parts else []


def _fleets(results: Row) -> list[str]:
    fleets = results["fleets"]
    if not fleets:
        return [f"No fleet: {results['no_fleet']}."] if results["no_fleet"] else []
    first, last = fleets[0], fleets[-1]
    groups = ", ".join(f"{group['servers']:,} {group['backend']}" for group in last["groups"])
    return [
        f"A fleet for {last['streams']:,} streams ({', '.join(results['settings']['tiers'])}) costs "
        f"{last['usd_per_h']:,.0f} USD an hour, {last['usd_per_audio_h']:.3g} a stream (one stream alone: "
        f"{first['usd_per_audio_h']:.3g}): {groups}."
    ]


def _caveats(results: Row) -> list[str]:
    source, padding = results["wer_source"], results["timed_padding"]
    told = [f"Times are simulated: {results['timed_as']}, {padding} padding, on device models; nothing was measured."]
    if source:
        told.append(
            f"WER is {source['model']}'s on {source['dataset']}, measured at a step of {source['step_s']:g} s; "
            f"time is {results['timed_as']}'s: the two are different Whispers."
        )
    return told


def show(results: Row, folder: Path) -> None:
    """Tables on standard output, then the sentences."""
    window_s, latency_s = results["settings"]["window"], results["settings"]["latency"]
    columns = ("slo", "backend", "streams>", "step>", "batch>", "p50>", "p99>", "USD/audio h>", "kJ/audio h>",
               "WER>", "limited by")  # fmt: skip
    for title, key, kept in (
        (f"By latency of 99 of 100 words, windows of {window_s:g} s", "slo_s", ("window_s", window_s)),
        (f"By window, latency {latency_s:g} s", "window_s", ("slo_s", latency_s)),
    ):
        rows = sorted((row for row in results["points"] if row[kept[0]] == kept[1]), key=lambda row: row[key])
        show_table(title, columns, [_cells(row, key) for row in rows])
        print()
    _show_spans(results["spans"])
    _show_fleets(results["fleets"])
    print()
    for sentence in (*results["summary"], f"{NOTE}."):
        print(f"- {sentence}")
    print(f"\n{folder / 'capacity.html'}")


def _cells(row: Row, key: str) -> list[str]:
    joules = row["joules_per_audio_h"]
    return [
        f"{row[key]:g} s",
        row["backend"],
        str(row["streams"]),
        f"{row['step_s']:.2g} s" if row["step_s"] else "-",
        f"{row['batch']:.1f}" if row["streams"] else "-",
        f"{row['latency_p50_s']:.2f} s" if row["streams"] else "-",
        f"{row['latency_p99_s']:.2f} s" if row["streams"] else "-",
        "-" if row["usd_per_audio_h"] is None else f"{row['usd_per_audio_h']:.4f}",
        "-" if joules is None else f"{joules / 1000:.1f}",
        "-" if row["wer"] is None else f"{row['wer']:.1%}",
        row["limited_by"],
    ]


def _show_spans(spans: Sequence[Row]) -> None:
    def told(value: float | None) -> str:
        return "-" if value is None else f"{value:g} s"

    rows = [[row["backend"], told(row["planned_s"]), told(row["simulated_s"]), row["limited_by"]] for row in spans]
    title = f"Span at {spans[0]['streams']} streams, a call every {spans[0]['step_s']:g} s"
    show_table(title, ("backend", "synchronised (planner)>", "own phases (simulated)>", "limited by"), rows)
    print()


def _show_fleets(fleets: Sequence[Row]) -> None:
    rows = [
        [
            f"{row['streams']:,}",
            f"{row['usd_per_h']:,.2f}",
            f"{row['usd_per_audio_h']:.4f}",
            ", ".join(f"{group['servers']:,} x {group['backend']}" for group in row["groups"]),
            "; ".join(row["notes"]),
        ]
        for row in fleets
    ]
    if rows:
        show_table("Cheapest fleet", ("streams>", "USD/h>", "USD per stream and hour>", "servers", "notes"), rows)
