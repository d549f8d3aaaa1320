"""The span of each backend under each load, with all that a reader needs to judge it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...backends.devices.files import FOLDER, device_names
from ...backends.errors import InputError
from ...backends.footing import list_footings
from ...backends.schedules import brief_schedule
from ...backends.span import Span, span
from ...backends.timing import Backend, CapacityError
from ...backends.workload.cutting import STRATEGIES
from ...backends.workload.models import Dimensions
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ...speech.strategies import OFFLINE, step_of
from .experiment import Experiment, Load
from .records import Plan


def plan_backends(
    experiment: Experiment, backends: Sequence[Backend], model: str, dims: Dimensions
) -> tuple[Plan, ...]:
    """Return what each backend sustains under each load, by load in the experiment's order.

    model, dims: the Whisper that is timed, and its sizes.
    """
    loads = [Load.parse(load) for load in experiment.loads]
    if step_of(experiment.strategy, loads[0].step_s) is None:
        # such a strategy sets its own step, whatever the load says
        loads = list({load.streams: load for load in reversed(loads)}.values())[::-1]
    plans = []
    for load in loads:
        for backend in backends:
            plan = _plan(experiment, backend, model, dims, load)
            plans.append(plan if load == loads[0] else replace(plan, schedule=(), footing=(), device_sha256={}))
    return tuple(plans)


def plan_span(experiment: Experiment, backend: Backend, dims: Dimensions, load: Load) -> Span:
    """Return the span for the experiment's strategy.

    `offline`, which hears all at once, is planned as disjoint chunks are, strategies of others as sliding windows.
    """
    step_s = step_of(experiment.strategy, load.step_s)
    return span(
        backend,
        dims,
        strategy=_plan_as(experiment.strategy),
        streams=load.streams,
        step_s=step_s,
        latency_s=experiment.latency_s,
        padding=experiment.padding,
        draft=experiment.draft,
        continuing=experiment.decoding != "greedy",
    )


def _plan_as(strategy: str) -> str:
    return strategy if strategy in STRATEGIES else "disjoint" if strategy == OFFLINE else "sliding"


def _plan(experiment: Experiment, backend: Backend, model: str, dims: Dimensions, load: Load) -> Plan:
    planned = plan_span(experiment, backend, dims, load)
    timing = planned.timing
    call = window_call(Workload(dims, padding=experiment.padding), planned.window_s, TOKENS_PER_S)
    return Plan(
        backend=backend.name,
        describe=backend.describe(),
        model=model,
        load=load.name,
        strategy=experiment.strategy,
        step_s=planned.step_s,
        span_s=planned.span_s,
        limited_by=planned.limited_by,
        sustainable=planned.sustainable,
        service_s=timing and timing.seconds,
        interval_s=timing and timing.interval_s,
        ceiling_s=timing and timing.ceiling_s,
        speed_factor=planned.speed_factor,
        provenance=timing and timing.provenance,
        phases=dict(timing.phases) if timing else {},
        schedule=tuple(brief_schedule(backend, call) or ()) if timing else (),
        footing=tuple(one.line for one in list_footings(backend, call)) if timing else (),
        device_sha256=_device_digests(backend.name),
    )


def window_of(experiment: Experiment, plan: Plan) -> float | None:
    """Return the window a backend hears in: the one asked for, else its span, rounded down to what is heard anyway."""
    if experiment.window_s or plan.span_s is None:
        return experiment.window_s
    within = [window_s for window_s in experiment.grid.get(plan.strategy, ()) if window_s <= plan.span_s]
    return max(within, default=plan.span_s)


def require_window(experiment: Experiment, plan: Plan) -> float:
    """Return the same, and raise `InputError` where there is none."""
    window_s = window_of(experiment, plan)
    if window_s is None:
        raise InputError(
            f"{plan.backend} sustains no window here, limited by {plan.limited_by}; choose fewer --streams, a longer "
            "--step, another --backend, or --window to hear one all the same"
        )
    return window_s


def fits(experiment: Experiment, backend: Backend, dims: Dimensions) -> bool:
    """Return whether a backend can hold one call of 10 s of every stream."""
    call = window_call(Workload(dims, padding=experiment.padding), 10.0, TOKENS_PER_S)
    try:
        backend.serve(call, experiment.load.streams)
    except CapacityError:
        return False
    return True


def warn_of_overload(experiment: Experiment, plans: Sequence[Plan]) -> list[str]:
    """Return a warning for each backend whose window, asked for, is longer than it sustains."""
    window_s = experiment.window_s
    warnings = []
    for plan in plans:
        if window_s is not None and (plan.span_s is None or window_s > plan.span_s):
            sustained = "no window" if plan.span_s is None else f"windows of at most {plan.span_s:g} s"
            warnings.append(
                f"{plan.backend} sustains {sustained} here, limited by {plan.limited_by}; heard in windows of "
                f"{window_s:g} s it may fall behind, and latency grows with the recordings"
            )
    return warnings


def _device_digests(backend: str) -> dict[str, str]:
    """SHA-256 of the files of the devices that the backend's name speaks of."""
    parts = [backend] if backend.endswith(".toml") else re.split(r"[+@]", backend)
    files = [Path(part) for part in parts if part.endswith(".toml")]
    for part in parts:
        names = [name for name in device_names() if part.startswith(name)]
        files += [FOLDER / f"{max(names, key=len)}.toml"] if names else []  # l40s is no l4
    return {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
