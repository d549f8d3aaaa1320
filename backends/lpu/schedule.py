"""The schedule of one chip: which unit does what in which cycle, all decided before anything runs.

A result that streams on, from a matrix plane to the vector unit, is used as it comes; what is read from memory has been
written before. All chips of a group run the same schedule on their own shares of the work.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from ..timing import BOUNDS
from .chip import Chip, Tiling


@dataclass(frozen=True, slots=True)
class Booking:
    """A unit in use from cycle `start` up to cycle `end`.

    unit: MXM (all matrix planes), LOAD (the paths of their weights), VXM (vector unit), SXM (switch) or C2C (links).
    name: what is done. reads: buffers that must be complete before.
    writes: the buffer that is complete at cycle `ready`; None if there is none.
    follows: index of the booking whose stream it takes in; None if there is none.
    planes, passes, rows: of a matmul, as in `Tiling`.
    """

    unit: str
    start: int
    end: int
    name: str
    reads: tuple[int, ...] = ()
    writes: int | None = None
    ready: int = 0
    follows: int | None = None
    passes: int = 1
    rows: int = 0
    planes: int = 1


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size` bytes of a chip's SRAM: first written at cycle `born`, complete at `ready`, last read at `dies`."""

    name: str
    size: int
    born: int
    ready: int
    dies: int


