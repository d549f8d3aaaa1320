"""What a strategy yields, what it is sent, and what it has to offer."""

import math
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from ...backends.errors import InputError


@dataclass(frozen=True, slots=True)
class Call:
    """One transcription of the audio between two moments of the recording.

    start_s, end_s: which audio, in seconds of the recording.
    prompt: text of the audio before, which Whisper is given as context.
    prefix: text of this very audio that is committed already: the decoder goes on from it.
    margin_s: words are timed by cross-attention, and the decoder stops at the first that attends to so many seconds
        at the end of the audio; None asks for no times.
    known_at_s: when it was clear where to cut, if that was after `end_s`.
    mode: how much of the audio Whisper hears (`hypothesis.Clip`): all of the "window", one "segment", or one "text"
        without timestamps, which is what a call with a prefix or a margin is.
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
        """Return when it can begin, if the backend is free."""
        return max(self.end_s, self.known_at_s)


@dataclass(slots=True)
class Heard:
    """The answer to a call, and the words that the strategy shows on having it.

    text: what Whisper wrote.
    ready_at_s: when it was ready, in seconds of the recording.
    committed: the words to be shown for good.
    word_times_s: for each word of `text` when it was spoken, in seconds of the recording; empty unless asked for.
    interim: the words to be shown until the next call.
    heard_to_s: the second of the recording from which on Whisper would hear more.
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
    """A way of cutting live audio into calls. The first line of a subclass's docstring says what it does.

    To write one, subclass this and write `run`; docs/adding-a-strategy.md shows how.
    """

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> Self:
        """Return the strategy that hears `window_s` at once, every `step_s`: by default `cls(window_s, step_s)`.

        Raises `InputError` for settings that it does not take.
        """
        return cls(window_s, step_s)  # pyright: ignore[reportCallIssue]

    @abstractmethod
    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        """Yield the calls for a recording, in order of their `end_s`; each is answered by what was `Heard` in it.

        audio: float32 at 16 kHz, shape = (samples,).
        overload: what to do when calls come due faster than they are served (`steps.OVERLOADS`).
        """
        ...

    def fixed_calls(self, duration_s: float) -> Iterator[Call]:
        """Return the calls that are made whatever is heard, where none waits; by default none.

        They may be transcribed ahead, in batches.
        """
        return iter(())


def check_window(strategy: str, window_s: float) -> None:
    """Raise `InputError` unless the window is a length that audio can have."""
    if not 0 < window_s < math.inf:
        raise InputError(f"{strategy}: a window of {window_s:g} s; expected more than 0 s, for example --window 5")


def check_step(strategy: str, window_s: float, step_s: float | None) -> float:
    """Return `step_s`. Raises `InputError` unless it is within the window."""
    check_window(strategy, window_s)
    if step_s is None:
        raise InputError(f"{strategy}: a step is needed; type for example --step 1")
    if not 0 < step_s <= window_s:
        raise InputError(f"{strategy}: a step of {step_s:g} s is not within (0, {window_s:g} s], the window")
    return step_s
