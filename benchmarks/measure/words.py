"""A measurement as a table and in sentences."""

from ...backends.measured.streams.target import Target
from ...speech.metrics.latency import LatencySummary
from ..report.tables.cells import describe_errors, describe_wer
from ..report.tables.table import Table
from ..results.wording import seconds, stream_count
from .records import INVALID, LoadResult, Measured

SLO_SAID = {"word": "final words", "steady": "words that stay", "ttfs": "final segments"}
_ABOUT = (
    "Measured at the pace of speech. Sent late: chunks, by this machine's fault, 99th percentile and most. TTFS: from "
    "the end of speech until its last word is final. Final: from the end of a word until it is final; steady: until it "
    "stands as it does at the end. Erasure: words taken back for each that remains. Stalls: spoken words that waited "
    "5 s for any change of the text."
)


def list_loads(found: Measured) -> Table:
    """Return every load in a row."""
    columns = ("Streams>", "Verdict", "Sent late>", "TTFS p50 / p95", "Final p50 / p95", "Steady p50 / p95", "Erasure>",
               "Stalls>", "WER", "S / D / I", "Errors")  # fmt: skip
    return Table("Measured loads", columns, [_list_load(load) for load in found.loads], _ABOUT)


def _list_load(load: LoadResult) -> list[str]:
    kept = {None: "", True: ", keeps the SLO", False: ", breaks the SLO"}[load.keeps_slo]
    return [
        f"{load.streams}",
        f"{load.verdict}{kept}",
        f"{1000 * load.late_p99_s:.1f} / {1000 * load.late_max_s:.1f} ms",
        _late(load.ttfs),
        _late(load.word_latency),
        _late(load.steady_latency),
        "-" if load.erasure is None else f"{load.erasure:.2f}",
        f"{load.stalls}" + (f" (to {load.longest_stall_s:.0f} s)" if load.stalls else ""),
        "-" if load.wer is None else describe_wer(load.wer, load.wer_ci95),
        describe_errors(load.word_errors),
        ", ".join(f"{count} x {kind}" for kind, count in load.errors.items()) or "none",
    ]


def _late(found: LatencySummary) -> str:
    return "-" if found.p50_s is None or found.p95_s is None else f"{found.p50_s:.2f} / {found.p95_s:.2f} s"


def conclude(found: Measured) -> list[str]:
    """Return what a measurement says, in sentences that follow from its figures."""
    asked, said = found.measurement, list[str]()
    if found.most_streams is not None and asked.slo_s is not None:
        promise = f"95 of 100 {SLO_SAID[asked.slo_on]} within {seconds(asked.slo_s)}"
        said.append(f"{Target.parse(asked.target)} carries {stream_count(found.most_streams)} with {promise}.")
    if found.limited_by:
        said.append(f"{'It ended there' if found.most_streams is None else 'Beyond that'}: {found.limited_by}.")
    said += [
        f"At {stream_count(load.streams)} the figures are of the {load.ended} that came to the end."
        for load in found.loads
        if 0 < load.ended < load.streams
    ]
    for one in found.beside:
        most = "" if one.most_streams is None else f": {stream_count(one.most_streams)} with that promise"
        least = one.loads[0]
        late = f"; with {stream_count(least.streams)} already, calls end after the next is due"
        behind = "" if least.keeps_up else late
        said.append(f"Simulated, {asked.timed_as} on {one.backend} (times: {one.provenance}){most}{behind}.")
    if (spent := found.spent).cost_usd is not None:
        price = f"{spent.billed_s / 60:.1f} minutes of audio at {asked.usd_per_minute:g} USD"
        said.append(f"Spent now: at most {spent.cost_usd:.4f} USD, {price}; {spent.requests:,} requests.")
    said += [f"{INVALID} at {stream_count(load.streams)}: {load.reason}." for load in found.loads if load.reason]
    return said


def name_measured(found: Measured) -> str:
    """Return what was measured, in one line."""
    asked = found.measurement
    return f"{Target.parse(asked.target)}: {asked.dataset}, {asked.seconds:g} s a stream, chunks of {asked.chunk_s:g} s"
