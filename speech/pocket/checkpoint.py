"""The file format of `pocket`: openai-whisper's checkpoint with half-precision weights and a compact token table.

`{"dims": ..., "model_state_dict": ..., "token_ids": ...}`: row `i` of the stored token table belongs to token
`token_ids[i]`, its last row to all others. `expanded` gives the plain openai format back.
"""

from pathlib import Path
from typing import Any

import torch

from ...backends.errors import InputError

BUNDLED = Path(__file__).with_name("pocket.pt")
_TABLE = "decoder.token_embedding.weight"


def compact(dims: dict[str, int], weights: dict[str, torch.Tensor], token_ids: tuple[int, ...]) -> dict[str, Any]:
    """A checkpoint for the repository from trained weights whose token table is already compact."""
    halves = {name: tensor.to(torch.float16) for name, tensor in weights.items()}
    return {"dims": dims, "model_state_dict": halves, "token_ids": torch.tensor(token_ids)}


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
    except (RuntimeError, KeyError, TypeError, EOFError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a pocket checkpoint ({str(error).splitlines()[0]})") from error
    return {"dims": dict(stored["dims"]), "model_state_dict": {**weights, _TABLE: table}}
