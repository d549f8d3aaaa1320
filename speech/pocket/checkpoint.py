"""The file format of `pocket`: openai-whisper's checkpoint with half-precision weights and a compact token table.

`{"dims": ..., "model_state_dict": ..., "token_ids": ..., "heads": ...}`: row `i` of the stored token table belongs to
token `token_ids[i]`, its last row to all others; `heads` are the CTC heads that only training uses, for trainings that
begin with the file. `expanded` gives the plain openai format back.
"""

import pickle
from pathlib import Path
from typing import Any

import torch

from ...backends.errors import InputError

BUNDLED = Path(__file__).with_name("pocket.pt")
# What torch.load raises for other files, and what follows where one loads but holds something else.
DAMAGED = (
    pickle.UnpicklingError, RuntimeError, LookupError, TypeError, EOFError, ValueError, AttributeError,
)  # fmt: skip
_TABLE = "decoder.token_embedding.weight"


def compact(
    dims: dict[str, int],
    weights: dict[str, torch.Tensor],
    token_ids: tuple[int, ...],
    heads: dict[str, dict[str, torch.Tensor]] | None = None,
) -> dict[str, Any]:
    """A checkpoint for the repository from trained weights whose token table is already compact."""

    def halves(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: tensor.to(torch.float16) for name, tensor in tensors.items()}

    kept = {name: halves(tensors) for name, tensors in (heads or {}).items()}
    return {"dims": dims, "model_state_dict": halves(weights), "token_ids": torch.tensor(token_ids), "heads": kept}


def is_compact(path: Path) -> bool:
    """Whether the file at `path` is a checkpoint with a compact token table. Reads no weights."""
    try:
        return "token_ids" in torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except DAMAGED:
        return False


def token_ids_of(path: Path) -> list[int]:
    """The tokens that have a row of their own in the checkpoint at `path`, which is compact. Reads no weights."""
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)["token_ids"].tolist()


def expanded(path: Path = BUNDLED) -> dict[str, Any]:
    """The checkpoint at `path` in openai-whisper's format, float32, every token row present.

    Raises `InputError` if the file is not a `pocket` checkpoint.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name: tensor.float() for name, tensor in stored["model_state_dict"].items()}
        rows = weights[_TABLE]
        table = rows[-1].repeat(stored["dims"]["n_vocab"], 1)
        table[stored["token_ids"]] = rows[:-1]
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint; make one with: make pocket") from None
    except DAMAGED as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path}: not a pocket checkpoint ({reason})") from error
    return {"dims": dict(stored["dims"]), "model_state_dict": {**weights, _TABLE: table}}
