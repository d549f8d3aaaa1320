"""The span: the largest window a backend sustains in live transcription, and what keeps it from growing."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .errors import InputError, unknown
from .scatter import longest_of, quantile_s, spread_count, sum_of
from .serving.arrivals import Traffic
from .serving.capacity import search_largest, streams_verdict
from .timing import Backend, CapacityError, Timing, add_part
from .workload.cutting import cutting_of, mean_heard_s, own_step_s, pieces_of
from .workload.drafting import apply_draft, plan_proposals
from .workload.models import Dimensions
from .workload.op import LONGEST_S
from .workload.windows import (
    GRID_PER_S,
    POLICIES,
    TOKENS_PER_S,
    call_of,
    most_tokens,
    second_pass_chance,
    strategy_call,
)
from .workload.workload import Workload

_LATE = 0.01  # part of the calls that may end after the next is due, as in the simulation of servers


@dataclass(frozen=True, slots=True)
class Span:
    """The answer of the planner.

    span_s: the largest sustainable window in seconds; None if no window is sustainable.
    limited_by: what the next larger window fails on (or the smallest one, if there is no span): "compute", "memory",
        "launch", "link", "capacity", "latency budget", or "falls behind" (with own phases); "nothing" at 30 s.
    window_s: the span in seconds, or the smallest possible window if there is none.
    step_s: seconds between two calls of a stream, on average.
    streams: how many there are.
    timing: how long the calls of all streams with `window_s` take; None if the device cannot hold them. `seconds` is
        for a batch whose longest call is of median length, `p99_s` includes the scatter of lengths and service times.
        With own phases, they are the median and the 99th percentile of a call's wait and service.
    policy: one of `POLICIES`.
    """

    span_s: float | None
    limited_by: str
    window_s: float
    step_s: float
    streams: int
    timing: Timing | None
    policy: str = "synchronised"

    @property
    def sustainable(self) -> bool:
        """Whether any window is sustainable."""
        return self.span_s is not None

    @property
    def speed_factor(self) -> float | None:
        """Seconds of audio in the calls of one step, all streams together, per second of backend time."""
        return self.streams * self.window_s / self.timing.seconds if self.timing else None


def span(
    backend: Backend,
    dims: Dimensions | Any,
    *,
    strategy: str = "sliding",
    streams: int = 1,
    step_s: float | None = None,
    latency_s: float | None = None,
    padding: str = "full",
    tokens_per_s: float = TOKENS_PER_S,
    prompt_tokens: int = 0,
    dtype: str = "fp16",
    draft: bool = False,
    policy: str = "synchronised",
    scatter: bool = True,
    continuing: bool = True,
) -> Span:
    """Return the largest window in (0, 30] s, on a grid of 0.1 s, that `backend` sustains for `streams` streams.

    A window w with a step h is sustainable if it keeps up, T <= h, and, given a latency budget L, is on time:
    w + T <= L for chunks (where h = w, or 2/3 w where they overlap), 2 h + T <= L for sliding windows, whose words
    LocalAgreement-2 commits at the second call that agrees, h + 0.5 s + T <= L for AlignAtt, which holds back what is
    nearer to the end, and decodes only what is new: the text of the window before is fed. T is the 99th percentile of
    the time to serve one call of every stream, second passes among it. Where calls follow from pauses (`vad`) streams
    cannot be clocked together: the policy is "own phases", and 99 of 100 words keep L.

    dims: the model's dimensions, as a `Dimensions` or whisper's `ModelDimensions`.
    strategy: one of `cutting.STRATEGIES`.
    step_s: seconds between calls; required where windows slide, none of which is shorter than it, and left out for
        strategies that set their own.
    latency_s: budget in seconds from the end of a spoken word to its text; None for no budget.
    padding: "full" pads every call to 30 s as Whisper does, "fit" encodes only the audio's own frames.
    tokens_per_s: speech rate, which sets the number of decode steps.
    prompt_tokens: length of the initial token sequence; 0 for the model's own.
    dtype: "fp16" or "fp32".
    draft: whether calls of sliding windows are decoded with the text of the window before as a draft, at
        `drafting.TOKENS_PER_PASS` tokens a pass.
    policy: with "synchronised", calls of all streams come due together, and a batch lasts as long as its longest call;
        with "own phases", each stream calls at its own time, and T is found by simulating the server (a call may just
        miss a batch, wait for it, and take part in the next).
    scatter: whether calls have a Poisson number of tokens; False gives all of them the mean, rounded up.
    continuing: whether calls go on inside their window where their text breaks off, as `whisper.transcribe` does: the
        second pass that `windows.SECOND_PASS` of the calls take is timed; False times one pass for each.
    Raises `InputError` for values that make no sense.
    """
    drafting = draft and strategy == "sliding"
    policy = policy if cutting_of(strategy).even else "own phases"
    planner = _Planner(backend, strategy, streams, step_s, latency_s, drafting, policy, scatter, continuing)
    template = Workload(Dimensions.of(dims), padding=padding, prompt_tokens=prompt_tokens, dtype=dtype)
    if not tokens_per_s >= 0:
        raise InputError(f"tokens per second is {tokens_per_s}; expected 0 or more")
    return planner.plan(template, tokens_per_s)


@dataclass(frozen=True, slots=True)
class _Planner:
    backend: Backend
    strategy: str
    streams: int
    step_s: float | None
    latency_s: float | None
    draft: bool
    policy: str
    scatter: bool
    continuing: bool

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise unknown("policy", self.policy, POLICIES)
        if self.draft and self.policy == "own phases":
            raise InputError("drafts are planned for synchronised streams; leave out --draft or the policy own phases")
        if self.streams < 1:
            raise InputError(f"streams is {self.streams}; expected at least 1")
        if self.latency_s is not None and not self.latency_s > 0:
            raise InputError(f"latency is {self.latency_s} s; expected more than 0")
        if not self.slides and self.step_s is not None:
            raise InputError(f"{self.strategy}: its step follows from the window; leave the step out")
        if self.slides and not (self.step_s is not None and 0 < self.step_s <= LONGEST_S):
            raise InputError(f"step is {self.step_s} s; expected more than 0 and at most {LONGEST_S:g} s")

    @property
    def slides(self) -> bool:
        """Whether the step is a setting."""
        return cutting_of(self.strategy).stepping

    def step_at(self, window_s: float) -> float:
        """Return the seconds between two calls, on average."""
        return own_step_s(self.strategy, window_s) or self.step_s or window_s

    def plan(self, template: Workload, tokens_per_s: float) -> Span:
        """Return the span of calls like `template`."""
        first = max(1, math.ceil(round((self.step_s or 0) * GRID_PER_S, 6)))
        last = round(LONGEST_S * GRID_PER_S)
        judge = self.synchronised if self.policy == "synchronised" else self.own_phases

        def attempt(tick: int) -> tuple[str, Timing | None]:
            return judge(template, tick / GRID_PER_S, tokens_per_s)

        best = self.search(attempt, first, last)
        tick = first if best is None else best
        limited_by = "nothing" if best == last else attempt(tick if best is None else tick + 1)[0]
        window_s, timing = tick / GRID_PER_S, attempt(tick)[1]
        span_s = None if best is None else window_s
        return Span(span_s, limited_by, window_s, self.step_at(window_s), self.streams, timing, self.policy)

    def search(self, attempt: Callable[[int], tuple[str, Timing | None]], first: int, last: int) -> int | None:
        """Return the largest tick of the grid in first..last for which `attempt` says "nothing"; None if none does."""
        if not self.slides:
            # a longer chunk leaves more time for itself: sustainable windows may start anywhere
            last = min(last, math.floor(self.latency_s * GRID_PER_S)) if self.latency_s else last
            ticks = range(last, first - 1, -1)
            if cutting_of(self.strategy).even:
                return next((tick for tick in ticks if attempt(tick)[0] == "nothing"), None)
            # shorter pieces are more calls and sooner shown; each try is a simulation, so whole seconds come first
            return _descend(lambda tick: attempt(tick)[0], ticks)
        # at a fixed step, a longer window only costs more
        return search_largest(lambda tick: attempt(tick)[0], first, last)[0]

    def synchronised(self, template: Workload, window_s: float, tokens_per_s: float) -> tuple[str, Timing | None]:
        """Return what makes the window unsustainable, or "nothing", and the timing if it can be run at all."""
        try:
            timing = self.together(template, window_s, tokens_per_s)
        except CapacityError:
            return "capacity", None
        if timing.p99_s > self.step_at(window_s):
            return timing.bound, timing
        (piece,) = pieces_of(self.strategy, window_s, self.step_s)
        emitted_s = timing.p99_s + piece.shown_s + piece.wait_s
        late = self.latency_s is not None and emitted_s > self.latency_s
        return ("latency budget" if late else "nothing"), timing

    def together(self, template: Workload, window_s: float, tokens_per_s: float) -> Timing:
        """Return the time for one call of every stream at once, in batches that last as long as their longest call."""
        call = strategy_call(template, self.strategy, window_s, self.step_s, tokens_per_s)
        mean = tokens_per_s * mean_heard_s(self.strategy, window_s, self.step_s)
        share = second_pass_chance(self.strategy, window_s) if self.continuing else 0.0

        def serve(tokens: int) -> Timing:
            one = call_of(call, window_s, tokens)
            proposals = plan_proposals(one.decode_tokens) if self.draft else ()
            return self.backend.serve(apply_draft(one, proposals), self.streams)

        def pass_again(count: int) -> Timing:
            return self.backend.serve(replace(call, decode_tokens=0), count)

        first = serve(call.decode_tokens)
        if not (self.scatter and mean):
            count = self.streams * share
            whole = max(1, math.ceil(count))
            return add_part(first, pass_again(whole), count / whole) if count else first
        tokens, chance = longest_of(first.batch, mean, most_tokens(template))
        # of several batches one after another, lengths even out: what counts is the mean of their longest calls
        batches = math.ceil(self.streams / first.batch)
        lengths = tokens @ chance + (tokens - tokens @ chance) / math.sqrt(batches)
        below = np.cumsum(chance)
        middle, high = (int(tokens[np.searchsorted(below, part)]) for part in (0.5, 1 - _LATE / 4))
        typical, long = serve(middle), serve(max(high, middle + 1))
        slope = (long.seconds - typical.seconds) / (max(high, middle + 1) - middle)
        # times between two lengths are on a line, nearly; none is below that of an empty text
        seconds = np.maximum(typical.seconds + slope * (lengths - middle), typical.seconds / 1e3)
        if share:
            counts = spread_count(self.streams, share)
            more = {count: pass_again(count) for count in set(counts) if count}
            seconds, chance = sum_of(seconds, chance, [more[n].seconds if n else 0.0 for n in counts])
            usual = counts[len(counts) // 2]
            typical = add_part(typical, more[usual], 1.0) if usual else typical
        p99_s = quantile_s(seconds, chance, typical.jitter, 1 - _LATE)
        return replace(typical, jitter=max(0.0, p99_s / typical.seconds - 1))

    def own_phases(self, template: Workload, window_s: float, tokens_per_s: float) -> tuple[str, Timing | None]:
        """Return the same if each stream calls at its own time, by simulation."""
        step_s = self.step_at(window_s)
        rest = {"tokens_per_s": tokens_per_s, "scatter": self.scatter, "continuing": self.continuing}
        load = Traffic(self.streams, window_s, step_s, self.strategy, **rest)
        found = streams_verdict(self.backend, load.call(template), load, self.latency_s)
        return found.cause, found.timing


def _descend(attempt: Callable[[int], str], ticks: range) -> int | None:
    """Return the first of falling ticks that `attempt` says "nothing" of, by whole seconds and then the tenths above.

    None where none does. It ends where anything but the latency fails: what is shorter fails on it all the more.
    """
    for tick in ticks[::GRID_PER_S]:
        cause = attempt(tick)
        if cause == "nothing":
            above = min(ticks.start, tick + GRID_PER_S - 1)
            return search_largest(attempt, tick, above)[0]
        if cause != "latency budget":
            return None
    return None
