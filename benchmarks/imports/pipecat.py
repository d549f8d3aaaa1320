"""Results of pipecat's stt-benchmark: a text of each sample, and the time to it from the end of speech (TTFS).

Its database (`results.db`, table `results`), or what its `export` writes of one service (`SERVICE_results.json`): the
fields of its `storage/database.py` and `cli/export.py`. TTFS is in `ttfb_seconds`: from the end of speech, as its voice
activity detection has it, to the last text. All words of a sample were final that long after the end of its speech,
which is what the reference says of it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from ...backends.errors import InputError
from ..experiment import store
from .answers import Answer, Stream, check_times
from .lines import read_file

_SQLITE = b"SQLite format 3\x00"
_EXPECTED = "results.db, or SERVICE_results.json of its export"


class _Row(msgspec.Struct):
    sample_id: str
    transcription: str | None
    ttfb_seconds: float | None
    audio_duration_seconds: float
    service_name: str = ""
    model_name: str | None = None
    error: str | None = None


_COLUMNS = ", ".join(_Row.__struct_fields__)


class _Metadata(msgspec.Struct):
    service: str
    model: str | None = None


class _Export(msgspec.Struct):
    metadata: _Metadata
    results: list[msgspec.Raw]


def read_pipecat(path: Path) -> list[Stream]:
    """Return the results in a database, or in an export. Raises `InputError` with file, row and field."""
    if path.is_file() and _starts(path) == _SQLITE:
        return [_stream(place, row, row.service_name, row.model_name) for place, row in _database_rows(path)]
    text = read_file(path)
    if not text.lstrip().startswith("{"):
        raise InputError(f"{path}: not of stt-benchmark; expected {_EXPECTED}")
    export = store.decode(text, _Export, str(path))
    about = export.metadata
    streams = []
    for number, raw in enumerate(export.results):
        place = f"{path}: results[{number}]"
        streams.append(_stream(place, store.decode(bytes(raw), _Row, place), about.service, about.model))
    return streams


def _stream(place: str, row: _Row, service: str, model: str | None) -> Stream:
    wait_s = row.ttfb_seconds
    check_times([] if wait_s is None else [wait_s], place, "ttfb_seconds")
    failure = row.error or ("" if row.transcription is not None else "no transcription")
    answer = Answer(tuple((row.transcription or "").split()))
    system = " ".join(filter(None, (service, model)))  # one service may have answered by several models
    return Stream(row.sample_id, place, (answer,), row.audio_duration_seconds, failure, system, wait_s)


def _starts(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; type FORMAT:FILE") from error


def _database_rows(path: Path) -> Iterator[tuple[str, _Row]]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute(f"select {_COLUMNS} from results")]
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: the name of a column
        raise InputError(f"{path}: {error}; expected {_EXPECTED}") from error
    for number, row in enumerate(rows):
        place = f"{path}: results[{number}]"
        try:
            yield place, store.convert(row, _Row)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
