"""One HTML file that asks for nothing from outside: text that is escaped, tables, and charts that Vega draws."""

import html
import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import vl_convert

from ..results.wording import neutralise
from .charts.marks import FIELDS, Chart, Series
from .tables.table import Table

# The colours of series are those of Okabe & Ito 2008, which colour-blind eyes tell apart.
THEMES = {
    "light": {
        "paper": "#ffffff", "panel": "#f4f6f9", "ink": "#15191e", "muted": "#59636f", "rule": "#d8dde4",
        "grid": "#e7eaef", "accent": "#0f5fa8", "warn": "#8a4b00", "warn-panel": "#fff4e2", "heat": "#2f7fc4",
        "warm": "#d55e00", "band": "#59636f22", "s0": "#0072b2", "s1": "#d55e00", "s2": "#009e73", "s3": "#cc79a7",
        "s4": "#e69f00", "s5": "#56b4e9", "s6": "#7a5c00", "s7": "#59636f",
    },
    "dark": {
        "paper": "#101419", "panel": "#181e25", "ink": "#e9edf2", "muted": "#9ba6b3", "rule": "#343d48",
        "grid": "#252d36", "accent": "#63aef0", "warn": "#ffc27a", "warn-panel": "#2b2115", "heat": "#3f8fd6",
        "warm": "#f0803c", "band": "#9ba6b322", "s0": "#56b4e9", "s1": "#f0803c", "s2": "#2fbf92", "s3": "#d99bbd",
        "s4": "#f0c24a", "s5": "#3d86cc", "s6": "#f0e442", "s7": "#9ba6b3",
    },
}  # fmt: skip
# The shapes of series, of Vega and in text; a ninth series has the first colour again, and another shape.
_SHAPES = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "triangle-down": "▼", "cross": "✚",
    "triangle-right": "▶", "triangle-left": "◀",
}  # fmt: skip
_TURNED = [*_SHAPES][1:] + [*_SHAPES][:1]
_LONGEST = 300  # characters of a text in a chart; longer ones lose their middle
_PROSE = 60  # characters of a cell that is not to be squeezed into a column of words
_MANY = 14  # rows of a table; one of more scrolls in its box
_ASSETS = Path(__file__).with_name("assets")


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


Child = str | float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A heading, what is to be seen, charts side by side where there is room, and what stands below them.

    series: what colours stand for; a reader chooses among the names of the first by pointing at marks too.
    above: stands between the legend and the charts. explorer: what the page's script places in the only chart.
    folded: whether it is shown when its heading is clicked, and on paper.
    """

    heading: str
    about: str
    charts: Sequence[Chart]
    below: Markup | None = None
    series: Sequence[Series] = ()
    above: Markup | None = None
    explorer: Mapping[str, Any] | None = None
    folded: bool = False


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
    end = "" if name in ("meta", "input") else f"{join(*children)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def join(*children: Child) -> Markup:
    """Return the children one after another."""
    return Markup("".join(map(escape, children)))


def render_page(title: str, parts: Iterable[Markup | Figure | None]) -> str:
    """Return one HTML file of `parts`, which loads nothing, whatever a record holds.

    It runs no script but its own and, where there are charts, Vega, whose interpreter does without `eval`.
    """
    specs, explorers, body = dict[str, Any](), dict[str, Any](), list[Markup]()
    for part in parts:
        if isinstance(part, Figure):
            names = [f"chart-{len(specs) + number}" for number in range(len(part.charts))]
            specs |= {name: specify(chart) for name, chart in zip(names, part.charts, strict=True)}
            if part.explorer is not None:
                explorers[names[0]] = _short(part.explorer)
            body.append(_place(part, names))
        elif part is not None:
            body.append(part)
    given = {"config": config(None), "fields": FIELDS, "charts": specs, "explorers": explorers}
    body.append(el("script", _as_json(given), type="application/json", id="charts"))
    scripts = [_script(), _vega()] if specs else [_script()]
    body += [el("script", script) for script in reversed(scripts)]
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
    policy += f"script-src {hashes}"
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
        "title": {"color": ink, "subtitleColor": muted, "anchor": "start", "fontSize": 14, "limit": 480},
        "range": {"category": [colour[f"s{number}"] for number in range(8)], "symbol": [*_SHAPES, *_TURNED]},
        "bar": {"color": colour["s0"]},
        "line": {"strokeWidth": 2.2},
        "point": {"color": colour["s0"], "size": 55, "filled": True, "opacity": 1},
        "rule": {"color": muted},
        "tick": {"color": ink},
        "text": {"color": ink, "fontSize": 12, "limit": 280},
        "style": {
            "guide": {"color": muted, "strokeDash": [5, 4]},
            "limit": {"color": ink, "strokeWidth": 1.6},
            "heat": {"color": colour["heat"]},
            "warm": {"color": colour["warm"]},
            "band": {"color": colour["band"]},
            "guided": {"color": muted},
            "own": {"color": ink},
            "halo": {"stroke": colour["paper"], "strokeWidth": 4},
        },
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

    Its first column names the row. The page's script lets a reader sort it, choose the names of its first column if
    `table.picks` says what those are, and save `table.csv`.
    """
    classes = ["number" if column.endswith(">") else None for column in table.columns]
    columns = zip(table.columns, classes, strict=True)
    head = el("tr", *(el("th", name.rstrip(">"), scope="col", class_=class_) for name, class_ in columns))
    rows = [
        el(
            "tr",
            el("th", _offer(table.picks, first) if table.picks and first else _bound(first), scope="row"),
            *(
                el("td", _bound(cell), class_=class_ or ("prose" if len(cell) > _PROSE else None))
                for cell, class_ in zip(rest, classes[1:], strict=True)
            ),
        )
        for first, *rest in table.rows
    ]
    whole = el("table", el("thead", head), el("tbody", *rows), class_="sortable" if len(rows) > 2 else None)
    tall = " tall" if len(rows) > _MANY else ""
    box = el("div", whole, class_=f"scroll{tall}", tabindex="0", role="region", aria_label=shorten(table.title))
    if not table.csv:
        return box
    save = el("button", "Download as CSV", type="button", data_csv=table.title, hidden="")
    return join(box, el("div", save, el("pre", Markup(html.escape(table.csv)), hidden=""), class_="save"))


