"""How fast any engine could be here: this machine's matrix products, and the arithmetic that a Whisper call takes.

At equal precision every engine multiplies the same encoder's matrices. Their arithmetic at the machine's measured rate
is a floor under one call's time, so a rival's own time over that floor is a ceiling over any factor against it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ...backends.workload.models import Dimensions
from ...backends.workload.workload import Workload
from ...speech.asr.encoder import Encoder, product_for
from ...speech.asr.model import Recogniser
from .case import Case, Clock, least_seconds

SIZES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1500, 384, 1536), (1500, 192, 768))
ENCODED = (1, 2)  # calls encoded together


@dataclass(frozen=True, slots=True)
class EncoderRate:
    """How near the encoder comes to the measured rate, with `calls` windows of 30 s encoded together.

    gflop: the arithmetic of all. least_s: what that takes at the measured rate. seconds: what the encoder takes.
    """

    model: str
    calls: int
    gflop: float
    least_s: float
    seconds: float

    @property
    def gflops_per_s(self) -> float:
        return self.gflop / self.seconds

    @property
    def percent_of_peak(self) -> float:
        return 100 * self.least_s / self.seconds


@torch.inference_mode()
def gemm_peak_flops(clock: Clock) -> float:
    """Return the largest rate of fp32 matrix products seen here, in FLOP/s: torch's and oneDNN's, in five sizes."""

    def rates(rows: int, inner: int, columns: int) -> Iterator[float]:
        x, weight, bias = torch.randn(rows, inner), torch.randn(columns, inner), torch.randn(columns)
        for product in (torch.nn.functional.linear, product_for(weight)):
            yield 2 * rows * inner * columns / least_seconds(lambda p=product: p(x, weight, bias), clock)

    return max(rate for size in SIZES for rate in rates(*size))


def encoder_flops(recogniser: Recogniser, calls: int = 1) -> float:
    """Return the arithmetic of the encoder for `calls` windows, each padded to 30 s, in FLOPs."""
    work = Workload(Dimensions.of(recogniser.dims), calls, dtype="fp32")
    return sum(op.flops * op.count for op in work.ops() if op.phase == "encode")


@torch.inference_mode()
def encoder_rates(case: Case, peak_flops: float) -> Iterator[EncoderRate]:
    """Yield the encoder's rate for each number of calls encoded together, beside `peak_flops` FLOP/s."""
    model, encoder = case.recogniser, Encoder(case.recogniser.whisper.encoder)
    for calls in ENCODED:
        flops = encoder_flops(model, calls)
        mel = torch.randn(calls, model.dims.n_mels, 2 * model.dims.n_audio_ctx)
        took_s = least_seconds(lambda m=mel: encoder(m), case.clock)
        yield EncoderRate(model.name, calls, flops / 1e9, flops / peak_flops, took_s)
