"""The tables of spans: every figure, loads, curves, latencies, and the errors that cuts make."""

from collections.abc import Iterable, Sequence

from ....speech.metrics.wer import ErrorRate
from ...results.records import Curve, Gain, Latency, Row
from ...results.wording import figures, name_load, name_load_briefly, order_load, percent, seconds
from .cells import (
    describe_difference,
    describe_errors,
    describe_latency,
    describe_limit,
    describe_wer,
    name_curve,
    name_setting,
)
from .figures import write_csv
from .table import Table

DAMAGES = ("dropped", "duplicated", "hallucinated", "looped")
_LAGGING = {"LAAL": "laal", "DAL": "dal", "StreamLAAL": "stream_laal", "LongYAAL": "long_yaal"}


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
        "Streams x step": [name_load_briefly(row.load, row.strategy) for row in named],
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


def list_played(rows: Sequence[Row]) -> Table | None:
    """Return the answer at a glance for the load that was played, narrow enough for a terminal; None without backends.

    rows: of that load.
    """
    columns = (
        "Backend",
        "Span>",
        "Limited by",
        "Ceiling>",
        "Service>",
        "WER>",
        "at>",
        "Latency 50/95/99 %, s>",
        "Times",
    )
    named = [row for row in rows if row.backend]
    cells = [
        (
            row.backend or "",
            seconds(row.span_s),
            _name_limit(row),
            seconds(row.plan.ceiling_s if row.plan else None),
            seconds(row.plan.service_s if row.plan else None),
            describe_wer(row.wer, row.wer_ci95),
            seconds(row.window_s),
            describe_latency(row.latency).replace(" s", ""),
            (row.plan.provenance if row.plan else None) or "",
        )
        for row in named
    ]
    return Table(f"Spans at {name_load(named[0].load, named[0].strategy)}", columns, cells) if named else None


def list_footings(rows: Sequence[Row]) -> Table | None:
    """Return what each backend is, and what its row stands on."""
    lines = [(row.plan.backend, line) for row in rows if row.plan for line in (row.plan.describe, *row.plan.footing)]
    columns = ("Backend", "Device, weights, memory, price, power")
    return Table("What the rows stand on", columns, list(dict.fromkeys(lines))) if lines else None


def list_loads(rows: Sequence[Row], played: str = "") -> list[Table]:
    """Return the span of each backend under each load, and what stops it; nothing where there is one load.

    rows: of one model that is timed. played: the load that was played, which is marked with a star.
    """
    planned = {(row.load, row.backend): row for row in rows if row.plan and row.backend}
    strategy = next((row.strategy for row in planned.values()), "")
    loads = sorted({load for load, _ in planned}, key=lambda load: order_load(load, strategy))
    if len(loads) < 2:
        return []
    backends = list(dict.fromkeys(backend or "" for _, backend in planned))
    model = next(row.plan.model for row in planned.values() if row.plan)
    titles = {
        f"Span of {model} by load (streams x step), s (window heard, s: its WER, %); * was played": _describe_load,
        f"What limits the span of {model}": _name_limit,
    }
    names = [name_load_briefly(load, strategy) + (" *" if load == played else "") for load in loads]
    return [
        Table(title, ["Load", *(f"{backend}>" for backend in backends)], [
            [name, *("" if (row := planned.get((load, backend))) is None else describe(row) for backend in backends)]
            for name, load in zip(names, loads, strict=True)
        ])
        for title, describe in titles.items()
    ]  # fmt: skip


def _name_limit(row: Row) -> str:
    return row.plan.limited_by if row.plan else ""


def _describe_load(row: Row) -> str:
    if not row.span_s:
        return "none"
    heard = "-" if row.wer is None else f"{row.window_s:g}: {100 * row.wer:.1f}"
    return f"{row.span_s:g} ({heard})"


def list_gains(gains: Sequence[Gain], strategy: str) -> Table | None:
    """Return what faster backends buy under each load, a line for each step from one window to a longer one.

    gains: of one model that is timed. strategy: how audio was cut. None where there is nothing to compare.
    """
    columns = ("Load", "Slower", "hear>", "Faster", "hear>", "WER>", "then>", "Points, paired>", "Errors")
    lines = [
        (
            name_load_briefly(gain.load, strategy),
            ", ".join(gain.slower),
            seconds(gain.from_s),
            ", ".join(gain.faster),
            seconds(gain.to_s),
            *map(percent, gain.wer),
            describe_difference(gain.difference),
            "nothing certain"
            if not gain.difference.is_certain
            else "fewer"
            if gain.difference.difference < 0
            else "more",
        )
        for gain in sorted(gains, key=lambda gain: order_load(gain.load, strategy))
        if gain.difference
    ]
    return Table("What faster hardware buys, load by load", columns, lines) if lines else None


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
