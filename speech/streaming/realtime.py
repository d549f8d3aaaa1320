"""Live captions in wall time: a simulated stream shown when its words are due, or this machine heard as it works.

Deadlines are absolute: each is a time since the start, so that a late caption does not delay those after it, and
nothing drifts. The wall clock is an argument: tests bring their own, and nobody sleeps.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..asr.hypothesis import Hypothesis
from ..strategies import Call, Heard, Strategy
from .clock import PlayedCall


class Wall(Protocol):
    """A clock that can be waited for."""

    def now_s(self) -> float:
        """Return seconds since any fixed moment; never falls."""
        ...

    def sleep_until(self, at_s: float) -> None:
        """Return at `at_s`, or at once if that has passed."""
        ...


class WallClock:
    """This machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep_until(self, at_s: float) -> None:
        while (left_s := at_s - time.monotonic()) > 0:
            time.sleep(left_s)


@dataclass(frozen=True, slots=True)
class Caption:
    """Words that a call added for good, and those shown after them until the next caption.

    It was due at `due_at_s` and shown at `shown_at_s`, in seconds of the recording.
    """

    committed: tuple[str, ...]
    interim: tuple[str, ...]
    due_at_s: float
    shown_at_s: float


Show = Callable[[Caption], None]


def replay(played: Sequence[PlayedCall], wall: Wall, show: Show) -> None:
    """Show what each call gave when its words are due, as if the recording began now."""
    began_s = wall.now_s()
    for one in played:
        wall.sleep_until(began_s + one.finish_at_s)
        show(Caption(one.committed, one.interim, one.finish_at_s, wall.now_s() - began_s))


class Here(Strategy):
    """A strategy whose calls come when their audio has been spoken, in wall time, and take as long as they take.

    Play it in a `Job` with its own `service_s`, and with an engine that has no cache: then the stream's clock is the
    wall's. Each caption is shown before the next call is waited for.
    """

    def __init__(self, strategy: Strategy, wall: Wall, show: Show) -> None:
        self._strategy, self._wall, self._show = strategy, wall, show
        self._began_s = self._free_s = 0.0

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        calls = self._strategy.run(audio, overload)
        call = next(calls, None)  # what a strategy does ahead, such as to load a detector, is no time of the recording
        self._began_s, self._free_s = self._wall.now_s(), 0.0
        while call is not None:
            self._wall.sleep_until(self._began_s + call.arrival_at_s)
            heard = yield call
            self._free_s = heard.ready_at_s
            try:
                call = calls.send(heard)
            except StopIteration:
                call = None
            at_s = self._wall.now_s() - self._began_s
            self._show(Caption(tuple(heard.committed), heard.interim, heard.ready_at_s, at_s))

    def service_s(self, call: Call, hypothesis: Hypothesis) -> float:
        """Return how long the call that was just heard has taken, in seconds."""
        del hypothesis
        return self._wall.now_s() - self._began_s - max(call.arrival_at_s, self._free_s)
