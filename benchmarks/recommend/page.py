"""The page of a recommendation: the answer, a picture of cost against latency, every choice, what would change it."""

from collections.abc import Sequence
from pathlib import Path

import altair as alt

from ..experiment.store import write_whole
from ..report.charts.marks import Chart, Series, Values, chart_values, dim_others, layer, list_series, scale_log, tell
from ..report.page import Figure, Markup, el, join, list_items, render_page, show_table
from ..report.tables.figures import write_csv
from ..report.tables.table import Table
from ..results.wording import figures, join_words, percent, stream_count
from .demand import type_command
from .records import Choice, Recommendation
from .summary import CHANGES, RESTS, describe_cut, fill_rows, name_choice, summarise

_COLUMNS = (
    "backend", "servers>", "USD/h>", "WER, 95 % interval>", "latency 50/95/99 %, s>", "streams given>", "left>", "cut",
    "window>", "step>", "runtime", "weights", "USD/audio h>", "kJ/audio h>", "units of each>", "times are",
)  # fmt: skip
_STOPS = [stop * 10.0**power for power in range(-4, 9) for stop in (1, 1.5, 2, 3, 5, 7)]


def write_recommendation_page(folder: Path, found: Recommendation) -> Path:
    """Write the page of a recommendation as `report.html` into `folder`, and return its path. Raises `InputError`."""
    path = folder / "report.html"
    write_whole(path, render_recommendation(found))
    return path


def render_recommendation(found: Recommendation) -> str:
    """Return the page: one HTML file that asks for nothing from outside."""
    said, shown = summarise(found), _list_shown(found)
    backends = list_series("backend", (one.backend for one in shown))
    parts = [
        _show_head(found, said),
        _show_picture(found, shown, backends) if shown else None,
        el("section", el("h2", CHANGES), list_items(said[CHANGES])) if CHANGES in said else None,
        _show_choices(found, shown) if shown else None,
        _show_footing(found, said[RESTS]),
    ]
    return render_page(f"Earspan: {_headline(found)}", parts)


def _list_shown(found: Recommendation) -> tuple[Choice, ...]:
    """The choices or, where there is no answer, those of the nearest demands that work."""
    return found.choices or tuple(one.choice for one in (found.refusal.nearest if found.refusal else ()))


def _headline(found: Recommendation) -> str:
    streams = stream_count(found.demand.streams)
    if found.refusal:
        parts = join_words([f"the {name}" for name in found.refusal.fails])
        return f"{streams}: no answer, by {parts}"
    first = found.choices[0]
    usd = f"{first.usd_per_h or 0:,.2f} USD an hour"
    energy = f"{figures((first.joules_per_audio_h or 0) / 1000)} kJ for an hour of audio"
    return f"{streams}: {name_choice(first)}, {usd if found.demand.measure == 'usd' else energy}"


def _show_head(found: Recommendation, said: dict[str, list[str]]) -> Markup:
    lead, *rest = next(iter(said.values()))
    told = " · ".join(("recommend", found.demand.model, found.data))
    return join(
        el("header", el("div", el("b", "Earspan"), el("span", told), class_="brand"), el("h1", _headline(found))),
        el("div", el("p", lead, class_="lead"), list_items(rest), class_="summary"),
    )


def _show_picture(found: Recommendation, shown: Sequence[Choice], backends: Series) -> Figure:
    asked = found.demand
    whose = "The best of each backend" if found.choices else "What is nearest and works"
    about = (
        f"{whose}: lower is cheaper, further left is sooner. Dashed: what {100 * asked.quantile:g} % of words must "
        "keep. The axis up is logarithmic."
    )
    measure = "Cost" if asked.measure == "usd" else "Energy"
    return Figure(f"{measure} against latency", about, [draw_choices(found, shown, backends)], series=[backends])


