"""Progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 10.0


@contextmanager
def stage(title: str) -> Iterator[Callable[[int, int], None]]:
    """Within it, tell the yielded function how much is done of how much: `advance(done, total)`."""
    console = Console(stderr=True)
    began = time.monotonic()
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    said_at = began

    def advance(done: int, total: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _LINE_EVERY_S:
            said_at = time.monotonic()
            print(f"{title}: {done}/{total}", file=sys.stderr, flush=True)

    yield advance
    print(f"{title}: done in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
