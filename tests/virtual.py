"""An event loop whose clock jumps to the next timer when nothing else is to be done: hours pass at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Only for programs that wait for nothing but time and each other."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None = None) -> list[Any]:
            if timeout is None:
                raise RuntimeError("everything waits, and nothing will come")
            self._now += timeout
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now

    def hold(self, seconds: float) -> None:
        """Be busy for so long, as a program is that does not give way to others."""
        self._now += seconds


def run_virtually(program: Coroutine[Any, Any, T]) -> T:
    """Return what a program returns, run on a clock of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(program)