def draw_choices(found: Recommendation, shown: Sequence[Choice], backends: Series) -> Chart:
    """Return the cost of choices against the latency of their words, and the latency that is asked for."""
    asked = found.demand
    title = "USD an hour, all servers" if asked.measure == "usd" else "kJ for an hour of audio"
    values = [_place(found, one) for one in shown]
    costs = [value["cost"] for value in values if value["cost"]]
    latest_s = max(asked.latency_s, *(one.latency_s for one in shown))
    across = alt.Scale(domain=[0, 1.08 * latest_s], nice=False)
    share = f"{100 * asked.quantile:g}"
    x = alt.X("late:Q", title=f"{share} % of words within, s", scale=across, axis=alt.Axis(grid=False, tickCount=6))
    ends = [least / 1.3 for least in costs] + [1.3 * most for most in costs]
    y = alt.Y("cost:Q", title=title, scale=scale_log(ends), axis=alt.Axis(format=",~g", values=_STOPS))
    base = chart_values([value for value in values if value["cost"]]).encode(x=x, y=y)
    names = {"name": "Choice", "cut": "Cut", "wer": "WER", "late_said": "Latency", "streams": "Streams a server",
             "usd": "USD an hour", "energy": "kJ for an audio hour", "left": "Left"}  # fmt: skip
    marks = base.mark_point(size=110).encode(
        color=backends.colour, shape=backends.shape, opacity=dim_others("backend"), tooltip=tell(names)
    )
    said = base.mark_text(align="left", dx=10, dy=-8).encode(text="label:N", opacity=dim_others("backend"))
    limit = chart_values([{"late": asked.latency_s, "said": f"asked: {asked.latency_s:g} s"}])
    rule = limit.mark_rule(style="guide", strokeWidth=1.6).encode(x=x)
    # beside the rule, inside: it may stand at the right edge
    named = limit.mark_text(align="right", dx=-5, dy=6, baseline="top", style="guided").encode(
        x=x, y=alt.value(0), text="said:N"
    )
    return layer(rule, named, marks, said, height=320)


def _place(found: Recommendation, choice: Choice) -> Values:
    usd = found.demand.measure == "usd"
    energy = choice.joules_per_audio_h and choice.joules_per_audio_h / 1000
    return {
        "backend": choice.backend,
        "name": name_choice(choice),
        "label": "first" if found.choices and choice is found.choices[0] else "",
        "cost": choice.usd_per_h if usd else energy,
        "late": choice.latency_s,
        "late_said": f"{choice.latency_s:.2f} s",
        "cut": describe_cut(choice),
        "wer": percent(choice.wer),
        "streams": f"{choice.streams_given:,} of {choice.streams_per_server:,}",
        "usd": "-" if choice.usd_per_h is None else f"{choice.usd_per_h:,.2f}",
        "energy": "-" if energy is None else figures(energy),
        "left": f"{choice.headroom:.0%}",
    }


def _show_choices(found: Recommendation, shown: Sequence[Choice]) -> Markup:
    title = "Every choice" if found.choices else "What works instead"
    about = (
        "Streams given: how many a server gets of the most that it carries; left is the difference. Latency is from "
        "the end of a spoken word until it is shown. An audio hour is an hour of one stream, energy is at design "
        "power, and units are cards or chips of a server."
    )
    table = Table(title, _COLUMNS, fill_rows(shown, _COLUMNS), about, picks="backend", csv=write_csv(shown))
    return el("section", el("h2", title), el("p", about, class_="about"), show_table(table))


def _show_footing(found: Recommendation, said: Sequence[str]) -> Markup:
    measured = f"{found.model} on {found.data}, {found.demand.run or 'from the reference curve'}."
    simulated = (
        f"{found.demand.model}: service times by device models, queues and batches call by call. No accelerator ran."
    )
    kinds = el(
        "div",
        el("div", el("h2", "Measured"), el("p", el("strong", "Word error rates")), el("p", measured)),
        el("div", el("h2", "Simulated"), el("p", el("strong", "Times, streams, cost, energy")), el("p", simulated)),
        class_="kinds",
    )
    return el("section", el("h2", RESTS), el("pre", type_command(found.demand)), kinds, list_items(said))
