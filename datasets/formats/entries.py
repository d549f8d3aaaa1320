"""The one reader behind all formats: entries as they are found, with the checks that every format needs."""

import os
from pathlib import Path

from ...backends.errors import InputError
from ...backends.reading import shown
from ..audio import DURATION_TOLERANCE_S, audio_duration_s
from ..defects import Defects, report_to, tell_first
from ..recording import Dataset, Entry, Word
from .lines import text_lines


class EntryList:
    """Collects the entries of a dataset. One with a defect is left out, and the defect raised or listed.

    root: the folder that relative paths of audio count from.
    dataset: its name.
    defects: where defects are listed; None raises the first as `InputError`.
    """

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
        condition: str | None = None,
        offset_s: float | None = None,
        duration_s: float | None = None,
        words: tuple[Word, ...] | None = None,
        tolerance_s: float = DURATION_TOLERANCE_S,
    ) -> None:
        """Check and add one entry; the fields are those of `Entry`.

        origin: where the entry is defined, as `FILE:LINE`: every message begins with it.
        duration_s: None reaches to the end of the file.
        words: their times count from the start of the recording.
        tolerance_s: by how much a stated duration may differ from that of the file.
        """
        with report_to(self.defects):
            if entry_id in self._entries:
                raise InputError(f"{origin}: duplicate id {entry_id!r}, also at {self._entries[entry_id].origin}")
            for what, value in (("id", entry_id), ("text", text), ("speaker", speaker or "")):
                if not is_unicode(value):
                    raise InputError(f"{origin}: {what} is {value[:60]!a}, which is not valid Unicode")
            path, url = self.find_audio(audio, origin)
            length_s = self.file_length_s(path)
            if duration_s is not None:
                _check_duration(origin, path, length_s, offset_s, duration_s, tolerance_s)
            elif length_s is None:
                duration_s = 0.0  # Entry.load() says why
            else:
                duration_s = length_s - (offset_s or 0.0)
            self._entries[entry_id] = Entry(
                entry_id, path, text, words, duration_s, offset_s, speaker, self.dataset, origin, group, condition, url
            )

    def find_audio(self, audio: str | os.PathLike[str], origin: str) -> tuple[Path, str | None]:
        """Return the file that a list names, and its URL where it has to be fetched. Raises `InputError`."""
        return audio_in(self.root, audio, origin), None

    def dataset_of(self, path: Path, what: str, licence: str = "") -> Dataset:
        """Return the dataset of all entries.

        path: where it was found.
        what: the files that were expected, for the `InputError` that is raised where there is no entry.
        licence: what the entries state; by default the first line of the folder's licence file.
        """
        if not self._entries:
            raise InputError(f"{shown(path)}: no recordings; expected {what}{tell_first(self.defects)}")
        return Dataset(self.dataset, path, tuple(self._entries.values()), licence or stated_licence(self.root))

    def file_length_s(self, path: Path) -> float | None:
        """Return how long a file is by its header; None for one that is damaged."""
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
    """Return a finite number of seconds from 0 on. Raises `InputError`, beginning with `what`, for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InputError(f"{what} is {shown(text)!r}; expected a number of seconds, 0 or more")
    return value


def audio_in(root: Path, stated: str | os.PathLike[str], origin: str) -> Path:
    """Return the audio file that a list in `root` names, a relative path counting from there.

    Raises `InputError` if there is none, or if a relative path leaves the folder, by `..` or by a link: a list that
    means a file elsewhere says so with an absolute path.
    """
    path = root / stated
    if not os.path.isfile(path):
        raise InputError(f"{origin}: no such audio file: {shown(path)}")
    if not os.path.isabs(stated) and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise InputError(f"{origin}: {shown(stated)} is outside the dataset's folder; type its absolute path there")
    return path


def inside(root: Path, file: Path) -> Path:
    """Return `file` as a list in `root` would name it: relative if it lies there by its name, else as it is."""
    return file.relative_to(root) if file.is_relative_to(root) else file


def is_unicode(text: str) -> bool:
    """Return whether a text can be written: half of a surrogate pair, which JSON can escape, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stated_licence(folder: Path) -> str | None:
    """Return the first line of a folder's licence file, or None."""
    for name in ("LICENSE", "LICENCE"):
        for suffix in ("", ".txt", ".md"):
            if (folder / (name + suffix)).is_file():
                return next((line.lstrip("# ") for _, line in text_lines(folder / (name + suffix))), None)
    return None
