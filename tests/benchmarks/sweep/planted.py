"""An engine that hears at once what nobody said, always the same in the same audio, and works as hard as it is told."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from earspan.speech.asr.cache import TranscriptCache
from earspan.speech.asr.decoding.transcribe import Attempt, Outcome
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.transcriber import Transcriber

ROOT = Path(__file__).parents[3]
ENGINE = "tests.benchmarks.sweep.planted:Burner"
BURN = "EARSPAN_TEST_BURN_S"  # seconds of work in each call
_WORDS = "one two three four five six seven eight nine ten".split()


class Burner(Transcriber):
    """Words by the hash of the audio, after some seconds of work."""

    def __init__(
        self, recogniser: Recogniser, options: DecodeOptions | None = None, cache: TranscriptCache | None = None
    ) -> None:
        super().__init__(recogniser, options, cache, version="burner 1")
        self._burn_s = float(os.environ.get(BURN, "0"))

    def batch_size(self) -> int:
        return 16

    def detect_language(self, clip: Clip) -> str:
        return "en"

    def decode(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        return [self._decode(attempt) for attempt in attempts]

    def _decode(self, attempt: Attempt) -> Outcome:
        until_s = time.process_time() + self._burn_s
        while time.process_time() < until_s:
            pass
        digest = hashlib.sha256(np.ascontiguousarray(attempt.part.clip.audio).tobytes()).digest()
        text = "".join(
            f" {_WORDS[byte % len(_WORDS)]}" for byte in digest[: 1 + len(attempt.part.clip.audio) // 16_000]
        )
        tokens = tuple(self._tokenizer.encode(text))
        return Outcome(tokens, True, -0.1 * len(tokens), 0.0, len(tokens), len(tokens) + 1)


def write_recordings(folder: Path, many: int, seconds: float, seed: int = 0) -> Path:
    """A dataset of noise with words and their times: as many recordings of so many seconds."""
    rng, lines = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(many):
        soundfile.write(folder / f"{number}.wav", rng.uniform(-0.1, 0.1, int(seconds * 16_000)), 16_000, "PCM_16")
        words = [
            {"word": _WORDS[int(n)], "start": at, "end": at + 0.5}
            for at, n in enumerate(rng.integers(0, len(_WORDS), int(seconds)).tolist())
        ]
        text = " ".join(word["word"] for word in words)
        lines.append({"audio_filepath": f"{number}.wav", "duration": seconds, "text": text, "words": words})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
