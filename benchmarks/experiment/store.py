"""Records as JSON, and JSON as records: the only place where either is read or written.

A run is a folder: `run.json` (everything but the calls), `calls.jsonl` (a line for each call), `results.json` (what
follows from them) and `report.html`. A file appears under its name only when it is whole, and `run.json`, written
last, holds the digest of the calls that belong to it: a torn run is refused and never scored.
"""

import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...backends.errors import InputError

SCHEMA = 2
_MOST_BYTES = 256 << 20  # of a file that is read whole; a run of 10,000 recordings has 30 MB
_LONG = r"[:\[,]\s*-?\d{19}"  # what may be an integer that fits into no float and no array
_LONG_TEXT, _LONG_BYTES = re.compile(_LONG, re.ASCII), re.compile(_LONG.encode())
T = TypeVar("T")


def encode(record: Any, indent: int = 0) -> str:
    """Return a record as JSON, its fields in their order; `indent` spaces a level, or one line."""
    text = msgspec.json.encode(record)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def decode(text: str | bytes, kind: type[T], origin: str) -> T:
    """Return the record of type `kind` that JSON holds. Raises `InputError`, naming `origin` and the field."""
    try:
        if _LONG_TEXT.search(text) if isinstance(text, str) else _LONG_BYTES.search(text):
            json.loads(text, parse_int=_refuse_long)  # slow, but sees what is a number and what is in a text
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{origin}: {error}") from error


def _refuse_long(digits: str) -> int:
    if not -(2**63) <= (number := int(digits)) < 2**63:
        raise ValueError(f"an integer of {len(digits):,} digits")
    return number


def convert(content: Any, kind: type[T]) -> T:
    """Return the record of type `kind` that plain lists and mappings hold. Raises `InputError`, naming the field."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from error


def plain(record: Any) -> Any:
    """Return a record as plain lists and mappings, as JSON would hold it."""
    return msgspec.to_builtins(record)


def read_text(path: Path) -> str:
    """Return the text of a file of a run. Raises `InputError`; a pipe or a device is not waited for."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file; type the folder of a run, for example runs/bench")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: larger than {_MOST_BYTES >> 20} MB; type the folder of a run")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; type the folder of a run, for example runs/bench") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error


def check_schema(text: str, path: Path) -> None:
    """Raise `InputError` for JSON of another schema than this version's."""
    found = decode(text, _Schema, str(path)).schema
    if found != SCHEMA:
        raise InputError(f"{path}: schema {found!r}; this version of earspan reads schema {SCHEMA}: make the run again")


def read_record(path: Path, kind: type[T]) -> T:
    """Return the record in a file of this schema. Raises `InputError` for anything else, naming the field."""
    text = read_text(path)
    check_schema(text, path)
    try:
        return decode(text, kind, str(path))
    except InputError as error:
        raise InputError(f"{error}; it is damaged, or of another version of earspan: make it again") from error


class _Schema(msgspec.Struct):
    schema: Any = None
    benchmark: Any = None


def read_kind(path: Path) -> Any:
    """Return what the results in a file say that they are of: "capacity", ...; None where they do not say it.

    Raises `InputError` for what is no JSON.
    """
    return decode(read_text(path), _Schema, str(path)).benchmark


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all. Raises `InputError` where that is not possible."""
    refuse_url(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")  # machines may share it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # where the folder is no folder, there is nothing to tidy either
            partial.unlink()
        raise InputError(f"cannot write {path}: {error.strerror}; type another --out") from error


def check_folder(path: Path) -> None:
    """Raise `InputError` if results cannot be written into `path`, made or not."""
    refuse_url(path)
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise InputError(f"--out {path}: {nearest} is a file; type another folder")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(
            f"--out {path}: cannot write into {nearest} ({error.strerror}); type another folder"
        ) from error


def refuse_url(path: Path) -> None:
    """Raise `InputError` for a URL that was taken for a path, which would make a folder called `s3:`."""
    if path.parts and path.parts[0].endswith(":"):
        url = str(path).replace(":/", "://", 1)
        raise InputError(f"{url}: expected a path of this machine; only runs and sweeps go to s3://, gs:// and az://")


def digest_of(lines: Iterable[str | bytes]) -> str:
    """Return the SHA-256 of lines, in hexadecimal."""
    total = hashlib.sha256()
    for line in lines:
        total.update(line if isinstance(line, bytes) else line.encode())
    return total.hexdigest()
