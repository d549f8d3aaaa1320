"""Runs whose results are known: two recordings of four words, heard by two strategies on two backends."""

from dataclasses import replace

from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.records import Heard, Plan, Provenance, Reference, Run, Track
from earspan.benchmarks.experiment.store import SCHEMA
from earspan.datasets.recording import Word
from earspan.speech.metrics.calls import CallRecord

from ...speech.planted import call_record

SERVICE_S = {None: 0.0, "l4": 0.5, "t4": 3.0}  # a quick backend, and one that falls behind
SAID = {"disjoint": (("one",), ("three",)), "sliding": (("one", "two"), ("three", "four"))}
PROVENANCE = Provenance(
    command="earspan strategies", model="m", sha256="0" * 64, digest="0" * 64, source="planted", engine="torch: 2",
    precision="fp32", timed_as="t", timed_dtype="fp16", packages={}, git=None, python="3", platform="here",
    date="2026-11-28", wall_s=1.0, calls_computed=0,
)  # fmt: skip
HEARD = Heard("planted", "planted", "CC0", 2, 8.0, 8, 2, 8.0, "0" * 64)


def played(committed: tuple[tuple[str, ...], ...], service_s: float) -> tuple[CallRecord, ...]:
    """Calls of 2 s, each committing some words, served one after the other."""
    calls, free_s = [], 0.0
    for number, texts in enumerate(committed):
        arrival_s = 2.0 * (number + 1)
        start_s = max(arrival_s, free_s)
        free_s = start_s + service_s
        calls.append(call_record(arrival_s - 2, arrival_s, texts, (), start_s, free_s))
    return tuple(calls)


def plan_of(backend: str, span_s: float | None = None, limited_by: str = "compute") -> Plan:
    """A plan that says no more than it must."""
    return Plan(
        backend=backend, describe=backend, model="t", load="1x2", strategy="sliding", step_s=2.0, span_s=span_s,
        limited_by=limited_by, sustainable=span_s is not None, service_s=SERVICE_S.get(backend), interval_s=None,
        ceiling_s=None, speed_factor=None, provenance="estimate",
    )  # fmt: skip


def planted_run(latency_s: float | None = None, duration_s: float = 4.0) -> Run:
    """Disjoint chunks of 2 s miss every second word, sliding ones none."""
    words = tuple(Word(text, i * 1.0, i * 1.0 + 0.5) for i, text in enumerate(("one", "two", "three", "four")))
    tracks = [
        Track(name, strategy, 2.0, None, backend, played(SAID[strategy], service_s))
        for name in "ab"
        for strategy in SAID
        for backend, service_s in SERVICE_S.items()
    ]
    experiment = Experiment(
        backends=("l4", "t4"), play="grid", windows_s=dict.fromkeys(SAID, (2.0,)), loads=("1x2",), latency_s=latency_s,
        normaliser="none",
    )  # fmt: skip
    return Run(
        schema=SCHEMA,
        experiment=experiment,
        provenance=PROVENANCE,
        datasets=(HEARD,),
        plans=tuple(plan_of(name) for name in experiment.backends),
        references=tuple(Reference(name, "one two three four", words, "planted", None, duration_s) for name in "ab"),
        tracks=tuple(tracks),
    )


def one_setting(texts: dict[str, str], heard: dict[str, str], speakers: dict[str, str] | None = None) -> Run:
    """A run of one setting on infinitely fast hardware, where each text was heard as planted."""
    run = planted_run()
    return replace(
        run,
        experiment=Experiment(strategy="disjoint", window_s=5.0, normaliser="whisper"),
        plans=(),
        references=tuple(
            Reference(name, text, None, "set", (speakers or {}).get(name), 5.0) for name, text in texts.items()
        ),
        tracks=tuple(
            Track(name, "disjoint", 5.0, None, None, (call_record(0.0, 1.0, tuple(text.split())),))
            for name, text in heard.items()
        ),
    )
