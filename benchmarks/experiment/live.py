"""One recording in real time: captions come when a backend would have them, or as this machine makes them."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...datasets import Recording, dataset_names, open_dataset, read_audio
from ...datasets.audio import SAMPLE_RATE
from ...speech.asr.hypothesis import Clip
from ...speech.metrics.latency import latency_summary, service_and_audio, word_latencies
from ...speech.metrics.pairing import pair_words
from ...speech.metrics.wer import ErrorRate, score_text
from ...speech.strategies import make_strategy
from ...speech.streaming.clock import Job, play
from ...speech.streaming.realtime import Caption, Here, Show, Wall, replay
from .progress import Progress
from .records import Track
from .run import Session

Screen = Callable[[list[Caption]], AbstractContextManager[Show]]  # shows captions, and adds them to the list


def find_recording(given: str) -> Recording:
    """Return the recording that `given` names: an audio file, with a transcript or not, or one of a dataset by id.

    Of a dataset without an id it is the first. Raises `InputError` where there is none.
    """
    name, colon, wanted = given.partition(":")
    if colon and name in dataset_names():
        entries = {entry.id: entry for entry in open_dataset(name)}
        if wanted not in entries:
            raise unknown("recording", wanted, entries)
        return entries[wanted].load()
    try:
        return next(iter(open_dataset(given))).load()
    except InputError:
        if not os.path.isfile(given):
            raise
    return Recording(Path(given).stem, read_audio(Path(given)), "", None, "file", None)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was played of a recording.

    track: its calls.
    captions: with the times at which they were shown.
    """

    track: Track
    captions: tuple[Caption, ...]

    @property
    def audio_s(self) -> float:
        """How much of the recording was heard."""
        return service_and_audio(self.track.calls)[1]

    @property
    def late_s(self) -> float:
        """How long after it was due the latest caption was shown, because this machine was busy."""
        return max((caption.shown_at_s - caption.due_at_s for caption in self.captions), default=0.0)

    def errors(self, recording: Recording) -> ErrorRate | None:
        """Return the word errors as far as the recording was played; None where its reference does not say."""
        words = [word for word in recording.words or () if word.end_s <= self.audio_s]
        whole = self.audio_s >= recording.duration_s - 1e-3 and len(words) == len(recording.words or ())
        text = " ".join(word.text for word in words) if words else recording.text if whole else ""
        return score_text(text, self.track.text) if text else None

    def latencies_s(self, recording: Recording) -> tuple[float, float, float] | None:
        """Return median, 95th and 99th percentile of word latency; None without word times or a right word."""
        words = [word for word in recording.words or () if word.end_s <= self.audio_s]
        shown = self.track.emitted
        pairs = pair_words([word.text for word in words], [word.text for word in shown])
        found = latency_summary(word_latencies(words, shown, pairs)) if words else None
        if found is None or found.p50_s is None or found.p95_s is None or found.p99_s is None:
            return None
        return found.p50_s, found.p95_s, found.p99_s


def play_live(session: Session, recording: Recording, wall: Wall, screen: Screen, progress: Progress) -> Heard:
    """Play a recording in the session's one setting, and return what was heard, whole or until it was interrupted.

    On a backend it is transcribed ahead, and captions are shown when they are due; without one, this machine's own
    times count, and it is transcribed as it is spoken.
    """
    setting = session.settings[0]
    clock = setting.clocks[-1]
    strategy = make_strategy(setting.strategy, setting.window_s, setting.step_s)
    captions: list[Caption] = []
    if clock.backend is None:
        session.engine.transcribe([Clip(recording.audio[:SAMPLE_RATE])])  # the first call of all takes longest
    job = Job(recording, strategy, clock.service_s)
    try:
        if clock.backend is None:
            with screen(captions) as show:
                live = Here(strategy, wall, show)
                job = Job(recording, live, live.service_s)
                play([job], session.engine)
        else:
            with progress.stage("transcribing ahead, to be on time") as advance:
                play([job], session.engine, advance)
            with screen(captions) as show:
                replay(job.played, wall, show)
    except KeyboardInterrupt:
        progress.say("stopped")
    # A call that was cut short is shown, but was not played to its end.
    played = tuple(one.record() for one in job.played[: len(captions)])
    track = Track(recording.id, setting.strategy, setting.window_s, setting.step_s, clock.backend, played)
    return Heard(track, tuple(captions))
