"""Options that several commands share, and how their values are read."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..backends.errors import InputError, unknown

if TYPE_CHECKING:
    from ..speech.asr.model import Recogniser
    from ..speech.asr.transcriber import Transcriber

# What is listened to unless told otherwise: half of the bundled talks, so that the main job takes minutes.
DEFAULT_DATASET = "talks-clean"
DEFAULT_MODEL, STOOD_IN_FOR = "tiny.en", "large-v3"  # what is heard, and what is timed unless told otherwise


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


def seed(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, 0 or more")
    return int(text)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What is heard, and what is timed; see `playing.timed_model`."""
    add = parser.add_argument
    add("--model", default=DEFAULT_MODEL, help=f"an official Whisper, or a checkpoint (default: {DEFAULT_MODEL})")
    add("--timed-as", metavar="SIZE",
        help=f"Whisper size that is timed (default: the model; {STOOD_IN_FOR} for {DEFAULT_MODEL})")  # fmt: skip


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    """How calls are transcribed: engine, decoding, language, draft, cache."""
    add = parser.add_argument
    add("--engine", default="torch", metavar="NAME", help="torch, ct2-int8, ct2-float32, ... (default: torch)")
    add("--device", default="cpu", help="where it runs: cpu, cuda, cuda:1 or mps (default: cpu)")
    add("--precision", default="auto", help="fp32, fp16, bf16; auto: fp32 on cpu, fp16 on cuda and mps (default: auto)")
    add(
        "--decoding",
        default="transcribe",
        help="transcribe, greedy, beam or cli (default: transcribe, as openai-whisper)",
    )
    add("--language", default="en", help="what is spoken, for multilingual models; auto: detect (default: en)")
    add("--task", default="transcribe", choices=("transcribe", "translate"), help="default: transcribe")
    add("--draft", action="store_true", help="check the text of the window before instead of decoding it again")
    add("--no-cache", action="store_true", help="neither use nor keep transcripts of earlier runs")


def recogniser_of(args: argparse.Namespace) -> "Recogniser":
    """The model that `--model` and `add_decoding_arguments` ask for, loaded. Raises `InputError`."""
    from ..speech.asr.model import load_recogniser

    # CTranslate2 converts from fp32, and the engine's name says to what
    own = args.precision == "auto" and args.engine.startswith("ct2")
    return load_recogniser(args.model, args.device, "fp32" if own else args.precision)


def engine_of(args: argparse.Namespace, recogniser: "Recogniser") -> "Transcriber":
    """The engine that `add_decoding_arguments` asks for. Raises `InputError` for what does not exist."""
    from whisper.tokenizer import LANGUAGES

    from ..speech.asr.cache import TranscriptCache, default_cache_path
    from ..speech.asr.engines import DECODINGS, make_engine

    if args.decoding not in DECODINGS:
        raise unknown("decoding", args.decoding, DECODINGS)
    language = None if args.language == "auto" else args.language
    if language is not None and language not in LANGUAGES:
        raise unknown("language", language, ["auto", *LANGUAGES])
    options = replace(DECODINGS[args.decoding], language=language, task=args.task)
    cache = None if args.no_cache else TranscriptCache(default_cache_path())
    return make_engine(args.engine, recogniser, options, cache)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_all_cores() -> None:
    """Give torch every core this process may use."""
    import torch

    torch.set_num_threads(cores())


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
