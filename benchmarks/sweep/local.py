"""Workers on this machine: processes, as many as cores and memory bear. One that is killed is noticed, and replaced."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from .pool import Member, Pool

_WORKER_BYTES = 1.2e9  # torch, a small model, its key/value caches and half an hour of audio; measured 0.9 GB
_BYTES_PER_PARAMETER = 8  # fp32, and once more while a checkpoint is read


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


@dataclass(slots=True, eq=False, kw_only=True)
class _Process(Member):
    """A worker: its process, and our end of the socket."""

    process: subprocess.Popen
    connection: Connection


class LocalPool(Pool[_Process]):
    """Workers that are processes of this machine.

    place: of the store.
    workers: how many, by device.
    """

    def __init__(self, place: str, workers: Mapping[str, int]) -> None:
        self._place = place
        super().__init__(device for device, many in workers.items() for _ in range(many))

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
        return _Process(device=device, process=process, connection=ours)

    def _send(self, one: _Process, message: bytes) -> None:
        with contextlib.suppress(OSError):  # it is gone: collecting will say so
            one.connection.send_bytes(message)

    def _answers(self, timeout_s: float) -> Iterator[tuple[_Process, bytes | None, str]]:
        by_connection = {one.connection: one for one in self._members}
        for connection in wait(list(by_connection), timeout_s):
            one = by_connection[connection]  # pyright: ignore[reportArgumentType]
            message, ending = None, ""
            try:
                message = one.connection.recv_bytes()
            except (EOFError, OSError):
                one.connection.close()
                one.process.kill()
                advice = "what they said is above; give fewer --workers if memory is short"
                ending = f" (exit code {one.process.wait()}); {advice}"
            yield one, message, ending

    def close(self) -> None:
        """End all workers: those that are idle by themselves, those that work at what nobody waits for at once."""
        for one in self._members:
            one.connection.close()
            if one.number is not None or not one.ready:
                one.process.kill()
        for one in self._members:
            one.process.wait()
