"""Datasets in an object store: a NeMo-style manifest and its audio. What is heard is fetched when its turn comes."""

import os
from pathlib import Path

from ..backends.errors import InputError
from .defects import Defects
from .fetched import fetch_object
from .formats.entries import EntryList
from .formats.manifest import open_manifest
from .objects import Objects
from .recording import Dataset

_MANIFEST = "manifest.jsonl"


def open_remote(url: str, defects: Defects = None) -> Dataset:
    """Return the dataset of a manifest in an object store, or of the `manifest.jsonl` in a folder there.

    Audio is taken to be as long as the manifest says: no header is read before its recording is heard.
    Raises `InputError` for a store that is not reached, and for a defect of the manifest as `open_manifest` does.
    """
    folder, name = (url.rsplit("/", 1)) if url.endswith((".jsonl", ".json")) else (url.rstrip("/"), _MANIFEST)
    try:
        objects = Objects(folder)
        there = objects.sizes()
        if name not in there:
            raise InputError(f"{folder}/{name}: no such object; expected a manifest, one JSON object a line")
        manifest = fetch_object(objects, name, there[name])
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    return open_manifest(manifest, url, defects, _RemoteEntries(folder, there, url, defects))


class _RemoteEntries(EntryList):
    """Entries whose audio is in an object store."""

    def __init__(self, folder: str, there: dict[str, tuple[int, str]], dataset: str, defects: Defects) -> None:
        super().__init__(Path(), dataset, defects)
        self._folder, self._there = folder, there

    def find_audio(self, audio: str | os.PathLike[str], origin: str) -> tuple[Path, str | None]:
        """Return where the audio would be as a path, and its URL."""
        name = os.path.normpath(os.fspath(audio))
        if name not in self._there:
            raise InputError(f"{origin}: no such object: {self._folder}/{os.fspath(audio)}")
        return Path(f"{self._folder}/{name}"), f"{self._folder}/{name}"

    def file_length_s(self, path: Path) -> float | None:
        """Return None: a file's length is known when it is heard."""
        return None
