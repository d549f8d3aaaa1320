"""Tasks handed to workers: as many as there are workers at a time, lost ones again, and the last ones twice.

A task may be done twice without harm, since what it leaves is content-addressed: the first answer counts.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ...backends.errors import InputError
from ..experiment import store
from .pool import Pool
from .tasks import Task
from .worker import Answer

Wave = list[list[Task]]  # tasks by stage: those of one need those of the stages before

_WAVES = 8  # that wait for a device at a time
_WAIT_S = 0.5
_STRAGGLES = 2.0  # times the median: then a task goes out a second time, if a worker has nothing to do
_STRAGGLES_AFTER_S = 5.0


@dataclass(slots=True)
class _Stages:
    """A wave on its way: what is left of its stages, and of the one that is being done."""

    stages: deque[list[Task]]
    waiting: deque["_Work"] = field(default_factory=deque)
    left: int = 0

    def go_on(self) -> bool:
        """Begin the next stage that has tasks, if nothing of this one is left; return whether one began."""
        if self.left or not self.stages:
            return False
        tasks = self.stages.popleft()
        self.waiting.extend(_Work(task, self) for task in tasks)
        self.left = len(tasks)
        return bool(tasks) or self.go_on()


@dataclass(slots=True, eq=False)
class _Work:
    """A task on its way.

    tries: how often it was lost or failed.
    out: when each of its orders went out, by number.
    """

    task: Task
    wave: _Stages
    tries: int = 0
    out: dict[int, float] = field(default_factory=dict)


def do_all(
    waves: Iterable[Wave],
    pool: Pool,
    order: Callable[[Task, int], bytes],
    done: Callable[[Task, Answer], None],
    tries: int,
) -> list[tuple[Task, str]]:
    """Have all tasks done, and return those that could not be, each with why, after so many tries.

    A wave begins when the ones before leave workers idle, so nobody waits for the last task of a stage.

    order: what a worker is told of a task, and in which round it goes out; rounds grow with every stage.
    done: is given every task with its answer.

    Raises `InputError` where a model or a dataset cannot be had, for then no task can be done.
    """
    queue, running = _Queue(waves), dict[int, _Work]()
    took_s: list[float] = []
    failed: list[tuple[Task, str]] = []
    number = 0
    while True:
        while work := queue.take(pool.free) or _straggler(running.values(), took_s, pool.free):
            number += 1
            work.out[number] = time.monotonic()
            running[number] = work
            pool.submit(number, work.task.experiment.device, order(work.task, queue.round))
        if not running and queue.is_empty():
            return failed
        for came, message in pool.collect(_WAIT_S):
            work = running.pop(came, None)
            if work is None:  # another worker has done it
                continue
            since_s = time.monotonic() - work.out.pop(came)
            answer = Answer(error="its worker was killed") if message is None else _read(message)
            if answer.error is not None:
                if answer.hopeless:
                    raise InputError(answer.error)
                work.tries += 1
                if work.out:  # it is out a second time
                    continue
                if work.tries < tries:
                    work.wave.waiting.append(work)
                    continue
                failed.append((work.task, answer.error))
            else:
                took_s.append(since_s)
                for other in work.out:
                    running.pop(other, None)
            done(work.task, answer)
            queue.finish(work)


class _Queue:
    """Tasks in the order in which they should go out: those of early waves first."""

    def __init__(self, waves: Iterable[Wave]) -> None:
        self.round = 1
        self._coming: Iterator[Wave] = iter(waves)
        self._open: list[_Stages] = []

    def take(self, free: Callable[[str], int]) -> _Work | None:
        """Return a task that a worker is free for; None if there is none now."""
        while True:
            for wave in self._open:  # all tasks of a wave are for one device
                if wave.waiting and free(wave.waiting[0].task.experiment.device):
                    return wave.waiting.popleft()
            if sum(bool(wave.waiting) for wave in self._open) > _WAVES or (wave := next(self._coming, None)) is None:
                return None
            self._open.append(_Stages(deque(wave)))
            self._open[-1].go_on()

    def finish(self, work: _Work) -> None:
        """Take note that a task is done, or given up."""
        wave = work.wave
        wave.left -= 1
        if wave.go_on():
            self.round += 1  # what it needs may have been put by others
        elif not wave.left:
            self._open.remove(wave)

    def is_empty(self) -> bool:
        """Return whether nothing is left that has not gone out."""
        return not self._open


def _read(message: bytes) -> Answer:
    return store.decode(message, Answer, "answer of a worker")


def _straggler(running: Iterable[_Work], took_s: list[float], free: Callable[[str], int]) -> _Work | None:
    """Return the task that has been out far longer than others took, if it is out once and a worker is free."""
    once = [work for work in running if len(work.out) == 1 and free(work.task.experiment.device)]
    slowest = min(once, key=lambda work: min(work.out.values()), default=None)
    if slowest is None or not took_s:
        return None
    limit_s = max(_STRAGGLES_AFTER_S, _STRAGGLES * statistics.median(took_s))
    return slowest if time.monotonic() - min(slowest.out.values()) > limit_s else None
