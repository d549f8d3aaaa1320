"""How a sweep gains by workers, and what a task costs beside its work, on an engine that only burns time.

    python -m tests.cluster.scaling                          # processes of this machine
    python -m tests.cluster.scaling --executor ray           # in a network of its own, see cluster.py

Calls of 0.2 s of processor time, five to a task. Workers are up before the time starts.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from earspan.benchmarks.experiment.store import encode
from earspan.benchmarks.sweep.cluster import RayPool
from earspan.benchmarks.sweep.grid import Sweep
from earspan.benchmarks.sweep.local import LocalPool
from earspan.benchmarks.sweep.pool import Pool
from earspan.benchmarks.sweep.schedule import do_all
from earspan.benchmarks.sweep.tasks import Planner, Task
from earspan.benchmarks.sweep.worker import Answer, Order

from .. import tiny
from ..benchmarks.sweep.planted import BURN, ENGINE, ROOT, write_recordings
from .cluster import Cluster

_CALL_S, _CALLS = 0.2, 5


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description="one worker against two")
    parser.add_argument("--executor", choices=("local", "ray"), default="local")
    parser.add_argument("--tasks", type=int, default=30)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ[BURN] = str(_CALL_S)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        cluster = Cluster(Path(folder) / "ray", dict(os.environ)) if args.executor == "ray" else None
        tasks = make_tasks(Path(folder), args.tasks)
        found = {"executor": args.executor, "tasks": len(tasks), "call_s": _CALL_S, "calls_in_task": _CALLS}
        try:
            for workers in (1, 2):
                place = f"{folder}/store {workers}"
                if cluster is None:
                    pool: Pool = LocalPool(place, {"cpu": workers})
                else:
                    pool = RayPool(place, ["cpu"], workers, cluster.whole())
                found[f"{workers} workers"] = measure(pool, tasks, workers)
        finally:
            if cluster is not None:
                cluster.stop()
        found["gain"] = round(found["1 workers"]["wall_s"] / found["2 workers"]["wall_s"], 2)
        print(json.dumps(found))


def make_tasks(folder: Path, many: int) -> list[Task]:
    """Return so many tasks of five calls each."""
    model = tiny.saved(tiny.tiny_whisper(n_text_ctx=64), folder / "model.pt")
    write_recordings(folder / "data", many, float(_CALLS))
    given = {"model": model, "engine": ENGINE, "dataset": folder / "data", "strategy": "disjoint"}
    text = "".join(f'{key} = "{value}"\n' for key, value in given.items())
    (folder / "study.toml").write_text(f"{text}window_s = 1.0\n")
    [[_, heard, _, _]] = Planner(_CALLS).waves(Sweep.from_toml(folder / "study.toml"))
    return heard


def measure(pool: Pool, tasks: list[Task], workers: int) -> dict[str, float]:
    """Return the time that the tasks took, and what of the workers' time was not work."""
    busy_s: list[float] = []

    def done(task: Task, answer: Answer) -> None:
        busy_s.append(answer.busy_s)

    def order(task: Task, number: int) -> bytes:
        return encode(Order(task, {}, number)).encode()

    try:
        while pool.free("cpu") < workers:
            pool.collect(0.1)
        do_all([[tasks[:workers]]], pool, order, done, 1)  # the model is loaded
        busy_s.clear()
        began_s = time.monotonic()
        do_all([[tasks[workers:]]], pool, order, done, 1)
        wall_s = time.monotonic() - began_s
    finally:
        pool.close()
    work_s = (len(tasks) - workers) * _CALLS * _CALL_S
    return {
        "wall_s": round(wall_s, 2),
        "task_s": round(sum(busy_s) / len(busy_s), 3),
        "overhead": round(1 - sum(busy_s) / workers / wall_s, 4),  # of handing out and waiting
        "beside_work": round(1 - work_s / workers / wall_s, 4),  # reading, hashing and storing too
    }


if __name__ == "__main__":
    main()
