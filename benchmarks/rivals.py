"""The engines that people would pick otherwise, for `benchmarks.engine_speed`: called as their documentation shows."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import whisper

from ..speech.asr.ct2_format import convert
from ..speech.asr.model import Recogniser
from ..speech.asr.torch_engine import Clip, DecodeOptions

Transcribe = Callable[[Sequence[Clip]], list[str]]


def openai_loop(recogniser: Recogniser, options: DecodeOptions) -> Transcribe:
    """`whisper.transcribe`, one chunk after another."""
    given = {"language": "en", "fp16": False, "temperature": options.temperatures, "sample_len": options.max_tokens}

    def one(clip: Clip) -> str:
        return str(whisper.transcribe(recogniser.whisper, clip.audio, **given)["text"]).strip()

    return lambda clips: [one(clip) for clip in clips]


def faster_whisper_loop(recogniser: Recogniser, folder: Path, options: DecodeOptions) -> Transcribe | None:
    """faster-whisper's `transcribe` in float32 with openai-whisper's defaults; None where it is not installed."""
    try:
        library = importlib.import_module("faster_whisper")
    except ImportError:
        return None
    convert(recogniser, folder, "float32")
    model = library.WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=torch.get_num_threads())

    def one(clip: Clip) -> str:
        segments, _ = model.transcribe(
            clip.audio, language="en", beam_size=1, best_of=1, temperature=list(options.temperatures)
        )
        return "".join(segment.text for segment in segments).strip()

    return lambda clips: [one(clip) for clip in clips]
