"""From CTranslate2's variables back to the tensors of openai-whisper: the same numbers by other names."""

import re
from pathlib import Path

import numpy as np
import torch

from ...backends.errors import InputError
from ...backends.workload.models import Dimensions
from .checkpoint import Checkpoint, check_tensors
from .ct2_file import read_variables

# how CTranslate2 computes, where a Whisper leaves no choice: its converters write them beside the weights
_SETTINGS = {
    "decoder/activation": 3,  # the exact GELU
    "decoder/alibi": 0,
    "decoder/alibi_use_positive_positions": 0,
    "decoder/alignment_heads": 1,
    "decoder/alignment_layer": -1,
    "decoder/pre_norm": 1,
    "decoder/scale_alibi": 0,
    "decoder/scale_embeddings": 0,
    "decoder/start_from_zero_embedding": 0,
}


def read_ct2(path: Path) -> Checkpoint:
    """Return the Whisper in a `model.bin` of CTranslate2, in openai-whisper's names.

    Raises `InputError` for anything else.
    """
    return _Conversion(path).checkpoint()


# variables that are equal may be stored once, as CTranslate2 does it; a file that is mostly that is no Whisper
_MOST_GROWTH = 2


class _Conversion:
    """Takes every variable once; what is left over at the end is not of a Whisper that openai-whisper knows."""

    def __init__(self, path: Path) -> None:
        self._path, self._variables = path, read_variables(path)
        self._tensors: dict[str, torch.Tensor] = {}
        self._room_bytes = _MOST_GROWTH * path.stat().st_size

    def checkpoint(self) -> Checkpoint:
        heads = [int(self._take(f"{part}/num_heads", 0)) for part in ("encoder", "decoder")]
        layers = [self._layers(part) for part in ("encoder", "decoder")]
        for name in ("conv1", "conv2"):
            self._linear(f"encoder/{name}", [f"encoder.{name}"], rank=3)
        for part in ("encoder", "decoder"):
            self._put(f"{part}.positional_embedding", self._take(f"{part}/position_encodings/encodings", 2))
        embeddings, projection = self._take("decoder/embeddings/weight", 2), self._take("decoder/projection/weight", 2)
        if projection is not embeddings and not np.array_equal(projection, embeddings):
            raise self._error("decoder/projection is not decoder/embeddings, as it is in a Whisper")
        self._put("decoder.token_embedding.weight", embeddings)
        self._norm("encoder/layer_norm", "encoder.ln_post")
        self._norm("decoder/layer_norm", "decoder.ln")
        for part, number in zip(("encoder", "decoder"), layers, strict=True):
            for n in range(number):
                self._block(f"{part}/layer_{n}", f"{part}.blocks.{n}", crossed=part == "decoder")
        for name, value in self._variables.items():
            if name not in _SETTINGS:
                raise self._error(f"a variable {name}")
            if value.ndim or int(value) != _SETTINGS[name]:
                raise self._error(f"{name} is {value if value.ndim == 0 else value.shape}, not {_SETTINGS[name]}")
        return check_tensors(self._dims(heads, layers), self._tensors, self._path, "Whisper in CTranslate2's format")

    def _dims(self, heads: list[int], layers: list[int]) -> Dimensions:
        shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}
        audio_ctx, audio_state = shapes["encoder.positional_embedding"]
        text_ctx, text_state = shapes["decoder.positional_embedding"]
        return Dimensions(
            shapes["encoder.conv1.weight"][1], audio_ctx, audio_state, heads[0], layers[0],
            shapes["decoder.token_embedding.weight"][0], text_ctx, text_state, heads[1], layers[1],
        )  # fmt: skip

    def _layers(self, part: str) -> int:
        found = {match[1] for name in self._variables if (match := re.match(rf"{part}/layer_(\d+)/", name))}
        return len(found)

    def _block(self, theirs: str, ours: str, *, crossed: bool) -> None:
        self._norm(f"{theirs}/self_attention/layer_norm", f"{ours}.attn_ln")
        self._linear(f"{theirs}/self_attention/linear_0", [f"{ours}.attn.{name}" for name in ("query", "key", "value")])
        self._linear(f"{theirs}/self_attention/linear_1", [f"{ours}.attn.out"])
        if crossed:
            self._norm(f"{theirs}/attention/layer_norm", f"{ours}.cross_attn_ln")
            self._linear(f"{theirs}/attention/linear_0", [f"{ours}.cross_attn.query"])
            self._linear(f"{theirs}/attention/linear_1", [f"{ours}.cross_attn.{name}" for name in ("key", "value")])
            self._linear(f"{theirs}/attention/linear_2", [f"{ours}.cross_attn.out"])
        self._norm(f"{theirs}/ffn/layer_norm", f"{ours}.mlp_ln")
        self._linear(f"{theirs}/ffn/linear_0", [f"{ours}.mlp.0"])
        self._linear(f"{theirs}/ffn/linear_1", [f"{ours}.mlp.2"])

    def _norm(self, theirs: str, ours: str) -> None:
        self._put(f"{ours}.weight", self._take(f"{theirs}/gamma", 1))
        self._put(f"{ours}.bias", self._take(f"{theirs}/beta", 1))

    def _linear(self, theirs: str, ours: list[str], rank: int = 2) -> None:
        """Put one matrix of CTranslate2 as those of openai-whisper that are stacked in it; the key's has no bias."""
        weight, bias = self._take(f"{theirs}/weight", rank), self._take(f"{theirs}/bias", 1)
        if len(weight) % len(ours) or len(bias) != len(weight):
            raise self._error(f"{theirs} of shape {weight.shape}, with {len(bias)} biases")
        for name, rows, offsets in zip(ours, np.split(weight, len(ours)), np.split(bias, len(ours)), strict=True):
            self._put(f"{name}.weight", rows)
            if not name.endswith(".key"):
                self._put(f"{name}.bias", offsets)
            elif offsets.any():
                raise self._error(f"{theirs} gives the key a bias, which a Whisper has not")

    def _put(self, name: str, values: np.ndarray) -> None:
        if values.dtype not in (np.float16, np.float32):
            raise self._error(f"quantised to {values.dtype}; expected float16 or float32")
        self._room_bytes -= values.nbytes
        if self._room_bytes < 0:
            raise self._error("it unpacks to more than it is")
        self._tensors[name] = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), copy=True))

    def _take(self, name: str, rank: int) -> np.ndarray:
        if name not in self._variables:
            raise self._error(f"no variable {name}")
        values = self._variables.pop(name)
        if values.ndim != rank:
            raise self._error(f"{name} of shape {values.shape}")
        return values

    def _error(self, problem: str) -> InputError:
        return InputError(f"{self._path}: not a Whisper in CTranslate2's format ({problem})")
