"""The plan of a call on many chips: the stages, the layers that each of them holds, and when each works.

A stage is a group of chips that share every matmul. Layers of encoder and decoder are dealt out to the stages in
proportion to their chips, and cut between attention and MLP where whole layers do not fit. A call passes through all
stages once for the encoder, once for the prompt and once for every token. Calls in flight take turns: in every slot
each is at another stage, so no stage is booked twice. Or the encoder is spread: every stage holds all of it and does a
share of the rows, all at the same time, while no other call is served.
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
from .passes import ALL, Leg, Pass
from .schedule import Block


@dataclass(frozen=True, slots=True)
class Stage:
    """What the SRAM of one stage holds.

    chips: how many it has. weight_bytes: of its layers. activation_bytes: of a batch while it is there.
    kv_share: part of each call's cached keys and values that belongs to its layers.
    """

    chips: int
    weight_bytes: float
    activation_bytes: float
    kv_share: float


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """How one batch of a workload goes over stages of chips, whatever its number of decode steps.

    usable_bytes: SRAM of each chip. work: the batch.
    layers: encoder and decoder layers of each stage.
    cuts: of encoder and decoder, where each stage ends, counted in parts of layers.
    spread: whether all stages share the rows of the encoder. cut: whether layers are cut between attention and MLP.
    before: the passes of encoder and prefill.
    """

    chip: Chip
    usable_bytes: float
    work: Workload
    stages: tuple[Stage, ...]
    layers: tuple[tuple[float, float], ...]
    cuts: tuple[tuple[int, ...], tuple[int, ...]]
    spread: bool
    cut: bool
    before: tuple[Pass, ...]

    def calls_in_flight(self, kv_bytes: float) -> int:
        """Return how many batches the SRAM holds at a time, with `kv_bytes` for each call of a batch; maybe 0."""
        most = math.inf
        for stage in self.stages:
            room = stage.chips * self.usable_bytes - stage.weight_bytes - stage.activation_bytes
            batch = self.work.batch * kv_bytes * stage.kv_share
            most = min(most, math.floor(room / batch) if batch else (math.inf if room >= 0 else 0))
        return max(0, int(min(most, 10**6)))

    def passes(self, work: Workload) -> tuple[Pass, ...]:
        """Return the passes of a call of this plan, in order."""
        runs = work.key_runs(self.chip.depth) if work.decode_tokens else ()
        return *self.before, *(replace(_step(self, keys), times=times) for keys, times in runs)


@lru_cache(maxsize=4096)
def make_plan(
    chip: Chip, usable_bytes: float, chips: int, group: int, work: Workload, *, cut: bool = False, spread: bool = False
) -> Plan:
    """Return the plan of a batch on `chips` chips, in stages of at most `group` chips.

    usable_bytes: SRAM of each chip. work: the batch; its number of decode steps matters only in being 0.
    cut: whether layers may be cut between attention and MLP.
    spread: whether every stage holds the encoder and does a part of its rows.
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
    """Return the piece that repeats, which is one layer; None if there are no pieces."""
    return max(found, key=lambda piece: (piece.repeats, piece.weight_bytes), default=None)


def _weights_ratio(work: Workload, *found: tuple[Piece, ...]) -> float:
    """Return the bytes to be held per byte of parameters in use: above 1 where only some experts are in use."""
    used = sum(piece.repeats * piece.weight_bytes for part in found for piece in part)
    return work.weights_bytes / used if used else 1.0


def _rows_bytes(work: Workload, found: tuple[Piece, ...]) -> float:
    """Return the bytes of activations that pass from stage to stage."""
    layer = _layers(found)
    norm = next((op for op in layer.ops if op.kind == "layer_norm"), None) if layer else None
    return math.prod(norm.shape) * ITEM if norm else work.batch * work.dims.n_text_state * ITEM


def _deal(
    sizes: list[int], encoding: tuple[Piece, ...], decoding: tuple[Piece, ...], cut: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where each stage ends in encoder and decoder, in proportion to its chips and by bytes of weights."""
    shares = [part / sum(sizes) for part in accumulate(sizes)]
    decoder, encoder = _layers(decoding), _layers(encoding)
    whole = sum(piece.repeats * piece.weight_bytes for piece in decoding)
    of_decoder, held = _edges([share * whole for share in shares], decoder, cut)
    held[-1] = whole
    whole += sum(piece.repeats * piece.weight_bytes for piece in encoding)
    stem = sum(piece.repeats * piece.weight_bytes for piece in encoding if piece is not encoder)
    targets = [share * whole - part - stem for share, part in zip(shares, held, strict=True)]
    return _edges(targets, encoder, cut)[0], of_decoder


def _units(layer: Piece, cut: bool) -> tuple[Piece, ...]:
    """Return what a layer may be cut into: parts, or with `cut` False the layer itself."""
    found = halve(layer) if cut else ()
    return found if len(found) > 1 else (replace(layer, repeats=1),)


def _edges(targets: list[float], layer: Piece | None, cut: bool) -> tuple[tuple[int, ...], list[float]]:
    """Return after how many parts of layers each stage ends to come close to `targets` bytes, and these bytes."""
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
    """Yield each stage with the first of its parts of layers and the one after its last."""
    for stage, (start, end) in enumerate(pairwise((0, *ends))):
        yield stage, start, end


def _parts(layer: Piece | None, start: int, end: int, cut: bool) -> list[tuple[Piece, int]]:
    """Return the parts of layers from `start` up to `end` as pieces with repetitions; whole layers are one piece."""
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
    """Return how many layers each stage has."""
    parts = len(_units(layer, cut)) if layer else 1
    return [(end - start) / parts for _, start, end in _ranges(ends)]


def _pass(
    chip: Chip, sizes: list[int], found: tuple[Piece, ...], ends: tuple[int, ...], moved: float, cut: bool
) -> Pass:
    """Return one pass. The first stage does what comes before the layers, the last one what comes after them.

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
    """Return the pass of an encoder whose rows all stages share, at the pace of the smallest stage."""
    size, stages = min(sizes), len(sizes)
    blocks = tuple((piece.phase, compile_block(chip, size, piece, stages), piece.repeats) for piece in found)
    return Pass.of(found[-1].phase, (Leg(ALL, blocks, chip.gather_cycles(moved / size, size, stages)),))


def list_events(plan: Plan, work: Workload) -> Iterator[tuple[int, int, str, Block, int]]:
    """Yield the whole call as (start cycle, stage, phase, block, repetition), for each stage that runs a block."""
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
    """Return the seconds of a call at full use of everything on all chips and without any other cost."""
    chips = sum(stage.chips for stage in plan.stages)
    return sum(op.count * ceiling_s(plan.chip, chips, op) for op in work.ops())
