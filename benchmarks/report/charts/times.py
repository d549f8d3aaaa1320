"""How late words come, where the time of a call goes, and the schedule of LPUs."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from ....backends.timing import PHASES
from ...experiment.records import Plan
from ...results.records import Row
from ...results.wording import figures, seconds
from .marks import (
    FEW_TICKS,
    LINE_PX,
    Chart,
    Series,
    Values,
    chart_values,
    describe_row,
    dim_others,
    layer,
    list_backends,
    tell,
)


def draw_latencies(rows: Sequence[Row], backends: Series) -> Chart:
    """Return the spread of word latency of each backend, from the median to the 99th percentile."""
    y = list_backends(row.backend for row in rows)
    base = chart_values(describe_row(row) for row in rows).encode(
        y=y, tooltip=tell(), color=backends.colour, opacity=dim_others("backend", dim=0.2)
    )
    span = base.mark_rule(strokeWidth=2).encode(x=alt.X("p50:Q", title="word latency, s", axis=FEW_TICKS), x2="p95:Q")
    ticks = [base.mark_tick(size=size, thickness=2).encode(x=f"{name}:Q") for name, size in (("p95", 14), ("p99", 8))]
    first = base.mark_point(filled=False, shape="diamond").encode(x="first:Q")
    return layer(span, *ticks, first, base.mark_point(size=90).encode(x="p50:Q"), height=LINE_PX * len(rows))


def draw_service(rows: Sequence[Row]) -> Chart:
    """Return the service time of each backend by phase, as a part of the time there is for it, to twice that time."""
    plans = [row.plan for row in rows if row.plan and row.plan.busy is not None]
    y = list_backends(plan.backend for plan in plans)
    most = min(max([105.0, *(100 * (plan.busy or 0) for plan in plans)]), 200.0)
    parts = [part for plan in plans for part in _stack_phases(plan, most)]
    names = {"backend": "Backend", "phase": "Phase", "time": "Time", "said": "All phases"}
    axis = alt.Axis(values=[at for at in range(0, 201, 25) if at <= most])
    scale = alt.Scale(domain=[0, 1.5 * most], nice=False)
    bars = chart_values(parts).mark_bar(size=18).encode(
        y=y,
        x=alt.X("start:Q", title="service time, % of the step", scale=scale, axis=axis),
        x2="end:Q",
        color=_colour_phases(parts, "top"),
        opacity=dim_others("backend", dim=0.2),
        tooltip=tell(names),
    )  # fmt: skip
    ends = [
        {"backend": plan.backend, "ceiling": at if (at := _share(plan, plan.ceiling_s) or 0) <= most else None,
         "end": min(max(100.0, 100 * (plan.busy or 0)), most), "said": _describe_service(plan),
         "share": _describe_share(plan)}
        for plan in plans
    ]  # fmt: skip
    base = chart_values(ends).encode(y=y)
    ceiling = base.mark_tick(size=26, thickness=2.4).encode(x="ceiling:Q")
    text = base.mark_text(align="left", dx=8).encode(x="end:Q", text="share:N")
    limit = chart_values([{"at": 100}]).mark_rule(style="limit").encode(x="at:Q")
    return layer(bars, limit, ceiling, text, height=LINE_PX * len(plans))


def _stack_phases(plan: Plan, most: float) -> list[Values]:
    """The phases one after another, and what is missing to the whole, in percent of the step up to `most`."""
    phases = [(name, plan.phases.get(name, 0.0)) for name in PHASES]
    rest_s = (plan.service_s or 0) - sum(phase_s for _, phase_s in phases)
    found, start = list[Values](), 0.0
    for name, phase_s in [*phases, ("other", rest_s if rest_s > 0.01 * (plan.service_s or 0) else 0.0)]:
        end = start + (_share(plan, phase_s) or 0)
        if phase_s and start < most:
            found.append({"backend": plan.backend, "phase": name, "start": start, "end": min(end, most),
                          "time": seconds(phase_s), "said": _describe_service(plan)})  # fmt: skip
        start = end
    return found


def _colour_phases(parts: Sequence[Mapping[str, Any]], orient: Any) -> alt.Color:
    """Colours of phases, with a legend of those that there are."""
    there = {part["phase"] for part in parts}
    order = [*dict.fromkeys([*PHASES, "other", *sorted(there)])]
    names = [name for name in order if name in there]
    legend = alt.Legend(
        title=None, orient=orient, values=names, columns=3 if len(names) > 4 else 0
    )  # a phone is narrow
    return alt.Color("phase:N", scale=alt.Scale(domain=order), legend=legend)


def _share(plan: Plan, value_s: float | None) -> float | None:
    due_s = plan.step_s or plan.span_s
    return 100 * value_s / due_s if value_s is not None and due_s else None


def _describe_service(plan: Plan) -> str:
    return f"{seconds(plan.service_s)} of {seconds(plan.step_s or plan.span_s)}: {_describe_share(plan)}"


def _describe_share(plan: Plan) -> str:
    said = f"{figures(100 * (plan.busy or 0))} %"
    return f"→ {said}" if (plan.busy or 0) > 2 else said


def draw_schedule(plan: Plan) -> list[Chart]:
    """Return what an LPU does in a call: the whole, and enlarged the start of each phase by unit."""
    panels: dict[str, list[Values]] = {}
    for unit, phase, start_us, end_us in sorted(plan.schedule, key=lambda slot: slot[2]):
        # The spectrogram is a moment before the encoder.
        panel = "" if unit == "program" else "encode" if phase == "mel" else phase
        panels.setdefault(panel, []).append({"unit": unit, "phase": phase, "start": start_us, "end": end_us})
    whole = panels.pop("", [])
    charts = [_gantt(whole, f"{plan.backend}: the whole call")] if whole else []
    return charts + [_gantt(slots, f"{plan.backend}: the start of {name}") for name, slots in panels.items()]


def _gantt(slots: Sequence[Mapping[str, Any]], title: str) -> Chart:
    domain = [min(slot["start"] for slot in slots), max(slot["end"] for slot in slots)]
    names = {"unit": "Unit", "phase": "Phase", "start": "From, µs", "end": "To, µs"}
    bars = chart_values(slots).mark_bar(height=12).encode(
        x=alt.X("start:Q", title="µs", scale=alt.Scale(domain=domain, nice=False), axis=FEW_TICKS),
        x2="end:Q",
        y=alt.Y("unit:N", title=None),
        color=_colour_phases(slots, "bottom"),
        tooltip=tell(names),
    )  # fmt: skip
    return layer(bars, height=22 * len({slot["unit"] for slot in slots}), title=title)
