"""The babble behind some of the `talks`: several synthetic voices that speak at once about something else."""

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ..audio import SAMPLE_RATE
from ..synthesis import Voice, speak

_SENTENCES = Path(__file__).parent / "babble.txt"
# None of them speaks a recording.
TALKERS = (
    Voice("espeak:en-us+m2"),
    Voice("espeak:en-us+f1", rate=1.05),
    Voice("flite:kal16"),
    Voice("espeak:en-us+f3", rate=0.95),
    Voice("espeak:en-us+m4", rate=1.1),
    Voice("espeak:en-gb-scotland+m8"),
)


def babble(rng: random.Random, samples: int, talkers: Sequence[Voice]) -> np.ndarray:
    """`talkers` at once, equally loud, from the first sample to the last: float32, shape = (samples,), unit power."""
    sentences = _SENTENCES.read_text(encoding="utf-8").splitlines()
    mixed = np.zeros(samples, np.float32)
    for talker in talkers:
        mixed += _talk(rng, samples, talker, sentences)
    return mixed / np.float32(mixed.std())


def _talk(rng: random.Random, samples: int, voice: Voice, sentences: Sequence[str]) -> np.ndarray:
    """One voice, all sentences in an order of its own and round again. float32, shape = (samples,), unit power."""
    pieces, left = list[np.ndarray](), 0
    skipped = rng.randrange(2 * SAMPLE_RATE)  # else all would begin together
    while left < samples + skipped:
        for sentence in rng.sample(sentences, len(sentences)):
            pause = np.zeros(round(rng.uniform(0.1, 0.5) * SAMPLE_RATE), np.float32)
            pieces += [_spoken(sentence, voice), pause]
            left += len(pieces[-2]) + len(pause)
            if left >= samples + skipped:
                break
    audio = np.concatenate(pieces)[skipped : skipped + samples]
    return audio / np.float32(audio.std())


@cache
def _spoken(sentence: str, voice: Voice) -> np.ndarray:
    return speak(sentence, voice).audio
