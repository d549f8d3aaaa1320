"""lhotse CutSets as JSON lines, read without lhotse: each cut a recording, cut from a file."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

from ...backends.errors import InputError
from ...backends.reading import read_lines, shown
from ..defects import Defects, report_to
from ..recording import Dataset
from .entries import EntryList, seconds


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
    for number, line in read_lines(path):
        if not line.strip():
            continue
        origin = f"{shown(path)}:{number}"
        with report_to(defects):
            try:
                _add(entries, json.loads(line.decode()), origin)
            except UnicodeDecodeError as error:
                raise InputError(f"{origin}: not UTF-8 at byte {error.start + 1}") from error
            except (KeyError, TypeError, IndexError, AttributeError) as error:
                raise InputError(f"{origin}: not a cut of an audio file ({type(error).__name__} {error})") from error
            except (ValueError, RecursionError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"{origin}: not JSON: {error}") from error
    return entries.dataset_of(path, "a lhotse CutSet, one cut a line")


def _add(entries: EntryList, cut: dict[str, Any], origin: str) -> None:
    if cut.get("type", "MonoCut") != "MonoCut":
        raise InputError(f"{origin}: a {cut['type']}; expected a MonoCut: save mixed and padded cuts as audio first")
    source = cut["recording"]["sources"][0]
    if source["type"] != "file":
        raise InputError(f"{origin}: audio from a {source['type']}; expected a file")
    if not cut["supervisions"]:
        raise InputError(f"{origin}: no transcript: the cut has no supervision")
    supervisions = sorted(cut["supervisions"], key=lambda supervision: float(supervision["start"]))
    named = [supervision.get("speaker") for supervision in supervisions]
    speakers = {None if speaker is None else str(speaker) for speaker in named}
    texts = [supervision.get("text") or "" for supervision in supervisions]
    entries.add(
        str(cut["id"]),
        str(source["source"]),
        " ".join(text for text in texts if text),
        origin,
        speaker=speakers.pop() if len(speakers) == 1 else None,
        group=str(cut["recording"]["id"]),
        offset_s=seconds(str(cut["start"]), f"{origin}: start"),
        duration_s=seconds(str(cut["duration"]), f"{origin}: duration"),
    )
