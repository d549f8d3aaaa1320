"""The compiler: makes schedules of the operations of a workload, one block for each piece, such as a layer.

The chips of a group share every matmul. Projections that feed attention, and the first product of an MLP, are cut by
columns; the products after them are cut by rows, which leaves partial sums that the chips exchange before the residual
sum. Attention is dealt out by heads. Where there are many rows, they are taken in chunks, so that one chunk is on the
links while the next is computed. Casts, biases, GELU and softmax are done by the vector unit as results stream past.
Several groups may share the rows of a piece: then each has all its weights, and of attention all keys and values.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from ..workload.op import N_FFT, Op
from .chip import Chip, Tiling, tile
from .schedule import Block, Schedule

# Vector operations per element; assumptions: max, subtract, exponential and sum for softmax, a tanh form of GELU,
# and two passes over a row for a norm. "fp32 keeps up with 4 planes" (Think Fast) bounds a chain at 4 per result.
ALU_STEPS = {"add": 1, "gelu": 8, "softmax": 4, "layer_norm": 4, "elementwise": 2, "pad": 1, "reduce": 1}
# heads stay whole on a chip; 64 is the head size of every Whisper
GRAIN = 64
# chunks of rows where there are at least so many rows for each, and turns that heads of attention take
CHUNKS, CHUNK_ROWS, TURNS = 4, 160, 32
ITEM = 2  # bytes of an activation in SRAM


@dataclass(frozen=True, slots=True)
class Piece:
    """Operations that run one after another, `repeats` times in a row, in one phase of the call."""

    phase: str
    ops: tuple[Op, ...]
    repeats: int

    @property
    def weight_bytes(self) -> float:
        """Bytes of parameters of one repetition; a look-up reads the table that the logits hold."""
        return sum(op.weight_bytes for op in self.ops if op.kind != "embedding")


def cut_pieces(ops: Iterable[Op], times: int = 1) -> tuple[Piece, ...]:
    """Return the operations as pieces, cut where phase or count changes: a layer is what repeats as often as layers.

    times: how often the whole sequence occurs in the counts.
    """
    found: list[tuple[str, int, list[Op]]] = []
    for op in ops:
        if not found or found[-1][:2] != (op.phase, op.count):
            found.append((op.phase, op.count, []))
        found[-1][2].append(op)
    return tuple(Piece(phase, tuple(part), count // times) for phase, count, part in found)


def halve(piece: Piece) -> tuple[Piece, ...]:
    """Return the parts of a layer, cut where a norm begins: its attentions and its MLP, each once."""
    cuts = [0]
    for index, op in enumerate(piece.ops):
        if op.kind == "layer_norm":
            start = index - (index > 0 and piece.ops[index - 1].kind == "cast")
            cuts += [start] if start else []
    ends = [*cuts[1:], len(piece.ops)]
    return tuple(Piece(piece.phase, piece.ops[a:b], 1) for a, b in zip(cuts, ends, strict=True))


@lru_cache(maxsize=8192)
def compile_block(chip: Chip, group: int, piece: Piece, parts: int = 1) -> Block:
    """Return the schedule of one repetition of the piece on each chip of a group.

    group: chips that share every matmul. parts: groups that share the rows of the piece.
    """
    compiler = _Compiler(chip, group, Schedule(chip), parts)
    for op in piece.ops:
        compiler.take(op)
    compiler.flush()
    return compiler.schedule.block()


def as_matmul(op: Op) -> tuple[float, float, float, float] | None:
    """Return (copies, m, n, k) of the product as which the operation is done; None if it is not a product."""
    if op.kind in ("matmul", "logits"):
        m, n, k = op.shape[-3:]
        if op.phase == "mel":
            return 1, op.shape[0] * n, m, k  # the filters stay, the frames stream
        return (op.shape[0] if len(op.shape) == 4 else 1), m, n, k
    if op.kind == "conv1d":
        batch, channels, outputs, kernel, rows = op.shape
        return 1, batch * rows, outputs, channels * kernel
    if op.kind == "fft":
        # the discrete Fourier transform as a matmul with real and imaginary part: there is no butterfly unit
        batch, frames, bins = op.shape
        return 1, batch * frames, 2 * bins, N_FFT
    return None


def ceiling_s(chip: Chip, chips: int, op: Op) -> float:
    """Return the seconds of one operation at full use of every matrix plane and of the paths of the weights."""
    flops, loads = op.flops, 0.0
    if op.weight_bytes and op.phase != "mel":
        chip = chip.weighing
    if (product := as_matmul(op)) is not None and op.kind != "fft":
        copies, m, n, k = product
        # either operand may be the one that stays
        loads = copies * k * min(m, n) * chip.item if op.kind == "matmul" and len(op.shape) == 4 else k * n * chip.item
    return max(flops / chip.flops, loads / (chip.load * chip.clock_hz)) / chips


@dataclass(slots=True)
class _Compiler:
    """Books one operation after another; buffers of the schedule are known by their index."""

    chip: Chip
    group: int
    schedule: Schedule
    parts: int = 1  # groups that share the rows
    source: list[int] = field(default_factory=list)  # by chunk, what the next projection reads
    residual: list[int] = field(default_factory=list)
    queue: list[tuple[Op, float]] = field(default_factory=list)  # projections of one source, with local columns
    done: list[int] = field(default_factory=list)  # what attention or a residual sum still has to take in
    outside: list[int] = field(default_factory=list)  # projections of the audio, keys and values of attention
    sharded: bool = False  # the source is cut by columns over the chips
    rows: float = 0
    width: float = 0

    def take(self, op: Op) -> None:
        if op.kind in ("cast", "cat", "softmax"):
            return  # on the way
        if as_matmul(op) is not None:
            self.product(op)
            return
        if op.kind == "gelu":
            convolved = self.queue[0][0].kind == "conv1d" if self.queue else False
            self.flush(ALU_STEPS["gelu"])
            if convolved and self.group > 1:
                # the next convolution needs all channels
                size = op.write_bytes / self.parts
                cycles = self.chip.hop_cycles(size, self.group)
                self.done = [self.schedule.exchange("channels", cycles, size, self.done)]
            self.source, self.done, self.sharded = self.done, [], self.group > 1 and not convolved
            return
        self.flush(ALU_STEPS["add"] if op.kind == "add" and self.group == 1 else 0)
        if op.kind == "attention":
            self.attention(op)
        elif op.kind == "add" and op.phase != "mel" and self.done:
            self.add(op)
        elif op.kind in ("scatter", "gather"):
            size = op.write_bytes / self.group / self.parts
            self.done = [self.schedule.switch(op.kind, size, self.inputs(op))]
            self.source, self.done = (self.done, []) if op.kind == "scatter" else ([], self.done)
        else:
            self.elementwise(op)

    def product(self, op: Op) -> None:
        copies, m, n, k = as_matmul(op) or (1, 1, 1, 1)
        if self.queue and (op.kind, m, k, copies) != self.key(self.queue[0][0]):
            self.flush()
        columns = n if self.sharded else self.share(n)
        self.queue.append((op, columns))

    def key(self, op: Op) -> tuple:
        copies, m, _, k = as_matmul(op) or (1, 1, 1, 1)
        return op.kind, m, k, copies

    def share(self, n: float) -> float:
        """Return the columns or rows of one chip: whole heads where several chips share them."""
        return n if self.group == 1 else min(n, math.ceil(n / GRAIN / self.group) * GRAIN)

    def inputs(self, op: Op) -> list[int]:
        if not self.source:
            shared = self.parts * (self.group if op.phase == "mel" else 1)
            self.source = [self.schedule.given("input", op.read_bytes / shared)]
            self.residual = self.source
        return self.source

    def flush(self, steps: int = 0) -> None:
        """Book the projections in the queue as one matmul, with `steps` vector operations on each result."""
        if not self.queue:
            return
        (op, _), columns = self.queue[0], sum(columns for _, columns in self.queue)
        copies, m, _, k = as_matmul(op) or (1, 1, 1, 1)
        m /= self.parts
        self.queue = []
        inputs = self.inputs(op)
        name = f"{op.kind} {m:g}x{k:g}x{columns:g}"
        weighs = op.phase != "mel"  # the filters of the spectrogram are kept as operands
        if self.rows and op.kind == "matmul" and len(op.shape) == 3 and m > self.rows and self.residual:
            # keys and values of the audio: they wait for nothing in the decoder
            audio = self.schedule.given("audio", m * k * ITEM)
            self.outside = [self.matmul(name, m, k, columns, copies, [audio], steps, weighs)]
            return
        depth = self.share(k) if self.sharded else k
        if op.phase == "mel":
            m, columns = m / self.group, (as_matmul(op) or (1, 1, 1, 1))[2]
        chunks = inputs if len(inputs) > 1 else inputs * self.chunks(op, m)
        each = m / len(chunks)
        self.done = [self.matmul(name, each, depth, columns, copies, [chunk], steps, weighs) for chunk in chunks]
        if op.kind == "logits" and self.group > 1:
            # every chip sends its best token of the rows of the table that it holds
            best = self.schedule.exchange("best", self.chip.exchange_cycles(8 * m, self.group), 8 * m, self.done)
            self.done = [best]
        if op.phase == "mel":
            self.source, self.done = self.done, []

    def chunks(self, op: Op, m: float) -> int:
        large = self.group > 1 and m >= CHUNKS * CHUNK_ROWS and op.kind == "matmul" and op.phase != "mel"
        return CHUNKS if large else 1

    def matmul(
        self, name: str, m: float, k: float, n: float, copies: float, reads: list[int], steps: int, weighs: bool
    ) -> int:
        chip, convert = (self.chip.weighing, self.chip.convert) if weighs else (self.chip, 0.0)
        plan = tile(chip, m, k, n, copies, convert=convert)
        vector = self.chip.vector_cycles(copies * m * n, steps)
        return self.schedule.matmul(name, plan, copies * m * n * ITEM, reads, vector=vector)

    def attention(self, op: Op) -> None:
        batch, heads, queries, keys, size = op.shape
        chip, schedule = self.chip, self.schedule
        copies = int(batch) * math.ceil(heads / self.group)
        if self.parts > 1:
            queries /= self.parts
            held = 2 * copies * keys * size * ITEM
            cycles = chip.gather_cycles(held, self.group, self.parts)
            self.outside = [schedule.exchange("keys and values", cycles, held, self.done)]
        # with many queries, heads take turns on the planes while the softmax of others is on the vector unit
        turns = min(copies, TURNS) if queries >= CHUNK_ROWS else 1
        each = copies / turns
        scores_plan = tile(chip, queries, size, keys, each, either=True)
        values_plan = tile(chip, queries, keys, size, each, either=True)
        reads, held = tuple(self.done), tuple(self.outside or self.done)
        values = held
        if values_plan.swapped:
            values = (schedule.switch("transpose values", copies * keys * size * ITEM, held),)
        scores: list[int] = []
        outputs: list[int] = []

        def score() -> None:
            buffer = self.scores(f"scores {queries:g}x{keys:g}", scores_plan, each * queries * keys, reads, held)
            scores.append(buffer)

        score()
        for turn in range(turns):
            if turn + 1 < turns:
                score()
            moving, staying = (values, (scores[turn],)) if values_plan.swapped else ((scores[turn],), values)
            out_size = each * queries * size * ITEM
            output = schedule.matmul(f"values {queries:g}x{keys:g}", values_plan, out_size, moving, staying)
            if values_plan.swapped:
                output = schedule.switch("transpose", out_size, (output,))
            outputs.append(output)
        if len(outputs) > 1:
            elements = copies * queries * size
            outputs = [schedule.vector("normalise", chip.vector_cycles(elements, 1), elements * ITEM, outputs)]
        self.source, self.done, self.outside = outputs, [], []
        self.sharded = self.group > 1

    def scores(self, name: str, plan: Tiling, elements: float, reads: tuple[int, ...], held: tuple[int, ...]) -> int:
        raw = self.schedule.matmul(name, plan, elements * ITEM, reads, held)
        cycles = self.chip.vector_cycles(elements, ALU_STEPS["softmax"])
        return self.schedule.vector("softmax", cycles, elements * ITEM, (raw,))

    def add(self, op: Op) -> None:
        elements = math.prod(op.shape) / self.parts
        self.rows, self.width = math.prod(op.shape[:-1]) / self.parts, op.shape[-1]
        summed: list[int] = []
        if self.group == 1:
            summed = self.done
        else:
            part = elements / len(self.done)
            cycles = self.chip.exchange_cycles(part * ITEM, self.group)
            adding = self.chip.vector_cycles(part, self.group)
            residual = self.residual if len(self.residual) == len(self.done) else self.residual * len(self.done)
            for chunk, before in zip(self.done, residual, strict=False):
                moved = self.schedule.exchange("sum", cycles, part * ITEM, (chunk,))
                summed.append(self.schedule.vector("add", adding, part * ITEM, (moved, before)))
        self.source = self.residual = summed
        self.done, self.sharded = [], False

    def elementwise(self, op: Op) -> None:
        shared = op.phase == "mel" or op.kind == "reduce"
        shape = op.shape[::2] if op.kind == "embedding" else op.shape  # of a look-up: tokens and width
        elements = math.prod(shape) / (self.group if shared else 1) / self.parts
        inputs = self.done or self.inputs(op)
        steps, passes = ALU_STEPS.get(op.kind, 1), 2 if op.kind == "layer_norm" else 1
        if op.kind == "layer_norm":
            self.rows, self.width = math.prod(op.shape[:-1]) / self.parts, op.shape[-1]
            inputs = self.residual or inputs
            if len(inputs) == 1:
                inputs = inputs * (CHUNKS if self.group > 1 and self.rows >= CHUNKS * CHUNK_ROWS else 1)
        cycles = self.chip.vector_cycles(elements / len(inputs), steps)
        size, outputs = elements / len(inputs) * ITEM, []
        for buffer in inputs:
            for _ in range(passes):
                buffer = self.schedule.vector(op.kind, cycles, size, (buffer,))
            outputs.append(buffer)
        if op.kind == "embedding" and self.group > 1:
            cycles = self.chip.exchange_cycles(elements * ITEM, self.group)
            outputs = [self.schedule.exchange("look up", cycles, elements * ITEM, outputs)]
        self.source, self.done, self.sharded = outputs, [], False
        if op.kind != "layer_norm":
            self.residual = outputs
