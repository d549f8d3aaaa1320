"""The engines that people would pick otherwise, for `benchmarks.engine_speed`: called as their documentation shows."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import whisper

from ..speech.audio_features import SAMPLES_PER_POSITION
from ..speech.ct2_format import convert
from ..speech.engine import Clip
from ..speech.mel import log_mel
from ..speech.model import Recogniser

Transcribe = Callable[[Sequence[Clip]], list[str]]


def openai_loop(recogniser: Recogniser, max_tokens: int) -> Transcribe:
    """openai-whisper's `decode`, one chunk padded to 30 s after another, nothing suppressed."""
    model = recogniser.whisper
    options = whisper.DecodingOptions(
        language="en",
        without_timestamps=True,
        suppress_tokens="",
        suppress_blank=False,
        fp16=False,
        sample_len=max_tokens,
        length_penalty=0.0,  # of one candidate it changes nothing; without it, an empty text divides by zero
    )

    def one(clip: Clip) -> str:
        audio = whisper.pad_or_trim(clip.audio, model.dims.n_audio_ctx * SAMPLES_PER_POSITION)
        mel = log_mel(torch.from_numpy(audio)[None], model.dims.n_mels)
        [result] = whisper.decode(model, mel, options)  # pyright: ignore[reportGeneralTypeIssues]
        return result.text

    return lambda clips: [one(clip) for clip in clips]


def faster_whisper_batches(recogniser: Recogniser, folder: Path, max_tokens: int, batch: int = 16) -> Transcribe | None:
    """faster-whisper's `BatchedInferencePipeline` in float32 over given windows; None where it is not installed."""
    try:
        library = importlib.import_module("faster_whisper")
    except ImportError:
        return None
    convert(recogniser, folder, "float32")
    model = library.WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=torch.get_num_threads())
    pipeline = library.BatchedInferencePipeline(model=model)

    def transcribe(clips: Sequence[Clip]) -> list[str]:
        # it takes windows as pieces of one recording
        audio = np.concatenate([clip.audio for clip in clips])
        ends = np.cumsum([len(clip.audio) for clip in clips]) / 16_000
        windows = [
            {"start": float(end - len(clip.audio) / 16_000), "end": float(end)}
            for clip, end in zip(clips, ends, strict=True)
        ]
        segments, _ = pipeline.transcribe(
            audio,
            language="en",
            beam_size=1,
            temperature=[0.0],
            suppress_blank=False,
            suppress_tokens=[],
            without_timestamps=True,
            vad_filter=False,
            clip_timestamps=windows,
            # CTranslate2 generates at most half of this and the prompt's two tokens together
            max_new_tokens=2 * max_tokens - 2,
            batch_size=batch,
        )
        texts = {round(segment.start, 2): segment.text.strip() for segment in segments}
        return [texts.get(round(window["start"], 2), "") for window in windows]

    return transcribe
