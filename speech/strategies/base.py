"""What a strategy yields, what it is sent, and what it has to offer."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ...backends.errors import InputError


@dataclass(frozen=True, slots=True)
class Call:
    """One Whisper inference over the audio from `start_s` to `end_s`.

    It can begin when `end_s` has been spoken, or at `known_at_s` if only then it was clear where to cut. `prompt` is
    earlier text. `prefix` is text of this very audio that is already committed: the decoder goes on from it. With
    `margin_s`, words are timed by cross-attention, and the decoder stops at the first that attends to the last
    `margin_s` of the audio. `mode` says how much of the audio Whisper hears (`hypothesis.Clip`): all of the "window",
    one "segment", or one "text" without timestamps, which is what a call with a prefix or a margin is.
    """

    start_s: float
    end_s: float
    prompt: str = ""
    prefix: str = ""
    margin_s: float | None = None
    known_at_s: float = 0.0
    mode: str = "window"

    @property
    def arrival_at_s(self) -> float:
        """When it can begin, if the backend is free."""
        return max(self.end_s, self.known_at_s)


@dataclass(slots=True)
class Heard:
    """The transcript of a call, and the words that the strategy commits on having it.

    `word_times_s`: for each word of `text` when it was spoken, in seconds of the recording; empty unless asked for.
    `heard_to_s`: the second of the recording from which on Whisper would hear more.
    """

    text: str
    ready_at_s: float
    committed: list[str] = field(default_factory=list)
    word_times_s: tuple[float, ...] = ()
    interim: tuple[str, ...] = ()
    heard_to_s: float = 0.0

    def commit(self, words: Sequence[str]) -> None:
        """Show `words` for good, in this order, at `ready_at_s`."""
        self.committed.extend(words)

    def guess(self, words: Sequence[str]) -> None:
        """Show `words` after all that is committed, until the next call puts others in their place."""
        self.interim = tuple(words)


class Strategy(Protocol):
    """A way of cutting live audio into calls."""

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        """Yield the calls for `audio`, float32 at 16 kHz, shape = (samples,), in order of `end_s`.

        `overload` says what to do when calls come due faster than they are served (see `steps.OVERLOADS`).
        """
        ...

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        """The calls that are made whatever is heard, if none waits; they may be transcribed ahead, in batches."""
        ...


def check_window(strategy: str, window_s: float) -> None:
    """Raise `InputError` unless the window is a length that audio can have."""
    if not 0 < window_s < math.inf:
        raise InputError(f"{strategy}: a window of {window_s:g} s; expected more than 0 s, for example --window 5")


def check_step(strategy: str, window_s: float, step_s: float | None) -> float:
    """`step_s`; `InputError` unless it is within the window."""
    check_window(strategy, window_s)
    if step_s is None:
        raise InputError(f"{strategy}: a step is needed; type for example --step 1")
    if not 0 < step_s <= window_s:
        raise InputError(f"{strategy}: a step of {step_s:g} s is not within (0, {window_s:g} s], the window")
    return step_s
