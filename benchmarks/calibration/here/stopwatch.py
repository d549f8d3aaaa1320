"""Where the time of an engine goes, phase by phase: spectrograms, encoder, and what is written from it.

An engine's own steps are wrapped, and nothing of what it does changes: the sum is what its caller waits for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ....backends.errors import InputError

Clock = Callable[[], float]


@dataclass(slots=True)
class Stopwatch:
    """Seconds since `reset`. mel: of spectrograms; encode: of the encoder; write: of the decoder, all else included."""

    mel_s: float = 0.0
    encode_s: float = 0.0
    write_s: float = 0.0

    def reset(self) -> None:
        """Begin anew."""
        self.mel_s = self.encode_s = self.write_s = 0.0

    @property
    def seconds(self) -> float:
        """All of them."""
        return self.mel_s + self.encode_s + self.write_s


def attach(engine: Any, clock: Clock = time.perf_counter) -> Stopwatch:
    """Return a stopwatch that runs while `engine`, a `Transcriber`, works from now on.

    Raises `InputError` for an engine whose encoder is no step of its own.
    """
    if not hasattr(engine, "encode"):
        raise InputError(f"{type(engine).__name__}: its phases cannot be told apart; type --backend here or here-ct2")
    watch = Stopwatch()

    def wrap(owner: object, step: str, field: str) -> None:
        inner: Callable[..., Any] = getattr(owner, step)

        def timed(*given: Any, **named: Any) -> Any:
            before, start = watch.seconds, clock()
            try:
                return inner(*given, **named)
            finally:
                within = watch.seconds - before  # steps of this step have been counted
                setattr(watch, field, getattr(watch, field) + clock() - start - within)

        setattr(owner, step, timed)

    wrap(engine.features, "spectrum", "mel_s")
    wrap(engine, "encode", "encode_s")
    wrap(engine, "decode", "write_s")
    return watch
