"""What is answered: choices with all that they cost and keep, and whether the first is settled."""

from dataclasses import dataclass

from .demand import Demand


@dataclass(frozen=True, slots=True)
class Choice:
    """Servers of one backend that carry the demand.

    backend, kind, describe: which, "GPU", "LPU" or "hybrid", and how it is run.
    servers: how many. units: cards or chips in each.
    strategy, window_s, step_s: how audio is cut.
    wer, wer_ci95: of that way, as measured, as fractions.
    latency_p50_s, latency_p95_s, latency_p99_s: of words, with as many streams as a server gets.
    streams_per_server: the most that keep the SLO, by simulation. streams_given: that a server gets.
    usd_per_h, usd_per_audio_h: for all servers, and for an hour of one stream; None where a price is not known.
    joules_per_audio_h: at design power; None where it is not known.
    headroom: part of the capacity that is left.
    provenance: what the times are.
    """

    backend: str
    kind: str
    describe: str
    servers: int
    units: int
    strategy: str
    window_s: float
    step_s: float
    wer: float
    wer_ci95: tuple[float, float] | None
    latency_p50_s: float
    latency_p95_s: float
    latency_p99_s: float
    streams_per_server: int
    streams_given: int
    usd_per_h: float | None
    usd_per_audio_h: float | None
    joules_per_audio_h: float | None
    headroom: float
    provenance: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer. demand: which part of it fails. reason: in a sentence. nearest: what would work."""

    demand: str
    reason: str
    nearest: Choice | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer to a demand.

    model, data: who heard what the error rates are of. best_wer: the lowest that was measured.
    unheard: strategies whose error rates were not measured there, so that none of their ways was searched.
    choices: the best of each backend, best first.
    settled: whether the first choice stays the first when the models are off by as much as they may be.
    turns: which other backend would be first, by how the models are off.
    unpriced: devices that could not be ranked by dollars, because nobody named a price.
    refusal: why there is no choice; None if there is one.
    """

    demand: Demand
    model: str
    data: str
    best_wer: float
    unheard: tuple[str, ...]
    choices: tuple[Choice, ...]
    settled: bool
    turns: dict[str, str]
    unpriced: tuple[str, ...]
    refusal: Refusal | None
