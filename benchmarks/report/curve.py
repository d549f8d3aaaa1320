"""The reference curve as a picture, and as a page in Markdown: each series, what follows, what others published."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from ...backends.errors import InputError
from ...speech.metrics.significance import paired_bootstrap
from ...speech.strategies import OFFLINE
from ..results.curves import CurveSeries
from ..results.wording import interval, neutralise
from .charts.marks import Chart, chart_values, tell
from .page import Figure, config, render_page, specify
from .tables.cells import describe_errors, describe_wer
from .tables.figures import write_markdown
from .tables.series import bare_percent, conclude, list_points, name_series

PUBLISHED = Path(__file__).with_name("assets") / "published_curves.toml"
_FORMATS = (".png", ".svg", ".html")
_INTRODUCTION = """\
# The reference curve

Word error rate of OpenAI's Whisper against the window that it hears at once, measured: each window is transcribed as
`whisper.transcribe` hears it. *Disjoint* windows are heard once; *sliding* ones again every second, and a word
counts when two calls in a row agree on it; *alignatt* hears them as often, is fed what was written before and decodes
what is new, up to the newest 0.5 s; *vad* hears pieces between pauses that are at most so long; the others are told
[here](strategies.md). *Offline* is the whole recording at once. Written by `earspan curve --page`;
`benchmarks/results/reference_curve.json` holds the counts of every recording; `speech-long` are 31 real recordings of
about 38 speakers, which are not in the repository. To go on where it ends, or to measure your own:

```sh
earspan curve --model base --dataset talks-noisy             # many minutes: WER at 13 windows; run it again to go on
earspan curve --print --page curve.md --picture curve.png    # needs runs/curve (minutes)
```

