"""NeMo-style manifests: one JSON object a line, with `audio_filepath`, `duration` and `text`.

Optional: `id`, `speaker`, `condition` (such as `clean` or `noisy`), `license`, `offset` (the recording is a segment of
its file) and `words`, a list of `{"word": ..., "start": ..., "end": ...}`, in seconds from the start of the recording.
Others are ignored.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

from ...backends.errors import InputError
from ..audio import DURATION_TOLERANCE_S, audio_duration_s, shown
from ..defects import Defects, reported
from ..recording import Dataset, Entry, Word
from .lines import text_lines


def open_manifest(path: str | os.PathLike[str], name: str | None = None, defects: Defects = None) -> Dataset:
    """The dataset that a manifest lists; `name` is the manifest's path unless given.

    Every line is checked before anything is returned, and so is the header, not the sound, of every file.
    Raises `InputError` as `FILE:LINE: what` for a defect of the manifest. A damaged audio file is none: that
    recording's `load()` reports it, so that the others can still be scored. With a list of `defects` the lines
    that have one are left out, and it is added.
    """
    manifest = Path(path)
    reader = _Reader(manifest, name or shown(manifest))
    for number, line in text_lines(manifest, defects):
        with reported(defects):
            reader.read(number, line)
    if not reader.entries and defects:
        raise InputError(f"{shown(manifest)}: no recordings; the first of {len(defects)} defects: {defects[0]}")
    if not reader.entries:
        raise InputError(f"{shown(manifest)}: no recordings; expected one JSON object a line")
    licence = "; ".join(sorted(reader.licences)) or stated_licence(manifest.parent)
    return Dataset(reader.dataset, manifest, tuple(reader.entries), licence)


def audio_in(root: Path, stated: str | os.PathLike[str], origin: str) -> Path:
    """The audio file that a list in `root` names, a relative path counting from there.

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
    """`file` as a list in `root` would name it: relative if it lies there by its name, else as it is."""
    return file.relative_to(root) if file.is_relative_to(root) else file


def is_unicode(text: str) -> bool:
    """False for half of a surrogate pair, which JSON can escape and no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stated_licence(folder: Path) -> str | None:
    """The first line of a folder's licence file, or None."""
    for name in ("LICENSE", "LICENCE"):
        for suffix in ("", ".txt", ".md"):
            if (folder / (name + suffix)).is_file():
                return next((line.lstrip("# ") for _, line in text_lines(folder / (name + suffix))), None)
    return None


class _Reader:
    """Turns lines into entries; holds what must be compared across lines."""

    def __init__(self, manifest: Path, dataset: str) -> None:
        self.manifest = manifest
        self.dataset = dataset
        self.entries: list[Entry] = []
        self.licences: set[str] = set()
        self._line_of_id: dict[str, int] = {}
        self._length_s: dict[Path, float | None] = {}  # by file, since many segments may share one

    def read(self, number: int, line: str) -> None:
        origin = f"{shown(self.manifest)}:{number}"
        row = _Row(origin, line)
        stated = row.text("audio_filepath")
        audio_path = audio_in(self.manifest.parent, stated, origin)
        offset_s = None if row.fields.get("offset") is None else row.number("offset")
        entry_id = row.optional_text("id") or (stated if offset_s is None else f"{stated}@{offset_s}")
        if entry_id in self._line_of_id:
            raise InputError(f"{origin}: duplicate id {entry_id!r}, also on line {self._line_of_id[entry_id]}")
        self._line_of_id[entry_id] = number
        duration_s = row.number("duration")
        self._check_duration(origin, audio_path, offset_s, duration_s)
        if licence := row.optional_text("license"):
            self.licences.add(licence)
        self.entries.append(
            Entry(
                id=entry_id,
                audio_path=audio_path,
                text=row.text("text"),
                words=row.words(duration_s),
                duration_s=duration_s,
                offset_s=offset_s,
                speaker=row.optional_text("speaker"),
                dataset=self.dataset,
                origin=origin,
                group=None if offset_s is None else stated,
                condition=row.optional_text("condition"),
            )
        )

    def _check_duration(self, origin: str, audio: Path, offset_s: float | None, duration_s: float) -> None:
        if duration_s == 0:
            raise InputError(f"{origin}: 'duration' is 0; expected a positive number of seconds")
        if audio not in self._length_s:
            try:
                self._length_s[audio] = audio_duration_s(audio)
            except InputError:
                self._length_s[audio] = None  # damaged: Entry.load() says how
        length_s = self._length_s[audio]
        if length_s is None:
            return
        end_s = (offset_s or 0.0) + duration_s
        excess_s = end_s - length_s if offset_s is not None else abs(end_s - length_s)
        if excess_s > DURATION_TOLERANCE_S or (offset_s or 0.0) >= length_s:
            stated = f"'duration' is {duration_s:g} s" if offset_s is None else f"the segment ends at {end_s:g} s"
            raise InputError(f"{origin}: {stated}, but {shown(audio)} is {length_s:.2f} s long")


