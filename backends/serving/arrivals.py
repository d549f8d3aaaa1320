"""When the calls of live streams arrive: each stream has its own phase, and may be silent for a while."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..scatter import quantile_of_spread
from ..workload.cutting import Cutting, Piece, check_steps, cutting_of, pieces_of
from ..workload.windows import TOKENS_PER_S, second_pass_chance, strategy_call
from ..workload.workload import Workload

Array = NDArray[np.float64]
# Mean length of a talk spurt: 1.004 s in ITU-T P.59 (1993), table of artificial conversational speech. Recalled, not
# read again, so an assumption; it only matters where silence is skipped.
TALK_SPURT_S = 1.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Live streams of one kind.

    streams: how many there are.
    window_s, step_s: every stream calls every `step_s` seconds, on at most its last `window_s` seconds of audio; for a
        strategy that sets its own step, that one (`cutting.own_step_s`).
    strategy: one of `cutting.STRATEGIES`.
    activity: part of the time in which somebody speaks.
    skip_silence: whether the calls of silent steps are left out.
    tokens_per_s: speech rate, which with the window sets the decode steps of a call.
    scatter: whether their number is a Poisson number; False gives all calls the mean, rounded up.
    continuing: whether a call goes on inside its window where its text breaks off, as `whisper.transcribe` does, in a
        second pass that `windows.SECOND_PASS` of the calls take; False is one pass for each.
    synchronised: whether the server clocks the windows, so that all streams call at once; else each stream calls at
        its own time.
    """

    streams: int
    window_s: float
    step_s: float
    strategy: str = "sliding"
    activity: float = 1.0
    skip_silence: bool = False
    tokens_per_s: float = TOKENS_PER_S
    scatter: bool = True
    continuing: bool = True
    synchronised: bool = False

    def __post_init__(self) -> None:
        if self.streams < 1:
            raise InputError(f"streams is {self.streams}; expected at least 1")
        check_steps(self.strategy, self.window_s, self.step_s)
        if not 0 < self.activity <= 1:
            raise InputError(f"speech activity is {self.activity:g}; expected more than 0 and at most 1")
        if not self.tokens_per_s >= 0:
            raise InputError(f"tokens per second is {self.tokens_per_s}; expected 0 or more")

    @property
    def kind(self) -> Cutting:
        """What its strategy is to a backend."""
        return cutting_of(self.strategy)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The calls that each stream makes, all as likely."""
        return pieces_of(self.strategy, self.window_s, self.step_s if self.kind.stepping else None)

    def least_latency_s(self, quantile: float) -> float:
        """Return a quantile of word latency in seconds on a server that takes no time."""
        return _least_latency_s(self.pieces, quantile)

    @property
    def calls_per_step(self) -> float:
        """The part of the steps in which a call is made: 1, unless silent steps are skipped.

        A pause lasts through a step with chance exp(-step / mean pause); windows that slide call in the next one, too.
        Calls that end at a pause are made where somebody speaks.
        """
        if not self.kind.even:
            return self.activity
        if self.activity == 1 or not self.skip_silence:
            return 1.0
        pause_s = TALK_SPURT_S * (1 - self.activity) / self.activity
        return 1 - (1 - self.activity) * math.exp(-self.kind.calls_of_a_word * self.step_s / pause_s)

    @property
    def mean_tokens(self) -> int:
        """Decode steps of a call on average, rounded up as by `workload.windows.strategy_call`, but without a limit."""
        return self._count_tokens(sum(one.heard_s for one in self.pieces) / len(self.pieces))

    def call(self, template: Workload) -> Workload:
        """Return one of its calls with the mean number of decode steps; template: gives the model and the padding."""
        return strategy_call(template, self.strategy, self.window_s, self.pieces[0].gap_s, self.tokens_per_s)

    def _count_tokens(self, heard_s: float) -> int:
        return math.ceil(round(self.tokens_per_s * heard_s, 6))

    def draw(self, which: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the decode steps of calls and whether they take a second pass; which: the piece that each is."""
        heard_s = [one.heard_s for one in self.pieces]
        if self.scatter:
            tokens = rng.poisson(self.tokens_per_s * np.array(heard_s)[which])
        else:
            tokens = np.array([self._count_tokens(one) for one in heard_s])[which]
        chances = np.array([second_pass_chance(self.strategy, one) if self.continuing else 0.0 for one in heard_s])
        again = rng.random(len(which)) < chances[which] if chances.any() else np.zeros(len(which), bool)
        return tokens, again


