"""Options that several commands share, and how their values are read."""

import argparse
import os
from pathlib import Path

from ..backends.errors import InputError


def comma_list(text: str) -> list[str]:
    """The non-empty items of a comma-separated list."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise argparse.ArgumentTypeError("an empty list")
    return list(dict.fromkeys(items))


def seconds_list(text: str) -> list[float]:
    """Positive seconds from a comma-separated list, ascending."""
    return sorted({positive_seconds(item) for item in comma_list(text)})


def positive_seconds(text: str) -> float:
    """A finite number of seconds above zero."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} s; expected more than 0")
    return value


def positive_count(text: str) -> int:
    """A whole number from 1 on."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}; expected at least 1")
    return value


def use_all_cores() -> None:
    """Give torch every core this process may use."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def check_windows(windows_s: list[float], limit_s: float) -> None:
    """Raise `InputError` for a window longer than Whisper hears."""
    for window_s in windows_s:
        if window_s > limit_s:
            raise InputError(
                f"window is {window_s:g} s; expected at most {limit_s:g} s, which is all Whisper hears at once"
            )


def check_folder(path: Path) -> None:
    """Raise `InputError` if results cannot be written into `path`, made or not."""
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise InputError(f"--out {path}: {nearest} is a file; type another folder")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"--out {path}: no permission to write into {nearest}; type another folder")
