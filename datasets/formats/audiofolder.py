"""Hugging Face audiofolder: metadata.csv or metadata.jsonl in a folder, beside its files or above them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...backends.errors import InputError
from ...backends.reading import shown
from ..defects import Defects, report_to
from ..recording import Dataset
from .entries import EntryList, inside
from .folder import AUDIO_SUFFIXES, visible_files
from .lines import csv_records, json_object, text_lines

_NAMES = ("metadata.csv", "metadata.jsonl")
# Names that datasets on the Hub use for the transcript and the speaker, the first one that is there.
_TEXT_KEYS = ("text", "sentence", "normalized_text", "transcript", "transcription", "reference")
_SPEAKER_KEYS = ("speaker_id", "speaker", "client_id")


def recognises(path: Path) -> bool:
    """Return whether a folder or one of its subfolders (splits) holds a metadata file."""
    return path.is_dir() and any(next(path.glob(below + name), None) for name in _NAMES for below in ("", "*/"))


def open_audiofolder(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return the files that the metadata name; ids are their paths. Raises `InputError`, or adds to `defects`."""
    entries = EntryList(path, name or shown(path), defects)
    files = visible_files(path, defects)
    listed = set()
    for metadata in sorted(file for file in files if file.name in _NAMES):
        for origin, row in _rows(metadata, defects):
            with report_to(defects):
                stated, text = _text(row, ("file_name",), origin), _text(row, _TEXT_KEYS, origin)
                file = metadata.parent / stated
                relative = inside(path, file)
                listed.add(file)
                speaker = next((str(row[key]) for key in _SPEAKER_KEYS if row.get(key) not in (None, "")), None)
                entries.add(relative.with_suffix("").as_posix(), relative, text, origin, speaker=speaker)
    for missing in sorted({file for file in files if file.suffix.lower() in AUDIO_SUFFIXES} - listed):
        with report_to(defects):
            raise InputError(f"{shown(missing)}: no transcript: no row of the metadata names it")
    return entries.dataset_of(path, "metadata.csv or metadata.jsonl with file_name and text")


def _text(row: dict[str, Any], keys: tuple[str, ...], origin: str) -> str:
    key = next((key for key in keys if row.get(key) is not None), None)
    if key is None:
        raise InputError(f"{origin}: no {' or '.join(keys)}")
    if not isinstance(row[key], str) or (key == "file_name" and not row[key]):
        raise InputError(f"{origin}: {key} is {row[key]!r}; expected a text")
    return row[key]


def _rows(metadata: Path, defects: Defects) -> Iterator[tuple[str, dict[str, Any]]]:
    if metadata.suffix == ".jsonl":
        for number, line in text_lines(metadata, defects):
            row, origin = None, f"{shown(metadata)}:{number}"
            with report_to(defects):
                row = json_object(line, origin)
            if row is not None:
                yield origin, row
        return
    records = csv_records(metadata, defects)
    _, columns = next(records, ("", []))
    for origin, values in records:
        row = None
        with report_to(defects):
            row = _record(values, columns, origin)
        if row is not None:
            yield origin, row


def _record(values: list[str], columns: list[str], origin: str) -> dict[str, Any]:
    if len(values) != len(columns):
        raise InputError(f"{origin}: {len(values)} values; expected {len(columns)}: {', '.join(columns)}")
    return dict(zip(columns, values, strict=True))
