"""One LPU chip as its compiler sees it: its units, their latencies, and how a matmul is cut into tiles.

The instruction time law is T = N + d_func + hops (Think Fast, ISCA 2020, eq. 4): N cycles down the tiles of a
slice, the function's own delay, and a cycle for each stream register on the way. A matmul [m x k] x [k x n] keeps
one operand in the matrix planes, tile by tile of `depth` x `width`, and streams the rows of the other past it; the
next tile loads while this one computes.
"""

import math
from dataclasses import dataclass, replace

from ..devices.device import Device
from ..errors import InputError

ARITHMETIC = {"fp16": 2, "int8": 1, "fp8": 1}  # bytes of one operand


@dataclass(frozen=True, slots=True)
class Chip:
    """Units and latencies of a chip, in cycles and bytes per cycle.

    arithmetic: of the products, one of `ARITHMETIC`.
    planes, depth, width: matrix planes, and the rows and columns of multiply-adds in each.
    load: bytes per cycle of weights into all planes together.
    lanes, alus: of the vector unit: elements at a time, and operations in a row on each.
    shift: bytes per cycle of the switch unit, which transposes.
    to_matrix, to_vector: cycles from memory to the vector unit, through a matrix plane or not.
    to_memory: cycles through the vector unit back to memory.
    hop, link: cycles to another chip of the same node, and bytes per cycle on each link in each direction.
    node: number of chips that are all linked to one another.
    wide: bytes per cycle from a chip to all those of other nodes; 0 if there are no such links.
    convert: vector operations that make an operand of a stored weight.
    narrow: the chip as products with weights see it, where they have an arithmetic of their own; else None.
    """

    clock_hz: float
    arithmetic: str
    depth: int
    width: int
    planes: int
    load: float
    lanes: int
    alus: int
    shift: float
    to_matrix: int
    to_vector: int
    to_memory: int
    hop: int
    link: float
    node: int
    wide: float
    convert: float = 0.0
    narrow: "Chip | None" = None

    @classmethod
    def with_weights(cls, device: Device, weights: str) -> "Chip":
        """Return the chip with weights in a format: fp16, int8 (made fp16 on the way), or fp8 (multiplied as it is)."""
        if weights == "fp8":
            return replace(cls.of(device), narrow=cls.of(device, "fp8"))
        convert = device["convert_steps"] if weights == "int8" and "convert_steps" in device.figures else 0.0
        return replace(cls.of(device), convert=convert)

    @classmethod
    def of(cls, device: Device, arithmetic: str = "fp16") -> "Chip":
        """Return the chip of a device file; `InputError` if the file has no figures for the arithmetic."""
        suffix = "" if arithmetic == "fp16" else f"_{arithmetic}"
        if arithmetic not in ARITHMETIC or f"matrix_units{suffix}" not in device.figures:
            raise InputError(f"{device.name} has no {arithmetic} arithmetic; type fp16")
        clock = device["clock"]
        stagger, to_matrix, to_vector = (round(device[key]) for key in ("stagger", "hops_matrix", "hops_vector"))
        return cls(
            clock_hz=clock,
            arithmetic=arithmetic,
            depth=round(device[f"matrix_depth{suffix}"]),
            width=round(device["matrix_width"]),
            planes=round(device[f"matrix_units{suffix}"]),
            load=device["weight_load"],
            lanes=round(device["vector_lanes"]),
            alus=round(device["vector_alus"]),
            shift=device["switch_bandwidth"],
            to_matrix=stagger + to_matrix + round(device["delay_matrix"]),
            to_vector=stagger + to_vector,
            to_memory=to_vector + round(device["delay_vector"]),
            hop=math.ceil(device["hop"] * clock),
            link=device["link_bandwidth"] / clock,
            node=round(device["chips_per_node"]),
            wide=device["global_bandwidth"] / clock if "global_bandwidth" in device.figures else 0.0,
        )

    @property
    def weighing(self) -> "Chip":
        """The chip as products with weights see it."""
        return self.narrow or self

    @property
    def item(self) -> int:
        """Bytes of one operand."""
        return ARITHMETIC[self.arithmetic]

    @property
    def flops(self) -> float:
        """Peak FLOP/s (or integer operations per second) of all planes; a multiply-add counts as 2."""
        return 2 * self.depth * self.width * self.planes * self.clock_hz

    @property
    def fill(self) -> int:
        """Cycles that a matmul takes beside its rows: from memory through matrix plane and vector unit to memory."""
        return self.to_matrix + self.to_memory

    def vector_cycles(self, elements: float, operations: float) -> int:
        """Return the cycles of the vector unit for `operations` operations on each of `elements` elements."""
        return math.ceil(elements * operations / (self.lanes * self.alus))

    def exchange_cycles(self, size: float, chips: int) -> int:
        """Return the cycles to sum `size` bytes over `chips` chips: all at once, or in shares there and back.

        Over several nodes it takes three turns, as in A Software-defined Tensor Streaming Multiprocessor: shares within
        each node, those shares between the nodes, then back within each node.
        """
        if chips == 1:
            return 0
        within, nodes = min(chips, self.node), math.ceil(chips / self.node)
        share = self.hop + math.ceil(size / within / self.link)
        if within < self.node:
            # long messages go by way of the chips beside the group as well, where each byte takes up two links
            links = (self.node - 1 + within - 1) / 2
            share = min(share, 2 * self.hop + math.ceil((within - 1) / within * size / links / self.link))
        if nodes == 1:
            return min(self.hop + math.ceil(size / self.link), 2 * share)
        between = self.shared_cycles(size / within, nodes)
        at_once = self.hop + math.ceil((nodes - 1) * size / within / self.wide)
        return 2 * share + min(at_once, 2 * between)

    def shared_cycles(self, size: float, nodes: int) -> int:
        """Return the cycles until a chip of each node has all of `size` bytes, of which each had a share."""
        return self.hop + math.ceil((nodes - 1) / nodes * size / self.wide)

    def gather_cycles(self, size: float, chips: int, stages: int) -> int:
        """Return the cycles until all stages of `chips` chips have `size` bytes on each chip; each stage had a share.

        Chips of one node are linked; others are three hops away, by the links that lead out of a node.
        """
        if stages == 1:
            return 0
        if chips * stages <= self.node:
            return self.hop + math.ceil(size / stages / self.link)
        return 2 * self.hop + self.shared_cycles(size, stages)

    def hop_cycles(self, size: float, chips: int) -> int:
        """Return the cycles to pass `size` bytes on to the next group, a share by each of its `chips` chips."""
        return self.hop + math.ceil(size / chips / self.link)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a matmul goes over the matrix planes of a chip.

    planes: how many are in use. passes: tiles that the busiest plane takes one after another.
    rows: rows that are streamed past each tile. load: cycles to bring a tile into its plane.
    cycles: from the first row to the last, with the first tile in place.
    swapped: whether the left operand is the one that stays in the planes; then the result comes out transposed.
    convert: cycles of the vector unit to make operands of all weights.
    """

    planes: int
    passes: int
    rows: int
    load: int
    cycles: int
    swapped: bool
    convert: int = 0

    @property
    def pass_cycles(self) -> int:
        """Cycles from one tile of a plane to the next."""
        return max(self.rows, self.load)

    @property
    def bound(self) -> str:
        """What the time goes to: "compute" or "memory"."""
        return "compute" if self.rows >= self.load else "memory"


def tile(
    chip: Chip, m: float, k: float, n: float, copies: float = 1, either: bool = False, convert: float = 0.0
) -> Tiling:
    """Return the quickest tiling of `copies` products [m x k] x [k x n] on one chip.

    either: whether the left operand may stay in the planes instead of the right one, which costs a transposition.
    convert: vector operations that make an operand of each stored weight.
    """
    plans = [_tiling(chip, m, k, n, copies, False, convert)]
    if either:
        plans.append(_tiling(chip, n, k, m, copies, True, convert))
    return min(plans, key=lambda plan: plan.cycles)


def _tiling(chip: Chip, m: float, k: float, n: float, copies: float, swapped: bool, convert: float) -> Tiling:
    tiles = math.ceil(copies * math.ceil(k / chip.depth) * math.ceil(n / chip.width))
    rows, planes = math.ceil(m), chip.planes
    # rows of a tile that no operand uses meet zeros, so what they hold does not matter and need not be loaded
    values = min(k, chip.depth) * chip.width
    load = max(math.ceil(values * chip.item * planes / chip.load), chip.vector_cycles(values * planes, convert))
    converting = chip.vector_cycles(values * tiles, convert)
    whole = Tiling(min(planes, tiles), math.ceil(tiles / planes), rows, load, 0, swapped, converting)
    # or every tile on all planes, each with a part of the rows
    split = Tiling(planes, tiles, math.ceil(rows / planes), load, 0, swapped, converting)
    return min((_add_cycles(whole), _add_cycles(split)), key=lambda plan: plan.cycles)


def _add_cycles(plan: Tiling) -> Tiling:
    return replace(plan, cycles=(plan.passes - 1) * plan.pass_cycles + plan.rows)
