"""Predictions for LPUs against published figures: chip, networks on one chip, links, capacity.

No constant was adjusted to meet a figure. Some figures are inputs as they stand (`fitted_on` names the constant); all
others are tests. What many chips do together is in `served`.
"""

import math

from ..devices.device import Device
from ..devices.files import load_device
from ..lpu.chip import Chip, tile
from ..lpu.compile import ALU_STEPS
from ..lpu.schedule import Schedule
from .check import Check
from .served import TSM22, gemm_checks, language_checks, service_checks

TSP20 = "Think Fast, ISCA 2020, doi 10.1109/ISCA45697.2020.00021"
BERT22 = "Answer Fast: Accelerating BERT on the Tensor Streaming Processor, arXiv 2206.11062, abstract"
HC38 = "Hot Chips 2026, Think Fast: LPU Accelerator for Heterogeneous Compute (secondary digest)"
LPX = "NVIDIA developer blog, Inside NVIDIA Groq 3 LPX, 2026-03-16"

# predicted over published that counts as met, for what is not an input
BAND = (0.75, 1.25)
# for the median of |predicted / published - 1| of a class
BAR = 0.25
# blocks of ResNet stages at 56, 28, 14 and 7 pixels a side (arXiv 1512.03385, table 1)
RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _check(
    name: str, predicted: float, published: float, unit: str, source: str, fitted_on: str = "", reason: str = ""
) -> Check:
    return Check(name, predicted, published, unit, source, BAND, fitted_on=fitted_on, reason=reason)


def lpu_checks() -> tuple[Check, ...]:
    """Return the checks of every published figure that the model can express."""
    return tuple(check for checks in lpu_classes().values() for check in checks)


def lpu_classes() -> dict[str, tuple[Check, ...]]:
    """Return the checks by class: chip, networks on one chip, links, capacity, LP30, and many chips together."""
    v1, lp30 = load_device("groq-v1"), load_device("lp30")
    found = {
        "chip": _chip(v1),
        "networks, one chip": _networks(v1),
        "links": _links(v1),
        "capacity": _capacity(v1),
        "LP30": _lp30(lp30),
        "one product, many chips": gemm_checks(v1),
        "language models, served": language_checks(v1),
        "GroqCloud's Whisper": service_checks(v1),
    }
    return {name: tuple(checks) for name, checks in found.items()}


def _chip(device: Device) -> list[Check]:
    fp16, int8 = Chip.of(device), Chip.of(device, "int8")
    load = tile(int8, 1, 320, 320).load  # of a tile, while the other planes load theirs
    worst = min((gemm_utilisation(fp16, n), n) for n in range(1376, 3501, 4))
    mean = sum(gemm_utilisation(fp16, n) for n in range(1376, 3501, 4)) / len(range(1376, 3501, 4))
    bank = device["sram_bandwidth"] * 1e9 / 1e12
    return [
        _check("int8 peak at 900 MHz", int8.flops / 1e12, 750, "TOP/s", "GroqChip product brief v1.7"),
        _check("fp16 peak at 900 MHz", fp16.flops / 1e12, 188, "TFLOP/s", "GroqChip product brief v1.7"),
        _check("weights into all planes", load, 40, "cycles", TSP20),
        _check("SRAM bandwidth at 1 GHz", bank, 55, "TB/s", TSP20, "sram_bandwidth (same slices and ports)"),
        _check(
            f"GEMM 2304x4096xN, worst N ({worst[1]}), at least",
            worst[0],
            0.8,
            "of peak",
            TSM22,
            "",
            "above the bound",
        ),
        _check("GEMM 2304x4096xN, mean of N = 1376..3500", mean, 0.95, "of peak", f"{TSM22}, figure read as 0.9-1.0"),
    ]


def gemm_utilisation(chip: Chip, n: int) -> float:
    """Return the part of the peak that [2304 x 4096] x [4096 x n] reaches, with either operand in the planes."""
    plan = tile(chip, 2304, 4096, n, either=True)
    return 2304 * 4096 * n / ((plan.load + plan.cycles + chip.fill) * chip.depth * chip.width * chip.planes)


def resnet_cycles(chip: Chip, layers: int) -> int:
    """Return the cycles of one image of 224 x 224 through ResNet-50, -101 or -152 on one chip."""
    schedule = Schedule(chip)
    current = [schedule.given("image", 224 * 224 * 3)]

    def conv(side: int, inputs: int, outputs: int, kernel: int, reads: list[int]) -> list[int]:
        plan = tile(chip, side * side, inputs * kernel * kernel, outputs)
        size = side * side * outputs
        vector = chip.vector_cycles(size, ALU_STEPS["add"] + 1)  # a residual sum or nothing, and ReLU
        return [schedule.matmul(f"conv {kernel}x{kernel}", plan, size * chip.item, reads, vector=vector)]

    current = conv(112, 3, 64, 7, current)
    current = [schedule.vector("max pool", chip.vector_cycles(56 * 56 * 64, 9), 56 * 56 * 64, current)]
    inputs = 64
    for stage, blocks in enumerate(RESNETS[layers]):
        side, width = 56 >> stage, 64 << stage
        for block in range(blocks):
            # the first block of a stage halves the sides, in its 3 x 3 convolution
            before = side * 2 if block == 0 and stage else side
            narrow = conv(side, width, width, 3, conv(before, inputs, width, 1, current))
            short = conv(side, inputs, 4 * width, 1, current) if block == 0 else current
            current, inputs = conv(side, width, 4 * width, 1, [*narrow, *short]), 4 * width
    pooled = [schedule.vector("mean", chip.vector_cycles(49 * 2048, 1), 2048, current)]
    schedule.matmul("classes", tile(chip, 1, 2048, 1000), 1000, pooled)
    return schedule.block().cycles


