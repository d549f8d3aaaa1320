"""Predictions for many LPU chips against published figures: one product, language models, GroqCloud's Whisper.

One rule holds for all rows, and no row has a constant of its own. Where chips or placement are not published, the rule
decides: a layer for each stage, on so many chips that each has as much weight as the 576 of Llama-2 70B.
"""

import math
from dataclasses import replace

from ..devices.device import Device
from ..lpu.chip import Chip, tile
from ..lpu.compile import ITEM
from ..lpu.lpu import Lpu
from ..lpu.plan import make_plan
from ..lpu.schedule import Schedule
from ..workload.decoder_only import DecoderOnly, decoder_only
from ..workload.models import DIMENSIONS
from ..workload.op import LONGEST_S
from ..workload.workload import Workload
from .check import Check

TSM22 = "A Software-defined Tensor Streaming Multiprocessor, ISCA 2022, doi 10.1145/3470496.3527405"
GROQ_DOCS = "Groq documentation, speech to text"
SERVED = "techpowerup, 2024-02 (secondary): tokens/s of a user of Groq's service"
BAND = (0.75, 1.25)
# A public service's own time for a request: a least-squares line through four published latencies of GroqCloud's
# Whisper (alpha.hashtagplus.com, secondary: 5 s of audio 180 ms, 15 s 210, 30 s 260, 60 s 380): network, upload and
# queue, and the chips' time with them. Another client's slope is 8 times as steep: the range is wide.
REQUEST_S, REQUEST_PER_AUDIO_S = 0.157, 3.7e-3
# Length of a file: Groq's own cookbook cuts at 600 s; what Artificial Analysis sends is not published. Predicted
# speed factors are 15 % lower at 150 s and 5 % higher at 3600 s.
FILE_S = 600.0
WINDOW_TOKENS = 99  # of a window of 30 s
# the most chunks of columns into which a product is cut so that one is on the links while the next is computed
_CHUNKS = (1, 2, 4, 8)


def _check(name: str, predicted: float, published: float, unit: str, source: str, reason: str = "") -> Check:
    return Check(name, predicted, published, unit, source, BAND, reason=reason)


def gemm_s(chip: Chip, chips: int, m: int, k: int, n: int) -> float:
    """Return the seconds of a product [m x k] x [k x n]: columns over 8 chips, depth over the groups of 8."""
    groups = chips / 8
    found = []
    for chunks in _CHUNKS:
        schedule, width = Schedule(chip), n / 8 / chunks
        operand = schedule.given("rows", m * k / groups * ITEM)
        for _ in range(chunks):
            part = schedule.matmul("part", tile(chip, m, k / groups, width, either=True), m * width * ITEM, [operand])
            if groups > 1:
                size = m * width * ITEM
                schedule.exchange("sum", chip.exchange_cycles(size, math.ceil(groups)), size, [part])
        found.append(schedule.block().cycles)
    return min(found) / chip.clock_hz


def gemm_checks(device: Device) -> list[Check]:
    """Return the checks of one product on more and more chips."""
    chip, shape = Chip.of(device), (800, 32576, 8192)
    unclear = "read off a chart whose other panel has 13,000 TFLOP/s there, 33 us a product: predicted is in between"
    published = ((8, 330, ""), (16, 150, ""), (100, 120, unclear))
    return [
        _check(f"GEMM 800x32576x8192 on {chips} chips", gemm_s(chip, chips, *shape) * 1e6, us, "us", TSM22, why)
        for chips, us, why in published
    ]


def user_tokens_per_s(device: Device, call: DecoderOnly) -> tuple[int, float]:
    """Return the number of chips by the rule for placement, and tokens per second of one user who has them alone."""
    whole = decoder_only("llama-2-70b", 1, 0)
    held = replace(call, weight_dtype="int8").weights_bytes / replace(whole, weight_dtype="int8").weights_bytes * 576
    layers = call.dims.n_text_layer
    group = max(1, round(held / layers))
    lpu = Lpu("served", device, group * (layers + 2), "int8", group)  # two stages more, for tokens and vocabulary
    work = lpu.adapt(call)
    plan = make_plan(
        lpu.chip, device["sram_usable"], group * (layers + 2), group, replace(work, decode_tokens=1), cut=True
    )
    steps = [run for run in plan.passes(work) if run.phase == "decode"]
    return lpu.chips_for(work), call.decode_tokens * device["clock"] / sum(run.times * run.cycles for run in steps)


def language_checks(device: Device) -> list[Check]:
    """Return the checks of tokens per second of one user, at the published context, filled but for 128 tokens."""
    load = "alone on the chips; served figures are under load, with sampling and the network"
    experts = "placement of experts is not published; here all chips of a stage share the two in use"
    rows = (
        ("Llama-2 70B", "llama-2-70b", 4096, 300, SERVED, load),
        ("Llama-2 7B", "llama-2-7b", 2048, 750, SERVED, load),
        ("Llama-3 8B", "llama-3-8b", 2048, 800, "Groq, 2024-04 (secondary): tokens/s of a user of its service", load),
        ("Mixtral 8x7B", "mixtral-8x7b", 2048, 480, SERVED, experts),
    )
    checks = []
    for title, name, context, published, source, reason in rows:
        chips, speed = user_tokens_per_s(device, decoder_only(name, 16, 112, context - 128))
        checks.append(_check(f"{title}, served, {chips} chips", speed, published, "tokens/s", source, reason))
    return checks


def service_checks(device: Device) -> list[Check]:
    """Return the checks of GroqCloud's Whisper: windows of 30 s on the least chips, and a request's own time."""
    reason = "network, upload and queue by another client's line; length of the file, chips and windows not published"
    large = DIMENSIONS["large-v3"]
    rows = (
        ("large-v3", large, (164, 189)),
        ("turbo", DIMENSIONS["turbo"], (216, 228)),
        ("distil-large-v3-en", replace(large, n_text_layer=2), (240, 250)),
    )
    checks = []
    for name, dims, published in rows:
        window_s = Lpu(name, device).time(Workload(dims, decode_tokens=WINDOW_TOKENS)).seconds
        factor = FILE_S / (REQUEST_S + FILE_S * (REQUEST_PER_AUDIO_S + window_s / LONGEST_S))
        for speed in published:
            checks.append(_check(f"GroqCloud {name}, {speed} x", factor, speed, "x real time", GROQ_DOCS, reason))
    return checks
