"""The part of a sweep that works: one task after another, with the model loaded once. It runs in a process of its own,
here or on a cluster, and leaves nothing but files in the store.

`python -m earspan.benchmarks.sweep.worker FD PLACE` is a worker of this machine: it is given tasks through the socket
FD, and ends when its sweep does, however that ends.
"""

import os
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from ...backends.errors import InputError
from ...datasets import Recording
from ...speech.asr.cache import TranscriptCache
from ...speech.asr.transcriber import Transcriber
from ...speech.strategies import make_strategy
from ...speech.streaming.clock import Job, clip_of, no_time, play
from ..experiment import store
from ..experiment.experiment import Experiment
from ..experiment.progress import Silence
from ..experiment.records import write_run
from ..experiment.run import Session, load_engine, policy_of
from ..experiment.source import Source
from ..results.records import write_results
from ..results.score import score
from .tasks import Task, engine_key, fixed_calls, only_heard, source_key

READY = b""  # the first that a worker sends


@dataclass(frozen=True, slots=True)
class Order:
    """A task with what is the same for all of a sweep.

    stated: what runs say of where they come from, instead of what each worker would say.
    round: grows when others may have put what this task needs.
    """

    task: Task
    stated: dict[str, str | float | int]
    round: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says of a task.

    computed: calls that went through the model.
    busy_s: how long it took.
    said: what a user should know.
    error: why it failed; None where it did not.
    hopeless: whether every task of this engine and this data would fail so.
    files: of the run, if one was to be written, by name: run.json, calls.jsonl, results.json.
    """

    computed: int = 0
    busy_s: float = 0.0
    said: tuple[str, ...] = ()
    error: str | None = None
    hopeless: bool = False
    files: dict[str, str] = field(default_factory=dict)


class Worker:
    """Does tasks. Keeps one engine, and what it read last.

    place: of the store, a folder or a URL.
    threads: of the arithmetic; the same everywhere, so that sums are added in the same order everywhere.
    """

    def __init__(self, place: str, threads: int = 1) -> None:
        import torch

        torch.set_num_threads(threads)
        self._cache = TranscriptCache(place, strict=True)
        self._round = 0
        self._engine: tuple[str, Transcriber] | None = None
        self._sources: dict[str, Source] = {}
        self._read: tuple[tuple, list[Recording]] | None = None

    def is_ready(self) -> bool:
        """Return True, which is an answer that only a worker gives that has begun."""
        return True

    def perform(self, message: bytes) -> bytes:
        """Return the `Answer` to an `Order`, both as JSON."""
        order = store.decode(message, Order, "order")
        return store.encode(self._do(order)).encode()

    def close(self) -> None:
        """Let the store go."""
        self._cache.close()

    def _do(self, order: Order) -> Answer:
        began_s, prepared = time.monotonic(), False
        try:
            if order.round > self._round:
                self._cache.refresh()
                self._round = order.round
            engine = self._engine_of(order.task.experiment)
            before = engine.computed
            source = self._source_of(order.task)
            prepared = True
            said, files = list[str](), dict[str, str]()
            if order.task.stage == "write":
                said, files = self._write(order, engine, source)
            else:
                with self._cache.together():
                    self._hear(order.task, engine, source)
            engine.forget()
        except InputError as error:
            return Answer(busy_s=time.monotonic() - began_s, error=str(error), hopeless=not prepared)
        except Exception as error:  # noqa: BLE001 - engines and strategies of users may fail in any way
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return Answer(busy_s=time.monotonic() - began_s, error=reason)
        said += self._cache.take_said()
        return Answer(engine.computed - before, time.monotonic() - began_s, tuple(said), files=files)

    def _hear(self, task: Task, engine: Transcriber, source: Source) -> None:
        recordings = self._recordings(task, engine, source)  # this aligns those without word times
        if task.stage == "hear":
            calls = [(r, call) for r in recordings for call in fixed_calls(task.cuts, r.duration_s)]
            first, after = (len(calls) * part // task.parts for part in (task.part, task.part + 1))
            engine.transcribe([clip_of(recording, call) for recording, call in calls[first:after]])
        elif task.stage == "play":
            [cut] = task.cuts
            policy = policy_of(task.experiment, cut[0])
            service_s = no_time
            if policy != "lag":
                session = Session.open(task.experiment, engine, source)
                [setting] = [one for one in session.settings if (one.strategy, one.window_s, one.step_s) == cut]
                [service_s] = [clock.service_s for clock in setting.clocks if clock.backend == task.backend]
            play([Job(one, make_strategy(*cut), service_s, policy) for one in recordings], engine)

    def _recordings(self, task: Task, engine: Transcriber, source: Source) -> list[Recording]:
        key = (source_key(task.experiment), task.units, engine_key(task.experiment))
        if self._read is None or self._read[0] != key:
            units = {unit.id: unit for unit in source.units}
            own = Source(source.experiment, source.datasets, tuple(units[name] for name in task.units))
            try:
                recordings = [one for portion in own.portions(lambda: engine, Silence()) for one in portion]
            except InputError:  # none of them can be read: the run says so
                recordings = []
            self._read = key, recordings
        return self._read[1]

    def _write(self, order: Order, engine: Transcriber, source: Source) -> tuple[list[str], dict[str, str]]:
        """Play an experiment from the store; return what was said, and the files of its run and its results."""
        experiment, said = order.task.experiment, Lines()
        fresh = Source(experiment, source.datasets, source.units, failed=[*source.failed])
        session = Session.open(experiment, engine, fresh)
        session.stated = order.stated
        run = session.play(said)
        with TemporaryDirectory() as folder:
            write_run(Path(folder), run)
            write_results(Path(folder), score(run))
            return said.lines, {file.name: store.read_text(file) for file in Path(folder).iterdir()}

    def _engine_of(self, experiment: Experiment) -> Transcriber:
        key = engine_key(experiment)
        if self._engine is None or self._engine[0] != key:
            self._engine = None  # two large models may not fit
            self._read = None
            self._engine = key, load_engine(only_heard(experiment), self._cache)
        return self._engine[1]

    def _source_of(self, task: Task) -> Source:
        key = source_key(task.experiment)
        if key not in self._sources:
            self._sources = {key: Source.open(task.experiment)}
        return self._sources[key]


class Lines(Silence):
    """Progress that is told when the task is done."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep the sentence."""
        self.lines.append(text)


def main() -> None:
    """Do tasks until the other end of the socket is gone."""
    descriptor, place = sys.argv[1:3]
    connection = Connection(int(descriptor))
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    worker = Worker(place, threads)
    try:
        connection.send_bytes(READY)
        while True:
            connection.send_bytes(worker.perform(connection.recv_bytes()))
    except (EOFError, OSError, KeyboardInterrupt):  # the sweep has ended
        return


if __name__ == "__main__":
    main()
