"""`docs/leaderboard.md`: every row, in a table for each part of a dataset and each way of scoring."""

import re
from collections.abc import Sequence

from ..experiment.experiment import IMPORTED as STRATEGY_OF_IMPORTS
from ..results.wording import figures, interval, neutralise, percent
from .entry import OURS, SIMULATED, Entry

_HEAD = """# Leaderboard

Rows are files of `docs/leaderboard/`, written by `earspan submit RUN`; this page is made of them by
`earspan submit --table`. One table is of one part of a dataset, the same audio and texts by digest, under one
normaliser: rows of different tables cannot be compared. Rows of this project come first, then others; among each
the lowest word error rate first, which is no order where intervals overlap.

**Times**: `simulated` are a device model's, its kind beside it, for the Whisper that is named, while the text is that
of the model that was heard; `measured` are the wall clock of real calls, or of streams that `earspan measure` played;
`imported` are those of another program's record. Latency: from the end of a word until it is shown for good. TTFS: from
the end of speech until its last word is. Less batch: WER less that of the same recordings heard at once, paired. A row
holds its interval, digests, versions, the command, and what weakens it.

To add one: `earspan submit RUN --by NAME`, which makes a file for a pull request; `earspan submit --table` makes this
page again. A row is refused, in one line, if its run is torn or changed, if recordings failed, if nothing says which
weights or data it is of, or if there is no interval.
"""
_COLUMNS = (
    "by", "system", "cut", "on", "times", "WER, 95 %", "words", "latency 50 / 95 %", "TTFS 50 / 95 %",
    "less batch, points", "notes",
)  # fmt: skip


def write_page(entries: Sequence[Entry]) -> str:
    """Return the page of rows, in Markdown."""
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.part, entry.dataset_digest, entry.scoring), []).append(entry)
    parts = [_HEAD]
    for (part, digest, scoring), own in sorted(groups.items()):
        ranked = sorted(own, key=lambda one: (one.by != OURS, one.wer, one.name))
        first = own[0]
        parts += [
            f"## {_cell(part)}\n",
            f"{first.recordings} recordings, {first.audio_s / 60:.1f} minutes, data `{digest[:12]}`, scored under "
            f"{_cell(scoring)}.\n",
            "| " + " | ".join(_COLUMNS) + " |",
            "| " + " | ".join(["---"] * len(_COLUMNS)) + " |",
            *("| " + " | ".join(_row(one)) + " |" for one in ranked),
            "",
        ]
    return "\n".join(parts)


def _row(one: Entry) -> list[str]:
    window = f"{one.window_s:g} s" if one.window_s else ""
    step = f"every {one.step_s:g} s" if one.step_s else ""
    cut = "its own" if one.strategy == STRATEGY_OF_IMPORTS else " ".join(filter(None, (one.strategy, window, step)))
    load = f", {one.load.partition('x')[0]} streams" if one.times == SIMULATED else ""
    kind = f" ({one.times_are}), of {one.timed_as}" if one.times == SIMULATED else ""
    notes = [f"[row](leaderboard/{one.name}.json)"]
    notes += ["likely degenerate"] if one.degenerate else []
    notes += ["uncommitted changes"] if one.git and one.git.endswith("-dirty") else []
    cost = f"{100 * one.less_batch.difference:+.1f} {interval(one.less_batch.interval)}" if one.less_batch else ""
    on = "its own" if one.backend == one.system else one.backend or "infinitely fast"
    said = (one.by, one.system, cut, f"{on}{load}", f"{one.times}{kind}")
    measured = (
        f"{percent(one.wer)} {interval(one.wer_ci95)}", f"{one.words:,}", _times(one.latency_p50_s, one.latency_p95_s),
        _times(one.ttfs_p50_s, one.ttfs_p95_s), cost,
    )  # fmt: skip
    return [*map(_cell, said), *measured, ", ".join(notes)]


def _times(p50_s: float | None, p95_s: float | None) -> str:
    return "" if p50_s is None or p95_s is None else f"{figures(p50_s)} / {figures(p95_s)} s"


def _cell(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\|<`*\[])", r"\\\1", neutralise(text))
