"""Whisper in two lines, as the experiments hear it."""

from pathlib import Path

import numpy as np
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.run import load_engine
from earspan.datasets import read_audio
from earspan.speech.asr.hypothesis import Clip, Hypothesis
from earspan.speech.asr.transcriber import Transcriber


def load_model(
    name: str = "tiny.en",
    *,
    engine: str = "torch",
    device: str = "cpu",
    precision: str = "auto",
    decoding: str = "transcribe",
    language: str = "en",
    task: str = "transcribe",
    cache: bool = True,
) -> Transcriber:
    """Return a Whisper that is ready to transcribe; official weights are fetched and checked if they are not here.

    name: an official size, or the path of a checkpoint in openai-whisper's format.
    engine, device, precision, decoding, language, task, cache: as for `Experiment`. Raises `InputError` for a model,
        engine or language that cannot be had.
    """
    experiment = Experiment(
        model=name,
        engine=engine,
        device=device,
        precision=precision,
        decoding=decoding,
        language=language,
        task=task,
        cache=cache,
    )
    return load_engine(experiment)


def transcribe(audio: str | Path | np.ndarray, model: str | Transcriber = "tiny.en") -> Hypothesis:
    """Return what Whisper hears in a recording of any length, as `whisper.transcribe` hears it.

    audio: a file, or samples at 16 kHz as float32, shape = (samples,).
    model: a name, or what `load_model` returned. Returns a `Hypothesis`: `text`, `segments` with times in seconds,
        `runs` with every pass that was made. Raises `InputError` for audio that cannot be read.
    """
    samples = audio if isinstance(audio, np.ndarray) else read_audio(Path(audio))
    engine = load_model(model) if isinstance(model, str) else model
    return engine.transcribe([Clip(samples)])[0]
