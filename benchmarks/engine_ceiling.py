"""How fast any engine could be here: this machine's matrix products, and the arithmetic that a Whisper call takes.

At equal precision every engine multiplies the same encoder's matrices. Their arithmetic at the machine's measured rate
is a floor under one call's time, so a rival's own time over that floor is a ceiling over any factor against it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch

from ..backends.models import Dimensions
from ..backends.workload import Workload
from ..speech.encoder import Encoder, product_for
from ..speech.model import Recogniser
from .engine_windows import Clock, least_seconds

SIZES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1500, 384, 1536), (1500, 192, 768))
ENCODED = ((30.0, 2), (5.0, 12))  # seconds of audio, calls encoded together


@torch.inference_mode()
def gemm_peak(clock: Clock) -> float:
    """The largest rate of fp32 matrix products that this machine shows, in FLOP/s: torch's and oneDNN's, five sizes."""
    return max(rate for size in SIZES for rate in _rates(size, clock))


def _rates(size: tuple[int, int, int], clock: Clock) -> Iterator[float]:
    rows, inner, columns = size
    x, weight, bias = torch.randn(rows, inner), torch.randn(columns, inner), torch.randn(columns)
    for product in (torch.nn.functional.linear, product_for(weight)):
        yield 2 * rows * inner * columns / least_seconds(lambda p=product: p(x, weight, bias), clock)


def encoder_flops(recogniser: Recogniser, window_s: float, padded: bool, calls: int = 1) -> float:
    """Arithmetic of the encoder for `calls` windows."""
    audio_s = 30.0 if padded else window_s
    work = Workload(Dimensions.of(recogniser.dims), calls, audio_s, "fit", dtype="fp32")
    return sum(op.flops * op.count for op in work.ops() if op.phase == "encode")


def floors(recognisers: Sequence[Recogniser], windows_s: Sequence[float], peak: float) -> Iterator[dict[str, Any]]:
    """The least time that a call's encoder alone takes at the measured rate, by model, padding and window."""
    for recogniser in recognisers:
        for padded in (True, False):
            for window_s in [30.0] if padded else windows_s:
                flops = encoder_flops(recogniser, window_s, padded)
                yield {
                    "model": recogniser.name,
                    "window_s": None if padded else window_s,
                    "padded": padded,
                    "gflop": flops / 1e9,
                    "floor_s": flops / peak,
                }


@torch.inference_mode()
def encoder_rates(recognisers: Sequence[Recogniser], peak: float, clock: Clock) -> Iterator[dict[str, Any]]:
    """How near the encoders come to the measured rate."""
    for recogniser in recognisers:
        encoder = Encoder(recogniser.whisper.encoder)
        for audio_s, calls in ENCODED:
            flops = encoder_flops(recogniser, audio_s, padded=False, calls=calls)
            mel = torch.randn(calls, recogniser.dims.n_mels, round(audio_s * 100))
            took_s = least_seconds(lambda e=encoder, m=mel: e(m), clock)
            yield {
                "model": recogniser.name,
                "window_s": audio_s,
                "calls": calls,
                "seconds": took_s,
                "gflops_per_s": flops / took_s / 1e9,
                "of_peak": flops / took_s / peak,
                "dims": asdict(Dimensions.of(recogniser.dims)),
            }
