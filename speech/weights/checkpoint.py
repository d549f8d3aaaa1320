"""Checkpoints in openai-whisper's format: read without running what is in them, checked, and named by their content."""

import errno
import hashlib
import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...backends.errors import InputError
from ...backends.workload.models import Dimensions

_FORMAT = "checkpoint in openai-whisper's format"
# the largest official model has 32 layers, 1280 wide, and 1.55e9 parameters
_MOST_LAYERS, _MOST_VALUES = 256, 10**10


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A Whisper by its tensors, whose names and shapes are those that `dims` asks for, without NaN or infinity."""

    dims: Dimensions
    tensors: dict[str, Tensor]


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the Whisper in a file. Raises `InputError` for a file that is anything else; no code in it is ever run."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                    raise _no(path, _FORMAT, "it unpacks to more than it is")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises a dozen kinds for a file that is no checkpoint
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _no(path, _FORMAT, reason) from error
    if not isinstance(content, dict) or not isinstance(content.get("model_state_dict"), dict):
        raise _no(path, _FORMAT, "no dims and model_state_dict")
    return check_tensors(_dims_in(content.get("dims"), path), content["model_state_dict"], path, _FORMAT)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a file that `whisper.load_model` reads. Raises `OSError` if it cannot be written."""
    try:
        torch.save({"dims": checkpoint.dims.to_dict(), "model_state_dict": checkpoint.tensors}, path)
    except RuntimeError as error:  # torch writes by itself, and does not say what the system told it
        raise OSError(errno.EIO, "no room, or the disk does not take it") from error


def _dims_in(given: Any, path: Path) -> Dimensions:
    names = [field.name for field in fields(Dimensions)]
    if not isinstance(given, dict) or sorted(map(str, given)) != sorted(names):
        raise _no(path, _FORMAT, f"dims are not {', '.join(names)}")
    for name, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise _no(path, _FORMAT, f"{name} is no whole number")
    return Dimensions(**given)


def check_tensors(dims: Dimensions, tensors: dict[str, Any], path: Path, kind: str) -> Checkpoint:
    """Return `dims` and `tensors` as a checkpoint. Raises `InputError` if they do not make a Whisper together."""
    if problem := _absurd(dims):
        raise _no(path, kind, problem)
    expected = shapes_of(dims)
    if odd := sorted(map(str, expected.keys() ^ tensors.keys())):
        raise _no(path, kind, f"{odd[0]} is {'missing' if odd[0] in expected else 'not of a Whisper of these dims'}")
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or not tensor.is_floating_point():
            raise _no(path, kind, f"{name} is no tensor of numbers")
        if tuple(tensor.shape) != expected[name]:
            raise _no(path, kind, f"{name} has shape {tuple(tensor.shape)}; dims ask for {expected[name]}")
        if not all(torch.isfinite(extreme) for extreme in torch.aminmax(tensor)):  # NaN comes through as NaN
            raise _no(path, kind, f"{name} holds NaN or infinity")
    return Checkpoint(dims, tensors)


def _absurd(dims: Dimensions) -> str | None:
    for name, value in dims.to_dict().items():
        if not 1 <= value <= (_MOST_LAYERS if name.endswith("layer") else _MOST_VALUES):
            return f"{name} is {value}"
    if dims.n_audio_state != dims.n_text_state:
        return f"n_audio_state {dims.n_audio_state} and n_text_state {dims.n_text_state} differ"
    if dims.n_audio_state % 2 or dims.n_audio_state % dims.n_audio_head or dims.n_text_state % dims.n_text_head:
        return f"{dims.n_audio_head} and {dims.n_text_head} heads do not share {dims.n_audio_state} numbers"
    if dims.parameters + dims.n_audio_ctx * dims.n_audio_state > _MOST_VALUES:
        return f"{dims.parameters:,} parameters"
    return None


def shapes_of(dims: Dimensions) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor in the state dict of openai-whisper's `Whisper(dims)`."""
    d = dims.n_audio_state
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.positional_embedding": (dims.n_audio_ctx, d),
        "decoder.positional_embedding": (dims.n_text_ctx, d),
        "decoder.token_embedding.weight": (dims.n_vocab, d),
        "encoder.conv1.weight": (d, dims.n_mels, 3),
        "encoder.conv2.weight": (d, d, 3),
        "encoder.conv1.bias": (d,),
        "encoder.conv2.bias": (d,),
    }
    norms = ["encoder.ln_post", "decoder.ln"]
    for part, layers in (("encoder", dims.n_audio_layer), ("decoder", dims.n_text_layer)):
        for n in range(layers):
            block = f"{part}.blocks.{n}"
            attentions = ("attn", "cross_attn") if part == "decoder" else ("attn",)
            for attention in attentions:
                shapes |= {f"{block}.{attention}.{name}.weight": (d, d) for name in ("query", "key", "value", "out")}
                shapes |= {f"{block}.{attention}.{name}.bias": (d,) for name in ("query", "value", "out")}
            norms += [f"{block}.{name}_ln" for name in (*attentions, "mlp")]
            shapes |= {f"{block}.mlp.0.weight": (4 * d, d), f"{block}.mlp.0.bias": (4 * d,)}
            shapes |= {f"{block}.mlp.2.weight": (d, 4 * d), f"{block}.mlp.2.bias": (d,)}
    return shapes | {f"{norm}.{name}": (d,) for norm in norms for name in ("weight", "bias")}


def tensor_digest(checkpoint: Checkpoint) -> str:
    """Return SHA-256 over dimensions and tensors: the same for every conversion of one Whisper that loses nothing.

    A tensor whose numbers fp16 holds exactly counts as fp16, whatever it is held in; any other counts as fp32.
    """
    total = hashlib.sha256(json.dumps(checkpoint.dims.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(checkpoint.tensors.items()):
        held = tensor.detach().contiguous()
        half = held.half()
        values = half if held.dtype == torch.float16 or torch.equal(half.to(held.dtype), held) else held.float()
        total.update(f"\n{name} {str(values.dtype).removeprefix('torch.')} {list(values.shape)}\n".encode())
        total.update(values.numpy().reshape(-1).view("u1").data)
    return total.hexdigest()


def _no(path: Path, kind: str, reason: str) -> InputError:
    return InputError(f"{path}: not a {kind} ({reason}); type the name of an official Whisper, or another file")
