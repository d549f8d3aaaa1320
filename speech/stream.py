"""Recordings played as live streams on an exact virtual clock: no sleeping, no dependence on this machine.

One stream is a queue with one server. Call `k` arrives when its last sample has been spoken:

    start_k = max(arrival_k, finish_{k-1}),   finish_k = start_k + service_k

and its words are on screen at `finish_k`. The service time is the backend's, for the token counts that Whisper
really produced on this call.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..datasets.audio import SAMPLE_RATE
from ..datasets.recording import Recording
from .draft import proposals
from .hypothesis import Clip, Hypothesis
from .strategies import Call, Heard, Strategy
from .transcriber import Progress, Transcriber

_END = -1  # stands for the end mark, which is in no draft
ServiceTime = Callable[[Call, Hypothesis], float]  # seconds


@dataclass(frozen=True, slots=True)
class Emission:
    """A committed word, and when it was shown, in seconds of the recording."""

    text: str
    at_s: float


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """One call as it went, all times in seconds of the recording."""

    call: Call
    arrival_at_s: float
    start_at_s: float
    finish_at_s: float
    hypothesis: Hypothesis
    committed: tuple[str, ...]


@dataclass(slots=True)
class Job:
    """A recording to be played with a strategy on a backend; `played` fills as the stream goes on."""

    recording: Recording
    strategy: Strategy
    service_s: ServiceTime
    played: list[PlayedCall] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All that was committed."""
        return " ".join(word for played in self.played for word in played.committed)

    @property
    def emissions(self) -> Iterator[Emission]:
        """Committed words with their times, in order."""
        return (Emission(word, played.finish_at_s) for played in self.played for word in played.committed)

    @property
    def backlog_s(self) -> float:
        """The longest that a call had to wait for the one before it."""
        return max((played.start_at_s - played.arrival_at_s for played in self.played), default=0.0)


def play(jobs: Sequence[Job], engine: Transcriber, progress: Progress | None = None, draft: bool = False) -> None:
    """Play all jobs to their end. Their calls are transcribed together, each distinct one once.

    draft: each call is decoded, and timed, with the text of the job's call before as a draft. The text is the same.
    """
    heard: dict[tuple[int, Call], Hypothesis] = {}

    def listen(calls: Iterable[tuple[Job, Call]], progress: Progress | None = None) -> None:
        new = {(id(job.recording), call): _clip(job, call, draft) for job, call in calls}
        new = {key: clip for key, clip in new.items() if key not in heard}
        heard.update(zip(new, engine.transcribe(list(new.values()), progress), strict=True))

    listen(
        ((job, call) for job in jobs for call in job.strategy.fixed_calls(job.recording.duration_s)),
        progress,
    )
    generators = [job.strategy.run(job.recording.audio) for job in jobs]
    running = [(job, generator, next(generator, None)) for job, generator in zip(jobs, generators, strict=True)]
    while running := [(job, generator, call) for job, generator, call in running if call is not None]:
        listen((job, call) for job, _, call in running)
        running = [
            (job, generator, _advance(job, generator, call, heard[id(job.recording), call], draft))
            for job, generator, call in running
        ]


def _advance(
    job: Job, generator: Generator[Call, Heard, None], call: Call, hypothesis: Hypothesis, draft: bool
) -> Call | None:
    """Put one call on the clock, tell the strategy, and return its next call, or None at the end."""
    if draft:
        produced = hypothesis.tokens if hypothesis.cut_off else (*hypothesis.tokens, _END)
        hypothesis = replace(hypothesis, proposals=proposals(_draft(job), produced))
    free_at_s = job.played[-1].finish_at_s if job.played else 0.0
    start_s = max(call.end_s, free_at_s)
    finish_s = start_s + job.service_s(call, hypothesis)
    heard = Heard(hypothesis.text, finish_s)
    try:
        following = generator.send(heard)
    except StopIteration:
        following = None
    job.played.append(PlayedCall(call, call.end_s, start_s, finish_s, hypothesis, tuple(heard.committed)))
    return following


def _clip(job: Job, call: Call, draft: bool) -> Clip:
    first, last = round(call.start_s * SAMPLE_RATE), round(call.end_s * SAMPLE_RATE)
    return Clip(job.recording.audio[first:last], call.prompt, _draft(job) if draft else ())


def _draft(job: Job) -> tuple[int, ...]:
    return job.played[-1].hypothesis.tokens if job.played else ()
