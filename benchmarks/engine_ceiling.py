"""How fast any engine could be here: this machine's matrix products, and the arithmetic that a Whisper call takes.

At equal precision every engine multiplies the same encoder's matrices. Their arithmetic at the machine's measured rate
is a floor under one call's time, so a rival's own time over that floor is a ceiling over any factor against it.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch

from ..backends.workload.models import Dimensions
from ..backends.workload.workload import Workload
from ..speech.asr.decoding.encoder import Encoder, product_for
from ..speech.asr.model import Recogniser
from .engine_windows import Clock, least_seconds

SIZES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1500, 384, 1536), (1500, 192, 768))
ENCODED = (1, 2)  # calls encoded together


@torch.inference_mode()
def gemm_peak(clock: Clock) -> float:
    """The largest rate of fp32 matrix products that this machine shows, in FLOP/s: torch's and oneDNN's, five sizes."""
    return max(rate for size in SIZES for rate in _rates(size, clock))


def _rates(size: tuple[int, int, int], clock: Clock) -> Iterator[float]:
    rows, inner, columns = size
    x, weight, bias = torch.randn(rows, inner), torch.randn(columns, inner), torch.randn(columns)
    for product in (torch.nn.functional.linear, product_for(weight)):
        yield 2 * rows * inner * columns / least_seconds(lambda p=product: p(x, weight, bias), clock)


def encoder_flops(recogniser: Recogniser, calls: int = 1) -> float:
    """Arithmetic of the encoder for `calls` windows, each padded to 30 s."""
    work = Workload(Dimensions.of(recogniser.dims), calls, dtype="fp32")
    return sum(op.flops * op.count for op in work.ops() if op.phase == "encode")


def floors(recogniser: Recogniser, peak: float) -> Iterator[dict[str, Any]]:
    """One row: the least time that a call's encoder alone takes at the measured rate."""
    flops = encoder_flops(recogniser)
    yield {"model": recogniser.name, "gflop": flops / 1e9, "floor_s": flops / peak}


@torch.inference_mode()
def encoder_rates(recogniser: Recogniser, peak: float, clock: Clock) -> Iterator[dict[str, Any]]:
    """How near the encoder comes to the measured rate."""
    encoder = Encoder(recogniser.whisper.encoder)
    for calls in ENCODED:
        flops = encoder_flops(recogniser, calls)
        mel = torch.randn(calls, recogniser.dims.n_mels, 2 * recogniser.dims.n_audio_ctx)
        took_s = least_seconds(lambda m=mel: encoder(m), clock)
        yield {
            "model": recogniser.name,
            "calls": calls,
            "seconds": took_s,
            "gflops_per_s": flops / took_s / 1e9,
            "of_peak": flops / took_s / peak,
            "dims": asdict(Dimensions.of(recogniser.dims)),
        }