def bert_cycles(projections: Chip, attention: Chip, rows: int) -> int:
    """Return the cycles of BERT-base's 12 layers at batch 1, with projections and attention as on these chips."""
    schedule, width, heads = Schedule(projections), 768, 12
    current = [schedule.given("embeddings", rows * width * 2)]

    def matmul(chip: Chip, name: str, m: int, k: int, n: int, copies: int, reads: list[int], steps: int) -> list[int]:
        plan = tile(chip, m, k, n, copies, chip is attention)
        vector = chip.vector_cycles(copies * m * n, steps)
        return [schedule.matmul(name, plan, copies * m * n * 2, reads, vector=vector)]

    def norm(reads: list[int]) -> list[int]:
        cycles = projections.vector_cycles(rows * width, ALU_STEPS["layer_norm"])
        first = [schedule.vector("mean", cycles, rows * width * 2, reads)]
        return [schedule.vector("norm", cycles, rows * width * 2, first)]

    for _ in range(12):
        qkv = matmul(projections, "qkv", rows, width, 3 * width, 1, current, 1)
        scores = matmul(attention, "scores", rows, 64, rows, heads, qkv, 1)
        cycles = attention.vector_cycles(heads * rows * rows, ALU_STEPS["softmax"])
        weights = [schedule.vector("softmax", cycles, heads * rows * rows * 2, scores)]
        values = matmul(attention, "values", rows, rows, 64, heads, weights, 1)
        current = norm(matmul(projections, "out", rows, width, width, 1, values, 1))
        hidden = matmul(projections, "up", rows, width, 4 * width, 1, current, ALU_STEPS["gelu"])
        current = norm(matmul(projections, "down", rows, 4 * width, width, 1, hidden, 1))
    return schedule.block().cycles


def _networks(device: Device) -> list[Check]:
    fp16, int8, clock = Chip.of(device), Chip.of(device, "int8"), device["clock"]
    host_s = 2 * device["host_latency"]
    published_us = {50: 49.0, 101: 1e6 / 14.3e3, 152: 1e6 / 10.7e3}
    resnets = [
        _check(f"ResNet-{layers}, batch 1, int8", resnet_cycles(int8, layers) / clock * 1e6, published, "us", TSP20)
        for layers, published in published_us.items()
    ]
    reason = "precision and sequence length are not published: a bracket, not a test; host transfers included"
    berts = [
        _check(
            f"BERT-base, batch 1, 128 tokens, {name}",
            (bert_cycles(*chips, 128) / clock + host_s) * 1e6,
            130,
            "us",
            BERT22,
            "",
            reason,
        )
        for name, chips in (
            ("int8", (int8, int8)),
            ("int8 projections, fp16 attention", (int8, fp16)),
            ("fp16", (fp16, fp16)),
        )
    ]
    return [*resnets, *berts]


def _links(device: Device) -> list[Check]:
    hop_s = device["hop"]
    ends = "the bound is of a network the model has no topology of; five full hops are more than a message takes"
    return [
        _check("pipelined hop", hop_s * 1e9, 722, "ns", TSM22, "hop"),
        _check("all-reduce over 256 chips, 3 hops", 3 * hop_s * 1e6, 2.17, "us", TSM22),
        _check("end to end over 10,440 chips, 5 hops, below", 5 * hop_s * 1e6, 3, "us", TSM22, "", ends),
    ]


def _capacity(device: Device) -> list[Check]:
    # BERT-large: 24 layers of 12 d^2 parameters, d = 1024, in fp16
    layer_bytes = 12 * 1024**2 * 2
    return [
        _check("BERT-large layers on a chip, fp16", device["sram_usable"] // layer_bytes, 6, "layers", TSM22, "",
              "SRAM for weights alone; the published split leaves room for activations and instructions"),
        _check("chips for BERT-base, fp16, as GroqFlow packs", math.ceil(220e6 / device["sram_packed"]), 4, "chips",
              "groq/groqflow README", "sram_packed (its middle)"),
    ]  # fmt: skip


def _lp30(device: Device) -> list[Check]:
    chip, rack = Chip.of(device, "fp8"), 256
    published = ((2, 0.75), (3, 1.15), (4, 1.6), (5, 2.05), (6, 2.5), (7, 2.95))
    return [
        _check("LP30 FP8 peak", chip.flops / 1e15, 1.2, "PFLOP/s", LPX, "clock"),
        _check("LPX rack, FP8 peak of 256", rack * chip.flops / 1e15, 315, "PFLOP/s", LPX),
        _check("LPX rack, SRAM of 256", rack * device["sram"] / 1e9, 128, "GB", LPX),
        _check("LP30 SRAM to SRAM, 1 hop", device["hop"] * 1e6, 0.35, "us", HC38, "hop"),
        *(_check(f"LP30 SRAM to SRAM, {n} hops", n * device["hop"] * 1e6, us, "us", HC38) for n, us in published),
    ]
