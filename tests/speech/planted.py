"""Recordings whose words are known, and a recogniser, an attention and a voice detector that make no mistakes."""

import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from earspan.backends.workload.models import DIMENSIONS
from earspan.datasets.recording import Recording, Word
from earspan.speech.asr.attention import AttendedWord
from earspan.speech.asr.hypothesis import Clip, DecoderRun, Hypothesis
from earspan.speech.metrics.calls import CallRecord
from earspan.speech.strategies.vad import FRAME
from earspan.speech.streaming.clock import Job, no_time, play

RATE = 16_000
# What a run says of the model that heard: none did.
RECOGNISER = SimpleNamespace(
    name="planted", sha256="0" * 64, digest="0" * 64, source="planted", precision="fp32", dims=DIMENSIONS["tiny.en"]
)


def heard_as(
    text: str,
    tokens: tuple[int, ...] = (),
    prompt_tokens: int = 2,
    decode_tokens: int | None = None,
    audio_s: float = 1.0,
    heard_s: float = 0.0,
) -> Hypothesis:
    """What one run of the decoder heard; as many decode steps as tokens, unless told."""
    steps = len(tokens) if decode_tokens is None else decode_tokens
    run = DecoderRun(0.0, audio_s, True, prompt_tokens, 0, tokens, True, steps)
    return Hypothesis(text, (run,), tokens, mean_log_probability=-0.1, heard_s=heard_s)


def call_record(
    start_s: float,
    end_s: float,
    committed: tuple[str, ...] = (),
    interim: tuple[str, ...] = (),
    start_at_s: float | None = None,
    finish_at_s: float | None = None,
) -> CallRecord:
    """Return the record of a call that was served at once, unless told, in one run of the decoder."""
    begun_s = end_s if start_at_s is None else start_at_s
    shown_s = begun_s if finish_at_s is None else finish_at_s
    text = " ".join(committed)
    return CallRecord(start_s, end_s, end_s, begun_s, shown_s, 2, 5, 1, 1, 0.0, False, text, committed, interim)


def recording_of(words: tuple[Word, ...], duration_s: float, name: str = "r") -> Recording:
    """Sound while a word is spoken, silence else."""
    audio = np.zeros(round(duration_s * RATE), np.float32)
    for word in words:
        audio[round(word.start_s * RATE) : round(word.end_s * RATE)] = 0.1
    return Recording(name, audio, " ".join(word.text for word in words), words, "planted", None)


def planted_speech(seed: int, duration_s: float, pause_s: float = 0.4) -> Recording:
    """Words `w0 w1 ...` of 0.1 to 0.6 s, and a pause after about every fifth."""
    rng, at_s, words = random.Random(seed), 0.0, list[Word]()
    while at_s < duration_s:
        length_s = rng.uniform(0.1, 0.6)
        if at_s + length_s <= duration_s:
            words.append(Word(f"w{len(words)}", at_s, at_s + length_s))
        at_s += length_s + (pause_s if rng.random() < 0.2 else 0.02)
    return recording_of(tuple(words), duration_s)


@dataclass
class PerfectEngine:
    """Hears the words that are whole within a clip of one of its recordings, after those of the prefix.

    The token of a word is its number. As Whisper does in one pass, it would go on after the last of them.
    """

    recordings: list[Recording]
    asked: list[Clip] = field(default_factory=list)
    timestamp_begin: int = 1_000_000
    version: str = "planted"
    computed: int = 0
    recogniser: SimpleNamespace = field(default_factory=lambda: RECOGNISER)

    def place(self, clip: Clip) -> tuple[Recording, float, float]:
        """The recording that a clip is of, and where it starts and ends in it: clips are views of its audio."""
        for recording in self.recordings:
            first = (clip.audio.ctypes.data - recording.audio.ctypes.data) // 4
            if 0 <= first < len(recording.audio):
                return recording, first / RATE, (first + len(clip.audio)) / RATE
        raise AssertionError("a clip of no recording")

    def forget(self) -> None:
        pass

    def take_said(self) -> list[str]:
        return []

    def transcribe(self, clips, progress=None) -> list[Hypothesis]:
        self.asked += clips
        return [self._hear(clip) for clip in clips]

    def _hear(self, clip: Clip) -> Hypothesis:
        recording, start_s, end_s = self.place(clip)
        words = [w for w in recording.words or () if w.start_s >= start_s - 1e-4 and w.end_s <= end_s + 1e-4]
        if clip.prefix:
            last = clip.prefix.split()[-1]
            words = [w for w in words if int(w.text[1:]) > int(last[1:])]
        goes_on = clip.mode == "segment" and words
        return heard_as(
            " ".join(w.text for w in words),
            tuple(int(w.text[1:]) for w in words),
            prompt_tokens=2 + len(clip.prefix.split()),
            audio_s=end_s - start_s,
            heard_s=(words[-1].end_s if goes_on else end_s) - start_s,
        )


@dataclass
class PerfectAttention:
    """Attends to the middle of each word."""

    engine: PerfectEngine

    def words(self, clips, texts) -> list[tuple[AttendedWord, ...]]:
        return [self._attend(clip, text) for clip, text in zip(clips, texts, strict=True)]

    def _attend(self, clip: Clip, text: str) -> tuple[AttendedWord, ...]:
        recording, start_s, _ = self.engine.place(clip)
        middle = {w.text: (w.start_s + w.end_s) / 2 - start_s for w in recording.words or ()}
        return tuple(AttendedWord(word, middle[word], 1) for word in text.split())


def played(recording, strategy, overload: str = "lag", service_s=no_time) -> Job:
    """A recording, heard without a mistake."""
    engine = PerfectEngine([recording])
    job = Job(recording, strategy, service_s, overload)
    play([job], engine, attention=PerfectAttention(engine))  # type: ignore[arg-type]
    return job


def loud(audio: np.ndarray) -> np.ndarray:
    """1 for the frames with sound in at least half of them, as a voice detector's probabilities."""
    padded = np.pad(audio, (0, -len(audio) % FRAME)).reshape(-1, FRAME)
    return (np.mean(padded > 0, axis=1) >= 0.5).astype(np.float32)
