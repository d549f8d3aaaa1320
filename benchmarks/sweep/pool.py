"""What all workers have in common, wherever they are: who has nothing to do, what came back, who has to be replaced."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ...backends.errors import InputError

_FAILED_STARTS = 5  # in a row: then no worker will ever start


@dataclass(slots=True, eq=False, kw_only=True)
class Member:
    """A worker: for which device, whether it has begun, what it works at."""

    device: str
    ready: bool = False
    number: int | None = None


M = TypeVar("M", bound=Member)


class Pool(ABC, Generic[M]):
    """Workers of one kind. One that is gone is noticed and replaced; its task comes back as lost.

    devices: of each worker.
    """

    def __init__(self, devices: Iterable[str]) -> None:
        self._failed_starts = 0
        self._members = [self._start(device) for device in devices]

    @abstractmethod
    def _start(self, device: str) -> M:
        """Return a new worker."""

    @abstractmethod
    def _send(self, one: M, message: bytes) -> None:
        """Hand an order to a worker; that it is gone is told by what it answers."""

    @abstractmethod
    def _answers(self, timeout_s: float) -> Iterator[tuple[M, bytes | None, str]]:
        """Yield who has answered what, after waiting for the first: None from one that is gone, and how it ended."""

    @abstractmethod
    def close(self) -> None:
        """Let all workers go."""

    def _idle(self, device: str) -> list[M]:
        return [one for one in self._members if one.ready and one.number is None and one.device == device]

    def free(self, device: str) -> int:
        """Return how many workers for a device have nothing to do; those that have not begun do not count."""
        return len(self._idle(device))

    def submit(self, number: int, device: str, message: bytes) -> None:
        """Hand an order to a worker that has nothing to do."""
        one = self._idle(device)[0]
        one.number = number
        self._send(one, message)

    def collect(self, timeout_s: float) -> list[tuple[int, bytes | None]]:
        """Return the answers that have come, by number; None for a worker that is gone, which is replaced.

        Waits for the first. Raises `InputError` where no worker can be had.
        """
        came: list[tuple[int, bytes | None]] = []
        for one, message, ending in self._answers(timeout_s):
            number, one.number = one.number, None
            if message is None:
                self._replace(one, ending)
            elif not one.ready:  # this says no more than that it is
                one.ready, self._failed_starts = True, 0
            if number is not None:
                came.append((number, message))
        return came

    def _replace(self, gone: M, ending: str) -> None:
        self._failed_starts += not gone.ready
        if self._failed_starts >= _FAILED_STARTS:
            raise InputError(f"{self._failed_starts} workers in a row ended before they could begin{ending}")
        self._members[self._members.index(gone)] = self._start(gone.device)
