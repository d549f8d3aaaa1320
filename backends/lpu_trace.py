"""The calendar of a call as a trace for chrome://tracing and Perfetto (the "Trace Event Format", complete events)."""

import json
from pathlib import Path
from typing import Any

from .errors import InputError
from .lpu import Lpu
from .lpu_plan import events
from .timing import Backend
from .workload import Workload

DETAILED_STEPS = 2


def trace_events(lpu: Lpu, work: Workload, detailed_steps: int = DETAILED_STEPS) -> list[dict[str, Any]]:
    """Events of one batch, in microseconds: a process per stage (its chips do the same), a thread per unit.

    Units are shown for everything before the decode steps and for the first `detailed_steps` of them, after that
    one event per block: a whole call is 200,000 bookings, and the steps repeat.
    """
    stored, plan = lpu.stored(work), lpu.plan(work)
    per_us = plan.chip.clock_hz / 1e6
    found: list[dict[str, Any]] = []
    for index, stage in enumerate(plan.stages):
        name = f"stage {index}: {stage.chips} chips, layers {plan.layers[index]}"
        found.append({"ph": "M", "pid": index, "name": "process_name", "args": {"name": name}})
    layers = max(1, work.dims.n_text_layer)
    decoded = 0
    for start, stage, phase, block, repeat in events(plan, stored):
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
    """Write the trace of one batch to `path` and return its number of events; `InputError` if it has no schedule."""
    if not isinstance(backend, Lpu):
        raise InputError(f"backend {backend.name!r} has no static schedule; type an LPU, such as groq-v1x16")
    found = trace_events(backend, work)
    try:
        path.write_text(json.dumps({"traceEvents": found, "displayTimeUnit": "ns"}), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write schedule {path}: {error.strerror}") from error
    return len(found)
