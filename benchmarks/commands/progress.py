"""Progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ..experiment.progress import Advance
from ..results.wording import neutralise

_LINE_EVERY_S = 10.0


class Terminal:
    """Says on stderr what is done."""

    def say(self, text: str) -> None:
        """Print sentences, a line each."""
        for line in text.splitlines():
            print(neutralise(line), file=sys.stderr)

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """Within it, tell the yielded function how much is done of how much: `advance(done, total)`."""
        console = Console(stderr=True)
        began_s = time.monotonic()
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Bar(*columns, console=console) as bar:
                task = bar.add_task(title, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total)
            return
        said_at_s = began_s

        def advance(done: int, total: int) -> None:
            nonlocal said_at_s
            if time.monotonic() - said_at_s >= _LINE_EVERY_S:
                said_at_s = time.monotonic()
                left_s = (said_at_s - began_s) * (total - done) / done if done else None
                more = "" if left_s is None else f", about {_duration(left_s)} left"
                print(f"{title}: {done}/{total}{more}", file=sys.stderr, flush=True)

        yield advance
        print(f"{title}: done in {time.monotonic() - began_s:.1f} s", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
