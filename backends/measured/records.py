"""What an endpoint is asked with, and what it answers."""

import math
from dataclasses import dataclass

from ..errors import InputError

TIMESTAMPS = ("word", "segment", "none")
ANSWERED, LIMITED = "ok", "rate limit"
KINDS = (ANSWERED, LIMITED, "timeout", "connection", "certificate", "key", "refused", "server error", "garbage")
MAY_PASS = (LIMITED, "timeout", "connection", "server error")  # worth asking again


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """How endpoints are asked; frozen, and checked when it is made. Raises `InputError`.

    timestamps: times that are asked for, of each "word" or "segment", or "none" (some models give none).
    prompt: told to the model before each call, for example names that will be said.
    temperature: None for the server's own.
    timeout_s: seconds after which a request without its whole answer is given up.
    retries: how often a request is made again that failed in a way that may pass.
    concurrency: calls that are under way at once; more than 1 measures the endpoint under that load.
    max_requests: requests that may be made, retries among them; None for any number.
    max_cost_usd: what they may cost; needs `usd_per_minute`.
    usd_per_minute: price of a minute of audio.
    billed_at_least_s: seconds that are billed for a shorter request (GroqCloud: 10).
    """

    timestamps: str = "word"
    prompt: str = ""
    temperature: float | None = None
    timeout_s: float = 60.0
    retries: int = 4
    concurrency: int = 1
    max_requests: int | None = None
    max_cost_usd: float | None = None
    usd_per_minute: float | None = None
    billed_at_least_s: float = 0.0

    def __post_init__(self) -> None:
        if self.timestamps not in TIMESTAMPS:
            raise InputError(f"timestamps {self.timestamps!r}; expected {', '.join(TIMESTAMPS)}")
        for name in ("timeout_s", "concurrency", "max_requests", "max_cost_usd"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"endpoint: {name} is {value:g}; expected more than 0")
        for name in ("retries", "temperature", "usd_per_minute", "billed_at_least_s"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"endpoint: {name} is {value:g}; expected 0 or more")
        if self.max_cost_usd is not None and not self.usd_per_minute:
            raise InputError("endpoint: a highest cost without a price; state one, for example --price 0.006 a minute")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request.

    kind: one of `KINDS`.
    status: of HTTP; None where there was no answer.
    seconds: until its answer was whole, or until it failed.
    waited_s, waited_for: before it, and the kind of failure that was the reason; 0 and "" for the first.
    reused: whether it went over a connection that was open already.
    connect_s: of `seconds`, what a new connection took, TLS included.
    """

    kind: str
    status: int | None
    seconds: float
    waited_s: float = 0.0
    waited_for: str = ""
    reused: bool = False
    connect_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or a segment, in seconds from the beginning of the audio that was sent."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint answered to one call, and how that went.

    text, segments, words, language: as it said them; pieces are empty, and the language None, where it says none.
    asked_at: UTC time of the first request, ISO 8601.
    audio_s: seconds of audio that were sent.
    attempts: every request that was made, the one that was answered last.
    wall_s: from the beginning of the first request to the end of the answer, failed ones and waits in between included.
    sent_bytes, received_bytes: of the body of the answered request, and of its answer.
    body: the answer as it came.
    """

    text: str
    segments: tuple[Piece, ...] = ()
    words: tuple[Piece, ...] = ()
    language: str | None = None
    asked_at: str
    audio_s: float
    attempts: tuple[Attempt, ...]
    wall_s: float
    sent_bytes: int
    received_bytes: int
    body: str = ""

    @property
    def reused(self) -> bool:
        """Whether the request that was answered went over a connection that was open already."""
        return self.attempts[-1].reused

    @property
    def limited_s(self) -> float:
        """Seconds that went to rate limits: to requests that were refused for them, and to waiting as told."""
        return sum(
            one.waited_s * (one.waited_for == LIMITED) + one.seconds * (one.kind == LIMITED) for one in self.attempts
        )

    @property
    def service_s(self) -> float:
        """Seconds that a live stream would have waited: the wall clock without `limited_s`.

        Calls are asked faster than speech would come, so that rate limits strike which no live stream would meet.
        """
        return max(self.wall_s - self.limited_s, 0.0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of an endpoint as it went, without what was said: an `Answer` as a run remembers it.

    asked_at: UTC.
    audio_s: seconds of audio that were sent.
    wall_s: all of it, waits and failed requests included.
    service_s: without what rate limits took: the time that is on the clock.
    sent_bytes, received_bytes: of the request that was answered, and of its answer.
    attempts: the requests that were made for it; the last was answered.
    """

    asked_at: str
    audio_s: float
    wall_s: float
    service_s: float
    sent_bytes: int
    received_bytes: int
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A backend that was asked instead of simulated.

    place, model: who answered: host and path of the URL, and the model's name there.
    asked_now: calls that were made by this run; the others were answered before it was run again.
    concurrency: calls under way at once.
    exchanges: every distinct call, in the order in which they were needed.
    """

    backend: str
    place: str
    model: str
    asked_now: int
    concurrency: int
    exchanges: tuple[Exchange, ...]


class EndpointError(InputError):
    """A call that was not answered, for good. The message is one line, without any secret.

    kind: of the last failure, one of `KINDS`.
    attempts: every request that was made for it.
    """

    def __init__(self, message: str, kind: str, attempts: tuple[Attempt, ...]) -> None:
        super().__init__(message)
        self.kind, self.attempts = kind, attempts
