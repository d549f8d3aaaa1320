"""One HTML file that asks for nothing from outside: text that is escaped, tables, and charts that Vega draws."""

import html
import json
import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import altair
import vl_convert

from ..results.wording import neutralise
from .tables import Table

Chart = altair.Chart | altair.LayerChart | altair.HConcatChart
# The colours of series are those of Okabe & Ito 2008, which colour-blind eyes tell apart.
THEMES = {
    "light": {
        "paper": "#ffffff", "panel": "#f4f6f9", "ink": "#15191e", "muted": "#59636f", "rule": "#d8dde4",
        "grid": "#e7eaef", "accent": "#0f5fa8", "warn": "#8a4b00", "warn-panel": "#fff4e2", "heat": "#2f7fc4",
        "s0": "#0072b2", "s1": "#d55e00", "s2": "#009e73", "s3": "#cc79a7", "s4": "#e69f00", "s5": "#56b4e9",
        "s6": "#7a5c00", "s7": "#59636f",
    },
    "dark": {
        "paper": "#101419", "panel": "#181e25", "ink": "#e9edf2", "muted": "#9ba6b3", "rule": "#343d48",
        "grid": "#252d36", "accent": "#63aef0", "warn": "#ffc27a", "warn-panel": "#2b2115", "heat": "#3f8fd6",
        "s0": "#56b4e9", "s1": "#f0803c", "s2": "#2fbf92", "s3": "#d99bbd", "s4": "#f0c24a", "s5": "#3d86cc",
        "s6": "#f0e442", "s7": "#9ba6b3",
    },
}  # fmt: skip
_SHAPES = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "triangle-right", "triangle-left"]
_LONGEST = 300  # characters of a text in a chart; longer ones lose their middle
_DRAW = """
const given = JSON.parse(document.getElementById("charts").textContent);
for (const [id, spec] of Object.entries(given.charts)) {
  vegaEmbed("#" + id, spec, {
    mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false, config: given.config,
  });
}
"""


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


Child = str | float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A heading, what is to be seen, charts side by side where there is room, and what stands below them."""

    heading: str
    about: str
    charts: Sequence[Chart]
    below: Markup | None = None


def escape(text: Child) -> Markup:
    """Return `text` with what HTML would read as markup replaced; None is empty."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(neutralise("" if text is None else str(text))))


