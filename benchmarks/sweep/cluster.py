"""Workers on a Ray cluster: actors that hold the model, placed, restarted elsewhere and scaled by Ray's own means."""

import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ...backends.errors import InputError
from .local import worker_environment
from .worker import Worker

_FAILED_STARTS = 5  # in a row


@dataclass(slots=True, eq=False)
class _Actor:
    """A worker: for which device, its handle, what it will answer next, whether it has begun, what it works at."""

    device: str
    handle: Any
    answer: Any
    ready: bool = False
    number: int | None = None


class RayPool:
    """Workers that are actors of a Ray cluster, of one core each, and one GPU for every device but the CPU.

    place: of the store, which all nodes must reach: a shared folder or a URL.
    devices: that the sweep's experiments name.
    workers: how many for each device; by default as many as the cluster has cores or GPUs now. With more, Ray's
        autoscaler adds nodes, if it is told to.
    address: of the cluster; empty for the one around, or a new one on this machine.

    Raises `InputError` where Ray is missing, and where the cluster is not reached.
    """

    def __init__(self, place: str, devices: Iterable[str], workers: int | None, address: str) -> None:
        self._ray, self._place, self._failed_starts = _ray(), place, 0
        exceptions = self._ray.exceptions
        self._lost = (exceptions.RayActorError, exceptions.OutOfMemoryError, exceptions.NodeDiedError)
        try:
            self._ray.init(
                address=address or None, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=None
            )
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"--executor ray:{address}: {reason}; type ray status to see what runs") from error
        have = self._ray.cluster_resources()
        self._actors: list[_Actor] = []
        for device in devices:
            kind = "CPU" if device == "cpu" else "GPU"
            many = workers or int(have.get(kind, 0))
            if many < 1:
                raise InputError(f"--executor ray: the cluster has no {kind} now; give --workers to have Ray add one")
            self._actors += [self._start(device) for _ in range(many)]

    def _start(self, device: str) -> _Actor:
        remote = self._ray.remote(Worker)
        needs = {"num_cpus": 1, "num_gpus": 0 if device == "cpu" else 1, "max_restarts": 0}
        handle = remote.options(runtime_env={"env_vars": worker_environment()}, **needs).remote(self._place)
        return _Actor(device, handle, handle.is_ready.remote())

    def free(self, device: str) -> int:
        """Return how many workers for a device have nothing to do; those that are not placed yet do not count."""
        return sum(one.ready and one.number is None and one.device == device for one in self._actors)

    def submit(self, number: int, device: str, message: bytes) -> None:
        """Hand an order to a worker that has nothing to do."""
        one = next(one for one in self._actors if one.ready and one.number is None and one.device == device)
        one.number, one.answer = number, one.handle.perform.remote(message)

    def collect(self, timeout_s: float) -> list[tuple[int, bytes | None]]:
        """Return the answers that have come; None for a worker that is gone, with its node perhaps."""
        busy = {one.answer: one for one in self._actors if one.answer is not None}
        done, _ = self._ray.wait(list(busy), num_returns=1, timeout=timeout_s)
        done = self._ray.wait(list(busy), num_returns=len(busy), timeout=0)[0] if done else []
        came: list[tuple[int, bytes | None]] = []
        for answer in done:
            one = busy[answer]
            try:
                message = self._ray.get(answer)
            except self._lost as error:
                came += self._replace(one, error)
                continue
            one.answer = None
            if not one.ready:
                one.ready, self._failed_starts = True, 0
            elif one.number is not None:
                came.append((one.number, message))
                one.number = None
        return came

    def _replace(self, gone: _Actor, error: Exception) -> list[tuple[int, bytes | None]]:
        if not gone.ready:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                raise InputError(
                    f"{self._failed_starts} workers in a row ended before they could begin: "
                    f"{str(error).strip().splitlines()[-1]}; earspan must be installed on every node"
                )
        self._actors[self._actors.index(gone)] = self._start(gone.device)
        return [] if gone.number is None else [(gone.number, None)]

    def close(self) -> None:
        """Let all workers and the cluster go; one that was there before stays."""
        with contextlib.suppress(Exception):  # whatever fails here has nothing left to lose
            for one in self._actors:
                self._ray.kill(one.handle)
            self._ray.shutdown()


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray: Ray is not installed; type pip install 'earspan[cluster]'") from None
    return ray
