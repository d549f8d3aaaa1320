"""Words with their times, and strategies stepped through with what a planted recogniser hears of them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from earspan.datasets.recording import Word
from earspan.speech.strategies import Call, Heard, Strategy
from hypothesis import strategies as st

RATE = 16_000


LONGEST_WORD_S = 0.6


MILLISECONDS = st.integers(100, 8_000).map(lambda ms: ms / 1000)


def silence(duration_s: float) -> np.ndarray:
    return np.zeros(round(duration_s * RATE), np.float32)


def heard_by(call: Call) -> tuple[int, int]:
    return round(call.start_s * RATE), round(call.end_s * RATE)


def step_through(strategy: Strategy, duration_s: float, recognise: Callable[[Call], str]) -> list[list[str]]:
    """The words that each call commits."""
    generator, committed = strategy.run(silence(duration_s)), []
    call = next(generator, None)
    while call is not None:
        heard = Heard(recognise(call), call.end_s)
        try:
            call = generator.send(heard)
        except StopIteration:
            call = None
        committed.append(heard.committed)
    return committed


@dataclass(frozen=True)
class Spoken:
    """Words with their times, and what a perfect recogniser makes of a piece of it."""

    words: tuple[Word, ...]
    duration_s: float

    @property
    def text(self) -> list[str]:
        return [word.text for word in self.words]

    def hear(self, call: Call) -> str:
        return " ".join(w.text for w in self.words if call.start_s <= w.start_s and w.end_s <= call.end_s)

    def hear_with_garbage(self, call: Call) -> str:
        """Also something for every cut word, another thing each time."""
        heard = []
        for word in self.words:
            if call.start_s <= word.start_s and word.end_s <= call.end_s:
                heard.append(word.text)
            elif word.start_s < call.end_s and call.start_s < word.end_s:
                heard.append(f"cut{round(1e6 * call.end_s)}{word.text}")
        return " ".join(heard)


def speech(seed: int, vocabulary: int | None, pauses: bool = True, count: int = 30) -> Spoken:
    """`count` random words, 30 in about 15 s, all different unless a vocabulary size is given; pauses now and then."""
    rng, at_s, words = random.Random(seed), 0.0, []
    for number in range(count):
        at_s += rng.choice((0.0, 0.0, 0.02, 0.2, 3.0)) * rng.random() if pauses else 0.0
        duration_s = rng.uniform(0.1, LONGEST_WORD_S)
        text = f"w{number}" if vocabulary is None else f"w{rng.randrange(vocabulary)}"
        words.append(Word(text, at_s, at_s + duration_s))
        at_s += duration_s
    return Spoken(tuple(words), at_s + rng.random())