class _Row:
    """One parsed line, with getters that check."""

    def __init__(self, origin: str, line: str) -> None:
        self.origin = origin
        try:
            self.fields: dict[str, Any] = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise InputError(f"{origin}: not JSON ({what}): {shown(line[:60])}") from error
        if not isinstance(self.fields, dict):
            raise InputError(f"{origin}: expected a JSON object, got {shown(line[:60])}")

    def text(self, key: str) -> str:
        value = _text(self._field(key), f"{self.origin}: {key!r}")
        if key != "text" and not value:  # nobody speaks in silence: its reference is empty
            raise InputError(f"{self.origin}: {key!r} is empty")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.fields.get(key) is None else self.text(key)

    def number(self, key: str) -> float:
        return _seconds(self._field(key), f"{self.origin}: {key!r}")

    def words(self, duration_s: float) -> tuple[Word, ...] | None:
        """The words in order of time, inside the recording; None without the field."""
        listed = self.fields.get("words")
        if listed is None:
            return None
        if not isinstance(listed, list):
            raise InputError(f"{self.origin}: 'words' is {_excerpt(listed)}; expected a list of objects")
        words, earliest_s = [], 0.0
        for position, item in enumerate(listed, start=1):
            where = f"{self.origin}: word {position}"
            if not isinstance(item, dict):
                raise InputError(f'{where} is {_excerpt(item)}; expected {{"word": ..., "start": ..., "end": ...}}')
            text = _text(item.get("word", item.get("text")), f"{where}: 'word'")
            start_s = _seconds(item.get("start"), f"{where}: 'start'")
            end_s = _seconds(item.get("end"), f"{where}: 'end'")
            if not earliest_s <= start_s <= end_s <= duration_s + DURATION_TOLERANCE_S:
                raise InputError(
                    f"{where} ({text!r}) is at {start_s:g}-{end_s:g} s; expected start <= end, "
                    f"words in order, all within {duration_s:g} s"
                )
            words.append(Word(text, start_s, end_s))
            earliest_s = start_s
        return tuple(words)

    def _field(self, key: str) -> Any:
        if key not in self.fields:
            raise InputError(f"{self.origin}: field {key!r} is missing")
        return self.fields[key]


def _no_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what} is {_excerpt(value)}; expected a string")
    if not is_unicode(value):
        raise InputError(f"{what} is {_excerpt(value)}, which is not valid Unicode")
    return value


def _seconds(value: Any, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Compared before conversion: a JSON integer may be too large for a float.
    if not number or not 0 <= value < math.inf or value > 1e9:
        raise InputError(f"{what} is {_excerpt(value)}; expected a number of seconds, 0 or more")
    return float(value)


def _excerpt(value: Any) -> str:
    """The start of a value as JSON, which is one printable line."""
    try:
        return json.dumps(value)[:60]
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deep nesting
        return f"a {type(value).__name__}"