Intervals are 95 %, recordings resampled; steps are paired: the same recordings in both windows. WER in percent:"""
_BASELINE = "disjoint"  # the one whose band is drawn
_ABOUT = "Band: 95 % of disjoint windows, by recording; dotted: all heard at once."
_PUBLISHED_AT_S = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 0.0)  # 0: offline


def draw_curve(series: Sequence[CurveSeries], path: Path) -> None:
    """Draw `series` into a file: .png, .svg, or .html, which answers when pointed at.

    Raises `InputError` for another kind of file, and if it cannot be written.
    """
    if path.suffix not in _FORMATS:
        raise InputError(f"--picture {path}: {path.suffix or 'no suffix'}; expected .png, .svg or .html")
    content: str | bytes
    if path.suffix == ".html":
        about = _ABOUT
        figure = Figure("The reference curve", about, _frames(series, width="container", legend="bottom"))
        content = render_page("Earspan: the reference curve", [figure])
    else:
        spec = specify(draw_series(series)) | {"config": config("light")}
        as_png = path.suffix == ".png"
        content = vl_convert.vegalite_to_png(spec, scale=2) if as_png else vl_convert.vegalite_to_svg(spec)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def write_curve_page(series: Sequence[CurveSeries]) -> str:
    """Return the text of the page in Markdown."""
    ordered = sorted(series, key=lambda one: (one.dataset, one.model, one.strategy != OFFLINE, one.strategy))
    tables = [(one, list_points(one)) for one in ordered if len(one.points) > 1]
    sections = [
        f"### {neutralise(name_series(one))}\n\n{write_markdown(table.columns, table.rows)}\n\n"
        + "\n".join(conclude(one))
        for one, table in tables
    ]
    return (
        "\n\n".join(
            [_INTRODUCTION, _overview(ordered), *_steps(ordered), *sections, _published(ordered), _provenance(ordered)]
        )
        + "\n"
    )


def _overview(series: Sequence[CurveSeries]) -> str:
    windows = sorted({point.window_s for one in series for point in one.points if len(one.points) > 1})
    rows = []
    for one in series:
        if one.strategy != OFFLINE:
            found = {point.window_s: bare_percent(point.total) for point in one.points}
            part = f", first {one.head_s:g} s" if one.head_s else ""
            rates = [found.get(at, "-") for at in windows]
            step = f", every {one.step_s:g} s" if one.step_s else ""
            rows.append([one.dataset + part, one.model, one.strategy + step, *rates, _offline(one, series) or "-"])
    columns = ["dataset", "model", "windows", *(f"{at:g} s>" for at in windows), "offline>"]
    return write_markdown(columns, rows)


def _steps(series: Sequence[CurveSeries]) -> list[str]:
    """How much the time between two calls matters: the same windows at several steps, with paired differences."""
    rows = []
    for one in series:
        others = [o for o in series if o.step_s and one.step_s and o.step_s < one.step_s and _alike(o, one)]
        for other, point in [(o, p) for o in others for p in one.points]:
            same = next((p for p in other.points if p.window_s == point.window_s), None)
            if same is not None and one.step_s and other.step_s:
                found = paired_bootstrap(other.by_unit(same), one.by_unit(point))
                rates = bare_percent(same.total), bare_percent(point.total)
                change = f"{100 * found.difference:+.1f} {interval(found.interval)}" if found else ""
                steps = f"{other.step_s:g} s", f"{one.step_s:g} s"
                rows.append([one.model, one.strategy, f"{point.window_s:g} s", *steps, *rates, change])
    columns = ("model", "cut", "window>", "from a call every>", "to every>", "WER, %>", "WER, %>", "points, paired")
    told = "How much a step matters: the same windows with more and less time between two calls.\n\n"
    return [told + write_markdown(columns, rows)] if rows else []


def _alike(a: CurveSeries, b: CurveSeries) -> bool:
    """Whether two series differ in their steps alone."""
    return replace(a, step_s=None, points=(), source="") == replace(b, step_s=None, points=(), source="")


def _offline(one: CurveSeries, series: Sequence[CurveSeries]) -> str | None:
    """The rate of the same model, data and part of each recording when it hears all at once."""
    same = (one.dataset, one.model, one.head_s, one.audio_s)
    floors = [o for o in series if (o.strategy, o.dataset, o.model, o.head_s, o.audio_s) == (OFFLINE, *same)]
    return bare_percent(floors[-1].points[-1].total) if floors else None


def _published(series: Sequence[CurveSeries]) -> str:
    """What others published, and below it ours of disjoint windows."""
    published: list[dict[str, Any]] = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["row"]
    rows = [
        [row["what"], *(f"{row['wer'][f'{at:g}']:g}" if f"{at:g}" in row["wer"] else "" for at in _PUBLISHED_AT_S),
         row["source"]]
        for row in published
    ]  # fmt: skip
    for one in series:
        if one.strategy == "disjoint":
            found = {point.window_s: bare_percent(point.total) for point in one.points}
            found[0.0] = _offline(one, series) or ""
            rates = [found.get(at, "") for at in _PUBLISHED_AT_S]
            rows.append([f"**Earspan: {one.model}, disjoint, {one.dataset}**", *rates, "this page"])
    columns = ["what", *(f"{at:g} s>" if at else "offline>" for at in _PUBLISHED_AT_S), "source"]
    said = "WER in percent. Other speech and references, often other decoding: compare the shape, not the level."
    return f"### Beside what others published\n\n{said}\n\n{write_markdown(columns, rows)}"


def _provenance(series: Sequence[CurveSeries]) -> str:
    """Which Whisper, heard by what."""
    rows = dict.fromkeys((one.model, f"`{one.digest[:16]}`", one.source, one.engine, one.decoding) for one in series)
    return f"### With what\n\n{write_markdown(('model', 'tensors', 'from', 'engine', 'decoding'), list(rows))}"


def draw_series(series: Sequence[CurveSeries]) -> Chart:
    """Return the reference curve: a frame for each dataset, a line for each strategy and model, both axes logarithmic.

    Offline, where a recording is heard at once, is a dashed rule.
    """
    title = alt.TitleParams(
        "Word error rate against the window",
        subtitle=_ABOUT,
    )
    return alt.hconcat(*_frames(series, width=330, legend="right")).properties(title=title)


def _frames(series: Sequence[CurveSeries], width: Any, legend: Any) -> list[alt.LayerChart]:
    """The curve of each dataset, `width` wide, with its legend at one side of it."""
    # Of several steps, and of several parts of a dataset, the one with the most windows is drawn: the others have few,
    # and are on the page.
    series = [one for one in series if len(one.points) >= max(len(o.points) for o in series if _alike(o, one))]
    most = {name: _largest_part([one for one in series if one.dataset == name]) for name in {o.dataset for o in series}}
    series = [one for one in series if one.recordings == most[one.dataset]]
    models = list(dict.fromkeys(one.model for one in series if len(one.points) > 1))
    strategies = sorted({one.strategy for one in series if one.strategy != OFFLINE})
    fit = {"autosize": alt.AutoSizeParams(type="fit-x", contains="padding")} if width == "container" else {}
    return [
        _frame([one for one in series if one.dataset == name], models, strategies, legend).properties(
            title=name, width=width, height=300, **fit
        )
        for name in dict.fromkeys(one.dataset for one in series if len(one.points) > 1)
    ]


def _largest_part(series: Sequence[CurveSeries]) -> tuple[str, ...]:
    """The recordings that were heard in the most windows, all series together."""
    windows = Counter[tuple[str, ...]]()
    for one in series:
        windows[one.recordings] += len(one.points)
    return windows.most_common(1)[0][0]


def _frame(
    series: Sequence[CurveSeries], models: Sequence[str], strategies: Sequence[str], legend: Any
) -> alt.LayerChart:
    same = alt.Scale(domain=strategies)  # in every frame
    columns = 1 if legend == "right" else 4
    colour = alt.Color("strategy:N", scale=same, title="windows", legend=alt.Legend(orient=legend, columns=columns))
    scale = alt.Scale(type="log", nice=False)
    wer = alt.Y("wer:Q", scale=scale, title="word error rate, %")
    window = alt.X("window:Q", scale=alt.Scale(type="log", domain=[1, 30]), title="window, s",
                   axis=alt.Axis(values=[1, 2, 3, 5, 8, 10, 15, 20, 30]))  # fmt: skip
    names = {"model": "Model", "strategy": "Windows", "window": "Window, s", "said": "WER", "errors": "S / D / I"}
    base = chart_values(value for one in series if one.strategy != OFFLINE for value in _points(one))
    plain = alt.FieldEqualPredicate(field="strategy", equal=_BASELINE) & alt.FieldEqualPredicate(
        field="model", equal=models[0]
    )
    band = base.transform_filter(plain).mark_area(opacity=0.15).encode(
        window, alt.Y("low:Q", scale=scale, title="word error rate, %"), alt.Y2("high:Q"), colour,
    )  # fmt: skip
    strokes = alt.Legend(symbolType="stroke", orient=legend, columns=columns)
    dashes = alt.StrokeDash("model:N", title="model", scale=alt.Scale(domain=models), legend=strokes)
    line = base.mark_line(point=alt.OverlayMarkDef(size=28)).encode(window, wer, colour, dashes, tooltip=tell(names))
    offline = chart_values(value for one in series if one.strategy == OFFLINE for value in _points(one))
    rule = offline.mark_rule(strokeDash=[2, 3], strokeWidth=1.5).encode(wer, tooltip=tell(names))
    return alt.LayerChart(layer=[band, line, rule])


def _points(series: CurveSeries) -> list[dict[str, Any]]:
    values = []
    for point in series.points:
        total, ends = point.total, series.interval(point)
        if total.rate:  # a logarithmic axis has no zero
            low, high = ends or (total.rate, total.rate)
            values.append({
                "model": series.model, "strategy": series.strategy, "window": point.window_s, "wer": 100 * total.rate,
                "low": max(100 * low, 0.05), "high": 100 * high, "said": describe_wer(total.rate, ends),
                "errors": describe_errors(total),
            })  # fmt: skip
    return values
