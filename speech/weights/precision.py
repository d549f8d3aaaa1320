"""Where a recogniser's weights lie and how precisely they are held: fp32 on a CPU, half of it on an accelerator."""

import time

import torch
from torch import nn
from whisper.model import Whisper

from ...backends.errors import InputError, unknown

DEVICES = ("cpu", "cuda", "mps")
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
CHOICES = ("auto", "fastest", *PRECISIONS)
_WORTH = 1.25  # times faster products must be for another precision than the reference's
_PROBE = (1500, 384, 1536)  # positions, inputs and outputs of a layer of tiny


def precision_name(dtype: torch.dtype) -> str:
    """Return `fp32`, `fp16` or `bf16`."""
    return next(name for name, known in PRECISIONS.items() if known == dtype)


def choose_dtype(precision: str, device: str) -> torch.dtype:
    """Return what `precision` means on `device`; `auto` is fp32 on a CPU, fp16 on CUDA and Apple GPUs.

    `fastest` is bf16 on a CPU that multiplies it at least a quarter faster than fp32, measured here and now; elsewhere
    it is `auto`.

    Raises `InputError` for an unknown name, a device that is not there, and a precision that it does not have.
    """
    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise unknown("device", device, DEVICES)
    if precision not in CHOICES:
        raise unknown("precision", precision, CHOICES)
    if precision == "fastest":
        precision = "bf16" if kind == "cpu" and _seconds("fp32") > _WORTH * _seconds("bf16") else "auto"
    if precision == "auto":
        precision = "fp32" if kind == "cpu" else "fp16"
    if kind == "cpu" and precision == "fp16":
        raise InputError("precision fp16: CPUs do not multiply it; type --precision fp32 or bf16")
    if not _present(kind):
        raise InputError(f"device {device}: this torch finds none here; type --device cpu")
    dtype = PRECISIONS[precision]
    try:
        one = torch.ones(1, 1, dtype=dtype, device=device)
        (one @ one).item()
    except (RuntimeError, TypeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"device {device}: no {precision} there ({reason}); type --precision fp32") from error
    return dtype


def _seconds(precision: str) -> float:
    """Return the least that a product of the encoder takes here at a precision, of some tries."""
    rows, inner, columns = _PROBE
    x, weight = (torch.ones(shape, dtype=PRECISIONS[precision]) for shape in ((rows, inner), (columns, inner)))
    took = []
    for _ in range(5):
        start = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        took.append(time.perf_counter() - start)
    return min(took)


def _present(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()


def hold(model: Whisper, dtype: torch.dtype) -> Whisper:
    """Return the same model with its weights in `dtype`, in place; norms stay in fp32, on a CPU the decoder too.

    openai-whisper computes norms in fp32 and casts every other weight to the precision of what it is multiplied with:
    held in that precision, it is cast once. The arithmetic is the same, but that a token's embedding is rounded before
    its position is added. On a CPU the encoder takes most of the time, and a decoder's logits in bf16 are so near each
    other that most tokens would have to be decided with care.
    """
    for module in (model if model.device.type != "cpu" else model.encoder).modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Embedding)):
            module.to(dtype)
    return model
