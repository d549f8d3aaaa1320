"""What a strategy yields, what it is sent, and what it has to offer."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from whisper.audio import SAMPLE_RATE

from ...backends.errors import InputError


@dataclass(frozen=True, slots=True)
class Call:
    """One Whisper inference over the audio from `start_s` to `end_s`; it can begin when `end_s` has been spoken."""

    start_s: float
    end_s: float
    prompt: str = ""


@dataclass(slots=True)
class Heard:
    """The transcript of a call, and the words that the strategy commits on having it."""

    text: str
    ready_at_s: float
    committed: list[str] = field(default_factory=list)
    interim: tuple[str, ...] = ()

    def commit(self, words: Sequence[str]) -> None:
        """Show `words` for good, in this order, at `ready_at_s`."""
        self.committed.extend(words)

    def guess(self, words: Sequence[str]) -> None:
        """Show `words` after all that is committed, until the next call puts others in their place."""
        self.interim = tuple(words)


class Strategy(Protocol):
    """A way of cutting live audio into calls."""

    def run(self, audio: np.ndarray) -> Generator[Call, Heard, None]:
        """Yield the calls for `audio`, float32 at 16 kHz, shape = (samples,), in order of `end_s`."""
        ...

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        """The calls that are made whatever is heard; they may be transcribed ahead, in large batches."""
        ...


def step_ends(step_s: float, duration_s: float) -> Iterator[float]:
    """When each step of `step_s` ends; the last, perhaps shorter, at `duration_s`. Nothing for no audio."""
    # Three steps of 0.7 s end a hair before 2.1 s: half a sample of tolerance keeps an empty step from following.
    count = math.ceil((duration_s - 0.5 / SAMPLE_RATE) / step_s)
    yield from (number * step_s for number in range(1, count))
    if count > 0:
        yield duration_s


def check_window(strategy: str, window_s: float) -> None:
    """Raise `InputError` unless the window is a length that audio can have."""
    if not 0 < window_s < math.inf:
        raise InputError(f"{strategy}: a window of {window_s:g} s; expected more than 0 s, for example --window 5")
