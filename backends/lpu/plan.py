"""Placement and the timeline of a call: stages of chips, which layers each holds, and when each works.

A stage is a group of chips that share every matmul; layers of encoder and decoder are dealt out to the stages
in proportion to their chips, cut between attention and MLP where whole layers do not fit. A call passes through all
stages once for the encoder, once for the prompt and once for every token. Calls in flight take turns: in every slot
each is at another stage, so no stage is booked twice. Or the encoder is spread: every stage holds all of it and does
a share of the rows, all at the same time, while no other call is served.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise

from ..workload.workload import Workload
from .chip import Chip
from .compile import ITEM, Piece, ceiling_s, compile_block, cut_pieces, halve
from .schedule import Block

ALL = -1  # the stage of a leg that all stages run together


@dataclass(frozen=True, slots=True)
class Leg:
    """What one stage, or `ALL` together, does in one go: blocks with their phase and how often they run in a row.

    hop: cycles to hand over to the next stage.
    """

    stage: int
    parts: tuple[tuple[str, Block, int], ...]
    hop: int

    @property
    def cycles(self) -> int:
        """Cycles without the hand-over."""
        return sum(block.cycles * repeats for _, block, repeats in self.parts)


@dataclass(frozen=True, slots=True)
class Pass:
    """All stages in turn, `times` over. cycles: of one pass; slot: of its busiest stage, with the hand-overs."""

    phase: str
    times: int
    legs: tuple[Leg, ...]
    cycles: int
    slot: int

    @property
    def together(self) -> bool:
        """Whether all stages are at it at the same time."""
        return self.legs[0].stage == ALL

    @classmethod
    def of(cls, phase: str, legs: tuple[Leg, ...]) -> "Pass":
        """One pass over these legs."""
        busy: dict[int, int] = {}
        for leg in legs:
            busy[leg.stage] = busy.get(leg.stage, 0) + leg.cycles + leg.hop
        return cls(phase, 1, legs, sum(busy.values()), max(busy.values()))


@dataclass(frozen=True, slots=True)
class Stage:
    """SRAM of one stage, bytes: held by weights, and by the activations of a batch while it is there.

    kv_share: part of each call's cached keys and values that belongs to its layers.
    """

    chips: int
    weight_bytes: float
    activation_bytes: float
    kv_share: float


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """One batch of a workload, whatever its number of decode steps, on stages of chips."""

    chip: Chip
    usable_bytes: float
    work: Workload
    stages: tuple[Stage, ...]
    layers: tuple[tuple[float, float], ...]  # encoder and decoder layers of each stage
    cuts: tuple[tuple[int, ...], tuple[int, ...]]  # of encoder and decoder: where each stage ends, in parts of layers
    spread: bool
    cut: bool
    before: tuple[Pass, ...]  # encoder and prefill

    def calls_in_flight(self, kv_bytes: float) -> int:
        """How many batches the SRAM holds at a time, at `kv_bytes` for each call of a batch; 0 if not one."""
        most = math.inf
        for stage in self.stages:
            room = stage.chips * self.usable_bytes - stage.weight_bytes - stage.activation_bytes
            batch = self.work.batch * kv_bytes * stage.kv_share
            most = min(most, math.floor(room / batch) if batch else (math.inf if room >= 0 else 0))
        return max(0, int(min(most, 10**6)))

    def passes(self, work: Workload) -> tuple[Pass, ...]:
        """The passes of a call of this plan, in order."""
        runs = work.key_runs(self.chip.depth) if work.decode_tokens else ()
        return *self.before, *(replace(_step(self, keys), times=times) for keys, times in runs)


@lru_cache(maxsize=4096)
def make_plan(
    chip: Chip, usable_bytes: float, chips: int, group: int, work: Workload, *, cut: bool = False, spread: bool = False
) -> Plan:
    """Stages of at most `group` chips, each with `usable_bytes`; the workload's number of decode steps is ignored.

    cut: layers may be cut between attention and MLP. spread: every stage holds the encoder and does part of its rows.
    """
    stages = math.ceil(chips / group)
    base, larger = divmod(chips, stages)
    sizes = [base + (index < larger) for index in range(stages)]
    encoding = cut_pieces(op for op in work.ops() if op.phase in ("mel", "encode"))
    filling = cut_pieces(op for op in work.ops() if op.phase == "prefill")
    stepping = cut_pieces(work.step_ops(work.dims.n_text_ctx)) if work.decode_tokens else ()
    encoder, decoder = _layers(encoding), _layers(filling or stepping)
    spread = spread and bool(encoding)
    cuts = _deal(sizes, () if spread else encoding, filling or stepping, cut)
    before, weights, peaks = [], [0.0] * stages, [0] * stages
    for found, ends in ((encoding, cuts[0]), (filling, cuts[1]), (stepping, cuts[1])):
        if not found:
            continue
        rows = _rows_bytes(work, found)
        shared = spread and found is encoding
        run = _shared_pass(chip, sizes, found, rows) if shared else _pass(chip, sizes, found, ends, rows, cut)
        for leg in run.legs:
            peak = max(block.peak_bytes for _, block, _ in leg.parts)
            for stage in range(stages) if leg.stage == ALL else (leg.stage,):
                peaks[stage] = max(peaks[stage], peak)
        if found is not stepping:
            before.append(run)
    of_encoder = [encoder.repeats] * stages if spread and encoder else _counts(encoder, cuts[0], cut)
    counts = of_encoder, _counts(decoder, cuts[1], cut)
    for layer, ends in ((encoder, cuts[0]), (decoder, cuts[1])):
        for index, (_, start, end) in enumerate(_ranges(ends)):
            weights[index] += sum(part.weight_bytes * times for part, times in _parts(layer, start, end, cut))
    rest = [piece for piece in (*encoding, *(filling or stepping)) if piece not in (encoder, decoder)]
    if spread:
        whole = sum(piece.repeats * piece.weight_bytes for piece in encoding)
        weights = [weight + whole for weight in weights]
        rest = [piece for piece in rest if piece not in encoding]
    for piece in rest:
        at = 0 if piece.phase in ("mel", "encode") and piece is not encoding[-1] else stages - 1
        weights[at] += piece.repeats * piece.weight_bytes
    total = sum(counts[1]) or 1
    ratio = _weights_ratio(work, encoding, filling or stepping)
    held = tuple(
        Stage(size, weight * ratio, size * peak, count / total)
        for size, weight, peak, count in zip(sizes, weights, peaks, counts[1], strict=True)
    )
    split = tuple(zip(*counts, strict=True))
    return Plan(chip, usable_bytes, work, held, split, cuts, spread, cut, tuple(before))


@lru_cache(maxsize=16384)
def _step(plan: Plan, keys: int) -> Pass:
    found = cut_pieces(plan.work.step_ops(keys))
    sizes = [stage.chips for stage in plan.stages]
    return _pass(plan.chip, sizes, found, plan.cuts[1], _rows_bytes(plan.work, found), plan.cut)


def _layers(found: tuple[Piece, ...]) -> Piece | None:
    """The piece that repeats: one layer; of models with a single layer, all there is."""
    return max(found, key=lambda piece: (piece.repeats, piece.weight_bytes), default=None)


def _weights_ratio(work: Workload, *found: tuple[Piece, ...]) -> float:
    """Bytes to be held per byte of parameters in use: above 1 where only some experts are."""
    used = sum(piece.repeats * piece.weight_bytes for part in found for piece in part)
    return work.weights_bytes / used if used else 1.0


def _rows_bytes(work: Workload, found: tuple[Piece, ...]) -> float:
    """Bytes of activations that pass from stage to stage."""
    layer = _layers(found)
    norm = next((op for op in layer.ops if op.kind == "layer_norm"), None) if layer else None
    return math.prod(norm.shape) * ITEM if norm else work.batch * work.dims.n_text_state * ITEM


def _deal(
    sizes: list[int], encoding: tuple[Piece, ...], decoding: tuple[Piece, ...], cut: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where each stage ends in encoder and decoder, in proportion to its chips and by bytes of weights."""
    shares = [part / sum(sizes) for part in accumulate(sizes)]
    decoder, encoder = _layers(decoding), _layers(encoding)
    whole = sum(piece.repeats * piece.weight_bytes for piece in decoding)
    of_decoder, held = _edges([share * whole for share in shares], decoder, cut)
    held[-1] = whole
    whole += sum(piece.repeats * piece.weight_bytes for piece in encoding)
    stem = sum(piece.repeats * piece.weight_bytes for piece in encoding if piece is not encoder)
    targets = [share * whole - part - stem for share, part in zip(shares, held, strict=True)]
    return _edges(targets, encoder, cut)[0], of_decoder


