"""The babble behind some of the `talks`: several voices that speak at once about something else."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..audio import SAMPLE_RATE
from .kokoro import Utterance

_SENTENCES = Path(__file__).parent / "babble.txt"
_IN_A_BREATH = 5  # sentences
TALKERS = ("af_alloy", "am_liam", "bf_lily", "am_onyx", "af_river", "am_echo")  # none of them speaks a recording

Speak = Callable[[str, str], Utterance]


def babble(speak: Speak, rng: random.Random, samples: int, talkers: Sequence[str]) -> np.ndarray:
    """Return `talkers` at once, equally loud, to the last sample: float32, shape = (samples,), unit power."""
    sentences = _SENTENCES.read_text(encoding="utf-8").splitlines()
    passages = [" ".join(sentences[at : at + _IN_A_BREATH]) for at in range(0, len(sentences), _IN_A_BREATH)]
    mixed = np.zeros(samples, np.float32)
    for talker in talkers:
        mixed += _talk(speak, rng, samples, talker, passages)
    return mixed / np.float32(mixed.std())


def _talk(speak: Speak, rng: random.Random, samples: int, talker: str, passages: Sequence[str]) -> np.ndarray:
    """Return one voice, all passages in an order of its own and round again.

    Float32, shape = (samples,), unit power.
    """
    pieces = list[np.ndarray]()
    for passage in rng.sample(passages, len(passages)):
        pieces += [speak(passage, talker).audio, np.zeros(round(rng.uniform(0.1, 0.4) * SAMPLE_RATE), np.float32)]
    loop = np.concatenate(pieces)
    audio = np.resize(np.roll(loop, rng.randrange(len(loop))), samples)  # else all would begin together
    return audio / np.float32(audio.std())
