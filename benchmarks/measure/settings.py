"""What is measured: which server, how many streams, for how long, and what is promised to whom."""

import math
from dataclasses import dataclass

from ...backends.errors import InputError, unknown
from ...backends.measured.records import EndpointOptions
from ...backends.measured.streams.target import Target
from ...backends.serving.arrivals import Traffic
from ...backends.workload.cutting import own_step_s
from ...speech.strategies import check_asks_for_text

SLO_ON = ("word", "steady", "ttfs")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One measurement; frozen, and checked when it is made. Raises `InputError` for what cannot be asked.

    target: the server, as `realtime:URL#MODEL`, `wlk:URL` or `openai:URL#MODEL`; a key comes from the environment
        alone.
    streams: live recordings at once, one load after the other.
    ramp: find the most streams that keep the SLO instead, by doubling and bisecting, from one up to `most_streams`.
    slo_s: what 95 of 100 words, or stretches of speech, must keep; None for no promise.
    slo_on: "word" for the latency of final words, "steady" for that of words which stay as they are from then on,
        "ttfs" for the time to the final segment.
    seconds: of each recording that is played; those without word times are played whole.
    dataset: what is played, a name or a path.
    chunk_s: seconds of audio that are sent at a time.
    stagger_s: streams begin within so many seconds, each at a moment that is drawn.
    language: of the speech, as an ISO 639-1 code; None lets the server detect it.
    commit_s: of the Realtime API: seconds of audio that are transcribed at a time; None: the server cuts.
    patience_s: seconds that the server may take to be ready, to take a chunk, and to say all there is at the end.
    max_requests: requests that may be made, calls of `openai:` (retries among them), else streams; None for any number.
    max_cost_usd: what they may cost; needs `usd_per_minute`, the price of a minute of audio that is sent.
    billed_at_least_s: seconds that are billed for a shorter request.
    beside: backends that are simulated under the same loads, by name.
    timed_as: which Whisper is simulated.
    strategy, window_s, step_s: how audio is cut into calls, "sliding" or "disjoint", by `openai:` and the simulation;
        the step of disjoint windows is the window.
    seed: of what is played, of when streams begin, and of the simulation.
    """

    target: str
    streams: tuple[int, ...] = (1,)
    ramp: bool = False
    most_streams: int = 256
    slo_s: float | None = None
    slo_on: str = "word"
    seconds: float = 60.0
    dataset: str = "talks-clean"
    chunk_s: float = 0.1
    stagger_s: float = 2.0
    language: str | None = "en"
    commit_s: float | None = None
    patience_s: float = 30.0
    max_requests: int | None = None
    max_cost_usd: float | None = None
    usd_per_minute: float | None = None
    billed_at_least_s: float = 0.0
    beside: tuple[str, ...] = ()
    timed_as: str = "tiny.en"
    strategy: str = "sliding"
    window_s: float = 10.0
    step_s: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        target = Target.parse(self.target)
        if not self.streams or min(self.streams) < 1 or self.most_streams < 1:
            raise InputError(f"streams are {self.streams}, at most {self.most_streams}; expected at least 1")
        for name in ("slo_s", "seconds", "chunk_s", "commit_s", "patience_s", "window_s", "step_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value:g}; expected more than 0")
        _ = self.endpoint  # which says what is wrong with what may be spent
        if not 0 <= self.stagger_s < math.inf:
            raise InputError(f"stagger_s is {self.stagger_s:g}; expected 0 or more")
        if self.slo_on not in SLO_ON:
            raise unknown("measure of an SLO", self.slo_on, SLO_ON)
        if self.beside or target.protocol == "openai":
            _ = self.traffic  # which says what is wrong with windows and steps
        if target.protocol == "openai":
            check_asks_for_text(self.strategy)
        if self.ramp and self.slo_s is None:
            raise InputError("a ramp needs an SLO to find the most streams that keep it; give one, for example --slo 2")

    @property
    def endpoint(self) -> EndpointOptions:
        """How `openai:` is asked, and what may be spent on any target."""
        return EndpointOptions(
            timestamps="none",
            timeout_s=self.patience_s,
            max_requests=self.max_requests,
            max_cost_usd=self.max_cost_usd,
            usd_per_minute=self.usd_per_minute,
            billed_at_least_s=self.billed_at_least_s,
        )

    @property
    def traffic(self) -> Traffic:
        """What one stream asks of a server that hears windows."""
        step_s = own_step_s(self.strategy, self.window_s) or self.step_s
        return Traffic(1, self.window_s, step_s, self.strategy)

    @property
    def played(self) -> tuple[object, ...]:
        """What a load that was played before must have in common with this measurement to stand for its own."""
        target = Target.parse(self.target)
        cut = (self.strategy, self.window_s, self.traffic.step_s) if target.protocol == "openai" else ()
        return (str(target), self.seconds, self.dataset, self.chunk_s, self.stagger_s, self.language,
                self.commit_s, self.patience_s, self.seed, *cut)  # fmt: skip
