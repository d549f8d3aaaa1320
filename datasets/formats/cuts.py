"""lhotse CutSets as JSON lines, read without lhotse: each cut a recording, cut from a file."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec

from ...backends.errors import InputError
from ...backends.reading import read_lines, shown
from ..defects import Defects, report_to
from ..recording import Dataset
from .entries import EntryList, seconds
from .lines import json_object, text_lines


def recognises(path: Path) -> bool:
    """Return whether one of the first lines of a .jsonl or .jsonl.gz is a cut; the very first may be damaged."""
    if not path.is_file() or not path.name.endswith((".jsonl", ".jsonl.gz")):
        return False
    try:
        return any(_is_cut(line) for _, line in islice(read_lines(path), 10))
    except InputError:
        return False


def _is_cut(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "supervisions" in row


def open_cuts(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return the cuts; a cut's text is that of its supervisions in order, its group the recording.

    Read are MonoCuts of audio files. Raises `InputError` for others, commands, URLs and defects, or adds them.
    """
    entries = EntryList(path.parent, name or shown(path), defects)
    for number, line in text_lines(path, defects):
        with report_to(defects):
            origin = f"{shown(path)}:{number}"
            _add(entries, _read(line, origin), origin)
    return entries.dataset_of(path, "a lhotse CutSet, one cut a line")


class _Supervision(msgspec.Struct):
    start: float
    text: str | None = None
    speaker: str | int | None = None


class _Audio(msgspec.Struct):
    type: str
    source: str


class _Recording(msgspec.Struct):
    id: str | int
    sources: Annotated[list[_Audio], msgspec.Meta(min_length=1)]


class _Cut(msgspec.Struct):
    id: str | int
    start: float
    duration: float
    recording: _Recording
    supervisions: list[_Supervision]


def _read(line: str, origin: str) -> _Cut:
    row = json_object(line, origin)
    if (kind := row.get("type", "MonoCut")) != "MonoCut":
        raise InputError(f"{origin}: a {kind!a:.60}; expected a MonoCut: save mixed and padded cuts as audio first")
    try:
        return msgspec.convert(row, _Cut)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter: a name that is half a pair
        raise InputError(f"{origin}: not a cut of an audio file: {error}") from error


def _add(entries: EntryList, cut: _Cut, origin: str) -> None:
    audio = cut.recording.sources[0]
    if audio.type != "file":
        raise InputError(f"{origin}: audio from a {audio.type!a:.60}; expected a file")
    if not cut.supervisions:
        raise InputError(f"{origin}: no transcript: the cut has no supervision")
    supervisions = sorted(cut.supervisions, key=lambda supervision: supervision.start)
    speakers = {None if one.speaker is None else str(one.speaker) for one in supervisions}
    entries.add(
        str(cut.id),
        audio.source,
        " ".join(one.text for one in supervisions if one.text),
        origin,
        speaker=speakers.pop() if len(speakers) == 1 else None,
        group=str(cut.recording.id),
        offset_s=seconds(str(cut.start), f"{origin}: start"),
        duration_s=seconds(str(cut.duration), f"{origin}: duration"),
    )