def el(name: str, /, *children: Child, **attributes: str | None) -> Markup:
    """Return an element. `class_` means class, `aria_label` aria-label; attributes that are None are left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name == "meta" else f"{join(*children)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def join(*children: Child) -> Markup:
    """Return the children one after another."""
    return Markup("".join(map(escape, children)))


def render_page(title: str, parts: Iterable[Markup | Figure | None]) -> str:
    """Return one HTML file of `parts`, which loads nothing, whatever a record holds, and runs no script but Vega.

    Charts are drawn by Vega's interpreter, without `eval`; a page without charts has no script.
    """
    specs, body = dict[str, Any](), list[Markup]()
    for part in parts:
        if isinstance(part, Figure):
            names = [f"chart-{len(specs) + number}" for number in range(len(part.charts))]
            specs |= {name: specify(chart) for name, chart in zip(names, part.charts, strict=True)}
            body.append(_place(part, names))
        elif part is not None:
            body.append(part)
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'"
    if specs:
        policy += f"; script-src 'sha256-{_script()[1]}'"
        body.append(el("script", _as_json({"config": config(None), "charts": specs}), type="application/json",
                       id="charts"))  # fmt: skip
        body.append(el("script", _script()[0]))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("title", title),
        el("style", _style()),
    )
    return f"<!doctype html>\n{el('html', head, el('body', el('main', *body)), lang='en')}\n"


def config(theme: str | None) -> dict[str, Any]:
    """Return Vega's settings in the colours of a theme; None means those that the page's style has at the time."""
    colour = {name: f"var(--{name})" for name in THEMES["light"]} if theme is None else THEMES[theme]
    ink, muted, grid = colour["ink"], colour["muted"], colour["grid"]
    text = {"labelColor": muted, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": "transparent" if theme is None else colour["paper"],
        "font": "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif",
        "view": {"stroke": None},
        "axis": {**text, "gridColor": grid, "domainColor": muted, "tickColor": muted, "titleFontWeight": 600},
        "axisY": {"labelLimit": 140},
        "legend": {**text, "labelLimit": 200, "symbolStrokeWidth": 2, "symbolSize": 70, "symbolOpacity": 1},
        "title": {"color": ink, "subtitleColor": muted, "anchor": "start", "fontSize": 14},
        "range": {"category": [colour[f"s{number}"] for number in range(8)], "symbol": _SHAPES},
        "bar": {"color": colour["s0"]},
        "line": {"strokeWidth": 2.2},
        "point": {"color": colour["s0"], "size": 55, "filled": True, "opacity": 1},
        "rule": {"color": muted},
        "tick": {"color": ink},
        "text": {"color": ink, "fontSize": 12},
        "style": {"guide": {"color": muted, "strokeDash": [5, 4]}, "limit": {"color": ink, "strokeWidth": 1.6}},
    }


def list_items(items: Iterable[Child]) -> Markup:
    """Return a list of items."""
    return el("ul", *(el("li", item) for item in items))


def list_facts(facts: dict[str, Child]) -> Markup:
    """Return names and what they are, those that are None or empty left out."""
    items = (part for name, value in facts.items() if value for part in (el("dt", name), el("dd", value)))
    return el("dl", *items, class_="facts")


def fold(heading: str, *parts: Markup | None) -> Markup:
    """Return parts that are shown when the heading is clicked, and on paper."""
    return el("details", el("summary", heading), *parts)


def show_section(table: Table | None, *below: Markup | None) -> Markup | None:
    """Return a section of a table with its title and what it says; None where there is no table."""
    if table is None:
        return None
    return el("section", el("h2", table.title), el("p", table.about, class_="about"), show_table(table), *below)


def show_table(table: Table) -> Markup:
    """Return a table in a box that scrolls sideways where the page is narrow, by keyboard too.

    Its first column names the row; shares of `table.heat` colour the cells.
    """
    classes = ["number" if column.endswith(">") else None for column in table.columns]
    columns = zip(table.columns, classes, strict=True)
    head = el("tr", *(el("th", name.rstrip(">"), scope="col", class_=class_) for name, class_ in columns))
    rows = [
        el(
            "tr",
            el("th", first, scope="row"),
            *(
                el("td", cell, class_=class_, style=_heat(table, number, column))
                for column, (cell, class_) in enumerate(zip(rest, classes[1:], strict=True))
            ),
        )
        for number, (first, *rest) in enumerate(table.rows)
    ]
    whole = el("table", el("thead", head), el("tbody", *rows), class_="heat" if table.heat else None)
    return el("div", whole, class_="scroll", tabindex="0", role="region", aria_label=table.title)


def _heat(table: Table, row: int, column: int) -> str | None:
    return f"--heat-share:{table.heat[row][column]:.3f}" if table.heat else None


def _place(figure: Figure, names: Iterable[str]) -> Markup:
    caption = el("figcaption", figure.about, class_="about")
    places = el("div", *(el("div", id=name, class_="chart") for name in names), class_="charts")
    missing = el("noscript", el("p", "The charts need a script; their figures are in the tables.", class_="about"))
    return el("section", el("figure", el("h2", figure.heading), caption, places, missing), figure.below)


def specify(chart: Chart) -> Any:
    """Return a chart as Vega-Lite without colours, its texts such that no program obeys them."""
    spec = chart.to_dict()
    spec.pop("config", None)
    return _short(spec)


def _short(value: Any) -> Any:
    """A specification without control characters, and without texts that no chart has room for."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, str):
        half, text = math.ceil(_LONGEST / 2), neutralise(value)
        return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"
    return value


def _as_json(value: Any) -> Markup:
    # In a script element only "<" can begin an end tag or a comment; JSON has it in strings alone.
    return Markup(json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


@cache
def _script() -> tuple[Markup, str]:
    """Vega with what draws the charts, and its hash for the policy."""
    source = vl_convert.javascript_bundle(_DRAW).replace("</script", "<\\/script")
    return Markup(source), b64encode(sha256(source.encode()).digest()).decode()


@cache
def _style() -> Markup:
    def variables(theme: str) -> str:
        return f":root{{color-scheme:{theme};{''.join(f'--{name}:{c};' for name, c in THEMES[theme].items())}}}"

    own = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme:dark){{{variables('dark')}}}"
    return Markup(f"{variables('light')}{dark}@media print{{{variables('light')}}}\n{own}")
