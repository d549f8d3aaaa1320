"""The tables of strategies: every setting, the best within a latency budget, and other clocks."""

from collections.abc import Sequence

from ...results.records import Candidate, Results, Row
from ...results.wording import seconds
from .cells import describe_difference, describe_errors, describe_latency, describe_wer
from .figures import write_csv
from .table import Table


def list_strategies(rows: Sequence[Row]) -> Table:
    """Return every setting that backends played."""
    columns = (
        "Backend", "Strategy", "Window>", "WER>", "S / D / I>", "Latency 50 / 95 / 99 %>", "Busy>", "Backlog>",
        "Not heard>",
    )  # fmt: skip
    about = (
        "Busy: service time for each second of audio, all streams together; above 1 the backend is too slow. Backlog: "
        "the longest that a call waited. Not heard: audio in no call, summed over recordings: dropped, or silence that "
        "vad left out."
    )
    named = [row for row in rows if row.backend]
    return Table("All figures", columns, [_strategy(row) for row in named], about, "backend", write_csv(named))


def _strategy(row: Row) -> Sequence[str]:
    work = row.work
    return (
        row.backend or "",
        row.strategy,
        seconds(row.window_s),
        describe_wer(row.wer, row.wer_ci95),
        describe_errors(row.errors),
        describe_latency(row.latency),
        "" if work is None else f"{work.busy:.2f}{'' if work.keeps_up else ', too slow'}",
        seconds(row.latency.backlog_s) if row.latency else "",
        seconds(work.unheard_s) if work and work.unheard_s else "",
    )


def list_candidates(candidates: Sequence[Candidate]) -> Table:
    """Return the best window of each strategy within each latency budget."""
    columns = ("Backend", "Budget>", "Strategy", "Window>", "WER>", "Latency 95 %>", "WER less disjoint's, points>")
    about = (
        "The best window of each strategy for which 95 of 100 words keep the budget. The last column is the difference "
        "to the best disjoint chunks in the same budget, with its 95 % interval (paired bootstrap)."
    )
    rows = [
        [
            one.backend,
            seconds(one.budget_s),
            one.strategy,
            seconds(one.window_s),
            describe_wer(one.wer, one.wer_ci95),
            seconds(one.latency_p95_s),
            describe_difference(one.against_disjoint),
        ]
        for one in candidates
    ]
    return Table("Lowest WER within a latency budget", columns, rows, about, "backend", write_csv(candidates))


def list_clocks(results: Results) -> Table:
    """Return the median latency of the same calls on the clocks of other tools."""
    free = {(row.strategy, row.window_s): row.latency_p50_s for curve in results.curves for row in curve.points}
    columns = ("Backend", "Strategy", "Window>", "Unaware>", "No queue>", "Exact>", "All work added up>")
    about = (
        "Median word latency of the same calls on other clocks: without computing; with each call's own computing but "
        "no queue, as simulstream has it; exactly; and with all computing so far added to the audio, as SimulEval does."
    )
    timed = [
        (row, row.latency) for row in results.rows if row.backend and row.latency and row.latency.p50_s is not None
    ]
    rows = [
        [row.backend or "", row.strategy, *map(seconds, (row.window_s, free.get((row.strategy, row.window_s)),
         found.no_queue_p50_s, found.p50_s, found.summed_p50_s))]
        for row, found in timed
    ]  # fmt: skip
    return Table("What other clocks would say", columns, rows, about)
