"""A sweep from its file to its runs: what is missing is heard, every run is written as soon as it can be."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...speech.asr.cache import TranscriptCache, default_cache_path
from ...speech.weights.dims import find_dims
from ..experiment import store
from ..experiment.experiment import Experiment
from ..experiment.progress import Advance, Progress, Silence
from ..experiment.records import Run, describe_machine
from ..experiment.shared import Place
from .estimate import Estimate, estimate, read_rates, remember_rates
from .grid import Sweep
from .local import LocalPool, count_workers
from .pool import Pool
from .schedule import Wave, do_all
from .tasks import Planner, Task, engine_key
from .worker import Answer, Order, Worker

STATE, DONE = "sweep.json", "tasks.done"
EXECUTORS = ("local", "ray")
TRIES = 5
_PROBED = 4  # calls
_AT_ONCE = 16  # runs that are fetched side by side: a store answers after tens of milliseconds
_FILES = ("calls.jsonl", "run.json", "results.json")  # in the order in which they are written: a run is whole last


@dataclass(frozen=True, slots=True)
class Swept:
    """What has become of a sweep.

    runs: their folders, or URLs, by experiment, those that are whole.
    failed: what could not be done, and why.
    computed: calls that went through a model this time.
    """

    runs: dict[str, Path | str]
    failed: tuple[str, ...]
    computed: int


@dataclass(frozen=True, slots=True)
class _State:
    """What a folder of runs says of the sweep in it: when it was begun, which is the date of all its runs."""

    schema: int
    sweep: str
    date: str


def sweep(
    given: str | Path | Sweep,
    out: str | os.PathLike[str],
    *,
    executor: str = "local",
    workers: int | None = None,
    place: str | Path | None = None,
    task_calls: int | None = None,
    tries: int = TRIES,
    progress: Progress | None = None,
) -> Swept:
    """Hear all experiments of a sweep, and return where their runs are. Interrupted, it goes on where it was.

    given: a sweep file, or a `Sweep`.
    out: folder, or URL in an object store, that a folder for each run is written into; each is there as soon as it is
        whole.
    executor: "local", or "ray", or "ray:ADDRESS" of a cluster.
    workers: how many; by default as many as cores and memory bear, and on a cluster as many as it has cores.
    place: the store of transcripts, a folder or a URL such as s3://bucket/study; by default the user's own.
    task_calls: how many calls make a task; by default as many as take some 20 s.
    tries: how often a task is tried whose worker is killed or fails.
    progress: is told what is done.

    Raises `InputError` for what cannot be run; what was heard until then is kept.
    """
    progress = progress or Silence()
    check_executor(executor)
    ready = _Ready.of(given, Place(out, progress), place, task_calls)
    store.check_folder(ready.out.folder)
    cache = TranscriptCache(ready.place, strict=True)
    cache.refresh()  # finds what was put by processes that were killed, and what other machines put
    for said in (*cache.take_said(), *ready.defects()):
        progress.say(said)
    cache.close()
    date = _begin(ready)
    if not any(ready.left()):
        return Swept(ready.runs(), (), 0)
    pool = make_pool(executor, ready, workers)
    try:
        with progress.stage(f"{sum(1 for _ in ready.left())} tasks, calls") as advance:
            recorder = _Recorder(ready, progress, advance)
            order = _orders(ready.sweep.name, date)
            failed = do_all(ready.waves_left(), pool, order, recorder.done, tries)
    finally:
        pool.close()
    recorder.remember()
    lines = tuple(f"{task.name or describe(task)}: given up after {tries} tries: {reason}" for task, reason in failed)
    return Swept(ready.runs(), lines, recorder.computed)


def plan_sweep(
    given: str | Path | Sweep,
    out: str | os.PathLike[str],
    *,
    place: str | Path | None = None,
    task_calls: int | None = None,
    probe: bool = False,
) -> Estimate:
    """Return what a sweep will take from where it is. Nothing is written.

    given, out, place, task_calls: as for `sweep`.
    probe: hears a few calls with every engine whose rate is not known. Their transcripts are kept.
    """
    ready = _Ready.of(given, Place(out), place, task_calls)
    rates, rate_from, left = read_rates(), "remembered", list(ready.left())
    first = {engine_key(task.experiment): task for task in reversed(left) if task.stage == "hear"}
    for key, task in first.items() if probe else ():
        if key not in rates:
            rates[key], rate_from = _probe(task, ready.place), "probe"
    return estimate(ready.waves, left, len(ready.runs()), ready.planner.sources.values(), rates, rate_from)


def _probe(task: Task, place: str) -> float:
    """Return the seconds of a call, by doing a part of a task: the first calls that make some five seconds."""
    parts = max(task.parts, task.parts * task.calls // _PROBED)
    worker = Worker(place)
    for part in range(task.part * parts // task.parts, parts):
        sample = replace(task, part=part, parts=parts)
        answer = store.decode(worker.perform(_orders("probe", "")(sample, 0)), Answer, "probe")
        if answer.error is not None:
            raise InputError(answer.error)
        if answer.computed:
            return answer.busy_s / answer.computed
    return 1e-6  # all of them are known already


@dataclass(slots=True)
class _Ready:
    """A sweep that is planned and checked, and what of it is done.

    waves: all of its tasks.
    finished: digests of tasks that were done, from earlier times.
    places: of all runs, by name.
    whole: names of those that are there.
    """

    sweep: Sweep
    out: Place
    place: str
    planner: Planner
    waves: list[Wave]
    finished: set[str]
    places: dict[str, Place]
    whole: set[str]

    @classmethod
    def of(cls, given: str | Path | Sweep, out: Place, place: str | Path | None, task_calls: int | None) -> "_Ready":
        found = given if isinstance(given, Sweep) else Sweep.from_toml(given)
        planner = Planner(task_calls)
        waves = list(planner.waves(found))
        places = {name: out.part(name) for name in found.experiments}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = pool.map(is_whole, places.values(), found.experiments.values())
            whole = {name for name, is_there in zip(places, there, strict=True) if is_there}
        log = out.folder / DONE
        finished = set(store.read_text(log).split()) if log.exists() else set()
        return cls(found, out, str(place or default_cache_path()), planner, waves, finished, places, whole)

    def waves_left(self) -> Iterator[Wave]:
        """Yield what is not done, in waves; nothing is heard for runs that are there."""
        for wave in self.waves:
            runs = [task for task in wave[-1] if task.name not in self.whole]
            if runs:
                heard = [
                    [task for task in stage if task.digest(self.place) not in self.finished] for stage in wave[:-1]
                ]
                yield [*heard, runs]

    def left(self) -> Iterator[Task]:
        """Yield the tasks that are not done."""
        return (task for wave in self.waves_left() for stage in wave for task in stage)

    def runs(self) -> dict[str, Path | str]:
        """Return where the runs that are whole are."""
        return {
            name: self.places[name].url or self.places[name].folder
            for name in self.sweep.experiments
            if name in self.whole
        }

    def defects(self) -> list[str]:
        """Return what could not be read of the datasets."""
        return [f"left out: {one.reason}" for source in self.planner.sources.values() for one in source.failed]


class _Recorder:
    """Takes note of what is done: in the folder, so that it is not done again, and for whoever watches."""

    def __init__(self, ready: _Ready, progress: Progress, advance: Advance) -> None:
        self.computed = 0
        self._ready, self._progress, self._advance = ready, progress, advance
        self._total, self._so_far = sum(task.calls for task in ready.left()), 0
        self._rates: dict[str, tuple[int, float]] = {}

    def done(self, task: Task, answer: Answer) -> None:
        """Take note of a task that is done, or given up."""
        for line in answer.said:
            self._progress.say(f"{task.name}: {line}" if task.name else line)
        if answer.error is None and task.stage == "write":
            files = {name: answer.files[name] for name in _FILES}
            self._ready.places[task.name].put(files, task.experiment)
            self._ready.whole.add(task.name)
            if answer.computed:
                self._progress.say(f"{task.name}: {answer.computed} calls were not in the store, and heard again")
        elif answer.error is None:
            # a hint for the next time, nothing more: whatever is missing is heard when its run is written
            with suppress(OSError), open(self._ready.out.folder / DONE, "a", encoding="ascii") as log:
                log.write(task.digest(self._ready.place) + "\n")
        if answer.computed and task.stage == "hear":
            calls, busy_s = self._rates.get(engine_key(task.experiment), (0, 0.0))
            self._rates[engine_key(task.experiment)] = calls + answer.computed, busy_s + answer.busy_s
        self.computed += answer.computed
        self._so_far += task.calls
        self._advance(self._so_far, self._total)

    def remember(self) -> None:
        """Keep how long calls took, for the next estimate."""
        with suppress(InputError):
            remember_rates({key: busy_s / calls for key, (calls, busy_s) in self._rates.items()})


def _orders(name: str, date: str) -> Callable[[Task, int], bytes]:
    """Return what makes orders of tasks; runs are the same whoever hears them, and however often they are begun."""
    stated = {"command": f"earspan sweep {name}", "date": date, "wall_s": 0.0, "calls_computed": 0}
    return lambda task, number: store.encode(Order(task, stated, number)).encode()


def _begin(ready: _Ready) -> str:
    """Return when the sweep in this place was begun, and take note of it if that is now."""
    now = _State(store.SCHEMA, ready.sweep.name, str(describe_machine()["date"]))
    there = ready.out.settle(STATE, store.encode(now))
    origin = ready.out.folder / STATE
    store.check_schema(there, origin)
    return store.decode(there, _State, str(origin)).date


def is_whole(place: Place, experiment: Experiment) -> bool:
    """Return whether the run of an experiment is there, whole. Raises `InputError` for another version's.

    In an object store also for the run of another experiment.
    """
    folder = place.folder
    if place.url and not place.has(experiment):
        return False
    if not all((folder / name).is_file() for name in _FILES):
        return False
    store.check_schema(store.read_text(folder / "run.json"), folder / "run.json")
    try:
        run = store.read_record(folder / "run.json", Run)
        with open(folder / "calls.jsonl", "rb") as calls:
            return run.experiment == experiment and hashlib.file_digest(calls, "sha256").hexdigest() == run.calls_sha256
    except (InputError, OSError):  # torn or damaged: it is written again
        return False


def check_executor(executor: str) -> str:
    """Return the address that follows `ray:`, if any. Raises `InputError` for an executor that there is not."""
    kind, _, address = executor.partition(":")
    if kind not in EXECUTORS or (address and kind == "local"):
        raise unknown("executor", executor, ["local", "ray", "ray:ADDRESS"])
    return address


def make_pool(executor: str, ready: _Ready, workers: int | None) -> Pool:
    """Return the workers of a sweep, by device: many for the CPU, one for each other, unless told."""
    devices = dict.fromkeys(task.experiment.device for task in ready.left())
    if executor != "local":
        from .cluster import RayPool  # ray is an extra

        return RayPool(ready.place, devices, workers, check_executor(executor))
    largest = max(find_dims(one.model).parameters for one in ready.sweep.experiments.values())
    many = workers or count_workers(largest)
    return LocalPool(ready.place, {device: many if device == "cpu" or workers else 1 for device in devices})


def describe(task: Task) -> str:
    """Return what a task is, for someone who has to look for what is wrong with it."""
    if not task.units:
        return task.name
    cuts = ", ".join(f"{strategy} {window_s:g} s" for strategy, window_s, _ in task.cuts) or "word times"
    part = f", part {task.part + 1} of {task.parts}" if task.parts > 1 else ""
    first, *others = task.units
    more = f" and {len(others)} more" if others else ""
    return f"{task.experiment.model} on {first!r}{more} ({cuts}{part})"
