"""Files that people write or send, read with care: regular files of a sensible size, as text, as TOML, or line by line.

A pipe or a device would be waited for, or read, without end; a line of gigabytes or a file that unpacks to a thousand
times its size would fill the memory.
"""

import gzip
import os
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import InputError, printable

_MOST_BYTES = 4 << 20  # of a file of settings; the largest that come with Earspan have 20 kB
_MOST_PARTS = 64  # of a dotted key: tomllib takes time and memory that grow with their square
_LONGEST_LINE_BYTES = 32 << 20  # word times of a day of speech have 10 MB
_UNPACKED_BYTES, _RATIO = 64 << 20, 100  # JSON packs to a tenth; zeros to a thousandth


def shown(path: str | os.PathLike[str]) -> str:
    """Return the path as one printable line, whatever its name holds."""
    return printable(os.fspath(path))


def require_file(path: Path, expected: str = "a file") -> None:
    """Raise `InputError` for what is not a regular file. expected: what should be there, for the message."""
    if not path.exists():
        raise InputError(f"{shown(path)}: no such file; expected {expected}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a device or pipe"
        raise InputError(f"{shown(path)}: {what}; expected {expected}")


def read_text(path: Path, expected: str = "a file") -> str:
    """Return the text of a small file. Raises `InputError` if it is missing, no file, too large, or not UTF-8."""
    require_file(path, expected)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{shown(path)}: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"{shown(path)}: larger than {_MOST_BYTES >> 20} MB; expected {expected}")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)}: not UTF-8 at byte {error.start + 1}; save it as UTF-8") from error


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Return the tables of a TOML text, which was read from `path`. Raises `InputError` if it is none."""
    deepest = max((line.partition("=")[0].count(".") for line in text.splitlines()), default=0)
    if deepest > _MOST_PARTS:
        raise InputError(f"{shown(path)}: a key of {deepest + 1:,} parts; expected at most {_MOST_PARTS}")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits is a ValueError, too
        raise InputError(f"{shown(path)}: not TOML: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a small TOML file. Raises `InputError` as `read_text` does, and where it is no TOML."""
    return parse_toml(read_text(path, "a TOML file"), path)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers from 1, without line ends and BOM; a `.gz` is unpacked.

    Raises `InputError` for what is no regular file or cannot be read or unpacked, and for a line or a whole that no
    list of recordings would have.
    """
    require_file(path)
    packed = path.suffix == ".gz"
    unpacked, most = 0, max(_UNPACKED_BYTES, _RATIO * path.stat().st_size)
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE_BYTES + 1):
                number += 1
                unpacked += len(line)
                if len(line) > _LONGEST_LINE_BYTES:
                    limit = f"a line of more than {_LONGEST_LINE_BYTES >> 20} MB"
                    raise InputError(f"{shown(path)}:{number}: {limit}; expected one recording a line")
                if packed and unpacked > most:
                    raise InputError(f"{shown(path)}: it unpacks to more than {_RATIO} times its size")
                yield number, line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").removesuffix(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}") from error
