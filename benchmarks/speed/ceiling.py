"""How fast any engine could be here: this machine's matrix products and memory, and what a Whisper call takes of them.

At equal precision every engine multiplies the same encoder's matrices, and each decode step reads the keys and values
of the audio. That work at the machine's measured rates is a floor under a call's time: how far an engine is from it,
and, as a rival's own time over the floor, the most that any factor against it can be.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from ...backends.workload.models import Dimensions
from ...backends.workload.workload import Workload
from ...speech.asr.encoder import Encoder, product_for
from ...speech.asr.hypothesis import Hypothesis
from ...speech.asr.model import Recogniser
from ...speech.weights.precision import choose_dtype, hold
from .case import Case, Clock, least_seconds

SIZES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1500, 384, 1536), (1500, 192, 768))
ENCODED = (1, 2)  # calls encoded together
PRECISIONS = ("fp32", "bf16")  # that our engine multiplies in on a CPU
_READ_ROWS = 1 << 16  # of 4 kB: 256 MB


@dataclass(frozen=True, slots=True)
class EncoderRate:
    """How near the encoder comes to the measured rate, with `calls` windows of 30 s encoded together.

    gflop: the arithmetic of all. least_s: what that takes at the measured rate. seconds: what the encoder takes.
    """

    model: str
    precision: str
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


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What this machine was measured to do at most, with all threads that torch has.

    flops: rate of matrix products by precision, in FLOP/s. bytes_per_s: rate at which memory is read.
    """

    flops: dict[str, float]
    bytes_per_s: float

    def rate(self, precision: str) -> float:
        """Return the FLOP/s at a precision; CPUs multiply fp16 as fp32."""
        return self.flops.get(precision, self.flops["fp32"])


def measure_ceilings(clock: Clock) -> Ceilings:
    """Return what this machine does at most: products in fp32, and in bf16 and int8 where torch has them."""
    flops = {"fp32": gemm_peak_flops(clock), "bf16": gemm_peak_flops(clock, torch.bfloat16)}
    return Ceilings(flops | {"int8": _int8_peak_flops(clock)}, read_bytes_per_s(clock))


@torch.inference_mode()
def gemm_peak_flops(clock: Clock, dtype: torch.dtype = torch.float32) -> float:
    """Return the largest rate of matrix products seen here, in FLOP/s: torch's and oneDNN's, in five sizes."""

    def rates(rows: int, inner: int, columns: int) -> Iterator[float]:
        x, weight, bias = (torch.randn(*shape).to(dtype) for shape in ((rows, inner), (columns, inner), (columns,)))
        for product in (torch.nn.functional.linear, product_for(weight)):
            yield _rate(lambda p=product: p(x, weight, bias), (rows, inner, columns), clock)

    return max(rate for size in SIZES for rate in rates(*size))


def _int8_peak_flops(clock: Clock) -> float:
    def rate(size: tuple[int, int, int]) -> float:
        rows, inner, columns = size
        x, weight = (torch.randint(-99, 99, shape, dtype=torch.int8) for shape in ((rows, inner), (inner, columns)))
        return _rate(lambda: torch.ops.aten._int_mm(x, weight), size, clock)

    return max(map(rate, SIZES))


def _rate(product: Callable[[], object], size: tuple[int, int, int], clock: Clock) -> float:
    rows, inner, columns = size
    return 2 * rows * inner * columns / least_seconds(product, clock)


@torch.inference_mode()
def read_bytes_per_s(clock: Clock) -> float:
    """Return the largest rate at which an array that no cache holds is read here, in bytes/s: summed, or multiplied."""
    table, row = torch.ones(_READ_ROWS, 1024), torch.ones(1024)
    return table.nbytes / min(least_seconds(read, clock) for read in (table.sum, lambda: table @ row))


def encoder_flops(recogniser: Recogniser, calls: int = 1) -> float:
    """Return the arithmetic of the encoder for `calls` windows, each padded to 30 s, in FLOPs."""
    work = Workload(Dimensions.of(recogniser.dims), calls, dtype="fp32")
    return sum(op.flops * op.count for op in work.ops() if op.phase == "encode")


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that some calls can take. flops: of encoder and prefill. read_bytes: of decode steps, made together."""

    flops: float
    read_bytes: float

    @classmethod
    def of(cls, recogniser: Recogniser, heard: Sequence[Hypothesis]) -> "Floor":
        """Return the floor under calls that were heard so: each part encoded once, and every step of every attempt."""
        dims = Dimensions.of(recogniser.dims)
        runs = [run for hypothesis in heard for run in hypothesis.runs]
        steps = sum(run.decode_tokens for run in runs)
        if not runs or not steps:
            return cls(0.0, 0.0)
        mean = Workload(dims, len(runs), decode_tokens=max(1, round(steps / len(runs))), dtype="fp32")
        phases = {phase: [op for op in mean.ops() if op.phase == phase] for phase in ("encode", "prefill", "decode")}
        encoded = sum(run.encoded for run in runs) / len(runs)
        flops = {phase: sum(op.flops * op.count for op in ops) for phase, ops in phases.items()}
        read = sum((op.weight_bytes + op.read_bytes) * op.count for op in phases["decode"])
        return cls(encoded * flops["encode"] + flops["prefill"], read)

    def seconds(self, ceilings: Ceilings, precision: str) -> float:
        """Return what that takes at most rates; numbers of two bytes are read in half the time, of one in a quarter."""
        narrow = {"fp32": 1, "fp16": 2, "bf16": 2, "int8": 4}[precision]
        return self.flops / ceilings.rate(precision) + self.read_bytes / narrow / ceilings.bytes_per_s


@torch.inference_mode()
def encoder_rates(case: Case, ceilings: Ceilings) -> Iterator[EncoderRate]:
    """Yield the encoder's rate at each precision and number of calls encoded together, beside the machine's."""
    for precision in PRECISIONS:
        model = in_precision(case.recogniser, precision)
        encoder = Encoder(model.whisper.encoder)
        for calls in ENCODED:
            flops = encoder_flops(model, calls)
            mel = torch.randn(calls, model.dims.n_mels, 2 * model.dims.n_audio_ctx, dtype=model.dtype)
            took_s = least_seconds(lambda m=mel, e=encoder: e(m), case.clock)
            yield EncoderRate(model.name, precision, calls, flops / 1e9, flops / ceilings.rate(precision), took_s)


def in_precision(recogniser: Recogniser, precision: str) -> Recogniser:
    """Return a Whisper with its weights held in another precision: a copy, but for its own."""
    if recogniser.precision == precision:
        return recogniser
    return replace(recogniser, whisper=hold(copy.deepcopy(recogniser.whisper), choose_dtype(precision, "cpu")))
