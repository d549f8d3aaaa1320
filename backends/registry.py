"""Backends by name: `h100`, `h100-trtllm`, `h100-ct2-int8`, `groq-v1x16`, `groq-v1x16-fp16`, or a file's path.

A GPU takes a runtime (see `runtimes`) and a weight format, `int8`, or `int8enc` or `int8dec` for one half of the model.

`groq-v1-groqflow` has as much weight on a chip as compiled models have been published with.

A GPU and an LPU that share each call: `h100+groq-v1x16`, or `h100+groq-v1x16@operator` for another split.
"""

import re
from functools import lru_cache
from pathlib import Path

from .devices.files import device_names, load_device
from .errors import InputError, unknown
from .gpu.gpu import gpu_backend
from .gpu.runtimes import DEFAULT, FORMATS, RUNTIMES
from .hybrid.hybrid import hybrid_backend
from .lpu.lpu import lpu_backend
from .roofline import Roofline
from .timing import Backend

# device or path, for LPUs a number of chips and a packing, for GPUs a runtime, and how weights are stored
_NAME = re.compile(
    r"(?P<device>.+?)(?:x(?P<chips>\d+))?"
    rf"(?:-(?P<runtime>{'|'.join(map(re.escape, RUNTIMES))}))?"
    rf"(?:-(?P<weights>{'|'.join(FORMATS)})(?P<half>enc|dec)?)?"
    r"(?P<packing>-groqflow)?"
)


def backend_names() -> list[str]:
    """Names that can be used as they are; an LPU's takes a number of chips as well, as in `groq-v1x16`."""
    return device_names()


@lru_cache(maxsize=256)
def get_backend(name: str) -> Backend:
    """The backend called `name`; `InputError` if there is none, or if its device file is not valid."""
    if "+" in name and not Path(name).is_file():
        pair, _, mode = name.partition("@")
        gpu, _, lpu = pair.partition("+")
        return hybrid_backend(name, get_backend(gpu), get_backend(lpu), mode or "phase")
    match = _NAME.fullmatch(name)
    base, chips, runtime, weights, half, packing = match.groups() if match else (name, None, None, None, None, None)
    if name in device_names() or name.endswith(".toml"):
        base, chips, runtime, weights, half, packing = name, None, None, None, None, None
    if base not in device_names() and not base.endswith(".toml"):
        raise unknown("backend", name, [*device_names(), "groq-v1x16"])
    device = load_device(base)
    if device.kind == "lpu":
        if runtime or half:
            raise InputError(f"backend {name!r}: runtimes and halves of a model are for GPUs; type {base!r}")
        packed = "groqflow" if packing else "tight"
        return lpu_backend(name, device, int(chips) if chips else None, weights or "", packed)
    if packing:
        raise InputError(f"backend {name!r}: a packing is for LPUs; type groq-v1-groqflow")
    if chips:
        raise InputError(f"backend {name!r}: a number of chips is for LPUs; type {base!r}")
    if device.kind == "roofline":
        return Roofline(name, device)
    stored = weights or ""
    encoder, decoder = ("" if half == "dec" else stored), ("fp16" if half == "enc" else stored)
    return gpu_backend(name, device, runtime or DEFAULT, encoder, decoder)
