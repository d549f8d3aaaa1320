"""The span: the largest window a backend sustains in live transcription, and what keeps it from growing."""

import math
from dataclasses import dataclass
from typing import Any

from .drafting import drafted, expected_proposals
from .errors import InputError, unknown
from .models import Dimensions
from .timing import Backend, CapacityError, Timing
from .workload import Workload

LONGEST_S = 30.0
GRID_PER_S = 10  # windows are multiples of 0.1 s
STRATEGIES = ("disjoint", "sliding")
# English speech, about 150 words a minute at 1.3 tokens a word; an assumption, runs use their own counts
TOKENS_PER_S = 3.3


@dataclass(frozen=True, slots=True)
class Span:
    """Answer of the planner.

    span_s: the largest sustainable window in seconds, or None. limited_by: what the next larger window fails
    on (or, if there is no span, the smallest): "compute", "memory", "launch", "link", "capacity", "latency
    budget"; "nothing" at the longest window. window_s and timing: the span, or the smallest possible window
    if there is none, and how long its calls for all streams take (None if the device cannot hold them).
    step_s: time between calls of a stream.
    """

    span_s: float | None
    limited_by: str
    window_s: float
    step_s: float
    streams: int
    timing: Timing | None

    @property
    def sustainable(self) -> bool:
        """Whether any window is."""
        return self.span_s is not None

    @property
    def speed_factor(self) -> float | None:
        """Audio seconds in the calls of one step, all streams together, per second of backend time."""
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
) -> Span:
    """The largest window in (0, 30] s, on a grid of 0.1 s, that `backend` sustains for `streams` streams.

    A window is sustainable if it keeps up, T <= h, and, given a latency budget, is on time: w + T <= L for
    disjoint chunks (h = w), 2 h + T <= L for sliding windows, whose words LocalAgreement-2 commits at the
    second call that agrees. T is the 99th percentile of the time to serve one call of every stream, which all
    come due together: so it holds the wait for the other streams.

    step_s: required for "sliding", which has no window shorter than its step; not given for "disjoint".
    dims: of the model. tokens_per_s: speech rate, which sets the decode steps. draft: calls of sliding windows
    are decoded with the text of the window before as a draft, `drafting.TOKENS_PER_PASS` tokens a pass.
    """
    planner = _Planner(backend, strategy, streams, step_s, latency_s, draft and strategy == "sliding")
    template = Workload(Dimensions.of(dims), padding=padding, prompt_tokens=prompt_tokens, dtype=dtype)
    if not tokens_per_s >= 0:
        raise InputError(f"tokens per second is {tokens_per_s}; expected 0 or more")
    return planner.plan(template, tokens_per_s)


def window_call(template: Workload, window_s: float, tokens_per_s: float) -> Workload:
    """The call for a window, with decode steps at the speech rate, rounded up, to half the text context."""
    tokens = min(math.ceil(round(tokens_per_s * window_s, 6)), template.dims.n_text_ctx // 2)
    # full padding computes 30 s whatever the window: one workload stands for all windows with as many tokens
    audio_s = template.audio_s if template.padding == "full" else window_s
    return Workload(
        template.dims,
        audio_s=audio_s,
        padding=template.padding,
        prompt_tokens=template.prompt_tokens,
        decode_tokens=tokens,
        dtype=template.dtype,
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    backend: Backend
    strategy: str
    streams: int
    step_s: float | None
    latency_s: float | None
    draft: bool

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise unknown("strategy", self.strategy, STRATEGIES)
        if self.streams < 1:
            raise InputError(f"streams is {self.streams}; expected at least 1")
        if self.latency_s is not None and not self.latency_s > 0:
            raise InputError(f"latency is {self.latency_s} s; expected more than 0")
        if self.strategy == "disjoint" and self.step_s is not None:
            raise InputError("disjoint chunks have no step of their own (it is the window); leave the step out")
        if self.strategy == "sliding" and not (self.step_s is not None and 0 < self.step_s <= LONGEST_S):
            raise InputError(f"step is {self.step_s} s; expected more than 0 and at most {LONGEST_S:g} s")

    def plan(self, template: Workload, tokens_per_s: float) -> Span:
        first = max(1, math.ceil(round((self.step_s or 0) * GRID_PER_S, 6)))
        last = round(LONGEST_S * GRID_PER_S)

        def attempt(tick: int) -> tuple[str, Timing | None]:
            window_s = tick / GRID_PER_S
            call = window_call(template, window_s, tokens_per_s)
            return self.verdict(window_s, drafted(call, expected_proposals(call.decode_tokens)) if self.draft else call)

        best = self.search(attempt, first, last)
        tick = first if best is None else best
        limited_by = "nothing" if best == last else attempt(tick if best is None else tick + 1)[0]
        window_s, timing = tick / GRID_PER_S, attempt(tick)[1]
        span_s = None if best is None else window_s
        return Span(span_s, limited_by, window_s, self.step_s or window_s, self.streams, timing)

    def search(self, attempt: Any, first: int, last: int) -> int | None:
        if self.strategy == "disjoint":
            # a longer chunk leaves more time for itself: sustainable windows may start anywhere
            last = min(last, math.floor(self.latency_s * GRID_PER_S)) if self.latency_s else last
            return next((tick for tick in range(last, first - 1, -1) if attempt(tick)[0] == "nothing"), None)
        # at a fixed step, a longer window only costs more
        low, high = first - 1, last
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if attempt(middle)[0] == "nothing" else (low, middle - 1)
        return low if low >= first else None

    def verdict(self, window_s: float, call: Workload) -> tuple[str, Timing | None]:
        """What makes the window unsustainable, or "nothing"; and the timing if it can be run at all."""
        try:
            timing = self.backend.serve(call, self.streams)
        except CapacityError:
            return "capacity", None
        step_s = self.step_s or window_s
        if timing.p99_s > step_s:
            return timing.bound, timing
        emitted_s = timing.p99_s + (window_s if self.strategy == "disjoint" else 2 * step_s)
        late = self.latency_s is not None and emitted_s > self.latency_s
        return ("latency budget" if late else "nothing"), timing
