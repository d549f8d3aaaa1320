"""When a strategy's next piece of audio ends, also where calls come due faster than the backend serves them.

A pure function of the time at which the last call was ready; so it is the same on a virtual clock and on a real one,
and where nothing ever waits all policies give the same pieces.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...backends.errors import unknown
from ...backends.workload.op import LONGEST_S, SAMPLE_RATE

OVERLOADS = {
    "lag": "make every call, however late",
    "coalesce": "hear all whole steps that wait in one call, as WhisperLiveKit does",
    "grow": "hear all that has been spoken in one call, as whisper_streaming does",
    "drop": "if more than two steps wait, hear none of them and go on with the next, as whisper.cpp's stream does",
}
HALF_SAMPLE_S = 0.5 / SAMPLE_RATE  # three steps of 0.7 s end a hair before 2.1 s: no step follows for that


@dataclass(frozen=True, slots=True)
class Piece:
    """New audio for the next call, in seconds. `gap` tells that audio before it was dropped."""

    start_s: float
    end_s: float
    gap: bool = False


class Steps:
    """The pieces of a recording of `duration_s`, each at least `step_s` long but for the last.

    `longest_s` is the most that a call takes in at once, where pieces grow.
    """

    def __init__(self, step_s: float, duration_s: float, overload: str = "lag", longest_s: float = LONGEST_S) -> None:
        check_overload(overload)
        self._step_s, self._duration_s, self._overload = step_s, duration_s, overload
        self._longest_s = max(longest_s, step_s)
        # Ends are multiples of the step from an origin: a sum of steps would drift off them.
        self._origin_s, self._number = 0.0, 0

    def next(self, ready_at_s: float) -> Piece | None:
        """Return the next piece, given when the last call was ready; None at the end."""
        start_s = self._at(self._number)
        spoken_s = min(ready_at_s, self._duration_s)
        gap = self._overload == "drop" and spoken_s - start_s > 2 * self._step_s + HALF_SAMPLE_S
        if gap:
            self._origin_s, self._number = spoken_s, 0
            start_s = spoken_s
        if start_s >= self._duration_s - HALF_SAMPLE_S:
            return None
        if self._overload == "grow" and spoken_s > self._at(self._number + 1):
            self._origin_s, self._number = min(spoken_s, start_s + self._longest_s), 0
        else:
            self._number += max(1, self._waiting(start_s, spoken_s))
        end_s = self._at(self._number)
        if end_s >= self._duration_s - HALF_SAMPLE_S:
            self._origin_s, self._number, end_s = self._duration_s, 0, self._duration_s
        return Piece(start_s, end_s, gap)

    def _waiting(self, start_s: float, spoken_s: float) -> int:
        """Return how many steps one call may take: those that are whole, and the last of the recording."""
        if self._overload != "coalesce":
            return 1
        at_most_s = min(spoken_s - start_s, self._longest_s) + HALF_SAMPLE_S
        if spoken_s >= self._duration_s and at_most_s >= self._duration_s - start_s:
            return math.ceil((self._duration_s - start_s - HALF_SAMPLE_S) / self._step_s)
        return math.floor(at_most_s / self._step_s)

    def _at(self, number: int) -> float:
        return self._origin_s + number * self._step_s


def step_pieces(step_s: float, duration_s: float) -> Iterator[Piece]:
    """Yield the pieces where no call waits."""
    steps = Steps(step_s, duration_s)
    while piece := steps.next(0.0):
        yield piece


def check_overload(name: str) -> None:
    """Raise `InputError` unless there is such a policy."""
    if name not in OVERLOADS:
        raise unknown("overload policy", name, OVERLOADS)
