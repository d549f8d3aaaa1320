"""A device of which only peak and bandwidth are known: its times are lower bounds, not predictions."""

import math
from dataclasses import dataclass, replace

from .devices.device import Device
from .gpu.launches import list_kernels
from .gpu.runtimes import RUNTIMES
from .timing import CapacityError, Tally, Timing, in_sequence
from .workload.workload import Workload


@dataclass(frozen=True, eq=False, slots=True)
class Roofline:
    """A backend on which every operation takes the longer of its arithmetic at peak and its traffic at full bandwidth.

    Nothing else costs time: no launches, no host, no transfers.
    """

    name: str
    device: Device

    def time(self, workload: Workload) -> Timing:
        """Return the least time that one batch of calls can take.

        Raises `CapacityError` if weights and caches exceed the memory.
        """
        if workload.batch > self.largest_batch(workload):
            given = self.device["memory"] / 2**30
            raise CapacityError(f"{self.name} has {given:.0f} GiB; weights and caches of this batch do not fit")
        tally, peak, bandwidth = Tally(), self.device["fp16_peak"], self.device["memory_bandwidth"]
        for op, moved, _ in list_kernels(workload, RUNTIMES["graph"], workload.ops()):
            compute, memory = op.flops / peak, op.bytes * moved / bandwidth
            tally.add(op.phase, "compute" if compute > memory else "memory", op.count * max(compute, memory))
        tally.ceiling_s = tally.seconds
        return replace(tally.timing("published"), batch=workload.batch)

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return the time for one call of every stream, in as few equal batches as the memory allows."""
        batches = math.ceil(streams / max(1, self.largest_batch(call)))
        size, larger = divmod(streams, batches)
        shares = ((size + 1, larger), (size, batches - larger))
        return in_sequence((self.time(replace(call, batch=batch)), times) for batch, times in shares if times)

    def largest_batch(self, call: Workload) -> int:
        """Return how many calls like this one have weights and caches that fit into the memory together."""
        return max(0, math.floor((self.device["memory"] - call.weights_bytes) / call.kv_bytes))

    def describe(self) -> str:
        """Return one line that says what these times are not."""
        return f"{self.device.title}: roofline only, a lower bound; peak and bandwidth published, no kernel measured"
