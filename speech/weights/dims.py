"""The sizes of a Whisper by name, without its weights where they are official."""

import os
from pathlib import Path

from ...backends.workload.models import DIMENSIONS, Dimensions, resolve_dims


def checkpoint_dims(name: str) -> Dimensions | None:
    """Return the dimensions of an official Whisper or of a checkpoint file; None for any other name."""
    if name in DIMENSIONS:
        return DIMENSIONS[name]
    if not os.path.isfile(name):
        return None
    from .checkpoint import read_checkpoint  # torch takes seconds, which official sizes need not

    return read_checkpoint(Path(name)).dims


def find_dims(name: str) -> Dimensions:
    """Return the same, and raise `InputError` for any other name."""
    return resolve_dims(name, checkpoint_dims)
