"""Whisper models: openai-whisper's own classes and our loader."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
import whisper
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from ...backends.errors import InputError, unknown
from ..weights.checkpoint import read_checkpoint, tensor_digest
from ..weights.locate import Located, locate
from ..weights.precision import choose_dtype, hold, precision_name
from ..weights.sources import official_by_content, officials
from ..weights.store import file_sha256


@dataclass(frozen=True, slots=True, eq=False)
class Recogniser:
    """A loaded Whisper.

    sha256: of the file it was read from.
    source: where its weights came from.
    digest: over its tensors: the same for every conversion of one Whisper.
    """

    name: str
    whisper: Whisper
    sha256: str
    source: str = ""
    digest: str = ""

    @property
    def dims(self) -> ModelDimensions:
        return self.whisper.dims

    @property
    def dtype(self) -> torch.dtype:
        """Return the type that the encoder's weights are held and multiplied in; on a CPU the decoder's are fp32."""
        return self.whisper.encoder.conv1.weight.dtype

    @property
    def precision(self) -> str:
        """Return `fp32`, `fp16` or `bf16`."""
        return precision_name(self.dtype)

    @property
    def arithmetic(self) -> str:
        """Return what may decide a near tie differently: part of what texts are kept under. On a CPU `fp32`."""
        device = self.whisper.device.type
        if device != "cpu":
            return f"{self.precision} {device}"
        return self.precision if self.precision == "fp32" else f"{self.precision} encoder"

    def tokenizer(self, language: str | None, task: str) -> Tokenizer:
        """Return the model's tokenizer; an English-only model ignores language and task."""
        several = self.whisper.is_multilingual
        return get_tokenizer(
            several,
            num_languages=self.whisper.num_languages,
            language=language if several else None,
            task=task if several else None,
        )


def model_names() -> list[str]:
    """Return the names that `load_recogniser` takes, besides paths of checkpoints in openai-whisper's format."""
    return list(officials())


def load_recogniser(name: str, device: str = "cpu", precision: str = "auto") -> Recogniser:
    """Load an official Whisper by name, or a checkpoint file in openai-whisper's format.

    Official weights are taken from this machine or fetched (see `weights.locate.locate`). Raises `InputError` for an
    unknown name, for weights that are neither present nor to be had, for a file that is no Whisper checkpoint, and for
    a device or a precision that there is not (see `precision.choose_dtype`).
    """
    dtype = choose_dtype(precision, device)
    found = locate(name) if name in officials() else _file(name)
    checkpoint = read_checkpoint(found.path)
    digest = found.digest or tensor_digest(checkpoint)
    model = Whisper(ModelDimensions(**checkpoint.dims.to_dict()))
    model.load_state_dict(checkpoint.tensors)
    known = name if name in officials() else official_by_content(found.sha256, digest)
    if known:  # otherwise openai-whisper's default: every head of the later half
        model.set_alignment_heads(whisper._ALIGNMENT_HEADS[known])
    hold(model.to(device).eval(), dtype)
    short = name if name in officials() else found.path.stem
    return Recogniser(short, model, found.sha256, source=found.source, digest=digest)


def _file(name: str) -> Located:
    path = Path(name)
    if os.path.isfile(path):  # says no to a name that no file can have
        try:
            return Located(path, "file", file_sha256(path), digest="", ct2=None)
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror}); type another file") from error
    if path.suffix in (".pt", ".pth", ".bin") or len(path.parts) > 1:
        raise InputError(f"{name}: no such checkpoint; known models: {', '.join(model_names())}")
    raise unknown("model", name, model_names())
