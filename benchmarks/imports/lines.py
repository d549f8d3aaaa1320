"""Text files of other programs, line by line, each with its place for messages."""

from collections.abc import Iterator
from pathlib import Path

from ...backends.errors import InputError


def read_file(path: Path) -> str:
    """Return the text of a file. Raises `InputError`; a pipe or a device is not waited for."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file; type FORMAT:FILE")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; type FORMAT:FILE") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield `FILE:LINE` and the text of each line that is not empty. Raises `InputError` for a file without any."""
    empty = True
    for number, line in enumerate(read_file(path).split("\n"), start=1):
        if line.strip():
            empty = False
            yield f"{path}:{number}", line.strip()
    if empty:
        raise InputError(f"{path}: empty; expected a line for each recording or word")
