"""The sizes of Whisper: the dimensions of every official checkpoint, and what follows from them alone."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import unknown

# Published sizes, millions of parameters: openai/whisper README, "Available models and languages" (rounded).
PUBLISHED_MPARAMS = {"tiny": 39, "base": 74, "small": 244, "medium": 769, "large-v3": 1550, "turbo": 809}


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The fields of `whisper.model.ModelDimensions`, with the same meaning, as a hashable record."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @classmethod
    def of(cls, dims: Any) -> "Dimensions":
        """Return the record for a `whisper.model.ModelDimensions` or any object with its fields."""
        return dims if isinstance(dims, cls) else cls(**{name: getattr(dims, name) for name in cls.__slots__})

    def to_dict(self) -> dict[str, int]:
        """Return the fields by name, as `ModelDimensions(**...)` takes them and checkpoints store them."""
        return asdict(self)

    @property
    def multilingual(self) -> bool:
        """Whether the vocabulary is the multilingual one (whisper.model.Whisper.is_multilingual)."""
        return self.n_vocab >= 51865

    @property
    def prompt_tokens(self) -> int:
        """Length of the initial token sequence when no timestamps are asked for.

        That is "start of transcript" and "no timestamps"; multilingual models also take language and task.
        """
        return 4 if self.multilingual else 2

    @property
    def encoder_parameters(self) -> int:
        """Number of trained encoder parameters (its sinusoids are a buffer, not trained)."""
        d = self.n_audio_state
        stem = 3 * self.n_mels * d + d + 3 * d * d + d
        return stem + self.n_audio_layer * (_attention(d) + _mlp(d)) + 2 * d

    @property
    def decoder_parameters(self) -> int:
        """Number of trained decoder parameters; the output layer is the token embedding, counted once."""
        d = self.n_text_state
        embeddings = (self.n_vocab + self.n_text_ctx) * d
        return embeddings + self.n_text_layer * (2 * _attention(d) + _mlp(d)) + 2 * d

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return self.encoder_parameters + self.decoder_parameters


def _attention(d: int) -> int:
    # query, value and output projections have a bias, the key projection has none; plus its layer norm
    return 4 * d * d + 3 * d + 2 * d


def _mlp(d: int) -> int:
    return 8 * d * d + 5 * d + 2 * d


def _size(d: int, heads: int, layers: int, *, n_vocab: int, n_mels: int = 80, text_layers: int = 0) -> Dimensions:
    return Dimensions(n_mels, 1500, d, heads, layers, n_vocab, 448, d, heads, text_layers or layers)


_ENGLISH, _MULTILINGUAL, _V3 = 51864, 51865, 51866

# The `dims` entry of each checkpoint that openai-whisper 20250625 lists in `whisper._MODELS`
# (widths, heads and layers also in the Whisper paper, arXiv 2212.04356, table 1; large-v3 and turbo:
# openai/whisper model-card.md and discussions 1762 and 2363: 128 mel bins, one more language token, and
# 4 decoder layers in turbo).
DIMENSIONS: dict[str, Dimensions] = {
    "tiny.en": _size(384, 6, 4, n_vocab=_ENGLISH),
    "tiny": _size(384, 6, 4, n_vocab=_MULTILINGUAL),
    "base.en": _size(512, 8, 6, n_vocab=_ENGLISH),
    "base": _size(512, 8, 6, n_vocab=_MULTILINGUAL),
    "small.en": _size(768, 12, 12, n_vocab=_ENGLISH),
    "small": _size(768, 12, 12, n_vocab=_MULTILINGUAL),
    "medium.en": _size(1024, 16, 24, n_vocab=_ENGLISH),
    "medium": _size(1024, 16, 24, n_vocab=_MULTILINGUAL),
    "large-v1": _size(1280, 20, 32, n_vocab=_MULTILINGUAL),
    "large-v2": _size(1280, 20, 32, n_vocab=_MULTILINGUAL),
    "large-v3": _size(1280, 20, 32, n_vocab=_V3, n_mels=128),
    "large": _size(1280, 20, 32, n_vocab=_V3, n_mels=128),
    "large-v3-turbo": _size(1280, 20, 32, n_vocab=_V3, n_mels=128, text_layers=4),
    "turbo": _size(1280, 20, 32, n_vocab=_V3, n_mels=128, text_layers=4),
}
# Sizes that are no official checkpoints of openai-whisper: huggingface.co/distil-whisper/distil-large-v3 (config.json:
# the encoder of large-v3, two decoder layers; 756 M parameters).
DIMENSIONS["distil-large-v3"] = _size(1280, 20, 32, n_vocab=_V3, n_mels=128, text_layers=2)


def resolve_dims(name: str, read_checkpoint: Callable[[str], Any | None] | None = None) -> Dimensions:
    """Return the dimensions of the model called `name`.

    read_checkpoint: is asked for names that are not in `DIMENSIONS`, such as those of checkpoint files; returns an
    object with the fields of `ModelDimensions`, or None if it does not know the name, which raises `InputError`.
    """
    if name in DIMENSIONS:
        return DIMENSIONS[name]
    found = read_checkpoint(name) if read_checkpoint else None
    if found is None:
        raise unknown("model", name, DIMENSIONS)
    return Dimensions.of(found)
