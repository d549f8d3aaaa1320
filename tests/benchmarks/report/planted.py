"""Results with figures that were planted, for pages to show."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from earspan.benchmarks.capacity.settings import CapacitySettings
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.records import Failure, Heard, Plan, Provenance, Reference, Run, Track
from earspan.benchmarks.results.curves import CurvePoint, CurveSeries
from earspan.benchmarks.results.records import (
    Candidate,
    Comparison,
    Curve,
    Evaluation,
    Gain,
    Group,
    Latency,
    RecordingScore,
    Results,
    Row,
    Work,
)
from earspan.speech.metrics.boundary import DISTANCES_S, BoundaryErrors, Place
from earspan.speech.metrics.calls import CallRecord
from earspan.speech.metrics.significance import Difference
from earspan.speech.metrics.wer import ErrorRate

HOSTILE = "<script>alert('x')</script><b>\"&amp; \x00\x1b[31m\ud800\u202e\u2028 </title></style>"
DIFFERENCE = Difference(-0.021, (-0.034, -0.008), 0.002)
SCHEDULE = (
    ("program", "mel", 0.0, 4.0), ("program", "encode", 4.0, 200.0), ("program", "prefill", 200.0, 240.0),
    ("program", "decode", 250.0, 400.0), ("VXM", "mel", 0.0, 4.0), ("MXM", "encode", 4.0, 50.0),
    ("MXM", "encode", 60.0, 84.0), ("VXM", "encode", 50.0, 100.0), ("MXM", "decode", 250.0, 260.0),
    ("C2C", "decode", 260.0, 290.0),
)  # fmt: skip
PROVENANCE = Provenance(
    command="earspan bench --loads 16x1",
    model="tiny.en",
    sha256="ab" * 32,
    digest="cd" * 32,
    source="openaipublic",
    engine="torch 2.11",
    precision="float32",
    timed_as="large-v3",
    timed_dtype="fp16",
    packages={"earspan": "0.1.0"},
    git="abc1234",
    python="3.12",
    platform="Linux",
    date="2026-11-28T10:00:00+00:00",
    wall_s=123.5,
    calls_computed=77,
)
HEARD = Heard("talks-clean", "talks-clean", "CC0", 9, 1385.0, 4202, 9, 1385.0, "9f" * 32)


def errors(wer: float, words: int = 1000) -> ErrorRate:
    count = round(wer * words)
    return ErrorRate(count - 2 * (count // 4), count // 4, count // 4, words)


def boundary(*rates: float) -> BoundaryErrors:
    """Boundary errors with these rates by distance; the last class has too few words for a rate."""
    ends = list(zip((0.0, *DISTANCES_S[:-1]), DISTANCES_S, strict=True))[: len(rates) + 1]
    places = [Place(low or 0.0, high, errors(rate, 100)) for (low, high), rate in zip(ends, rates, strict=False)]
    return BoundaryErrors((*places, Place(8.0, None, errors(0.5, 4))), 40, 1, 7, 3, 0, 2, 1, 5)


def latency(p50_s: float) -> Latency:
    lagging: dict[str, Any] = {
        f"{name}{kind}_s": p50_s * factor
        for name in ("laal", "dal", "stream_laal", "long_yaal")
        for kind, factor in (("", 0.8), ("_ca", 1.1))
    }
    return Latency(
        p50_s, 1.5 * p50_s, 1.9 * p50_s, 950, p50_s * 1.01, 0.6 * p50_s, 2.5 * p50_s, **lagging,
        no_queue_p50_s=0.9 * p50_s, summed_p50_s=3 * p50_s, normalised_erasure=0.125, rtf=0.62, backlog_s=0.07,
    )  # fmt: skip


def plan(backend: str, span_s: float | None, **more: Any) -> Plan:
    given = {
        "load": "16x1",
        "model": "large-v3",
        "strategy": "sliding",
        "step_s": 1.0,
        "limited_by": "memory",
        "service_s": 0.8,
        "interval_s": 0.8,
        "ceiling_s": 0.25,
        "speed_factor": 31.25,
        "provenance": "fitted",
        "phases": {"mel": 0.0, "encode": 0.4, "prefill": 0.1, "decode": 0.25, "transfer": 0.0},
        "footing": (f"{backend}: 1 card, 2.50 USD/h",),
    }
    return Plan(backend, f"Device {backend}, fp16", span_s=span_s, sustainable=span_s is not None, **(given | more))


def row(backend: str | None, window_s: float | None, wer: float | None, **more: Any) -> Row:
    given: dict[str, Any] = {
        "load": "16x1",
        "strategy": "sliding",
        "step_s": 1.0,
        "recordings": 9,
        "wer": wer,
        "wer_ci95": None if wer is None else (0.9 * wer, 1.1 * wer),
        "errors": ErrorRate.zero() if wer is None else errors(wer),
    }
    return Row(backend, window_s=window_s, **(given | more))


def played(backend: str, window_s: float, wer: float, **more: Any) -> Row:
    given = {"plan": plan(backend, window_s), "latency": latency(1.2 + 0.05 * window_s), "work": work(0.62)}
    return row(backend, window_s, wer, boundary_errors=boundary(0.3, 0.2, 0.12, 0.1), **(given | more))


def work(busy: float) -> Work:
    return Work(300, 1.1, 1.2, 0.4, busy, 0.0, 0.07, 0)


def curve(strategy: str, step_s: float | None, rates: dict[float, float]) -> Curve:
    points = [
        row(None, at, wer, strategy=strategy, step_s=step_s, latency=latency(0.4 + at / 3), work=work(0.0),
            boundary_errors=boundary(4 * wer, 2 * wer, wer, wer))
        for at, wer in rates.items()
    ]  # fmt: skip
    return Curve(strategy, step_s, tuple(points), DIFFERENCE)


DISJOINT = curve("disjoint", None, {1.0: 0.324, 2.0: 0.114, 5.0: 0.045, 10.0: 0.031, 30.0: 0.026})
SLIDING = curve("sliding", 1.0, {1.0: 0.251, 2.0: 0.094, 5.0: 0.041, 10.0: 0.0297, 30.0: 0.0263})


def spans() -> Results:
    """Four backends, one of which sustains nothing and one of which is an estimate with a schedule; two loads."""
    slow = plan("t4", None, limited_by="compute", service_s=2.3)
    lpu = plan("groq-v1x16", 30.0, limited_by="nothing", provenance="estimate", schedule=SCHEDULE)
    other = plan("h100", 3.7, load="1x0.25", step_s=0.25, limited_by="launch")
    rows = (
        row("t4", None, None, recordings=0, plan=slow),
        played("l4", 4.9, 0.0557),
        played("h100", 14.7, 0.0289),
        played("groq-v1x16", 30.0, 0.0263, plan=lpu),
        row("h100", 2.0, 0.094, load="1x0.25", step_s=0.25, joined=True, plan=other),
    )
    return Results(
        schema=2,
        experiment=Experiment(backends=("t4", "l4", "h100", "groq-v1x16"), loads=("16x1", "1x0.25")),
        provenance=PROVENANCE,
        datasets=(HEARD,),
        scoring="whisper 20250625, planted aligner",
        resampled="recordings",
        units=9,
        rows=rows,
        curves=(DISJOINT, SLIDING),
        gains=(Gain(4.9, 14.7, (0.0557, 0.0289), DIFFERENCE, "large-v3", "16x1", ("l4",), ("h100",)),),
        failed=(Failure("talk-7.flac", "truncated"),),
        warnings=("9 recordings: they may not stand for others",),
        summary=("The first sentence.", "The second."),
    )


def comparison() -> Results:
    """Two strategies on two backends, one of which falls behind with short chunks."""
    rows = []
    for backend, factor in (("h100", 1.0), ("t4", 3.0)):
        for found in (DISJOINT, SLIDING):
            for point in found.points:
                at = point.window_s or 0
                busy = factor * (2 / at if found is DISJOINT else 0.3)
                late = latency(0.5 + at / 2 + factor + (20 if busy > 1 else 0))
                rows.append(replace(point, backend=backend, latency=late, work=work(busy), plan=plan(backend, 14.7)))
    candidates = (
        Candidate("h100", 5.0, "sliding", 5.0, 0.041, (0.037, 0.046), 4.75, None, DIFFERENCE),
        Candidate("h100", 5.0, "disjoint", 2.0, 0.114, (0.1, 0.12), 3.75, DIFFERENCE, None),
    )
    fronts = {"h100": (("sliding", 2.0), ("sliding", 5.0), ("sliding", 30.0)), "t4": (("disjoint", 10.0),)}
    return replace(
        spans(),
        experiment=Experiment(
            backends=("h100", "t4"), play="grid", loads=("16x1",), windows_s={"disjoint": (1, 2), "sliding": (1,)}
        ),
        rows=tuple(rows),
        comparison=Comparison(("disjoint", "sliding"), fronts, candidates),
        gains=(),
    )


def evaluation() -> tuple[Results, Run]:
    """One setting on one backend with two recordings, and the run behind it."""
    said, heard = ["the quick brown fox jumps", "over the lazy dog"], ["the quick brown box jumps", "over lazy dog dog"]
    references = tuple(
        Reference(f"talk-{number}", text, None, "talks-clean", f"speaker {number}", 4.0)
        for number, text in enumerate(said)
    )
    tracks = tuple(
        Track(f"talk-{number}", "disjoint", 4.0, None, "h100", (call(text),)) for number, text in enumerate(heard)
    )
    one, two = ErrorRate(1, 0, 0, 5), ErrorRate(0, 1, 1, 4)
    groups = [Group(f"speaker {number}", 1, rate.rate, None, rate, 0.125, 20) for number, rate in enumerate((one, two))]
    found = Evaluation(
        total=Group("all", 2, 3 / 9, (0.2, 0.5), one + two, 0.1875, 40),
        by_dataset=(Group("talks-clean", 2, 3 / 9, (0.2, 0.5), one + two, 0.1875, 40),),
        by_speaker=tuple(groups),
        by_recording=(
            RecordingScore("talk-0", "speaker 0", "talks-clean", 0.2, one, 0.05),
            RecordingScore("talk-1", "speaker 1", "talks-clean", 0.5, two, 0.325),
        ),
        silent_recordings=0,
        silent_insertions=0,
        common={"substitutions": (("fox", "box", 1),), "insertions": (("dog", 1),), "deletions": (("the", 1),)},
    )
    experiment = Experiment(strategy="disjoint", backends=("h100",), window_s=4.0, loads=("16x1",))
    results = replace(
        spans(), experiment=experiment, rows=(played("h100", 4.0, 3 / 9, strategy="disjoint", step_s=None),), curves=(),
        gains=(), evaluation=found,
    )  # fmt: skip
    run = Run(2, experiment, PROVENANCE, (HEARD,), (plan("h100", 14.7),), references, tracks)
    return results, run


def call(text: str) -> CallRecord:
    """A call of 4 s that commits `text` at once."""
    return CallRecord(0.0, 4.0, 4.0, 4.0, 4.5, 4, 8, 1, 1, 0.0, False, text, tuple(text.split()), ())


def series() -> tuple[CurveSeries, ...]:
    """Tiny and base in disjoint windows, and tiny offline."""
    base = CurveSeries(
        model="tiny.en", digest="cd" * 32, source="openaipublic", engine="torch 2.11", decoding="transcribe",
        dataset="talks-clean", dataset_digest="9f" * 32, audio_s=320.0, head_s=40.0, recordings=("a", "b", "c"),
        units=("a", "b", "c"), strategy="disjoint", step_s=None,
    )  # fmt: skip

    def points(*rates: tuple[float, float]) -> tuple[CurvePoint, ...]:
        return tuple(
            CurvePoint(at, tuple(errors(wer * part, 300) for part in (0.8, 1.0, 1.2)), 100, 110, 120, 50, 5,
                       errors(0.5, 40), errors(wer, 860))
            for at, wer in rates
        )  # fmt: skip

    return (
        replace(base, points=points((1.0, 0.30), (5.0, 0.05), (30.0, 0.02))),
        replace(base, model="base", points=points((2.0, 0.10), (30.0, 0.03))),
        replace(base, strategy="offline", points=points((30.0, 0.01))),
    )


def poison(value: Any) -> Any:
    """Return `value` with hostile text before each of its texts; what is chosen from known names stays."""
    if isinstance(value, str):
        return HOSTILE + value
    if isinstance(value, tuple):
        return tuple(map(poison, value))
    if isinstance(value, dict):
        known = ("substitutions", "insertions", "deletions")
        return {key if key in known else poison(key): poison(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, (type, Experiment, CapacitySettings)):
        kept = ("load", "strategy", "phases", "model", "measure", "benchmark")
        given = {one.name: getattr(value, one.name) for one in fields(value)}
        return type(value)(**{name: item if name in kept else poison(item) for name, item in given.items()})
    return value