def _bound(text: str) -> Child:
    """A text that is very long in a box that scrolls."""
    return text if len(text) <= _LONGEST else el("span", text, class_="long", tabindex="0")


def _offer(field: str, name: str, text: Child = None) -> Markup:
    """A name to be chosen, in a legend or a table."""
    return el(
        "button", text or _bound(name), type="button", aria_pressed="false", data_field=field, data_name=shorten(name)
    )


def show_legend(series: Series) -> Markup:
    """Return what colours and shapes stand for; its names can be chosen."""
    shapes = [*_SHAPES.values()]
    shapes += [_SHAPES[name] for name in _TURNED]
    offers = [
        _offer(series.field, name, join(el("i", shapes[number % 16], style=f"color:var(--s{number % 8})",
                                           aria_hidden="true"), " ", shorten(name)))
        for number, name in enumerate(series.names)
    ]  # fmt: skip
    return el("div", *offers, class_="legend", role="group", aria_label=f"Choose by {series.field}")


def _place(figure: Figure, names: Iterable[str]) -> Markup:
    caption = el("figcaption", figure.about, class_="about")
    legends = [show_legend(one) for one in figure.series if len(one.names) > 1]
    field = figure.series[0].field if figure.series else None
    said = f"Chart: {shorten(figure.heading)}. Its figures are in the tables of this page."
    places = [el("div", id=name, class_="chart", role="img", aria_label=said, data_field=field) for name in names]
    missing = el("noscript", el("p", "The charts need a script; their figures are in the tables.", class_="about"))
    charts = el("div", *places, class_="charts")
    shown = el("figure", None if figure.folded else el("h2", figure.heading), caption, *legends, figure.above, charts,
               missing)  # fmt: skip
    return fold(figure.heading, shown, figure.below) if figure.folded else el("section", shown, figure.below)


def specify(chart: Chart) -> Any:
    """Return a chart as Vega-Lite without colours, its texts such that no program obeys them."""
    spec = chart.to_dict()
    spec.pop("config", None)
    nothing: dict[str, list[str]] = {field: [] for field in FIELDS}
    return _short(spec | {"params": [*spec.get("params", ()), {"name": "chosen", "value": nothing}]})


def shorten(text: str) -> str:
    """Return a text as charts have it: nothing in it is obeyed, and a very long one loses its middle."""
    half, text = math.ceil(_LONGEST / 2), neutralise(text)
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"


def _short(value: Any) -> Any:
    """A specification of texts that are short."""
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    return shorten(value) if isinstance(value, str) else value


def _as_json(value: Any) -> Markup:
    # In a script element only "<" can begin an end tag or a comment; JSON has it in strings alone.
    return Markup(json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


@cache
def _vega() -> Markup:
    """Vega and what embeds it, with the end of a script element nowhere in it."""
    source = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return Markup(source.replace("</script", "<\\/script"))


@cache
def _script() -> Markup:
    return Markup((_ASSETS / "page.js").read_text(encoding="utf-8"))


@cache
def _style() -> Markup:
    def variables(theme: str) -> str:
        return f":root{{color-scheme:{theme};{''.join(f'--{name}:{c};' for name, c in THEMES[theme].items())}}}"

    own = (_ASSETS / "style.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme:dark){{{variables('dark')}}}"
    return Markup(f"{variables('light')}{dark}@media print{{{variables('light')}}}\n{own}")
