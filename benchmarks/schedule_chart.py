"""The chart of static schedules: one call on each LPU, and what the units of a chip do as each phase starts."""

from collections.abc import Iterable, Sequence

from .charts import LABELS, WIDTH, svg
from .markup import Markup, Scale, el, join, shorten, text_width, ticks
from .report_data import PHASES, Row, Slot
from .units import figures

UNITS = {"MXM": "matrix planes", "LOAD": "weights in", "VXM": "vector unit", "SXM": "transposes", "C2C": "chip links"}
LEFT, RIGHT, GAP = LABELS + 14, WIDTH - 20, 30
STRIP, PANEL, LANE, BAR = 22, 62, 20, 12  # y of the whole call and of its details; height of a unit's line and bars


def schedules(rows: Sequence[Row]) -> Markup:
    """For each row that has a schedule: the whole call, and below it, enlarged, the start of each phase by unit."""
    rows = [row for row in rows if row.schedule]
    names = {slot.unit for row in rows for slot in row.schedule} - {"program"}
    units = [*(unit for unit in UNITS if unit in names), *sorted(names - {*UNITS})]
    height = PANEL + LANE * len(units) + 74
    parts = [_call(row, units, i * height) for i, row in enumerate(rows)]
    lines = [f"{row.backend}: {figures(_length_us(row.schedule))} µs on the chips" for row in rows]
    return svg("Static schedule of a call", "; ".join(lines), height * len(rows) - 34, parts)


def _length_us(slots: Sequence[Slot]) -> float:
    return max(slot.end_us for slot in slots)


def _call(row: Row, units: Sequence[str], top: float) -> Markup:
    length_us = _length_us(row.schedule)
    call = Scale(0, length_us or 1.0, LEFT, RIGHT)
    programs = [slot for slot in row.schedule if slot.unit == "program"]
    note = "" if any(slot.phase == "encode" for slot in programs) else ", from the hand-over on"
    about = f"whole call: {figures(length_us)} µs on the chips{note}"
    parts = [
        el("text", shorten(row.backend, LABELS, 15), x=0, y=STRIP + 12, class_="name"),
        el("text", shorten(row.describe.split(",")[0], LABELS, 12), x=0, y=STRIP + 28, class_="small"),
        el("text", about, x=LEFT, y=STRIP - 8, class_="small"),
        *(_phase(slot, call) for slot in programs),
    ]
    panels = _panels(row.schedule)
    width = (RIGHT - LEFT - GAP * (len(panels) - 1)) / max(len(panels), 1)
    for i, (name, slots) in enumerate(panels):
        left = LEFT + i * (width + GAP)
        span = Scale(min(s.start_us for s in slots), max(s.end_us for s in slots), left, left + width)
        parts.append(_panel(name, slots, units, span, call))
    if panels:
        for i, unit in enumerate(units):
            lane = PANEL + LANE * i
            name = join(el("tspan", unit, class_="value"), f" {UNITS.get(unit, '')}")
            parts.append(el("text", name, x=LEFT - 10, y=lane + 15, text_anchor="end", class_="small"))
    return el("g", *parts, transform=f"translate(0 {top:g})")


def _phase(slot: Slot, call: Scale) -> Markup:
    left, width = call(slot.start_us), call(slot.end_us) - call(slot.start_us)
    title = el("title", f"{slot.phase}: {figures(slot.start_us)} to {figures(slot.end_us)} µs")
    box = el("rect", x=left, y=STRIP, width=width, height=16, class_=f"program {_css(slot.phase)}")
    fits = width > text_width(slot.phase, 12) + 12
    name = el("text", slot.phase, x=left + 6, y=STRIP + 12, class_="small on-phase") if fits else None
    return el("g", title, box, name)


def _css(phase: str) -> str:
    return phase if phase in PHASES else "other"


def _panels(slots: Iterable[Slot]) -> list[tuple[str, list[Slot]]]:
    """What is known of the units by phase, in order; the spectrogram is a moment before the encoder."""
    found: dict[str, list[Slot]] = {}
    for slot in sorted(slots, key=lambda slot: slot.start_us):
        if slot.unit != "program":
            found.setdefault("encode" if slot.phase == "mel" else slot.phase, []).append(slot)
    return [(name, part) for name, part in found.items() if max(s.end_us for s in part) > part[0].start_us]


def _panel(name: str, slots: Sequence[Slot], units: Sequence[str], span: Scale, call: Scale) -> Markup:
    bottom = PANEL + LANE * len(units)
    first, last = call(span.low), call(span.high)
    funnel = (
        f"M{first:.2f} {STRIP + 16}L{span.start:.2f} {PANEL}H{span.end:.2f}L{last:.2f} {STRIP + 16}Z"
        f"M{span.start:.2f} {PANEL}H{span.end:.2f}V{bottom}H{span.start:.2f}Z"
    )
    parts: list[Markup] = [el("path", d=funnel, class_="zoom")]
    shown_us = span.high - span.low
    for tick in (tick for tick in ticks(shown_us, 4) if tick <= shown_us):
        x = span(span.low + tick)
        parts.append(el("line", x1=x, x2=x, y1=PANEL, y2=bottom + 4, class_="grid"))
        parts.append(el("text", f"{tick:g}", x=x, y=bottom + 17, class_="tick", text_anchor="middle"))
    said = f"{name}: first {figures(shown_us)} µs, from {span.low:,.0f} µs"
    parts.append(el("text", said, x=span.start, y=bottom + 34, class_="small"))
    for i, unit in enumerate(units):
        parts += _lane(unit, [slot for slot in slots if slot.unit == unit], span, PANEL + LANE * i + (LANE - BAR) / 2)
    return el("g", *parts)


def _lane(unit: str, slots: Sequence[Slot], span: Scale, y: float) -> list[Markup]:
    busy = sum(slot.end_us - slot.start_us for slot in slots) / (span.high - span.low)
    title = f"{unit}: busy {busy:.0%} of the time shown"
    lanes = []
    for phase in dict.fromkeys(slot.phase for slot in slots):
        bars = ((span(slot.start_us), span(slot.end_us)) for slot in slots if slot.phase == phase)
        path = "".join(f"M{left:.2f} {y:g}H{right:.2f}v{BAR}H{left:.2f}z" for left, right in bars)
        lanes.append(el("path", el("title", title), d=path, class_=f"slot {_css(phase)}"))
    return lanes
