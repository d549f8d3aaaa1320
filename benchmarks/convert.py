"""`earspan convert`: a checkpoint in openai-whisper's format, for CTranslate2 and faster-whisper."""

import argparse
from pathlib import Path

from ..speech.asr.ct2_format import QUANTIZATIONS, convert
from ..speech.asr.model import load_recogniser
from .options import DEFAULT_MODEL, check_folder

HELP = "write a Whisper for CTranslate2 and faster-whisper"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", default=DEFAULT_MODEL,
        help=f"an official Whisper, or a checkpoint in openai-whisper's format (default: {DEFAULT_MODEL})")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: MODEL-ct2")
    parser.add_argument("--quantization", default="float32", metavar="TYPE", help=f"{', '.join(QUANTIZATIONS)}")


def run(args: argparse.Namespace) -> int:
    """Convert one checkpoint; `faster_whisper.WhisperModel(FOLDER)` loads the result."""
    recogniser = load_recogniser(args.model)
    folder = args.out or Path(f"{recogniser.name}-ct2")
    check_folder(folder)
    convert(recogniser, folder, args.quantization)
    print(f"{folder}: {recogniser.name}, {args.quantization}, for CTranslate2 and faster-whisper")
    return 0
