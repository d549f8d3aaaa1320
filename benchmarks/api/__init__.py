"""Earspan: how much audio an accelerator can afford to hear at once, and what that does to the word error rate.

    import earspan

    earspan.span("h100", "large-v3", streams=16, step_s=0.25)      # instant; imports no torch

    experiment = earspan.Experiment(backends=("t4", "h100"), loads=("8x1",), windows_s=(2, 5, 10, 30))
    run = earspan.run(experiment, out="runs/mine")                 # resumable
    for row in earspan.score(run).rows:
        print(row.backend, row.load, row.span_s, row.wer, row.wer_ci95, row.latency_p95_s)

Names are imported when they are first used, so that planning does not wait for torch. Everything that is wrong with
what was given is an `InputError`, whose message is one line.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earspan.backends.errors import InputError
    from earspan.backends.measured.records import EndpointOptions
    from earspan.backends.registry import get_backend
    from earspan.backends.span import Span
    from earspan.backends.timing import Timing
    from earspan.benchmarks.calibration.here.profile import HerePlan, measure_here
    from earspan.benchmarks.calibration.here.validate import ValidationPlan, validate_here
    from earspan.benchmarks.claims.check import check_claims
    from earspan.benchmarks.claims.records import Finding
    from earspan.benchmarks.experiment.experiment import Experiment, Load
    from earspan.benchmarks.experiment.records import Plan, Run
    from earspan.benchmarks.experiment.run import run
    from earspan.benchmarks.experiment.shared import load_run
    from earspan.benchmarks.imports.load import import_run
    from earspan.benchmarks.measure.measure import measure
    from earspan.benchmarks.measure.records import LoadResult, Measured
    from earspan.benchmarks.measure.settings import Measurement
    from earspan.benchmarks.recommend.answer import recommend
    from earspan.benchmarks.recommend.demand import Demand
    from earspan.benchmarks.recommend.records import Recommendation
    from earspan.benchmarks.recommend.weigh import Weighing, weigh_strategies
    from earspan.benchmarks.report.render import write_report
    from earspan.benchmarks.results.compare import RunDifference, compare
    from earspan.benchmarks.results.records import Curve, Latency, Results, Row, Work
    from earspan.benchmarks.results.score import score
    from earspan.benchmarks.sweep.estimate import Estimate
    from earspan.benchmarks.sweep.grid import Sweep
    from earspan.benchmarks.sweep.run import Swept, plan_sweep, sweep
    from earspan.datasets import Dataset, Recording, open_dataset
    from earspan.hearing import load_model, transcribe
    from earspan.planning import devices, span, time
    from earspan.speech.asr.hypothesis import Hypothesis

_EXPERIMENT, _RESULTS, _SWEEP = "benchmarks.experiment", "benchmarks.results", "benchmarks.sweep"
# Where each public name is, and what it is called there if that is something else.
_PLACES = {
    "Experiment": f"{_EXPERIMENT}.experiment",
    "Load": f"{_EXPERIMENT}.experiment",
    "run": f"{_EXPERIMENT}.run",
    "Run": f"{_EXPERIMENT}.records",
    "Plan": f"{_EXPERIMENT}.records",
    "load_run": f"{_EXPERIMENT}.shared",
    "score": f"{_RESULTS}.score",
    "import_run": "benchmarks.imports.load",
    "Results": f"{_RESULTS}.records",
    "Row": f"{_RESULTS}.records",
    "Curve": f"{_RESULTS}.records",
    "Latency": f"{_RESULTS}.records",
    "Work": f"{_RESULTS}.records",
    "compare": f"{_RESULTS}.compare",
    "RunDifference": f"{_RESULTS}.compare",
    "sweep": f"{_SWEEP}.run",
    "plan_sweep": f"{_SWEEP}.run",
    "Sweep": f"{_SWEEP}.grid",
    "Swept": f"{_SWEEP}.run",
    "Estimate": f"{_SWEEP}.estimate",
    "write_report": "benchmarks.report.render",
    "measure": "benchmarks.measure.measure",
    "Measurement": "benchmarks.measure.settings",
    "Measured": "benchmarks.measure.records",
    "LoadResult": "benchmarks.measure.records",
    "recommend": "benchmarks.recommend.answer",
    "Demand": "benchmarks.recommend.demand",
    "weigh_strategies": "benchmarks.recommend.weigh",
    "Weighing": "benchmarks.recommend.weigh",
    "Recommendation": "benchmarks.recommend.records",
    "check_claims": "benchmarks.claims.check",
    "Finding": "benchmarks.claims.records",
    "measure_here": "benchmarks.calibration.here.profile",
    "HerePlan": "benchmarks.calibration.here.profile",
    "validate_here": "benchmarks.calibration.here.validate",
    "ValidationPlan": "benchmarks.calibration.here.validate",
    "span": "planning",
    "time": "planning",
    "devices": "planning",
    "Span": "backends.span",
    "Timing": "backends.timing",
    "get_backend": "backends.registry",
    "EndpointOptions": "backends.measured.records",
    "load_model": "hearing",
    "transcribe": "hearing",
    "Hypothesis": "speech.asr.hypothesis",
    "open_dataset": "datasets",
    "Dataset": "datasets",
    "Recording": "datasets",
    "InputError": "backends.errors",
}

__all__ = [
    "Curve", "Dataset", "Demand", "EndpointOptions", "Estimate", "Experiment", "Finding", "HerePlan", "Hypothesis",
    "InputError", "Latency", "Load", "LoadResult", "Measured", "Measurement", "Plan", "Recommendation", "Recording",
    "Results", "Row", "Run", "RunDifference", "Span", "Sweep", "Swept", "Timing", "ValidationPlan", "Weighing",
    "Work", "check_claims", "compare", "devices", "get_backend", "import_run", "load_model", "load_run", "measure",
    "measure_here", "open_dataset", "plan_sweep", "recommend", "run", "score", "span", "sweep", "time",
    "transcribe", "validate_here", "weigh_strategies", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'earspan' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, _, original = _PLACES[name].partition(":")
    found = getattr(importlib.import_module(f"earspan.{module}"), original or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
