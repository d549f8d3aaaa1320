"""When the calls of live streams arrive: each stream has its own phase, and may be silent for a while."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, unknown
from ..workload.op import LONGEST_S
from ..workload.windows import ALIGNATT_MARGIN_S, TOKENS_PER_S, new_audio_s, second_pass_chance, strategy_call
from ..workload.workload import Workload

Array = NDArray[np.float64]
# calls that must agree on a word before it is shown: two with LocalAgreement-2, or one
AGREEING_CALLS = {"sliding": 2, "disjoint": 1, "alignatt": 1}
# calls that may show a word: AlignAtt leaves to the next call what is near the end of the audio
_CALLS_OF_A_WORD = AGREEING_CALLS | {"alignatt": 2}
# Mean length of a talk spurt: 1.004 s in ITU-T P.59 (1993), table of artificial conversational speech. Recalled, not
# read again, so an assumption; it only matters where silence is skipped.
TALK_SPURT_S = 1.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Live streams of one kind.

    streams: how many there are.
    window_s, step_s: every stream calls every `step_s` seconds on its last `window_s` seconds of audio.
    strategy: "sliding", "alignatt", or "disjoint", whose window is its step.
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
        if self.strategy not in AGREEING_CALLS:
            raise unknown("strategy", self.strategy, AGREEING_CALLS)
        if self.streams < 1:
            raise InputError(f"streams is {self.streams}; expected at least 1")
        if not 0 < self.step_s <= self.window_s <= LONGEST_S:
            given = f"window {self.window_s:g} s, step {self.step_s:g} s"
            raise InputError(f"{given}; expected 0 < step <= window <= {LONGEST_S:g} s")
        if self.strategy == "disjoint" and self.step_s != self.window_s:
            raise InputError("disjoint chunks are as long as their step; give step and window the same length")
        if not 0 < self.activity <= 1:
            raise InputError(f"speech activity is {self.activity:g}; expected more than 0 and at most 1")
        if not self.tokens_per_s >= 0:
            raise InputError(f"tokens per second is {self.tokens_per_s}; expected 0 or more")

    @property
    def least_latency_s(self) -> float:
        """Seconds from the arrival of a word's first call to that of the call that shows it.

        AlignAtt shows a word with the first call that has heard 0.5 s more.
        """
        return (AGREEING_CALLS[self.strategy] - 1) * self.step_s + self.held_back_s

    @property
    def held_back_s(self) -> float:
        """Seconds of audio at the end of a call whose words wait for the next one."""
        return ALIGNATT_MARGIN_S if self.strategy == "alignatt" else 0.0

    @property
    def calls_per_step(self) -> float:
        """The part of the steps in which a call is made: 1, unless silent steps are skipped.

        A pause lasts through a step with chance exp(-step / mean pause); windows that slide call in the next one, too.
        """
        if self.activity == 1 or not self.skip_silence:
            return 1.0
        pause_s = TALK_SPURT_S * (1 - self.activity) / self.activity
        return 1 - (1 - self.activity) * math.exp(-_CALLS_OF_A_WORD[self.strategy] * self.step_s / pause_s)

    @property
    def mean_tokens(self) -> int:
        """Decode steps of a call on average, rounded up as by `workload.windows.strategy_call`, but without a limit."""
        return math.ceil(round(self._tokens, 6))

    def call(self, template: Workload) -> Workload:
        """Return one of its calls with the mean number of decode steps; template: gives the model and the padding."""
        return strategy_call(template, self.strategy, self.window_s, self.step_s, self.tokens_per_s)

    @property
    def second_pass(self) -> float:
        """The part of the calls that take a second pass."""
        return second_pass_chance(self.strategy, self.window_s) if self.continuing else 0.0

    @property
    def _tokens(self) -> float:
        return self.tokens_per_s * new_audio_s(self.strategy, self.window_s, self.step_s)

    def draw_tokens(self, calls: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the decode steps of so many calls; shape = (calls,)."""
        return rng.poisson(self._tokens, calls) if self.scatter else np.full(calls, self.mean_tokens)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by rising time of arrival; every array has shape = (calls,).

    arrival_s: when the audio of the call has been spoken. due_s: when the next call of its stream arrives.
    tokens: decode steps. again: whether it takes a second pass. load: index of the `Traffic` it belongs to.
    counted: whether it counts; False while the queue fills from empty.
    shows: whether words wait for it.
    duration_s: seconds in which calls arrive, over all replicas.
    """

    arrival_s: Array
    due_s: Array
    tokens: NDArray[np.int64]
    again: NDArray[np.bool_]
    load: NDArray[np.int8]
    counted: NDArray[np.bool_]
    shows: NDArray[np.bool_]
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
    arrival, due, counted, shows, which = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(arrival, kind="stable")
    which = which[order]
    tokens, again = np.empty(len(order), np.int64), np.zeros(len(order), bool)
    for index, load in enumerate(loads):
        mine = np.flatnonzero(which == index)
        tokens[mine] = load.draw_tokens(len(mine), rng)
        if load.second_pass:
            again[mine] = rng.random(len(mine)) < load.second_pass
    np.minimum(tokens, most_tokens, out=tokens)
    return Calls(arrival[order], due[order], tokens, again, which, counted[order], shows[order], duration_s * replicas)


def _of_load(
    load: Traffic, index: int, duration_s: float, replicas: int, longest_s: float, rng: np.random.Generator
) -> tuple[NDArray, ...]:
    """Return arrival_s, due_s, counted, shows and load of the calls of one load, not yet sorted."""
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
        if _CALLS_OF_A_WORD[load.strategy] == 1:
            made, shows = speech, speech
        else:
            made = speech | before
            shows = before if load.strategy == "sliding" else made
        if not load.skip_silence:
            made = np.ones_like(speech)
    counted = np.broadcast_to((np.arange(steps) >= max(2, steps // 5))[None, :, None], arrival.shape)
    if steps <= 2:
        counted = np.ones(arrival.shape, bool)
    flat = made.ravel()
    arrival = arrival.ravel()[flat]
    kept = (counted.ravel()[flat], shows.ravel()[flat])
    return arrival, arrival + load.step_s, *kept, np.full(len(arrival), index, np.int8)


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
