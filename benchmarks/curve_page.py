"""The reference curve as a page in Markdown: each series as a table, what follows from it, what others published."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .curve_data import CurveSeries
from .curve_text import findings, percent, rate, step_text, title
from .summary import interval

PUBLISHED = Path(__file__).with_name("published_curves.toml")
_INTRODUCTION = """\
# The reference curve

Word error rate of OpenAI's Whisper against the window that it hears at once, measured: each window is transcribed as
`whisper.transcribe` hears it. *Disjoint* windows are heard once; *sliding* ones again every second, and a word
counts when two calls in a row agree on it. *Offline* is the whole recording at once. Written by `earspan curve --page`;
`docs/curve.json` holds the counts of every recording. To go on where it ends, or to measure your own:

```sh
earspan curve --model base --dataset talks-noisy             # many minutes: WER at 13 windows; run it again to go on
earspan curve --print --page curve.md --picture curve.png    # needs runs/curve (minutes) and earspan[pages]
```

Intervals are 95 %, recordings resampled; steps are paired: the same recordings in both windows. WER in percent:"""
_PUBLISHED_AT_S = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 0.0)  # 0: offline


def page(series: Sequence[CurveSeries]) -> str:
    """The page's text."""
    ordered = sorted(series, key=lambda one: (one.dataset, one.model, one.strategy != "offline", one.strategy))
    tables = [_section(one) for one in ordered if len(one.points) > 1]
    return "\n\n".join([_INTRODUCTION, _overview(ordered), *tables, _published(ordered), _provenance(ordered)]) + "\n"


def _overview(series: Sequence[CurveSeries]) -> str:
    windows = sorted({point.window_s for one in series for point in one.points if len(one.points) > 1})
    lines = [
        "| dataset | model | windows | " + " | ".join(f"{w:g} s" for w in windows) + " | offline |",
        "| --- | --- | --- |" + " ---: |" * (len(windows) + 1),
    ]
    floors = {
        (one.dataset, one.model, one.head_s, one.audio_s): one.points[-1] for one in series if one.strategy == "offline"
    }
    for one in series:
        if one.strategy == "offline":
            continue
        found = {point.window_s: point.total.rate for point in one.points}
        cells = [percent(found.get(w)).removesuffix(" %") for w in windows]
        floor = floors.get((one.dataset, one.model, one.head_s, one.audio_s))
        last = percent(floor.total.rate).removesuffix(" %") if floor else "–"
        part = f", first {one.head_s:g} s" if one.head_s else ""
        lines.append(f"| {one.dataset}{part} | {one.model} | {one.strategy} | {' | '.join(cells)} | {last} |")
    return "\n".join(lines)


def _section(series: CurveSeries) -> str:
    lines = [
        f"### {title(series)}",
        "",
        "| window | WER, % | 95 % | S / D / I | step to here, points, paired | passes a call | cut words / others, % |",
        "| ---: | ---: | --- | ---: | --- | ---: | --- |",
    ]
    before = None
    for point in series.points:
        total = point.total
        cut = f"{percent(rate(point.cut_words))} / {percent(rate(point.whole_words))}" if point.cut_words else ""
        lines.append(
            f"| {point.window_s:g} s | {percent(total.rate).removesuffix(' %')} | {interval(series.interval(point))} | "
            f"{total.substitutions} / {total.deletions} / {total.insertions} | {step_text(series, before, point)} | "
            f"{point.encoder_passes / max(1, point.calls):.2f} | {cut.replace(' %', '')} |"
        )
        before = point
    return "\n".join([*lines, "", *findings(series)])


def _published(series: Sequence[CurveSeries]) -> str:
    """What others published, each row with ours of the same model and strategy below it."""
    rows: list[dict[str, Any]] = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["row"]
    lines = [
        "### Beside what others published",
        "",
        "WER in percent. Other speech and references, often other decoding: compare the shape, not the level.",
        "",
        "| what | 1 s | 2 s | 5 s | 10 s | 15 s | 30 s | offline | source |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        cells = [f"{row['wer'][f'{at:g}']:g}" if f"{at:g}" in row["wer"] else "" for at in _PUBLISHED_AT_S]
        lines.append(f"| {row['what']} | {' | '.join(cells)} | {row['source']} |")
    for one in series:
        if one.strategy != "disjoint":
            continue
        found = {point.window_s: point.total.rate for point in one.points}
        floor = ("offline", one.model, one.dataset, one.audio_s)
        for other in series:
            if (other.strategy, other.model, other.dataset, other.audio_s) == floor:
                found[0.0] = other.points[-1].total.rate
        cells = [percent(found[at]).removesuffix(" %") if at in found else "" for at in _PUBLISHED_AT_S]
        lines.append(f"| **Earspan: {one.model}, disjoint, {one.dataset}** | {' | '.join(cells)} | this page |")
    return "\n".join(lines)


def _provenance(series: Sequence[CurveSeries]) -> str:
    """Which Whisper, heard by what."""
    lines = ["### With what", "", "| model | tensors | from | engine | decoding |", "| --- | --- | --- | --- | --- |"]
    rows = {
        f"| {one.model} | `{one.digest[:16]}` | {one.source} | {one.engine} | {one.decoding} |": None for one in series
    }
    return "\n".join([*lines, *rows])