@lru_cache(maxsize=4096)
def _units(layer: Piece, cut: bool) -> tuple[Piece, ...]:
    """What a layer may be cut into."""
    found = halve(layer) if cut else ()
    return found if len(found) > 1 else (replace(layer, repeats=1),)


def _edges(targets: list[float], layer: Piece | None, cut: bool) -> tuple[tuple[int, ...], list[float]]:
    """After how many parts of layers each stage ends, to come close to `targets` in bytes up to there; and these."""
    if layer is None:
        return (0,) * len(targets), [0.0] * len(targets)
    units = _units(layer, cut)
    sums = [0.0, *accumulate(unit.weight_bytes for _ in range(layer.repeats) for unit in units)]
    if not sums[-1]:
        return (*[0] * (len(targets) - 1), len(sums) - 1), [0.0] * len(targets)
    edges, last = [], 0
    for target in targets[:-1]:
        above = bisect_left(sums, target, last)
        nearest = min((above - 1, above), key=lambda edge: abs(sums[min(max(edge, 0), len(sums) - 1)] - target))
        last = max(last, min(nearest, len(sums) - 1))
        edges.append(last)
    edges.append(len(sums) - 1)
    return tuple(edges), [sums[edge] for edge in edges]


def _ranges(ends: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """Stage, and the first and the last but one of its parts of layers."""
    for stage, (start, end) in enumerate(pairwise((0, *ends))):
        yield stage, start, end


def _parts(layer: Piece | None, start: int, end: int, cut: bool) -> list[tuple[Piece, int]]:
    """The parts of layers from `start` up to `end`: pieces, and how often each runs in a row; whole layers as such."""
    if layer is None or start == end:
        return []
    units = _units(layer, cut)
    first, last = -(-start // len(units)), end // len(units)
    if first > last:
        return [(units[index % len(units)], 1) for index in range(start, end)]
    before = [(units[index % len(units)], 1) for index in range(start, first * len(units))]
    after = [(units[index % len(units)], 1) for index in range(last * len(units), end)]
    return [*before, *([(layer, last - first)] if last > first else []), *after]


def _counts(layer: Piece | None, ends: tuple[int, ...], cut: bool) -> list[float]:
    """Layers of each stage."""
    parts = len(_units(layer, cut)) if layer else 1
    return [(end - start) / parts for _, start, end in _ranges(ends)]


def _pass(
    chip: Chip, sizes: list[int], found: tuple[Piece, ...], ends: tuple[int, ...], moved: float, cut: bool
) -> Pass:
    """One pass: what comes before the layers is done by the first stage, what comes after them by the last.

    The last stage holds the table of tokens, so it looks them up as well, and hands them to the first.
    """
    layer, last = _layers(found), len(sizes) - 1
    hop = chip.hop_cycles(moved, min(sizes)) if last else 0
    place = found.index(layer) if layer else 0
    look_up = [piece for piece in found[:place] if any(op.kind == "embedding" for op in piece.ops)]
    work: list[tuple[int, list[tuple[Piece, int]]]] = [(last, [(piece, piece.repeats) for piece in look_up])]
    for stage, first, end in _ranges(ends):
        begin = [(piece, piece.repeats) for piece in found[:place] if piece not in look_up and stage == 0]
        finish = [(piece, piece.repeats) for piece in found[place + 1 :] if stage == last]
        work.append((stage, [*begin, *_parts(layer, first, end, cut), *finish]))
    legs = []
    for stage, parts in work:
        if not parts:
            continue
        # the encoder's result goes round to all stages; a token stays where it will be looked up
        stays = stage == last and bool(look_up) and bool(legs)
        blocks = tuple((piece.phase, compile_block(chip, sizes[stage], piece), times) for piece, times in parts)
        legs.append(Leg(stage, blocks, 0 if stays else hop))
    return Pass.of(found[-1].phase, tuple(legs))


def _shared_pass(chip: Chip, sizes: list[int], found: tuple[Piece, ...], moved: float) -> Pass:
    """The encoder on all stages at once, each with its part of the rows, at the pace of the smallest."""
    size, stages = min(sizes), len(sizes)
    blocks = tuple((piece.phase, compile_block(chip, size, piece, stages), piece.repeats) for piece in found)
    return Pass.of(found[-1].phase, (Leg(ALL, blocks, chip.gather_cycles(moved / size, size, stages)),))


def alone_cycles(passes: tuple[Pass, ...]) -> int:
    """Cycles of one batch with nothing else in flight."""
    return sum(run.times * run.cycles for run in passes)


def together_cycles(passes: tuple[Pass, ...], calls: int) -> int:
    """Cycles in which `calls` in flight, each a slot behind the one before, are all served once.

    In a slot each call is at another stage, and the slowest decides. Where calls are in different phases, the
    slots take as long as those of the slower phase. What all stages do together is done for one call after another.
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
    """Cycles until the last of `batches` is done, with at most `in_flight` at a time."""
    alone = alone_cycles(passes)
    if in_flight == 1:
        return batches * alone
    full, last = divmod(batches - 1, in_flight)
    # the last group: calls a slot apart
    ending = alone if last == 0 else together_cycles(passes, last + 1) + last * passes[-1].slot
    return min(batches * alone, full * together_cycles(passes, in_flight) + ending)


def interval_cycles(passes: tuple[Pass, ...], in_flight: int) -> float:
    """Cycles from one batch to the next in a long row of them, on average."""
    alone = alone_cycles(passes)
    return min([alone, *(together_cycles(passes, calls) / calls for calls in range(2, in_flight + 1))])


def list_events(plan: Plan, work: Workload) -> Iterator[tuple[int, int, str, Block, int]]:
    """The whole call as (start cycle, stage, phase, block, repetition), one entry per block and stage that runs it."""
    cycle, every = 0, range(len(plan.stages))
    for run in plan.passes(work):
        for _ in range(run.times):
            for leg in run.legs:
                for phase, block, repeats in leg.parts:
                    for repeat in range(repeats):
                        for stage in every if leg.stage == ALL else (leg.stage,):
                            yield cycle, stage, phase, block, repeat
                        cycle += block.cycles
                cycle += leg.hop


def ceiling(plan: Plan, work: Workload) -> float:
    """Seconds at full use of everything on all chips, and no other cost."""
    chips = sum(stage.chips for stage in plan.stages)
    return sum(op.count * ceiling_s(plan.chip, chips, op) for op in work.ops())