@dataclass(frozen=True, slots=True)
class Block:
    """The finished schedule of a piece of the program, such as one layer; cycles count from its start.

    cycles: its length. bookings, buffers: in the order in which they were made.
    peak_bytes: the most SRAM that its buffers hold at a time.
    bounds: cycles by what they go to, as in `Timing.bound`.
    """

    cycles: int
    bookings: tuple[Booking, ...]
    buffers: tuple[Buffer, ...]
    peak_bytes: int
    bounds: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Schedule:
    """Books units for one operation after another, each as early as its operands and the units allow.

    Buffers are known by their index. free: from which cycle on each unit is free. horizon: the cycle at which all that
    has been booked is done.
    """

    chip: Chip
    bookings: list[Booking] = field(default_factory=list)
    buffers: list[list] = field(default_factory=list)  # name, size, born, ready, dies
    free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("MXM", "LOAD", "VXM", "SXM", "C2C"), 0))
    bounds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BOUNDS, 0))
    horizon: int = 0

    def given(self, name: str, size: float) -> int:
        """Return a buffer of `size` bytes that is there from the start."""
        self.buffers.append([name, round(size), 0, 0, 0])
        return len(self.buffers) - 1

    def matmul(
        self, name: str, plan: Tiling, size: float, reads: Iterable[int], held: Iterable[int] = (), vector: int = 0
    ) -> int:
        """Book a matmul, with elementwise work on its results as they stream out, and return their buffer.

        size: bytes of the results. reads: buffers of the operand that streams past the planes.
        held: buffers of the operand that stays in the planes; none if it is weights.
        vector: cycles of the vector unit.
        """
        chip, free, reads, held = self.chip, self.free, tuple(reads), tuple(held)
        # nothing holds a stream back: a slow vector unit, which also makes operands of stored weights, slows the rows
        first_convert = min(plan.convert, plan.load)
        cycles = max(plan.cycles, vector + plan.convert - first_convert)
        earliest_load = max(free["LOAD"], self._complete(held), free["VXM"] if plan.convert else 0)
        start = max(self._complete(reads), free["MXM"], earliest_load + plan.load, free["VXM"] - chip.to_matrix)
        ready = start + cycles + chip.fill
        output = self._buffer(name, size, start + chip.fill, ready)
        # a plane has room for one tile beside the one it computes with: it is taken until the last tile starts
        loaded = start + cycles - plan.rows
        first = start - plan.load
        self._book("LOAD", first, loaded, f"load {name}", held, passes=plan.passes, planes=plan.planes)
        if first_convert:
            self._book("VXM", start - first_convert, start, f"convert {name}", held)
        self._book("MXM", start, start + cycles, name, reads, passes=plan.passes, rows=plan.rows, planes=plan.planes)
        streams = start + chip.to_matrix, start + chip.to_matrix + cycles
        self._book("VXM", *streams, f"{name} out", (), output, ready, follows=len(self.bookings) - 1)
        free["MXM"], free["LOAD"], free["VXM"] = start + cycles, loaded, streams[1]
        slow = "compute" if cycles > plan.cycles else plan.bound
        self._advance(ready, slow, chip.fill)
        return output

    def vector(self, name: str, cycles: int, size: float, reads: Iterable[int]) -> int:
        """Book elementwise work from memory to memory, and return the buffer of its results."""
        return self._stream("VXM", name, cycles, size, reads, self.chip.to_vector, self.chip.to_memory)

    def switch(self, name: str, size: float, reads: Iterable[int]) -> int:
        """Book the transposing or moving of `size` bytes between lanes, and return their buffer."""
        cycles = -int(-size // self.chip.shift)
        return self._stream("SXM", name, cycles, size, reads, self.chip.to_vector, self.chip.to_memory)

    def exchange(self, name: str, cycles: int, size: float, reads: Iterable[int]) -> int:
        """Book an exchange with the other chips of the group, which holds the links to its end; return its buffer."""
        reads = tuple(reads)
        start = max(self.free["C2C"], self._complete(reads))
        end = start + cycles
        output = self._buffer(name, size, start, end)
        self._book("C2C", start, end, name, reads, output, end)
        self.free["C2C"] = end
        self._advance(end, "link", 0)
        return output

    def block(self) -> Block:
        """Return what has been booked so far."""
        buffers = tuple(Buffer(*entry) for entry in self.buffers)
        changes: dict[int, int] = {}
        for buffer in buffers:
            changes[buffer.born] = changes.get(buffer.born, 0) + buffer.size
            end = max(buffer.dies, buffer.ready)
            changes[end] = changes.get(end, 0) - buffer.size
        peak = max(accumulate(changes[cycle] for cycle in sorted(changes)), default=0)
        bounds = tuple((bound, cycles) for bound, cycles in self.bounds.items() if cycles)
        return Block(self.horizon, tuple(self.bookings), buffers, peak, bounds)

    def _stream(
        self, unit: str, name: str, cycles: int, size: float, reads: Iterable[int], there: int, back: int
    ) -> int:
        reads = tuple(reads)
        start = max(self.free[unit], self._complete(reads) + there)
        ready = start + cycles + back
        output = self._buffer(name, size, start + back, ready)
        self._book(unit, start, start + cycles, name, reads, output, ready)
        self.free[unit] = start + cycles
        self._advance(ready, "compute", there + back)
        return output

    def _complete(self, buffers: Iterable[int]) -> int:
        return max((self.buffers[index][3] for index in buffers), default=0)

    def _buffer(self, name: str, size: float, born: int, ready: int) -> int:
        self.buffers.append([name, round(size), born, ready, ready])
        return len(self.buffers) - 1

    def _book(
        self,
        unit: str,
        start: int,
        end: int,
        name: str,
        reads: tuple[int, ...],
        writes: int | None = None,
        ready: int = 0,
        *,
        follows: int | None = None,
        passes: int = 1,
        rows: int = 0,
        planes: int = 1,
    ) -> None:
        booking = Booking(unit, start, end, name, reads, writes, ready or end, follows, passes, rows, planes)
        self.bookings.append(booking)
        for index in reads:
            self.buffers[index][4] = max(self.buffers[index][4], end)

    def _advance(self, ready: int, bound: str, latency: int) -> None:
        """Move the horizon to `ready`, and count its move: up to `latency` cycles as "launch", the rest as `bound`."""
        gained = max(0, ready - self.horizon)
        launch = min(gained, latency)
        self.bounds["launch"] += launch
        self.bounds[bound] += gained - launch
        self.horizon = max(self.horizon, ready)
