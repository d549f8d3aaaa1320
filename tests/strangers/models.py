"""Checkpoints: code to unpickle, absurd shapes, bombs, and files that are none."""

import os
import pickle
import zipfile
from pathlib import Path

import torch

from .case import Case

_DIMS = {"n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 64, "n_audio_head": 2, "n_audio_layer": 2,
         "n_vocab": 51864, "n_text_ctx": 64, "n_text_state": 64, "n_text_head": 2, "n_text_layer": 2}  # fmt: skip
HEARD = ["evaluate", "--dataset", "talks", "--backend", "none", "--model", "bad.pt", "--recordings", "1"]


class _Code:
    """Unpickled, it would make a file `harm` where the command runs."""

    def __reduce__(self):
        return os.system, ("touch harm",)


def _saved(content: object, **how: object):
    def plant(folder: Path) -> list[str]:
        torch.save(content, folder / "bad.pt", **how)  # pyright: ignore[reportArgumentType]
        return HEARD

    return plant


def _holds(content: bytes):
    def plant(folder: Path) -> list[str]:
        (folder / "bad.pt").write_bytes(content)
        return HEARD

    return plant


def _changed(change):
    """A checkpoint that was whole, with something in it changed."""

    def plant(folder: Path) -> list[str]:
        content = torch.load(folder / "random.pt", weights_only=True)
        change(content)
        torch.save(content, folder / "bad.pt")
        return HEARD

    return plant


def _cut(share: float):
    def plant(folder: Path) -> list[str]:
        content = (folder / "random.pt").read_bytes()
        (folder / "bad.pt").write_bytes(content[: int(len(content) * share)])
        return HEARD

    return plant


def _zip_bomb(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "bad.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("bad/data.pkl", "bad/data/0"):
            with archive.open(name, "w", force_zip64=True) as file:
                for _ in range(1_000):
                    file.write(bytes(1 << 20))
    return HEARD


def _lying_zip(folder: Path) -> list[str]:
    """A directory that says that its members are small; they unpack to a gigabyte."""
    _zip_bomb(folder)
    path = folder / "bad.pt"
    content = bytearray(path.read_bytes())
    at = -1
    while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
        content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    return HEARD


def _fifo(folder: Path) -> list[str]:
    os.mkfifo(folder / "bad.pt")
    return HEARD


def _zeros(folder: Path) -> list[str]:
    (folder / "bad.pt").symlink_to("/dev/zero")
    return HEARD


def _shared_storage(content: dict) -> None:
    """A tensor that claims 4 TB by a stride of 0 over one number."""
    state = content["model_state_dict"]
    state["encoder.positional_embedding"] = torch.zeros(1).expand(1 << 20, 1 << 20)


def _sparse(content: dict) -> None:
    content["model_state_dict"]["encoder.conv1.bias"] = torch.zeros(64).to_sparse()


def _put(**dims: object):
    return _changed(lambda content: content["dims"].update(dims))


def _weight(name: str, tensor: object):
    return _changed(lambda content: content["model_state_dict"].__setitem__(name, tensor))


CASES = [
    Case("code in a pickle", _holds(pickle.dumps(_Code()))),
    Case("code in torch's archive", _saved({"dims": _DIMS, "model_state_dict": _Code()})),
    Case("code in torch's old format", _saved({"dims": _Code()}, _use_new_zipfile_serialization=False)),
    Case("an empty file", _holds(b"")),
    Case("64 kB of zeros", _holds(bytes(65_536))),
    Case("HTML", _holds(b"<!doctype html><title>404</title>")),
    Case("a Git LFS pointer", _holds(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")),
    Case("half of a checkpoint", _cut(0.5)),
    Case("a checkpoint without its last bytes", _cut(0.9999)),
    Case("a pipe", _fifo),
    Case("/dev/zero", _zeros),
    Case("2 GB of zeros in a zip of 9 MB", _zip_bomb),
    Case("a zip that says it is small", _lying_zip),
    Case("a list", _saved([1, 2, 3])),
    Case("a state and no dims", _saved({"model_state_dict": {}})),
    Case("dims of texts", _put(n_audio_layer="2")),
    Case("dims of -1", _put(n_audio_layer=-1)),
    Case("dims of 1e12", _put(n_audio_state=10**12)),
    Case("dims of true", _put(n_audio_layer=True)),
    Case("10,000 layers", _put(n_audio_layer=10_000)),
    Case("heads that do not divide", _put(n_audio_head=7)),
    Case("another number of mel bands", _put(n_mels=7)),
    Case("a dimension too many", _put(n_more=1)),
    Case("a vocabulary of no Whisper", _put(n_vocab=1000)),
    Case("a tensor missing", _changed(lambda content: content["model_state_dict"].popitem())),
    Case("a tensor too many", _weight("more", torch.zeros(1))),
    Case("a tensor of another shape", _weight("encoder.conv1.bias", torch.zeros(63))),
    Case("a tensor that is a text", _weight("encoder.conv1.bias", "zeros")),
    Case("whole numbers", _weight("encoder.conv1.bias", torch.zeros(64, dtype=torch.int64))),
    Case("complex numbers", _weight("encoder.conv1.bias", torch.zeros(64, dtype=torch.complex64))),
    Case("NaN", _weight("encoder.conv1.bias", torch.full((64,), float("nan")))),
    Case("infinity", _weight("encoder.conv1.bias", torch.full((64,), float("inf")))),
    Case("a tensor of 4 TB that is one number", _changed(_shared_storage)),
    Case("a sparse tensor", _changed(_sparse)),
    Case("a folder", lambda folder: [*HEARD[:5], "--model", str(folder)]),
    Case("a name of 100,000 characters", lambda folder: [*HEARD[:5], "--model", "x" * 100_000]),
]  # fmt: skip
