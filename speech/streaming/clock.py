"""Recordings played as live streams on an exact virtual clock: no sleeping, no dependence on this machine.

One stream is a queue with one server. Call `k` arrives when its last sample has been spoken:

    start_k = max(arrival_k, finish_{k-1}),   finish_k = start_k + service_k

and its words are on screen at `finish_k`. The service time is the backend's, for the token counts that Whisper
really produced on this call.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...datasets.audio import SAMPLE_RATE
from ...datasets.recording import Recording
from ..asr.attention import AttendedWord, Attention, stop_at_margin
from ..asr.decoding.draft import REMEMBERED, add_proposals
from ..asr.hypothesis import SECONDS_PER_TICK, Clip, DraftText, Hypothesis
from ..asr.transcriber import Hearing, Progress, require_whisper
from ..metrics.calls import CallRecord, find_unheard_s
from ..strategies import Call, Heard, Strategy

ServiceTime = Callable[[Call, Hypothesis], float]  # seconds


def no_time(call: Call, hypothesis: Hypothesis) -> float:
    """Return 0 s: the computation-unaware clock, on which a word appears when its call has ended."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Emission:
    """A committed word.

    at_s: when it was shown, in seconds of the recording.
    """

    text: str
    at_s: float


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """One call as it went, all times in seconds of the recording (`metrics.calls.CallRecord` says what they are).

    call: what the strategy asked for.
    hypothesis: what Whisper gave.
    committed, interim: the words that the strategy made of it, shown for good and until the next call.
    """

    call: Call
    arrival_at_s: float
    start_at_s: float
    finish_at_s: float
    hypothesis: Hypothesis
    committed: tuple[str, ...]
    interim: tuple[str, ...] = ()

    def record(self) -> CallRecord:
        """Return what a run keeps of this call, its times on the clock rounded to microseconds."""
        hypothesis = self.hypothesis
        return CallRecord(
            start_s=self.call.start_s,
            end_s=self.call.end_s,
            arrival_at_s=self.arrival_at_s,
            start_at_s=round(self.start_at_s, 6),
            finish_at_s=round(self.finish_at_s, 6),
            prompt_tokens=hypothesis.prompt_tokens,
            decode_tokens=hypothesis.decode_tokens,
            encoder_passes=sum(run.encoded for run in hypothesis.runs),
            decoder_runs=len(hypothesis.runs),
            temperature=hypothesis.temperature,
            cut_off=hypothesis.cut_off,
            text=hypothesis.text,
            committed=self.committed,
            interim=self.interim,
        )