@lru_cache(maxsize=4096)  # a search asks it of the same few cuts for every backend
def _least_latency_s(pieces: tuple[Piece, ...], quantile: float) -> float:
    waits, shown = (np.array([getattr(one, name) for one in pieces]) for name in ("wait_s", "shown_s"))
    return quantile_of_spread(waits, shown, quantile)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by rising time of arrival; every array has shape = (calls,).

    arrival_s: when the audio of the call has been spoken. due_s: when the next call of its stream arrives.
    tokens: decode steps. again: whether it takes a second pass. load: index of the `Traffic` it belongs to.
    counted: whether it counts; False while the queue fills from empty.
    shows: whether words wait for it.
    shown_s, wait_s: of its `Piece`.
    duration_s: seconds in which calls arrive, over all replicas.
    """

    arrival_s: Array
    due_s: Array
    tokens: NDArray[np.int64]
    again: NDArray[np.bool_]
    load: NDArray[np.int8]
    counted: NDArray[np.bool_]
    shows: NDArray[np.bool_]
    shown_s: Array
    wait_s: Array
    duration_s: float

    def __len__(self) -> int:
        return len(self.arrival_s)


def longest_step_s(loads: tuple[Traffic, ...]) -> float:
    """Return the seconds between two calls of a stream, of the load whose streams call least often."""
    return max(load.step_s for load in loads)


def replica_period_s(duration_s: float, longest_step_s: float) -> float:
    """Return the seconds from the start of one replica to the next: its duration, and a while without arrivals."""
    return duration_s + 2 * longest_step_s


def calls_of(
    loads: tuple[Traffic, ...], duration_s: float, *, replicas: int = 1, seed: int = 0, most_tokens: int = 224
) -> Calls:
    """Return the calls of all loads for `duration_s` seconds in each of `replicas` runs, which differ in phases.

    Between two replicas nothing arrives for a while, so that each begins with an empty queue unless the server is
    overloaded. The first fifth of each, and never less than two steps, is not counted.
    seed: equal seeds give equal calls. most_tokens: limit of a call's decode steps.
    """
    if not (loads and duration_s > 0 and replicas >= 1):
        raise InputError(f"{len(loads)} loads, {duration_s} s and {replicas} replicas given; expected at least one")
    rng = np.random.default_rng(seed)
    longest_s = longest_step_s(loads)
    parts = [_of_load(load, index, duration_s, replicas, longest_s, rng) for index, load in enumerate(loads)]
    arrival, due, counted, shows, piece, which = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(arrival, kind="stable")
    which, piece = which[order], piece[order]
    tokens, again = np.empty(len(order), np.int64), np.zeros(len(order), bool)
    shown, wait = np.empty(len(order)), np.empty(len(order))
    for index, load in enumerate(loads):
        mine = np.flatnonzero(which == index)
        tokens[mine], again[mine] = load.draw(piece[mine], rng)
        shown[mine] = np.array([one.shown_s for one in load.pieces])[piece[mine]]
        wait[mine] = np.array([one.wait_s for one in load.pieces])[piece[mine]]
    np.minimum(tokens, most_tokens, out=tokens)
    flags = counted[order], shows[order]
    return Calls(arrival[order], due[order], tokens, again, which, *flags, shown, wait, duration_s * replicas)


def _of_load(
    load: Traffic, index: int, duration_s: float, replicas: int, longest_s: float, rng: np.random.Generator
) -> tuple[NDArray, ...]:
    """Return arrival_s, due_s, counted, shows, piece and load of the calls of one load, not yet sorted."""
    if not load.kind.even:
        return _of_uneven(load, index, duration_s, replicas, longest_s, rng)
    steps = max(1, round(duration_s / load.step_s))
    phases = np.sort(rng.uniform(0, load.step_s, (replicas, load.streams)), axis=1) * (not load.synchronised)
    offsets = np.arange(replicas) * replica_period_s(duration_s, longest_s)
    arrival = (offsets[:, None] + phases)[:, None, :] + (np.arange(steps) * load.step_s)[None, :, None]
    made = np.ones(arrival.shape, bool)
    shows = np.ones(arrival.shape, bool)
    if load.activity < 1:
        speech = _speech(load, steps, (replicas, load.streams), rng).transpose(1, 0, 2)
        before = np.zeros_like(speech)
        before[:, 1:] = speech[:, :-1]
        if load.kind.calls_of_a_word == 1:
            made, shows = speech, speech
        else:
            made = speech | before
            shows = before if load.kind.agreeing else made
        if not load.skip_silence:
            made = np.ones_like(speech)
    counted = np.broadcast_to((np.arange(steps) >= max(2, steps // 5))[None, :, None], arrival.shape)
    if steps <= 2:
        counted = np.ones(arrival.shape, bool)
    flat = made.ravel()
    arrival = arrival.ravel()[flat]
    kept = (counted.ravel()[flat], shows.ravel()[flat])
    return arrival, arrival + load.step_s, *kept, np.zeros(len(arrival), np.int64), _marks(index, len(arrival))


def _of_uneven(
    load: Traffic, index: int, duration_s: float, replicas: int, longest_s: float, rng: np.random.Generator
) -> tuple[NDArray, ...]:
    """Return the same for streams whose calls follow from pauses, piece by piece in any order.

    A call is late if it ends more than a window after it arrived: the next may well come at once.
    """
    gaps_s = np.array([one.gap_s for one in load.pieces]) / load.activity
    # enough that even streams of short gaps have calls to the end
    most = math.ceil(2 * duration_s / gaps_s.mean()) + 16
    which = rng.integers(len(gaps_s), size=(replicas, most, load.streams))
    after_s = gaps_s[which]
    after_s[:, 0] *= rng.random((replicas, load.streams))
    passed_s = np.cumsum(after_s, axis=1)
    made = passed_s < duration_s
    counted = passed_s >= min(max(duration_s / 5, 2 * longest_s), duration_s / 2)
    offsets = np.arange(replicas) * replica_period_s(duration_s, longest_s)
    arrival = (offsets[:, None, None] + passed_s)[made]
    shows = np.ones(len(arrival), bool)
    return arrival, arrival + load.window_s, counted[made], shows, which[made], _marks(index, len(arrival))


def _marks(index: int, count: int) -> NDArray[np.int8]:
    return np.full(count, index, np.int8)


def _speech(load: Traffic, steps: int, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return whether anything is said in each step; shape = (steps, *shape).

    Talk spurts and pauses take turns, both of exponential length, as in Brady's model of conversation (1968).
    """
    starts, ends = 1 / (TALK_SPURT_S * (1 - load.activity) / load.activity), 1 / TALK_SPURT_S
    relax, part = math.exp(-(starts + ends) * load.step_s), load.activity
    talking = rng.random(shape) < part
    heard = np.empty((steps, *shape), bool)
    quiet = math.exp(-starts * load.step_s)  # a pause lasts through the step
    for step in range(steps):
        heard[step] = talking | (rng.random(shape) >= quiet)
        # at the end of the step, given the start of it and that something was said in it
        still = part + (1 - part) * relax
        begun = part * (1 - relax) / (1 - quiet)
        talking = heard[step] & (rng.random(shape) < np.where(talking, still, begun))
    return heard
