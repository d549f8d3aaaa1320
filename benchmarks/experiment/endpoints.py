"""Measured endpoints in an experiment: what is asked, what is kept, and what they sustained."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...backends.errors import InputError
from ...backends.measured.address import Address, is_endpoint
from ...backends.measured.records import Answer, Exchange, Measured
from ...backends.workload.op import LONGEST_S
from ...speech.asr.endpoint_engine import Answers, EndpointEngine
from ...speech.strategies import check_asks_for_text, step_of
from . import store
from .experiment import Experiment
from .records import Plan, Track

ANSWERS = "answers"  # the folder of a run that holds them


@dataclass(frozen=True, slots=True)
class AnswerFolder:
    """Answers as files of a folder, each named by what was asked; several threads and processes may share it.

    reads: whether answers that are there are used; else every call is made anew, and replaces them.
    """

    folder: Path
    reads: bool = True

    def get(self, key: str) -> Answer | None:
        """Return the answer to a question; None where there is none. Raises `InputError` for a damaged file."""
        path = self._path(key)
        if not self.reads or not path.exists():
            return None
        return store.decode(store.read_text(path), Answer, f"{path}: delete it to ask again")

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer. Raises `InputError` where that is not possible."""
        store.write_whole(self._path(key), store.encode(answer))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def open_endpoints(experiment: Experiment, out: Path | None) -> dict[str, EndpointEngine]:
    """Return an engine for every backend of an experiment that is an endpoint, by its name.

    out: the folder of the run, in which answers are kept. Raises `InputError` for what cannot be asked.
    """
    names = [name for name in experiment.backends if is_endpoint(name)]
    if not names:
        return {}
    addresses = {name: Address.parse(name) for name in names}
    if find_spec("openai") is None:
        raise InputError(f"backend {names[0]}: openai is not installed; type pip install 'earspan[endpoints]'")
    if experiment.task != "transcribe":
        raise InputError(f"backend {names[0]}: endpoints transcribe; leave --task {experiment.task} out")
    if experiment.play == "span":
        check_asks_for_text(experiment.strategy)
    from ...backends.measured.budget import Budget
    from ...backends.measured.rest import RestEndpoint  # openai takes most of a second

    budget, language = Budget(experiment.endpoint), None if experiment.language == "auto" else experiment.language
    kept: Answers | None = AnswerFolder(out / ANSWERS, experiment.cache) if out else None
    return {
        name: EndpointEngine(
            RestEndpoint(address, address.model or experiment.model, experiment.endpoint, budget), language, kept
        )
        for name, address in addresses.items()
    }


def plan_endpoint(experiment: Experiment, backend: str, engine: EndpointEngine) -> Plan:
    """Return the plan of an endpoint before it was heard: nothing is known, so any window is tried."""
    return Plan(
        backend=backend,
        describe=f"{engine.version}: measured, {_at_once(engine.endpoint.concurrency)} at a time",
        model=engine.endpoint.model,
        load=experiment.load.name,
        strategy=experiment.strategy,
        step_s=step_of(experiment.strategy, experiment.load.step_s),
        span_s=LONGEST_S,
        limited_by="not measured",
        sustainable=True,
        service_s=None,
        interval_s=None,
        ceiling_s=None,
        speed_factor=None,
        provenance="measured",
    )


def remember(backend: str, engine: EndpointEngine) -> Measured:
    """Return what a run remembers of an endpoint after it was heard with."""
    names = [one.name for one in fields(Exchange)]
    exchanges = (Exchange(*(getattr(answer, name) for name in names)) for answer in engine.used.values())
    endpoint = engine.endpoint
    return Measured(backend, endpoint.place, endpoint.model, engine.computed, endpoint.concurrency, tuple(exchanges))


def complete_plan(plan: Plan, tracks: Sequence[Track]) -> Plan:
    """Return the plan of an endpoint after it was heard: its span is the longest window heard in which it keeps up.

    It keeps up where 99 of 100 calls take no longer than the step, which for disjoint windows is the window.
    """
    taken: dict[float, list[float]] = {}
    for track in tracks:
        if (track.backend, track.strategy) == (plan.backend, plan.strategy):
            taken.setdefault(track.window_s, []).extend(call.finish_at_s - call.start_at_s for call in track.calls)
    kept = [w for w, own in taken.items() if own and np.percentile(own, 99) <= (plan.step_s or w)]
    tried = [w for w, own in taken.items() if own]
    if not tried:
        return replace(plan, span_s=None, sustainable=False)
    window_s = max(kept, default=min(tried))
    service_s = float(np.median(taken[window_s]))
    return replace(
        plan,
        span_s=window_s if kept else None,
        limited_by="service time" if window_s < max(tried) or not kept else "longest window asked",
        sustainable=bool(kept),
        service_s=service_s,
        speed_factor=window_s / service_s if service_s else None,
    )


def warn_of_endpoints(experiment: Experiment, engines: dict[str, EndpointEngine]) -> list[str]:
    """Return what weakens the rows of endpoints."""
    streams = experiment.load.streams
    return [
        f"{name} was asked {_at_once(engine.endpoint.concurrency)} at a time, whatever the load: its row is not that "
        f"of {streams} streams"
        for name, engine in engines.items()
        if engine.endpoint.concurrency != streams
    ]


def _at_once(calls: int) -> str:
    return f"{calls} call{'' if calls == 1 else 's'}"
