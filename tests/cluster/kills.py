"""Kill -9 at random, until a sweep has survived so many: nothing may be lost, all bytes are those of a quiet one.

    python -m tests.cluster.kills --kills 100
    python -m tests.cluster.kills --kills 30 --executor ray      # two nodes, in a network of their own

Victims are the sweep's own process, its workers, and on a cluster a node's Ray and the whole of it. A sweep that ends
before enough were killed is begun again in a new folder with an empty store.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .. import tiny
from ..benchmarks.sweep.planted import BURN, ENGINE, ROOT, write_recordings
from .cluster import Cluster

_OFTEN = {"worker": 6, "driver": 2, "node": 2, "cluster": 1}  # how often each is chosen
_GRID = """
[grid]
strategy = ["disjoint", "sliding", "prompted"]
window_s = [2, 4]
"""


def main() -> int:
    """Return 0 if all went well."""
    parser = argparse.ArgumentParser(description="kill a sweep at random; it must end with the same bytes")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--executor", choices=("local", "ray"), default="local")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=float, default=0.03, help="seconds of work in a call")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder), args.executor, args.work)
        try:
            return study.survive(args.kills, random.Random(args.seed))
        finally:
            study.end()


class Study:
    """A sweep over planted recordings, run by the command as a user would."""

    def __init__(self, folder: Path, executor: str, work_s: float) -> None:
        self._folder, self._executor, self._quiet_s = folder, executor, 0.0
        model = tiny.saved(tiny.tiny_whisper(n_text_ctx=64), folder / "model.pt")
        write_recordings(folder / "data", 6, 12.0)
        given = {"model": model, "engine": ENGINE, "dataset": folder / "data", "timed_as": "large-v3"}
        (folder / "study.toml").write_text("\n".join(f'{key} = "{value}"' for key, value in given.items()) + _GRID)
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        self._environment = {
            **os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache"), BURN: str(work_s),
            "SOURCE_DATE_EPOCH": "1800000000", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self._cluster = Cluster(folder / "ray", self._environment) if executor == "ray" else None
        self._log = open(folder / "log", "ab")  # noqa: SIM115 - as long as this lives

    def survive(self, kills: int, rng: random.Random) -> int:
        """Kill until there are enough, and compare. Returns 0 if nothing was lost."""
        began_s = time.monotonic()
        quiet = self._begin("quiet", "local")
        if quiet.wait() != 0:
            return self._failed("the quiet sweep failed")
        expected, self._quiet_s = self._bytes("quiet"), time.monotonic() - began_s
        killed, rounds = collections.Counter[str](), 0
        while killed.total() < kills:
            rounds += 1
            name, starts = f"round {rounds}", 0
            while True:
                starts += 1
                started_s, process = time.monotonic(), self._begin(name, self._executor)
                if killed.total() < kills:
                    self._kill_while(process, kills, rng, killed)
                if process.wait() == 0:
                    break
                if starts > 4 * kills:
                    return self._failed("it never came to its end")
            if starts == 1:  # the quiet one may have been slow: kills would come too late
                self._quiet_s = min(self._quiet_s, time.monotonic() - started_s)
            if self._bytes(name) != expected:
                return self._failed(f"{name}: other bytes than the quiet sweep")
            print(f"{name}: {starts} starts, the same bytes; killed so far: {dict(killed)}", flush=True)
            shutil.rmtree(self._folder / name)
        print(
            json.dumps(
                {
                    "executor": self._executor, "kills": killed.total(), "victims": dict(killed), "sweeps": rounds,
                    "files": len(expected), "equal": True, "wall_s": round(time.monotonic() - began_s),
                }
            )
        )  # fmt: skip
        return 0

    def _begin(self, name: str, executor: str) -> subprocess.Popen:
        out = self._folder / name
        if executor == "ray" and self._cluster is not None:
            executor = f"ray:{self._cluster.whole()}"
        command = [sys.executable, "-m", "earspan.benchmarks.commands.cli", "sweep", self._folder / "study.toml"]
        how = ["--out", out / "runs", "--store", out / "store", "--task-calls", "8", "--executor", executor]
        many = ["--workers", "2"]
        return subprocess.Popen([*command, *how, *many], env=self._environment, stdout=self._log, stderr=self._log)

    def _kill_while(
        self, process: subprocess.Popen, kills: int, rng: random.Random, killed: collections.Counter
    ) -> None:
        while killed.total() < kills:
            try:
                process.wait(rng.uniform(0.02, 0.6) * self._quiet_s)  # of what a whole sweep takes, startup included
                return
            except subprocess.TimeoutExpired:
                pass
            victims = {"driver": [process.pid], "worker": self._workers(process.pid)}
            if self._cluster is not None:
                victims |= self._cluster.victims()
            kind = rng.choices([*_OFTEN], [*_OFTEN.values()])[0]
            if not victims.get(kind):  # not there yet
                continue
            for pid in [rng.choice(victims[kind])] if kind == "worker" else victims[kind]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            killed[kind] += 1
            if kind == "node" and self._cluster is not None:
                self._cluster.add_node()

    def _workers(self, driver: int) -> list[int]:
        if self._cluster is not None:
            return self._cluster.workers()
        listed = subprocess.run(["pgrep", "-P", str(driver), "-f", "sweep.worker"], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def _bytes(self, name: str) -> dict[str, str]:
        runs = self._folder / name / "runs"
        return {str(file.relative_to(runs)): hashlib.sha256(file.read_bytes()).hexdigest() for file in runs.glob("*/*")}

    def _failed(self, why: str) -> int:
        self._log.flush()
        print(f"FAILED: {why}\n{(self._folder / 'log').read_text(errors='replace')[-4000:]}", file=sys.stderr)
        return 1

    def end(self) -> None:
        """Leave nothing running."""
        self._log.close()
        if self._cluster is not None:
            self._cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
