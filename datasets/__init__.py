"""Recordings with reference texts: the bundled `talks`, public sets by name, folders, manifests, files.

for entry in open_dataset("talks"):
    recording = entry.load()
"""

import os
from dataclasses import replace
from pathlib import Path

from ..backends.errors import InputError, unknown
from ..backends.reading import shown
from .audio import SAMPLE_RATE, read_audio
from .catalogue import CATALOGUE, place_of
from .defects import Defects
from .formats import MANIFEST, format_names, open_as, recognise
from .formats.folder import open_recording
from .formats.manifest import open_manifest
from .objects import is_url
from .recording import Dataset, Entry, Recording, Word
from .remote import open_remote

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

_TALKS = Path(__file__).parent / "talks"
_BUNDLED = {"talks": None, "talks-clean": "clean", "talks-noisy": "noisy"}  # and under which condition it was recorded


def dataset_names() -> tuple[str, ...]:
    """Return the datasets that are known by name: first those that come with Earspan, then public ones."""
    return (*sorted(_BUNDLED), *CATALOGUE)


def open_dataset(name_or_path: str | os.PathLike[str], defects: Defects = None) -> Dataset:
    """Return a dataset by name, or from a manifest, a folder in a known format, or an audio file with its transcript.

    `FORMAT:PATH` chooses the format where it is not to be recognised. Texts and headers are checked, no audio is
    decoded. Raises `InputError` for an unknown name or bad data; with a list of `defects`, bad recordings are left
    out and said there, and only a dataset without any good one is an error.
    A URL (s3://, gs://, az://) is that of a manifest in an object store, or of the folder that it is in.
    """
    given = os.fspath(name_or_path)
    if given in _BUNDLED:
        return _bundled(given)
    if given in CATALOGUE:
        return open_as(CATALOGUE[given].format, place_of(given), defects, called=given)
    if is_url(given):
        return open_remote(given, defects)
    prefix, colon, rest = given.partition(":")
    if colon and prefix in format_names() and not os.path.exists(given):
        if not os.path.exists(rest):
            raise InputError(f"{shown(rest)}: no such file or folder")
        return open_as(prefix, Path(rest), defects)
    path = Path(given)
    if given and (found := recognise(path)) is not None:
        return open_as(found, path, defects)
    if os.path.isfile(path):
        return open_recording(path)
    if path.suffix or os.sep in given:
        known = ", ".join(dataset_names())
        raise InputError(f"{shown(path)}: no such file or folder; datasets known by name: {known}")
    raise unknown("dataset", given, dataset_names())


def _bundled(name: str) -> Dataset:
    manifest, condition = _TALKS / MANIFEST, _BUNDLED[name]
    if not manifest.is_file():
        raise InputError(f"dataset {name!r} is not there: no {shown(manifest)}; install earspan again")
    dataset = open_manifest(manifest, name=name)
    if condition is None:
        return dataset
    return replace(dataset, entries=tuple(entry for entry in dataset if entry.condition == condition))
