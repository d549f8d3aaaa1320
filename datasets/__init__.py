"""Recordings with reference texts: the bundled `talks`, manifests, folders, files; all opened the same way.

for entry in open_dataset("talks"):
    recording = entry.load()
"""

import os
from pathlib import Path

from ..backends.errors import InputError, unknown
from .audio import SAMPLE_RATE, read_audio, shown
from .folder import open_folder, open_recording
from .manifest import open_manifest
from .recording import Dataset, Entry, Recording, Word

__all__ = [
    "SAMPLE_RATE",
    "Dataset",
    "Entry",
    "Recording",
    "Word",
    "dataset_names",
    "open_dataset",
    "read_audio",
]

_MANIFEST = "manifest.jsonl"
_BUNDLED = {"talks": Path(__file__).parent / "talks"}


def dataset_names() -> tuple[str, ...]:
    """The datasets that are known by name."""
    return tuple(sorted(_BUNDLED))


def open_dataset(name_or_path: str | os.PathLike[str]) -> Dataset:
    """A dataset by name, or from a .jsonl manifest, a folder, or an audio file with its transcript beside it.

    A folder is read by its manifest.jsonl if it holds one, and as `x.wav` + `x.txt` pairs otherwise.
    Texts and headers are checked, no audio is decoded. Raises `InputError` for an unknown name or bad input.
    """
    given = os.fspath(name_or_path)
    if given in _BUNDLED:
        manifest = _BUNDLED[given] / _MANIFEST
        if not manifest.is_file():
            raise InputError(f"dataset {given!r} is not there: no {shown(manifest)}; install earspan again")
        return open_manifest(manifest, name=given)
    path = Path(given)
    if given and os.path.isdir(path):
        return open_manifest(path / _MANIFEST) if os.path.isfile(path / _MANIFEST) else open_folder(path)
    if path.suffix.lower() in (".jsonl", ".json"):
        return open_manifest(path)
    if os.path.isfile(path):
        return open_recording(path)
    if path.suffix or len(path.parts) > 1:
        known = ", ".join(dataset_names())
        raise InputError(f"{shown(path)}: no such file or folder; datasets known by name: {known}")
    raise unknown("dataset", given, dataset_names())
