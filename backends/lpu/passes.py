"""The passes of a call through the stages of a plan, and how long one call, or many in flight, take with them."""

from dataclasses import dataclass
from itertools import pairwise

from .schedule import Block

ALL = -1  # the stage of a leg that all stages run together


@dataclass(frozen=True, slots=True)
class Leg:
    """What one stage does in one go.

    stage: its index, or `ALL`. parts: phase, block, and how often the block runs in a row.
    hop: cycles to hand over to the next stage.
    """

    stage: int
    parts: tuple[tuple[str, Block, int], ...]
    hop: int

    @property
    def cycles(self) -> int:
        """Cycles of the blocks, without the hand-over."""
        return sum(block.cycles * repeats for _, block, repeats in self.parts)


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass of a call through all stages in turn, which happens `times` times.

    phase: of the call. cycles: of one pass. slot: cycles of its busiest stage, hand-overs included.
    """

    phase: str
    times: int
    legs: tuple[Leg, ...]
    cycles: int
    slot: int

    @property
    def together(self) -> bool:
        """Whether all stages work on it at the same time."""
        return self.legs[0].stage == ALL

    @classmethod
    def of(cls, phase: str, legs: tuple[Leg, ...]) -> "Pass":
        """Return one pass over these legs."""
        busy: dict[int, int] = {}
        for leg in legs:
            busy[leg.stage] = busy.get(leg.stage, 0) + leg.cycles + leg.hop
        return cls(phase, 1, legs, sum(busy.values()), max(busy.values()))


def alone_cycles(passes: tuple[Pass, ...]) -> int:
    """Return the cycles of one batch with nothing else in flight."""
    return sum(run.times * run.cycles for run in passes)


def together_cycles(passes: tuple[Pass, ...], calls: int) -> int:
    """Return the cycles in which `calls` calls in flight, each a slot behind the one before, are all served once.

    In a slot each call is at another stage, and the slowest decides how long it lasts. Where calls are in different
    phases, slots last as long as those of the slower phase. What all stages do together is done call by call.
    """
    alone = sum(run.times * run.cycles for run in passes if run.together)
    passes = tuple(run for run in passes if not run.together)
    if not passes:
        return calls * alone
    slots = [run.slot for run in passes]
    stages = max(leg.stage for run in passes for leg in run.legs) + 1
    steady = sum(run.times * stages * slot for run, slot in zip(passes, slots, strict=True))
    waits = sum(max(0, earlier - later) for earlier, later in pairwise((*slots, slots[0])))
    return calls * alone + steady + (calls - 1) * waits


def finish_cycles(passes: tuple[Pass, ...], batches: int, in_flight: int) -> int:
    """Return the cycles until the last of `batches` batches is done, with at most `in_flight` of them at a time."""
    alone = alone_cycles(passes)
    if in_flight == 1:
        return batches * alone
    full, last = divmod(batches - 1, in_flight)
    # the last group: calls a slot apart
    ending = alone if last == 0 else together_cycles(passes, last + 1) + last * passes[-1].slot
    return min(batches * alone, full * together_cycles(passes, in_flight) + ending)


def interval_cycles(passes: tuple[Pass, ...], in_flight: int) -> float:
    """Return the cycles from one batch to the next in a long row of them, on average."""
    alone = alone_cycles(passes)
    return min([alone, *(together_cycles(passes, calls) / calls for calls in range(2, in_flight + 1))])
