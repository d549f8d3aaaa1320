"""Whisper models: openai-whisper's own classes and loader, and an encoder pass that needs no padding to 30 s."""

import hashlib
import os
import urllib.error
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import whisper
from torch import Tensor
from whisper.model import AudioEncoder, ModelDimensions, Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from ..backends.errors import InputError, unknown
from .precision import chosen_dtype, hold, precision_name


@dataclass(frozen=True, slots=True, eq=False)
class Recogniser:
    """A loaded Whisper. `pads` tells whether it must be given 30 s whatever the length of the audio.

    `merged`: how many of the first tokens it writes with, where it does not know them all.
    """

    name: str
    whisper: Whisper
    sha256: str
    pads: bool
    merged: int | None = None

    @property
    def dims(self) -> ModelDimensions:
        return self.whisper.dims

    @property
    def dtype(self) -> torch.dtype:
        """What weights are held and multiplied in."""
        return self.whisper.decoder.token_embedding.weight.dtype

    @property
    def precision(self) -> str:
        """`fp32`, `fp16` or `bf16`."""
        return precision_name(self.dtype)

    def tokenizer(self, language: str | None, task: str) -> Tokenizer:
        """The model's tokenizer; an English-only model ignores language and task."""
        several = self.whisper.is_multilingual
        return get_tokenizer(
            several,
            num_languages=self.whisper.num_languages,
            language=language if several else None,
            task=task if several else None,
        )


def model_names() -> list[str]:
    """Names that `load_recogniser` takes, besides paths of checkpoints in openai-whisper's format."""
    return whisper.available_models()


def load_recogniser(name: str, device: str = "cpu", precision: str = "auto") -> Recogniser:
    """Load an official Whisper by name, or a checkpoint file in openai-whisper's format.

    Official weights come from openai-whisper's own cache or download. Raises `InputError` for an unknown name,
    for weights that are neither present nor to be had, for a file that is no Whisper checkpoint, and for a device or
    a precision that there is not (see `precision.chosen_dtype`).
    """
    dtype = chosen_dtype(precision, device)
    recogniser = _load(name, device)
    hold(recogniser.whisper, dtype)
    return recogniser


def _load(name: str, device: str) -> Recogniser:
    if name in whisper.available_models():
        return _load_official(name, device)
    path = Path(name)
    if not path.is_file():
        if path.suffix or len(path.parts) > 1:
            raise InputError(f"{name}: no such checkpoint; known models: {', '.join(model_names())}")
        raise unknown("model", name, model_names())
    try:
        model = whisper.load_model(str(path), device=device)
    except Exception as error:  # torch raises a dozen kinds for a file that is no checkpoint
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: not a checkpoint in openai-whisper's format ({reason})") from error
    return Recogniser(path.stem, model.eval(), _file_sha256(path), pads=True)


def checkpoint_dims(name: str) -> ModelDimensions | None:
    """The dimensions of a checkpoint file; None for any other name."""
    if Path(name).is_file():
        return load_recogniser(name).dims
    return None


def _load_official(name: str, device: str) -> Recogniser:
    cache = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
    try:
        model = whisper.load_model(name, device=device, download_root=str(cache))
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"the weights of {name!r} are not in {cache} and could not be downloaded ({reason}); put the .pt file there"
        ) from error
    url = whisper._MODELS[name]
    return Recogniser(name, model.eval(), url.split("/")[-2], pads=True)  # the URL holds the file's SHA-256


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encode(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """The encoder's output for `mel`, shape = (batch, n_mels, frames), frames even and at most 2 * n_audio_ctx.

    Returns shape = (batch, frames // 2, n_audio_state). For 30 s it is `encoder(mel)`, which refuses other lengths;
    for less, the same layers see the first positions only.
    """
    x = F.gelu(encoder.conv1(mel))
    x = F.gelu(encoder.conv2(x)).permute(0, 2, 1)
    x = x + encoder.get_buffer("positional_embedding")[: x.shape[1]].to(x.dtype)
    for block in encoder.blocks:
        x = block(x)
    return encoder.ln_post(x)
