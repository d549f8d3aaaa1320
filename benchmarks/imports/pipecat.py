"""Results of pipecat's stt-benchmark: a text of each sample, and the time to it from the end of speech (TTFS).

Rows of its database (`results.db`), or the same as JSON, a list or a row a line: `sample_id`, `transcription`,
`ttfs_seconds` (`ttfb_seconds` before), `service_name`, `error`. All words of a sample were final at the end of its
speech plus that time, which is what the reference says of the end of speech.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...backends.errors import InputError
from ..experiment import store
from .answers import Answer, Stream, check_times
from .lines import numbered_lines, read_file

_SQLITE = b"SQLite format 3\x00"


class _Row(msgspec.Struct):
    sample_id: str
    transcription: str | None = None
    ttfs_seconds: float | None = None
    ttfb_seconds: float | None = None
    audio_duration_seconds: float | None = None
    service_name: str = ""
    error: str | None = None


def read_pipecat(path: Path) -> list[Stream]:
    """Return the results in a database, or in JSON. Raises `InputError` with file, row and field."""
    return [_stream(place, store.decode(text, _Row, place)) for place, text in _rows(path)]


def _stream(place: str, row: _Row) -> Stream:
    wait_s = row.ttfb_seconds if row.ttfs_seconds is None else row.ttfs_seconds
    check_times([] if wait_s is None else [wait_s], place, "ttfs_seconds")
    failure = row.error or ("" if row.transcription is not None else "no transcription")
    answer = Answer(tuple((row.transcription or "").split()))
    return Stream(row.sample_id, place, (answer,), row.audio_duration_seconds, failure, row.service_name, wait_s)


def _rows(path: Path) -> Sequence[tuple[str, str]]:
    """Each row as JSON, with its place."""
    if path.is_file() and _starts(path) == _SQLITE:
        return _database_rows(path)
    text = read_file(path)
    if text.lstrip().startswith("["):
        listed = store.decode(text, list[msgspec.Raw], str(path))
        return [(f"{path}: [{number}]", bytes(row).decode()) for number, row in enumerate(listed)]
    return list(numbered_lines(path))


def _starts(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; type FORMAT:FILE") from error


def _database_rows(path: Path) -> Sequence[tuple[str, str]]:
    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                rows: list[dict[str, Any]] = [dict(row) for row in database.execute(f'select * from "{table}"')]
                if rows and {"sample_id", "transcription"} <= rows[0].keys():
                    return [(f"{path}: {table}[{number}]", store.encode(row)) for number, row in enumerate(rows)]
    except sqlite3.Error as error:
        raise InputError(f"{path}: not a database that can be read: {error}") from error
    raise InputError(f"{path}: no table with sample_id and transcription; its tables: {', '.join(tables) or 'none'}")
