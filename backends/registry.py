"""Backends by name.

h100, h100-trtllm, h100-ct2-int8    a GPU with a runtime (`gpu/runtimes.py`) and a format of its weights; `int8enc`
                                    and `int8dec` store one half of the model so
groq-v1, groq-v1x16, groq-v1x16-fp16  an LPU with a number of chips (default: as few as hold the model) and a format
groq-v1-groqflow                    with as much weight on a chip as compiled models have been published with
h100+groq-v1x16                     a GPU and an LPU that share each call; @operator or @draft for another split
my-device.toml, my-device.tomlx16   a device file of your own, with the same endings
here, here-ct2-int8                 this machine, measured (`measured/here.py`); or the path of a profile, FILE.json
package.module:name                 a backend of your own, in Python
"""

import os
import re
from functools import lru_cache

from .devices.files import device_names, load_device
from .errors import InputError, unknown
from .gpu.gpu import gpu_backend
from .gpu.runtimes import DEFAULT, FORMATS, RUNTIMES
from .hybrid.hybrid import hybrid_backend
from .lpu.lpu import lpu_backend
from .measured.address import is_endpoint
from .measured.here import here_backend, is_here
from .own import import_backend, load_offered, offered_names
from .roofline import Roofline
from .timing import Backend

_MOST_CHIPS = 4096  # seven times as many as the largest published system has (576)
# device or path, for LPUs a number of chips and a packing, for GPUs a runtime, and how weights are stored
_NAME = re.compile(
    r"(?P<device>.+?)(?:x(?P<chips>\d+))?"
    rf"(?:-(?P<runtime>{'|'.join(map(re.escape, RUNTIMES))}))?"
    rf"(?:-(?P<weights>{'|'.join(FORMATS)})(?P<half>enc|dec)?)?"
    r"(?P<packing>-groqflow)?"
)


@lru_cache(maxsize=256)
def get_backend(name: str) -> Backend:
    """Return the backend called `name`; equal names give the same object, so what it has computed is remembered.

    Raises `InputError` if there is no such backend, or its device file or module is not valid.
    """
    if is_endpoint(name):
        raise InputError(
            f"backend {name!r} is measured, not simulated: it has no time before it is asked; type earspan evaluate, "
            "bench, strategies or live"
        )
    if is_here(name) or name.endswith(".json"):
        return here_backend(name)
    if ":" in name and ".toml" not in name:
        return import_backend(name)
    if "+" in name and not os.path.isfile(name):
        pair, _, mode = name.partition("@")
        gpu, _, lpu = pair.partition("+")
        return hybrid_backend(name, get_backend(gpu), get_backend(lpu), mode or "phase")
    match = _NAME.fullmatch(name)
    base, chips, runtime, weights, half, packing = match.groups() if match else (name, None, None, None, None, None)
    if name in device_names() or name.endswith(".toml"):
        base, chips, runtime, weights, half, packing = name, None, None, None, None, None
    if base not in device_names() and not base.endswith(".toml"):
        if name in (offered := offered_names()):
            return load_offered(name)
        raise unknown("backend", name, [*device_names(), *offered, "groq-v1x16"])
    device = load_device(base)
    if device.kind == "lpu":
        if runtime or half:
            raise InputError(f"backend {name!r}: runtimes and halves of a model are for GPUs; type {base!r}")
        packed = "groqflow" if packing else "tight"
        if chips and not 1 <= int(chips[:9]) <= _MOST_CHIPS:
            raise InputError(f"backend {name[:60]!r}: expected 1 to {_MOST_CHIPS} chips; type {base}x16")
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
