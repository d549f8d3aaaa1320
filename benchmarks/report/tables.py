"""The figures of records as rows of text: the same tables on the terminal and on pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...backends.workload.op import LONGEST_S
from ...speech.metrics.align import HIT
from ...speech.metrics.boundary import Place
from ...speech.metrics.significance import Difference
from ...speech.metrics.wer import ErrorRate
from ..experiment.experiment import IMPORTED, Load
from ..results.evaluation import WordPair
from ..results.records import Candidate, Curve, Evaluation, Group, Latency, Results, Row
from ..results.wording import figures, interval, percent, seconds, stream_count
from .figures import write_csv

DAMAGES = ("dropped", "duplicated", "hallucinated", "looped")
_CONTEXT = 4  # right words shown on each side of an error
_LAGGING = {"LAAL": "laal", "DAL": "dal", "StreamLAAL": "stream_laal", "LongYAAL": "long_yaal"}


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows of text.

    columns: a name that ends in ">" is of a column that is aligned to the right. about: what the columns say. picks:
    what the first column names, if a reader may choose it: "backend". csv: the whole figures, to be saved from a page.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str = ""
    picks: str = ""
    csv: str = ""


def name_setting(row: Row) -> str:
    """Return the backend, if there is one, how audio was cut, and the window, as `h100: sliding 15 s, step 1 s`."""
    step = f", step {seconds(row.step_s)}" if row.step_s else ""
    if row.strategy == IMPORTED:
        return row.backend or ""
    cut = f"{row.strategy} {seconds(row.window_s)}{step}"
    return cut if row.backend is None else f"{row.backend}: {cut}"


def name_curve(curve: Curve) -> str:
    """Return strategy and step of a curve."""
    return curve.strategy + (f", step {seconds(curve.step_s)}" if curve.step_s else "")


def name_load(load: str) -> str:
    """Return a load in words."""
    found = Load.parse(load)
    return f"{stream_count(found.streams)}, a call every {seconds(found.step_s)}"


def name_place(place: Place) -> str:
    """Return a class of distance from a cut in words."""
    if place.to_s is None:
        return f"over {place.from_s:g} s"
    return f"to {place.to_s:g} s" if place.to_s else "cut through"


def describe_wer(wer: float | None, ends: Sequence[float] | None) -> str:
    """Return a word error rate with its interval."""
    return f"{percent(wer)} {interval(ends)}".rstrip()


def describe_difference(found: Difference | None) -> str:
    """Return a paired difference of error rates in points, with its interval; empty where there is none."""
    return f"{100 * found.difference:+.1f} {interval(found.interval)}" if found else ""


def describe_errors(errors: ErrorRate) -> str:
    """Return substitutions, deletions and insertions."""
    return f"{errors.substitutions:,} / {errors.deletions:,} / {errors.insertions:,}"


def describe_latency(latency: Latency | None) -> str:
    """Return median, 95th and 99th percentile of word latency."""
    if latency is None or latency.p50_s is None:
        return ""
    return " / ".join(map(seconds, (latency.p50_s, latency.p95_s, latency.p99_s)))


def describe_limit(row: Row) -> str:
    """Return what stops the span, in words."""
    limit = row.plan.limited_by if row.plan else ""
    whole = row.span_s is not None and row.span_s >= LONGEST_S
    return ("all that Whisper takes" if whole else "") if limit in ("", "nothing") else limit


def list_rows(rows: Sequence[Row]) -> Table | None:
    """Return every figure of rows, with loads and timed models where there are several."""
    columns = (
        "Backend", "Span>", "Limited by", "Service>", "of the step>", "Ceiling>", "Speed>", "WER>", "S / D / I>",
        "Words>", "Latency 50 / 95 / 99 %>", "Times are",
    )  # fmt: skip
    about = (
        "Service: time to serve one call of every stream. Ceiling: the same at peak arithmetic and nominal bandwidth. "
        "Speed: seconds of audio handled for each second. WER with its 95 % interval, and the substitutions, deletions "
        "and insertions behind it. Latency: from the end of a spoken word until it is shown."
    )
    named = [row for row in rows if row.backend]
    cells = [_row(row) for row in named]
    extra = {
        "Streams x step": [row.load.replace("x", " x ") + " s" for row in named],
        "Timed as": [row.plan.model if row.plan else "" for row in named],
    }
    for name, values in extra.items():
        if len(set(values)) > 1:
            columns = (columns[0], name, *columns[1:])
            cells = [(line[0], value, *line[1:]) for line, value in zip(cells, values, strict=True)]
    return Table("All figures", columns, cells, about, "backend", write_csv(named)) if named else None


def _row(row: Row) -> Sequence[str]:
    plan = row.plan
    busy = plan.busy if plan else None
    heard = [describe_errors(row.errors), f"{row.errors.ref_words:,}"] if row.recordings else ["", ""]
    return (
        row.backend or "",
        seconds(row.span_s),
        describe_limit(row),
        seconds(plan.service_s if plan else None),
        "" if busy is None else f"{figures(100 * busy)} %",
        seconds(plan.ceiling_s if plan else None),
        "" if plan is None or plan.speed_factor is None else f"{figures(plan.speed_factor)} x",
        describe_wer(row.wer, row.wer_ci95),
        *heard,
        describe_latency(row.latency),
        (plan.provenance if plan else None) or "",
    )


def list_footings(rows: Sequence[Row]) -> Table | None:
    """Return what each backend is, and what its row stands on."""
    lines = [(row.plan.backend, line) for row in rows if row.plan for line in (row.plan.describe, *row.plan.footing)]
    columns = ("Backend", "Device, weights, memory, price, power")
    return Table("What the rows stand on", columns, list(dict.fromkeys(lines))) if lines else None


def list_loads(rows: Sequence[Row]) -> Table | None:
    """Return the span of each backend under each load; None where there is one load."""
    planned = {(row.load, row.backend): row for row in rows if row.plan and row.backend}
    loads = sorted({load for load, _ in planned}, key=Load.parse)
    if len(loads) < 2:
        return None
    backends = list(dict.fromkeys(backend or "" for _, backend in planned))
    found = [[planned.get((load, backend)) for backend in backends] for load in loads]
    about = (
        "The longest window that each backend sustains under other loads, what stops it, and the WER of the longest "
        "window that was heard and is no longer. A dash: it keeps up with no window. One line is not the whole truth: "
        "which backend is ahead depends on the load."
    )
    cells = [[name_load(load), *map(_load_cell, line)] for load, line in zip(loads, found, strict=True)]
    return Table("Span by load", ["Load", *backends], cells, about)


def _load_cell(row: Row | None) -> str:
    if row is None:
        return ""
    parts = [seconds(row.span_s), describe_limit(row), f"WER {percent(row.wer)}" if row.wer is not None else ""]
    return ", ".join(filter(None, parts))


def list_curves(curves: Sequence[Curve]) -> Table | None:
    """Return word error rate and interval by window, a column for each curve."""
    by_window = [{row.window_s or 0: describe_wer(row.wer, row.wer_ci95) for row in c.points} for c in curves]
    windows = sorted({window_s for rates in by_window for window_s in rates})
    rows = [[seconds(window_s), *(rates.get(window_s, "") for rates in by_window)] for window_s in windows]
    columns = ["Window>", *(f"{name_curve(curve)}>" for curve in curves)]
    return Table("WER against window", columns, rows) if rows else None


def list_latencies(rows: Sequence[Row]) -> Table | None:
    """Return every measure of latency; None where nothing was timed."""
    timed = [(name_setting(row), row.latency) for row in rows if row.latency and row.latency.p50_s is not None]
    columns = ["Setting", "50 / 95 / 99 %>", "First word, 50 %>", "longest>", "Final segment, 50 / 95 / 99 %>"]
    columns += [f"{name}>" for name in _LAGGING] + ["Continuous>", "Erasure>", "RTF>", "Backlog>"]
    about = (
        "Final segment (TTFS): from the end of speech, a word with a pause behind it, until it is shown for good. "
        "LAAL, DAL, StreamLAAL (by sentence) and LongYAAL compare with a speaker who is even over the audio; in "
        "brackets without computation. Sentences are cut by the alignment of words. Continuous: ufal/asr_latency, the "
        "mean over words aligned by characters. Erasure: shown words taken back, for each final one. RTF: seconds of "
        "work for each second of audio. Backlog: the longest that a call waited."
    )
    return Table("Every measure of latency", columns, [_latency(*one) for one in timed], about) if timed else None


def _latency(name: str, found: Latency) -> list[str]:
    def bare(value: float | None) -> str:
        return "-" if value is None else figures(value)

    lagging = [
        f"{seconds(getattr(found, f'{measure}_ca_s'))} ({bare(getattr(found, f'{measure}_s'))})"
        for measure in _LAGGING.values()
    ]
    final = " / ".join(map(seconds, (found.ttfs_p50_s, found.ttfs_p95_s, found.ttfs_p99_s)))
    first = [seconds(found.first_word_p50_s), seconds(found.first_word_max_s), final]
    rest = [seconds(found.continuous_s), bare(found.normalised_erasure), bare(found.rtf), seconds(found.backlog_s)]
    return [name, describe_latency(found), *first, *lagging, *rest]


def list_streaming(rows: Sequence[Row], batch: str) -> Table | None:
    """Return what streaming costs beside hearing all at once, and whether it is streaming; None where nobody looked."""
    columns = ("Setting", "WER less batch's, points>", "Words before the end>", "expected>", "Empty>", "Policy")
    compared = f"{batch} on the same recordings, with its 95 % interval (paired bootstrap)" if batch else "none given"
    about = (
        f"Batch: {compared}. Words before the end: that came before their recording ended, and how many the average "
        "lag promises (SWF and EFSW of OmniSTEval); where they are more than 20 points apart, the policy is likely "
        "degenerate: a few words come early, the rest is held back. Empty: recordings without any word."
    )
    lines = [
        (
            name_setting(row),
            describe_difference(row.less_batch),
            percent(row.policy.before_end),
            percent(row.policy.expected),
            f"{row.policy.empty} of {row.policy.streams}",
            "likely degenerate" if row.policy.degenerate else "",
        )
        for row in rows
        if row.policy
    ]
    return Table("Streaming beside batch", columns, lines, about) if lines else None


def list_boundary_errors(rows: Sequence[Row]) -> Table | None:
    """Return the errors at the boundaries of calls by kind; None where those were not looked at."""
    columns = [
        "Setting",
        "WER>",
        "of words cut through>",
        "of the others>",
        *(f"{kind.capitalize()}>" for kind in DAMAGES),
    ]
    about = (
        "Dropped: missing words between words of different calls. Duplicated: extra words that another call had "
        "committed beside them. Hallucinated: extra words where nobody speaks for a second or more. Looped: extra "
        "words in a phrase said three times or more. All in percent of the spoken words."
    )
    lines = []
    for row in rows:
        found, words = row.boundary_errors, row.errors.ref_words
        if found and words:
            cut, rest = ([p.errors for p in found.places if (p.to_s == 0) == through] for through in (True, False))
            damage = [percent(getattr(found, kind) / words) for kind in DAMAGES]
            lines.append([name_setting(row), percent(row.wer), _rate(cut), _rate(rest), *damage])
    return Table("Boundary errors by kind", columns, lines, about) if lines else None


def _rate(parts: Iterable[ErrorRate]) -> str:
    found = sum(parts, ErrorRate.zero())
    return f"{percent(found.rate)} of {found.ref_words:,}" if found.ref_words else "-"


def list_strategies(rows: Sequence[Row]) -> Table:
    """Return every setting that backends played."""
    columns = (
        "Backend", "Strategy", "Window>", "WER>", "S / D / I>", "Latency 50 / 95 / 99 %>", "Busy>", "Backlog>",
        "Not heard>",
    )  # fmt: skip
    about = (
        "Busy: service time for each second of audio, all streams together; above 1 the backend is too slow. Backlog: "
        "the longest that a call waited. Not heard: audio in no call, summed over recordings: dropped, or silence that "
        "`vad` left out."
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


def list_groups(evaluation: Evaluation) -> Table:
    """Return the errors of all, of each dataset where there are several, and of each speaker."""
    datasets = evaluation.by_dataset if len(evaluation.by_dataset) > 1 else ()
    groups = [evaluation.total, *datasets, *evaluation.by_speaker]
    columns = ("Of", "Recordings>", "Words>", "WER>", "CER>", "S / D / I>")
    return Table("Error rates", columns, [_group(group) for group in groups])


def _group(group: Group) -> Sequence[str]:
    counts = (f"{group.recordings:,}", f"{group.errors.ref_words:,}")
    wer = describe_wer(group.wer, group.wer_ci95)
    return (group.name, *counts, wer, percent(group.cer), describe_errors(group.errors))


def list_recordings(evaluation: Evaluation) -> Table:
    """Return the errors of each recording."""
    columns = ("Recording", "Dataset", "Speaker", "Words>", "WER>", "CER>", "S / D / I>")
    rows = [
        (one.recording, one.dataset, one.speaker or "", f"{one.errors.ref_words:,}", percent(one.wer), percent(one.cer),
         describe_errors(one.errors))
        for one in evaluation.by_recording
    ]  # fmt: skip
    return Table("Every recording", columns, rows, csv=write_csv(evaluation.by_recording))


def list_common(evaluation: Evaluation) -> list[Table]:
    """Return the most frequent substitutions, insertions and deletions."""
    columns = {"substitutions": ("Said", "Heard"), "insertions": ("Heard",), "deletions": ("Said",)}
    return [
        Table(kind.capitalize(), (*names, "Times>"), [[str(cell) for cell in line] for line in evaluation.common[kind]])
        for kind, names in columns.items()
        if evaluation.common.get(kind)
    ]


def find_excerpts(pairs: Sequence[WordPair]) -> list[list[WordPair]]:
    """Return the stretches around errors, with some right words on each side; stretches that meet are one."""
    wrong = [at for at, pair in enumerate(pairs) if pair.step != HIT]
    near = sorted({at for one in wrong for at in range(max(0, one - _CONTEXT), min(len(pairs), one + _CONTEXT + 1))})
    stretches: list[list[WordPair]] = []
    for before, at in zip((None, *near), near, strict=False):
        if before is None or at > before + 1:
            stretches.append([])
        stretches[-1].append(pairs[at])
    return stretches
