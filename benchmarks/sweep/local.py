"""Workers on this machine: processes, as many as cores and memory bear. One that is killed is noticed, and replaced."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from ...backends.errors import InputError

_WORKER_BYTES = 1.2e9  # torch, a small model, its key/value caches and half an hour of audio; measured 0.9 GB
_BYTES_PER_PARAMETER = 8  # fp32, and once more while a checkpoint is read
_FAILED_STARTS = 5  # in a row: then no worker will ever start


def count_workers(parameters: int) -> int:
    """Return how many workers with a model of so many parameters this machine bears: one a core, if memory allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = _WORKER_BYTES + _BYTES_PER_PARAMETER * parameters
    return max(1, min(cores, int(_free_bytes() / each)))


def worker_environment() -> dict[str, str]:
    """Return the variables of a worker: one thread, so that sums are added in the same order everywhere; our path."""
    return {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _free_bytes() -> float:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return float(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
    return float("inf")  # no Linux: cores alone decide


@dataclass(slots=True)
class _Process:
    """A worker: for which device, its process, our end of the socket, whether it has said so, and what it works at."""

    device: str
    process: subprocess.Popen
    connection: Connection
    ready: bool = False
    number: int | None = None


class LocalPool:
    """Workers that are processes of this machine.

    place: of the store.
    workers: how many, by device.
    """

    def __init__(self, place: str, workers: Mapping[str, int]) -> None:
        self._place, self._failed_starts = place, 0
        self._workers = [self._start(device) for device, many in workers.items() for _ in range(many)]

    def _start(self, device: str) -> _Process:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "earspan.benchmarks.sweep.worker", str(theirs.fileno()), self._place]
        environment = {**os.environ, **worker_environment()}
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is for the sweep, which then ends its workers
        )
        theirs.close()
        return _Process(device, process, ours)

    def free(self, device: str) -> int:
        """Return how many workers for a device have nothing to do."""
        return sum(one.ready and one.number is None and one.device == device for one in self._workers)

    def submit(self, number: int, device: str, message: bytes) -> None:
        """Hand an order to a worker that has nothing to do."""
        one = next(one for one in self._workers if one.ready and one.number is None and one.device == device)
        one.number = number
        with contextlib.suppress(OSError):  # it is gone: collecting will say so
            one.connection.send_bytes(message)

    def collect(self, timeout_s: float) -> list[tuple[int, bytes | None]]:
        """Return the answers that have come; None for a worker that was killed, which is replaced."""
        came: list[tuple[int, bytes | None]] = []
        by_connection = {one.connection: one for one in self._workers}
        for connection in wait(list(by_connection), timeout_s):
            one = by_connection[connection]  # pyright: ignore[reportArgumentType]
            try:
                message = one.connection.recv_bytes()
            except (EOFError, OSError):
                came += self._replace(one)
                continue
            if not one.ready:
                one.ready, self._failed_starts = True, 0
            elif one.number is not None:
                came.append((one.number, message))
                one.number = None
        return came

    def _replace(self, gone: _Process) -> list[tuple[int, bytes | None]]:
        gone.connection.close()
        gone.process.kill()
        gone.process.wait()
        if not gone.ready:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                raise InputError(
                    f"{self._failed_starts} workers in a row ended before they could begin (exit code "
                    f"{gone.process.returncode}); what they said is above; give fewer --workers if memory is short"
                )
        self._workers[self._workers.index(gone)] = self._start(gone.device)
        return [] if gone.number is None else [(gone.number, None)]

    def close(self) -> None:
        """End all workers: those that are idle by themselves, those that work at what nobody waits for at once."""
        for one in self._workers:
            one.connection.close()
            if one.number is not None or not one.ready:
                one.process.kill()
        for one in self._workers:
            one.process.wait()
