"""The static schedule of a call on LPUs, for the eye.

In brief, as slots that a page draws; in full, as a file for chrome://tracing and Perfetto (Trace Event Format).
"""

import json
import sys
from pathlib import Path
from typing import Any

from .errors import InputError
from .hybrid.hybrid import Hybrid
from .lpu.lpu import Lpu
from .lpu.plan import list_events
from .timing import Backend
from .workload.workload import Workload

DETAILED_STEPS = 2
# a phase in brief ends after its second layer; where a stage has but one layer, after this many blocks
BRIEF_BLOCKS = 6

Slot = tuple[str, str, float, float]  # unit, phase, start and end in microseconds


def brief_schedule(backend: Backend, work: Workload) -> list[Slot] | None:
    """Return what an LPU's units do at the start of each phase of one batch; None if the backend has no LPUs.

    Each slot is a unit, a phase, and start and end in microseconds since the work on the chips began, which leaves
    out the way from and to the host. The unit "program" has each phase as a whole. Bookings of a unit that follow one
    another without a gap are one slot. Of a hybrid it is the part of the LPUs, from the hand-over on, and None where
    GPU and LPUs take turns.
    """
    if isinstance(backend, Hybrid):
        part = backend.lpu_part(work)
        return _brief(backend.lpu, part) if part else None
    return _brief(backend, work) if isinstance(backend, Lpu) else None


def _brief(lpu: Lpu, work: Workload) -> list[Slot]:
    plan = lpu.plan(work)
    per_us = plan.chip.clock_hz / 1e6
    found: dict[tuple[str, str], list[list[int]]] = {}
    blocks: dict[str, int] = {}

    def book(unit: str, phase: str, start: int, end: int, gap: int = 0) -> None:
        booked = found.setdefault((unit, phase), [])
        if booked and start - booked[-1][1] <= gap:
            booked[-1][1] = end
        elif end > start:
            booked.append([start, end])

    last = -1
    for start, _, phase, block, repeat in list_events(plan, lpu.adapt(work)):
        if start == last:
            continue  # the same, on another stage
        last = start
        book("program", phase, start, start + block.cycles, gap=sys.maxsize)
        if blocks.get(phase, 0) >= BRIEF_BLOCKS:
            continue
        blocks[phase] = BRIEF_BLOCKS if repeat else blocks.get(phase, 0) + 1
        for booking in sorted(block.bookings, key=lambda booking: booking.start):
            book(booking.unit, phase, start + booking.start, start + booking.end)
    # a nanosecond is about a cycle
    return [
        (*key, round(start / per_us, 3), round(end / per_us, 3)) for key, slots in found.items() for start, end in slots
    ]


def trace_events(lpu: Lpu, work: Workload, detailed_steps: int = DETAILED_STEPS) -> list[dict[str, Any]]:
    """Return the events of one batch in the Trace Event Format, with times in microseconds.

    Every stage is a process (its chips all do the same), every unit a thread. Units are shown for everything before
    the decode steps and for the first `detailed_steps` of them; after that there is one event per block, since a whole
    call is 200,000 bookings and the steps repeat.
    """
    stored, plan = lpu.adapt(work), lpu.plan(work)
    per_us = plan.chip.clock_hz / 1e6
    found: list[dict[str, Any]] = []
    for index, stage in enumerate(plan.stages):
        name = f"stage {index}: {stage.chips} chips, layers {plan.layers[index]}"
        found.append({"ph": "M", "pid": index, "name": "process_name", "args": {"name": name}})
    layers = max(1, work.dims.n_text_layer)
    decoded = 0
    for start, stage, phase, block, repeat in list_events(plan, stored):
        whole = {"ph": "X", "pid": stage, "ts": start / per_us, "dur": block.cycles / per_us, "cat": phase}
        found.append({**whole, "tid": "program", "name": f"{phase} {repeat}"})
        decoded += phase == "decode"
        if phase == "decode" and decoded > detailed_steps * (layers + 2):
            continue
        for booking in block.bookings:
            found.append(
                {
                    "ph": "X",
                    "pid": stage,
                    "tid": booking.unit,
                    "name": booking.name,
                    "cat": phase,
                    "ts": (start + booking.start) / per_us,
                    "dur": (booking.end - booking.start) / per_us,
                    "args": {"cycle": start + booking.start, "passes": booking.passes, "rows": booking.rows},
                }
            )
    return found


def write_trace(backend: Backend, work: Workload, path: Path) -> int:
    """Write the trace of one batch to the file `path` and return its number of events.

    Raises `InputError` if the backend has no static schedule or the file cannot be written.
    """
    if not isinstance(backend, Lpu):
        raise InputError(f"backend {backend.name!r} has no static schedule; type an LPU, such as groq-v1x16")
    found = trace_events(backend, work)
    try:
        path.write_text(json.dumps({"traceEvents": found, "displayTimeUnit": "ns"}), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write schedule {path}: {error.strerror}") from error
    return len(found)
