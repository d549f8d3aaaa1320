"""Tasks in processes of their own, one at a time: what a library's threads and memory do in its own slows no other.

After CTranslate2 has run in a process, the small operations of PyTorch's decode steps take half as long again there,
as long as that process lives; so engines that are compared must not share one.
"""

import multiprocessing
import warnings
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")
Clock = Callable[[], float]
Make = Callable[..., Mapping[str, Callable[[Any], Any]]]  # gives tasks by name


class Apart(Generic[Given, Result]):
    """Runs tasks elsewhere. `clock` stands still but while one of them runs, and then goes as the clock there.

    makes: for each process, a function of a module that gives its tasks, and what it is given; all of it is sent there.
    clock_there: what each process reads; also a function of a module.
    """

    def __init__(self, makes: Sequence[tuple[Make, tuple[Any, ...]]], clock_there: Clock) -> None:
        self._spent_s = 0.0
        self._processes, self._where = [], dict[str, Connection]()
        context = multiprocessing.get_context("spawn")
        started = []
        for _ in makes:
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, clock_there), daemon=True)
            process.start()
            there.close()
            self._processes.append(process)
            started.append(here)
        for connection, make in zip(started, makes, strict=True):
            connection.send(make)
        for connection in started:  # they are made beside each other
            self._where |= dict.fromkeys(_ask(connection), connection)

    @property
    def names(self) -> list[str]:
        """Return the names of all tasks, in their order."""
        return list(self._where)

    def clock(self) -> float:
        """Return the seconds that tasks have taken so far."""
        return self._spent_s

    def run(self, name: str, given: Given) -> Result:
        """Return what a task gives. Raises `EOFError` where its process has ended."""
        took_s, result = _ask(self._where[name], (name, given))
        self._spent_s += took_s
        return result

    def __enter__(self) -> "Apart[Given, Result]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in set(self._where.values()):
            connection.close()
        for process in self._processes:
            process.join()


def _ask(connection: Connection, question: object = None) -> Any:
    """Return what is answered to a question, or said without one."""
    try:
        if question is not None:
            connection.send(question)
        return connection.recv()
    except OSError as error:  # it ended with something unread, which is a connection reset
        raise EOFError("the process has ended") from error


def _serve(connection: Connection, clock: Clock) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, for each sparse tensor of a model that is sent
        make, given = connection.recv()
    tasks = make(*given)
    connection.send(list(tasks))
    while True:
        try:
            name, asked = connection.recv()
        except EOFError:  # nobody asks any more
            return
        start = clock()
        result = tasks[name](asked)
        connection.send((clock() - start, result))
