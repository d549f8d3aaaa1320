"""Entries of a dataset as they are read, with the checks that every format needs."""

import os
from pathlib import Path

from ...backends.errors import InputError
from ..audio import DURATION_TOLERANCE_S, audio_duration_s, shown
from ..defects import Defects, reported
from ..recording import Dataset, Entry, Word
from .manifest import audio_in, is_unicode, stated_licence


class EntryList:
    """Entries in the making. An entry with a defect is left out, and the defect raised or listed."""

    def __init__(self, root: Path, dataset: str, defects: Defects) -> None:
        self.root = root
        self.dataset = dataset
        self.defects = defects
        self._entries: dict[str, Entry] = {}
        self._length_s: dict[Path, float | None] = {}  # by file, since many segments may share one

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        entry_id: str,
        audio: str | os.PathLike[str],
        text: str,
        origin: str,
        *,
        speaker: str | None = None,
        group: str | None = None,
        offset_s: float | None = None,
        duration_s: float | None = None,
        words: tuple[Word, ...] | None = None,
        tolerance_s: float = DURATION_TOLERANCE_S,
    ) -> None:
        """Check and add one. Without `duration_s` the recording reaches to the end of its file."""
        with reported(self.defects):
            if entry_id in self._entries:
                raise InputError(f"{origin}: duplicate id {entry_id!r}, also at {self._entries[entry_id].origin}")
            for what, value in (("id", entry_id), ("text", text), ("speaker", speaker or "")):
                if not is_unicode(value):
                    raise InputError(f"{origin}: {what} is {value[:60]!a}, which is not valid Unicode")
            path = audio_in(self.root, audio, origin)
            length_s = self._file_length_s(path)
            if duration_s is not None:
                _check_duration(origin, path, length_s, offset_s, duration_s, tolerance_s)
            elif length_s is None:
                duration_s = 0.0  # Entry.load() says why
            else:
                duration_s = length_s - (offset_s or 0.0)
            entry = Entry(entry_id, path, text, words, duration_s, offset_s, speaker, self.dataset, origin, group)
            self._entries[entry_id] = entry

    def dataset_of(self, path: Path, what: str) -> Dataset:
        """The dataset of all entries. Raises `InputError` if there is none, saying `what` was expected."""
        if not self._entries:
            first = f"; the first of {len(self.defects)} defects: {self.defects[0]}" if self.defects else ""
            raise InputError(f"{shown(path)}: no recordings; expected {what}{first}")
        return Dataset(self.dataset, path, tuple(self._entries.values()), stated_licence(self.root))

    def _file_length_s(self, path: Path) -> float | None:
        if path not in self._length_s:
            try:
                self._length_s[path] = audio_duration_s(path)
            except InputError:
                self._length_s[path] = None  # damaged: Entry.load() says how
        return self._length_s[path]


def _check_duration(
    origin: str, audio: Path, length_s: float | None, offset_s: float | None, duration_s: float, tolerance_s: float
) -> None:
    if duration_s <= 0:
        raise InputError(f"{origin}: the recording lasts {duration_s:g} s; expected more than 0")
    if length_s is None:
        return
    end_s = (offset_s or 0.0) + duration_s
    excess_s = abs(end_s - length_s) if offset_s is None else end_s - length_s
    if excess_s > tolerance_s or (offset_s or 0.0) >= length_s:
        stated = f"duration is {duration_s:g} s" if offset_s is None else f"the segment ends at {end_s:g} s"
        raise InputError(f"{origin}: {stated}, but {shown(audio)} is {length_s:.2f} s long")


def seconds(text: str, what: str) -> float:
    """A finite number of seconds from 0 on. Raises `InputError`, beginning with `what`, for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InputError(f"{what} is {shown(text)!r}; expected a number of seconds, 0 or more")
    return value
