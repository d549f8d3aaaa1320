"""What long work says while it goes on; by default nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int, int], None]


class Progress(Protocol):
    """Is told what is done. The commands print it; a program may bring its own."""

    def say(self, text: str) -> None:
        """Take note of a sentence, such as a recording that cannot be read."""
        ...

    def stage(self, title: str) -> AbstractContextManager[Advance]:
        """Give a function that is told, within the stage, how much is done of how much."""
        ...


class Silence:
    """Progress that nobody sees."""

    def say(self, text: str) -> None:
        """Drop the sentence."""

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """Give a function that does nothing."""
        yield lambda done, of: None
