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
from ...backends.reading import shown
from ..audio import DURATION_TOLERANCE_S
from ..defects import Defects, report_to
from ..recording import Dataset, Word
from .entries import EntryList, is_unicode
from .lines import json_object, text_lines


def open_manifest(
    path: str | os.PathLike[str], name: str | None = None, defects: Defects = None, entries: EntryList | None = None
) -> Dataset:
    """Return the dataset that a manifest lists; `name` is the manifest's path unless given.

    Every line is checked before anything is returned, and so is the header, not the sound, of every file.
    Raises `InputError` as `FILE:LINE: what` for a defect of the manifest. A damaged audio file is none: that
    recording's `load()` reports it, so that the others can still be scored. With a list of `defects` the lines
    that have one are left out, and it is added. `entries`: collects what is listed, where audio is not in files.
    """
    manifest = Path(path)
    origin = shown(manifest) if entries is None else entries.dataset
    if entries is None:
        entries = EntryList(manifest.parent, name or origin, defects)
    licences = set[str]()
    for number, line in text_lines(manifest, defects):
        with report_to(defects):
            row = _Row(f"{origin}:{number}", line)
            _add(entries, row)
            licences |= {row.optional_text("license") or ""} - {""}
    return entries.dataset_of(manifest, "one JSON object a line", "; ".join(sorted(licences)))


def _add(entries: EntryList, row: "_Row") -> None:
    audio, duration_s = row.text("audio_filepath"), row.number("duration")
    offset_s = None if row.fields.get("offset") is None else row.number("offset")
    entries.add(
        row.optional_text("id") or (audio if offset_s is None else f"{audio}@{offset_s}"),
        audio,
        row.text("text"),
        row.origin,
        speaker=row.optional_text("speaker"),
        group=None if offset_s is None else audio,
        condition=row.optional_text("condition"),
        offset_s=offset_s,
        duration_s=duration_s,
        words=row.words(duration_s),
    )


class _Row:
    """One parsed line, with getters that check."""

    def __init__(self, origin: str, line: str) -> None:
        self.origin = origin
        self.fields = json_object(line, origin)

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
        """Return the words in order of time, inside the recording, or None without the field."""
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
    """Return the start of a value as JSON, which is one printable line."""
    try:
        return json.dumps(value)[:60]
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deep nesting
        return f"a {type(value).__name__}"
