"""What a replay holds: the audio of one recording, its words, and lanes with all that each call put on screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from ...datasets.audio import SAMPLE_RATE
from ...datasets.recording import Recording, Word
from ...speech.metrics.align import HIT
from ...speech.metrics.calls import CallRecord
from ...speech.metrics.latency import latency_summary, service_and_audio, word_latencies
from ...speech.metrics.pairing import Pair, pair_words
from ..experiment.records import Reference, Track
from ..results.wording import percent

_REST_S = 0.5  # the last words stay on screen for so long


@dataclass(frozen=True, slots=True)
class ShownWord:
    """A committed word beside the reference.

    said: what was said in its place; None where the word is right, "" where nothing was said.
    missed: words that were said before it, and not heard.
    """

    text: str
    said: str | None = None
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caption:
    """What one call put on screen when it finished.

    words: added for good.
    missed: words that were said after those, and never heard; only the last caption has some.
    """

    call: CallRecord
    words: tuple[ShownWord, ...]
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """One setting as it was seen.

    name: of the hardware.
    about: how audio is cut.
    facts: what came of it for this recording, in sentences.
    captions: in order.
    """

    name: str
    about: str
    facts: tuple[str, ...]
    captions: tuple[Caption, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """One recording, and what two to four settings made of it.

    audio: at 16 kHz, with silence behind it until the last caption has come, shape = (samples,).
    speech_s: how much of it is the recording.
    words: as they were said; empty without word times.
    """

    recording: str
    audio: np.ndarray
    speech_s: float
    words: tuple[Word, ...]
    lanes: tuple[Lane, ...]

    @property
    def duration_s(self) -> float:
        """Until the last caption has come."""
        return len(self.audio) / SAMPLE_RATE


def make_replay(
    reference: Reference, audio: np.ndarray, tracks: Sequence[Track], normaliser: str = "whisper"
) -> Replay:
    """Return the replay of a recording in the settings of `tracks`.

    Captions that come more than the length of the recording after its end are left out, and their lane says so: a
    backend that falls far behind would otherwise fill the file with silence.
    """
    speech_s = len(audio) / SAMPLE_RATE
    last_s = max((call.finish_at_s + _REST_S for track in tracks for call in track.calls), default=0.0)
    until_s = min(max(speech_s, last_s), 2 * speech_s)
    silence = np.zeros(round((until_s - speech_s) * SAMPLE_RATE), np.float32)
    lanes = tuple(_lane(reference, track, normaliser, until_s) for track in tracks)
    return Replay(reference.id, np.concatenate([audio, silence]), speech_s, reference.words or (), lanes)


def refer_to(recording: Recording, audio_s: float) -> Reference:
    """Return what was said in the first `audio_s` of a recording; no text where its reference does not tell."""
    words = tuple(word for word in recording.words or () if word.end_s <= audio_s)
    whole = len(words) == len(recording.words or ()) and audio_s >= recording.duration_s - 1e-3
    text = recording.text if whole else " ".join(word.text for word in words)
    return Reference(recording.id, text, words or None, recording.dataset, recording.speaker, audio_s)


def _lane(reference: Reference, track: Track, normaliser: str, until_s: float) -> Lane:
    heard = [word for call in track.calls for word in call.committed]
    pairs = pair_words(reference.said, heard, normaliser) if reference.text.strip() else []
    instead, missed = _beside(pairs, len(heard))
    captions, at = [], 0
    for call in track.calls:
        numbers = range(at, at := at + len(call.committed))
        words = tuple(ShownWord(heard[n], instead[n], tuple(missed[n])) for n in numbers)
        captions.append(Caption(call, words))
    if captions:
        captions[-1] = Caption(captions[-1].call, captions[-1].words, tuple(missed[-1]))
    every = "" if track.step_s is None else f" every {track.step_s:g} s"
    return Lane(
        name=track.backend or "infinitely fast",
        about=f"{track.strategy}, windows of {track.window_s:g} s{every}",
        facts=tuple(_facts(reference, track, pairs, until_s)),
        captions=tuple(captions),
    )


def _beside(pairs: Sequence[Pair], count: int) -> tuple[list[str | None], list[list[str]]]:
    """For each of `count` heard words what was said instead, None if it is right; and before each what was missed.

    The last of what was missed came after all of them. Words are as they were compared.
    """
    instead: list[str | None] = [None] * count
    missed: list[list[str]] = [[] for _ in range(count + 1)]
    after = 0
    for pair in pairs:
        said = pair.said.text if pair.said else ""
        if pair.heard is None:
            missed[after].append(said)
            continue
        after = max(after, pair.heard.end)
        if pair.step != HIT:
            for number in range(pair.heard.first, pair.heard.end):
                instead[number] = f"{instead[number] or ''} {said}".strip()
    return instead, missed


def _facts(reference: Reference, track: Track, pairs: Sequence[Pair], until_s: float) -> list[str]:
    service_s, audio_s = service_and_audio(track.calls)
    facts = []
    if track.backend:
        usual_s = median(call.finish_at_s - call.start_at_s for call in track.calls)
        facts.append(f"a call takes {usual_s:.2f}\N{NO-BREAK SPACE}s")
    if reference.words and pairs:
        found = latency_summary(word_latencies(reference.words, track.emitted, pairs))
        if found.p50_s is not None:
            facts.append(f"words come {found.p50_s:.1f}\N{NO-BREAK SPACE}s after they were spoken")
    if said := sum(pair.said is not None for pair in pairs):
        errors = sum(pair.step != HIT for pair in pairs)
        facts.append(f"{errors} error{'' if errors == 1 else 's'} in {said} words, {percent(errors / said)}")
    if service_s > audio_s:
        facts.append("it does not keep up")
    late = sum(call.finish_at_s > until_s for call in track.calls)
    if late:
        facts.append(f"its last {late} of {len(track.calls)} calls end after this replay, and are not shown")
    return facts
