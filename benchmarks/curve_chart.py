"""The reference curve as a picture: word error rate against the window, both logarithmic, intervals as bands."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from .curve_data import CurveSeries

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito 2008: told apart by colour-blind eyes, too
_FORMATS = (".png", ".svg", ".html")


def draw(series: Sequence[CurveSeries], path: Path) -> None:
    """Draw `series`, one frame for each dataset, one line for each model and strategy, offline as a dashed rule.

    Raises `InputError` where the chart library is missing, for another kind of file, and if it cannot be written.
    """
    if path.suffix not in _FORMATS:
        raise InputError(f"--picture {path}: {path.suffix or 'no suffix'}; expected .png, .svg or .html")
    try:
        altair: Any = importlib.import_module("altair")
        importlib.import_module("vl_convert")
    except ImportError as error:
        raise InputError("a picture needs a chart library; type pip install 'earspan[pages]'") from error
    chart = _chart(altair, series)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".html":
            chart.save(str(path), inline=True, embed_options={"ast": True})
        else:
            chart.save(str(path), scale_factor=2 if path.suffix == ".png" else 1)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _chart(altair: Any, series: Sequence[CurveSeries]) -> Any:
    curves = [one for one in series if len(one.points) > 1]
    offline = [one for one in series if len(one.points) == 1]
    names = list(dict.fromkeys(one.model for one in curves))
    colour = altair.Color(
        "model:N", scale=altair.Scale(domain=names, range=list(_COLOURS[: len(names)])), title="model"
    )
    window = altair.X("window:Q", scale=altair.Scale(type="log", domain=[1, 30]), title="window, s",
                      axis=altair.Axis(values=[1, 2, 3, 5, 8, 10, 15, 20, 30]))  # fmt: skip
    scale = altair.Scale(type="log")
    wer_shown = altair.Tooltip("wer:Q", title="WER, %", format=".2f")
    tooltip = ["model:N", "strategy:N", "window:Q", wer_shown, "errors:Q", "words:Q"]
    base = altair.Chart(altair.Data(values=[row for one in curves for row in _rows(one)]))
    wer = altair.Y("wer:Q", scale=scale, title="word error rate, %")
    dashes = altair.Legend(symbolType="stroke", symbolStrokeColor="black")
    shape = altair.StrokeDash("strategy:N", title="windows", legend=dashes)
    band = base.mark_area(opacity=0.15).encode(
        window, altair.Y("low:Q", scale=scale), altair.Y2("high:Q"), colour, altair.Detail("strategy:N")
    )
    line = base.mark_line(point=altair.OverlayMarkDef(size=28, filled=True), strokeWidth=2).encode(
        window, wer, colour, shape, tooltip=tooltip
    )
    floor = altair.Chart(altair.Data(values=[row for one in offline for row in _rows(one)]))
    rule = floor.mark_rule(strokeDash=[2, 3], strokeWidth=1.5).encode(altair.Y("wer:Q", scale=scale), colour)
    layers = altair.layer(band, line, rule).properties(width=330, height=300)
    frames = [
        layers.transform_filter(altair.datum.dataset == name).properties(title=name)
        for name in dict.fromkeys(one.dataset for one in curves)
    ]
    return (
        altair.hconcat(*frames)
        .properties(title={
            "text": "Word error rate against the window",
            "subtitle": "bands: 95 %, recordings resampled; dotted: the whole recording heard at once",
            "anchor": "start",
        })
        .configure_view(stroke=None)
    )  # fmt: skip


def _rows(series: CurveSeries) -> list[dict[str, Any]]:
    rows = []
    for point in series.points:
        ends, total = series.interval(point), point.total
        if not total.errors:  # a logarithmic axis has no zero
            continue
        low, high = ends or (total.rate, total.rate)
        rows.append({
            "dataset": series.dataset,
            "model": series.model,
            "strategy": series.strategy,
            "window": point.window_s,
            "wer": 100 * (total.rate or 0),
            "low": max(100 * (low or 0), 0.05),
            "high": 100 * (high or 0),
            "errors": total.errors,
            "words": total.ref_words,
        })  # fmt: skip
    return rows