@dataclass(slots=True)
class Job:
    """A recording to be played with a strategy on a backend.

    recording: played as a live stream.
    strategy: cuts it into calls.
    service_s: says how many seconds the backend takes for a call.
    overload: what is done when calls come due faster than they are served (`strategies.OVERLOADS`).
    played: the calls as they went; they are added as the stream goes on.
    """

    recording: Recording
    strategy: Strategy
    service_s: ServiceTime
    overload: str = "lag"
    played: list[PlayedCall] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all that was committed."""
        return " ".join(word for played in self.played for word in played.committed)

    @property
    def emissions(self) -> Iterator[Emission]:
        """Return the committed words with their times, in order."""
        return (Emission(word, played.finish_at_s) for played in self.played for word in played.committed)

    @property
    def backlog_s(self) -> float:
        """Return the longest that a call had to wait for the one before it, in seconds."""
        return max((played.start_at_s - played.arrival_at_s for played in self.played), default=0.0)

    @property
    def unheard_s(self) -> float:
        """Return the seconds of audio that are in no call: dropped, or left out as silence."""
        return find_unheard_s(
            [(played.call.start_s, played.call.end_s) for played in self.played], self.recording.duration_s
        )


def play(
    jobs: Sequence[Job],
    engine: Hearing,
    progress: Progress | None = None,
    attention: Attention | None = None,
    draft: bool = False,
) -> None:
    """Play all jobs to their end, and fill their `played`. Calls are transcribed together, each distinct one once.

    engine: transcribes the calls.
    progress: is told how many of the calls that are known ahead are transcribed.
    attention: gives the word times that some strategies ask for; by default that of the engine's recogniser.
    draft: each call is decoded, and timed, with the texts of the job's calls before as a draft. The text is the same.

    Word times look into Whisper: for strategies that ask for them the engine has to be a `Transcriber`, or it is an
    `InputError`.
    """
    transcripts = _Transcripts(engine, attention, draft)
    transcripts.fetch(
        (
            (job, call)
            for job in jobs
            # Under other policies, which calls are made depends on how long they take.
            if job.overload == "lag"
            for call in job.strategy.fixed_calls(job.recording.duration_s)
        ),
        progress,
    )
    generators = [job.strategy.run(job.recording.audio, job.overload) for job in jobs]
    running = [(job, generator, next(generator, None)) for job, generator in zip(jobs, generators, strict=True)]
    while running := [(job, generator, call) for job, generator, call in running if call is not None]:
        transcripts.fetch((job, call) for job, _, call in running)
        running = [(job, generator, _advance(job, generator, call, transcripts)) for job, generator, call in running]


@dataclass(slots=True)
class _Transcripts:
    """The transcripts of the calls of all jobs, each distinct call computed once, with word times where asked for."""

    engine: Hearing
    attention: Attention | None
    draft: bool
    known: dict[tuple[int, Call], tuple[Hypothesis, tuple[AttendedWord, ...]]] = field(default_factory=dict)

    def of(self, job: Job, call: Call) -> tuple[Hypothesis, tuple[AttendedWord, ...]]:
        """Return the transcript of a call that was fetched, and its words with their times."""
        return self.known[id(job.recording), call]

    def fetch(self, calls: Iterable[tuple[Job, Call]], progress: Progress | None = None) -> None:
        new = {(id(job.recording), call): job for job, call in calls}
        clips = {
            key: clip_of(job.recording, key[1], _draft(job, key[1]) if self.draft else ())
            for key, job in new.items()
            if key not in self.known
        }
        hypotheses = dict(zip(clips, self.engine.transcribe(list(clips.values()), progress), strict=True))
        self.known.update((key, (hypothesis, ())) for key, hypothesis in hypotheses.items())
        timed = [key for key in clips if key[1].margin_s is not None]
        if not timed:
            return
        self.attention = self.attention or Attention.beside(require_whisper(self.engine))
        found = self.attention.words([clips[key] for key in timed], [hypotheses[key].text for key in timed])
        for key, words in zip(timed, found, strict=True):
            _, call = key
            self.known[key] = stop_at_margin(hypotheses[key], words, call.end_s - call.start_s, call.margin_s or 0.0)


def _advance(
    job: Job,
    generator: Generator[Call, Heard, None],
    call: Call,
    transcripts: _Transcripts,
) -> Call | None:
    """Put one call on the clock, tell the strategy, and return its next call, or None at the end."""
    hypothesis, words = transcripts.of(job, call)
    if transcripts.draft:
        hypothesis = add_proposals(hypothesis, _draft(job, call), transcripts.engine.timestamp_begin)
    free_at_s = job.played[-1].finish_at_s if job.played else 0.0
    start_s = max(call.arrival_at_s, free_at_s)
    finish_s = start_s + job.service_s(call, hypothesis)
    times_s = tuple(call.start_s + word.at_s for word in words)
    heard = Heard(hypothesis.text, finish_s, word_times_s=times_s, heard_to_s=call.start_s + hypothesis.heard_s)
    try:
        following = generator.send(heard)
    except StopIteration:
        following = None
    job.played.append(
        PlayedCall(call, call.arrival_at_s, start_s, finish_s, hypothesis, tuple(heard.committed), heard.interim)
    )
    return following


def clip_of(recording: Recording, call: Call, drafts: tuple[DraftText, ...] = ()) -> Clip:
    """Return what a call hears of a recording. `drafts`: texts that its own may be like."""
    first, last = round(call.start_s * SAMPLE_RATE), round(call.end_s * SAMPLE_RATE)
    return Clip(recording.audio[first:last], call.prompt, call.prefix, drafts, call.mode)


def _draft(job: Job, call: Call) -> tuple[DraftText, ...]:
    """Return the transcripts of the calls before, newest first."""
    return tuple(
        DraftText(played.hypothesis.tokens, round((call.start_s - played.call.start_s) / SECONDS_PER_TICK))
        for played in job.played[: -REMEMBERED - 1 : -1]
    )
