"""Workers on a Ray cluster: actors that hold the model, placed, restarted elsewhere and scaled by Ray's own means."""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ...backends.errors import InputError
from .local import worker_environment
from .pool import Member, Pool
from .worker import Worker


@dataclass(slots=True, eq=False, kw_only=True)
class _Actor(Member):
    """A worker: its handle, and what it will answer next."""

    handle: Any
    answer: Any


class RayPool(Pool[_Actor]):
    """Workers that are actors of a Ray cluster, of one core each, and one GPU for every device but the CPU.

    place: of the store, which all nodes must reach: a shared folder or a URL.
    devices: that the sweep's experiments name.
    workers: how many for each device; by default as many as the cluster has cores or GPUs now. With more, Ray's
        autoscaler adds nodes, if it is told to.
    address: of the cluster; empty for the one around, or a new one on this machine.

    Raises `InputError` where Ray is missing, and where the cluster is not reached.
    """

    def __init__(self, place: str, devices: Iterable[str], workers: int | None, address: str) -> None:
        self._ray, self._place = _ray(), place
        exceptions = self._ray.exceptions
        self._lost = (exceptions.RayActorError, exceptions.OutOfMemoryError, exceptions.NodeDiedError)
        try:
            self._ray.init(
                address=address or None, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=None
            )
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"--executor ray:{address}: {reason}; type ray status to see what runs") from error
        super().__init__(device for one in devices for device in self._many(one, workers))

    def _many(self, device: str, workers: int | None) -> list[str]:
        """The device of each worker for it."""
        kind = "CPU" if device == "cpu" else "GPU"
        many = workers or int(self._ray.cluster_resources().get(kind, 0))
        if many < 1:
            raise InputError(f"--executor ray: the cluster has no {kind} now; give --workers to have Ray add one")
        return [device] * many

    def _start(self, device: str) -> _Actor:
        remote = self._ray.remote(Worker)
        needs = {"num_cpus": 1, "num_gpus": 0 if device == "cpu" else 1, "max_restarts": 0}
        handle = remote.options(runtime_env={"env_vars": worker_environment()}, **needs).remote(self._place)
        return _Actor(device=device, handle=handle, answer=handle.is_ready.remote())

    def _send(self, one: _Actor, message: bytes) -> None:
        one.answer = one.handle.perform.remote(message)

    def _answers(self, timeout_s: float) -> Iterator[tuple[_Actor, bytes | None, str]]:
        busy = {one.answer: one for one in self._members if one.answer is not None}
        done, _ = self._ray.wait(list(busy), num_returns=1, timeout=timeout_s)
        done = self._ray.wait(list(busy), num_returns=len(busy), timeout=0)[0] if done else []
        for answer in done:
            one = busy[answer]
            one.answer, message, ending = None, None, ""
            try:
                message = self._ray.get(answer)
            except self._lost as error:
                ending = f": {' '.join(str(error).split())[-300:]}; earspan must be installed on every node"
            yield one, message, ending

    def close(self) -> None:
        """Let all workers and the cluster go; one that was there before stays."""
        with contextlib.suppress(Exception):  # whatever fails here has nothing left to lose
            for one in self._members:
                self._ray.kill(one.handle)
            self._ray.shutdown()


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray: Ray is not installed; type pip install 'earspan[cluster]'") from None
    return ray
