"""What is answered: choices with all that they cost and keep, whether the first is settled, what would change it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...backends.errors import InputError
from ...backends.serving.cost import Bill
from ..experiment import store
from .demand import Demand

_FILE = "results.json"


@dataclass(frozen=True, slots=True)
class Choice:
    """Servers of one backend that carry the demand.

    backend, kind, describe: which, "GPU", "LPU" or "hybrid", and how it is run.
    runtime, weights: what drives it, and how weights are stored; "" where that is not known.
    servers: how many. units: cards or chips in each. bill: of each: its parts, their prices and powers.
    strategy, window_s, step_s: how audio is cut.
    wer, wer_ci95: of that way, as measured, as fractions.
    latency_p50_s, latency_p95_s, latency_p99_s: of words, with as many streams as a server gets.
    latency_s: the same, at the quantile that is asked for.
    streams_per_server: the most that keep the SLO, by simulation. streams_given: that a server gets.
    usd_per_h, usd_per_audio_h: for all servers, and for an hour of one stream; None where a price is not known.
    joules_per_audio_h: at design power; None where it is not known.
    headroom: part of the capacity that is left.
    provenance: what the times are.
    """

    backend: str
    kind: str
    describe: str
    runtime: str
    weights: str
    servers: int
    units: int
    bill: Bill
    strategy: str
    window_s: float
    step_s: float
    wer: float
    wer_ci95: tuple[float, float] | None
    latency_p50_s: float
    latency_p95_s: float
    latency_p99_s: float
    latency_s: float
    streams_per_server: int
    streams_given: int
    usd_per_h: float | None
    usd_per_audio_h: float | None
    joules_per_audio_h: float | None
    headroom: float
    provenance: str


@dataclass(frozen=True, slots=True)
class Nearest:
    """A demand that works. changed: what differs from the one asked. demand: all of it. choice: its first choice."""

    changed: tuple[str, ...]
    demand: Demand
    choice: Choice


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer.

    fails: which parts of the demand: "budget", "latency", "word error rate", "prices", "power" or "backends".
    together: whether those could be kept one by one, and fail only together.
    reason: in a sentence. nearest: demands that work, each as near as can be in what it changes.
    """

    fails: tuple[str, ...]
    together: bool
    reason: str
    nearest: tuple[Nearest, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What would make another backend the first although the demand stays as it is.

    cause: "times", where the models are off by as much as they may be, or "prices", at an end of their ranges.
    when: what is so then, in words. backend: which is first then; None if none keeps the demand.
    """

    cause: Literal["times", "prices"]
    when: str
    backend: str | None


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """The price of a device beyond which another backend is first, all other prices as they are.

    device: whose. usd_per_h: its price for a card or chip and hour now; None if nobody named one.
    side, limit_usd_per_h: "above" or "below" that price. backend: which is first then.
    """

    device: str
    usd_per_h: float | None
    side: Literal["above", "below"]
    limit_usd_per_h: float
    backend: str


@dataclass(frozen=True, slots=True)
class StreamRange:
    """Numbers of streams over which no other costs less than the first choice, with the fullest servers of each.

    least, most: the range, with both ends. looked_from, looked_to: how far it was followed.
    below, above: which backend costs less just outside; None where the range goes on as far as it was followed.
    """

    least: int
    most: int
    looked_from: int
    looked_to: int
    below: str | None
    above: str | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What would be first if the demand were another.

    demand: that other demand. choice: its first choice; None where nothing keeps it or, of a larger tolerance, where
    nothing costs less.
    """

    demand: Demand
    choice: Choice | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What would change the first choice.

    prices: of its own device, of the runner-up's, and of devices without a price. streams: over which it stays.
    kept_s: the tightest latency that it keeps as it is, at the quantile asked for.
    sooner: what is first at half the latency. looser: what is cheaper with a larger tolerance of errors.
    """

    prices: tuple[PriceLimit, ...]
    streams: StreamRange
    kept_s: float
    sooner: Elsewhere
    looser: Elsewhere


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """The answer to a demand.

    model, data: who heard what the error rates are of. best_wer: the lowest that was measured.
    unheard: strategies whose error rates were not measured there, so that none of their ways was searched.
    choices: the best of each backend, best first.
    settled: whether the first stays the first when the models are off by as much as they may be, and at both ends of
        every range of prices. turns: where it does not.
    changes: what would change the first choice; None where there is none.
    unpriced: devices that could not be ranked by dollars, because nobody named a price.
    refusal: why there is no choice; None if there is one.
    """

    schema: int = store.SCHEMA
    benchmark: Literal["recommend"] = "recommend"
    demand: Demand
    model: str
    data: str
    best_wer: float
    unheard: tuple[str, ...]
    choices: tuple[Choice, ...]
    settled: bool
    turns: tuple[Turn, ...]
    changes: Changes | None
    unpriced: tuple[str, ...]
    refusal: Refusal | None


def is_recommendation(folder: Path) -> bool:
    """Return whether the results in `folder` are a recommendation, not those of a run."""
    path = folder / _FILE
    try:
        return path.exists() and store.read_kind(path) == "recommend"
    except InputError:
        return False


def read_recommendation(folder: Path) -> Recommendation:
    """Return the recommendation in `folder`. Raises `InputError`, naming the field, for a file of something else."""
    return store.read_record(folder / _FILE, Recommendation)


def write_recommendation(folder: Path, found: Recommendation) -> None:
    """Write `results.json` into `folder`, which is made if need be. Raises `InputError` where that is not possible."""
    store.write_whole(folder / _FILE, store.encode(found, indent=1))
