"""Text files of datasets, line by line, and tables, record by record: what is wrong with one is said with its place."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...backends.errors import InputError
from ...backends.reading import read_lines, shown
from ..defects import Defects, report_to

_MOST_DIGITS = 18  # of an integer that stays one: of larger ones some fit into no float, and some into no message


def text_lines(path: Path, defects: Defects = None) -> Iterator[tuple[int, str]]:
    """Yield line numbers, from 1, and lines that are not blank; UTF-8 with or without BOM, LF or CRLF.

    Raises `InputError` as `FILE:LINE: what` where the file is not UTF-8, or adds it to `defects` and goes on.
    """
    for number, raw in read_lines(path):
        line = ""
        with report_to(defects):
            line = _decoded(raw, path, number)
        if line:
            yield number, line


def _decoded(raw: bytes, path: Path, number: int) -> str:
    try:
        return raw.decode().strip()
    except UnicodeDecodeError as error:
        column = error.start + 1
        raise InputError(
            f"{shown(path)}:{number}: byte {raw[column - 1]:#04x} at column {column} is not UTF-8; "
            "save the file as UTF-8"
        ) from error


def csv_records(path: Path, defects: Defects = None) -> Iterator[tuple[str, list[str]]]:
    """Yield where each record of a CSV file begins, as `FILE:LINE`, and its values, which may go on over lines.

    Raises `InputError` where a record is no CSV, or adds it to `defects` and goes on.
    """
    numbers: list[int] = []

    def lines() -> Iterator[str]:
        for number, line in text_lines(path, defects):
            numbers.append(number)
            yield line + "\n"

    reader = csv.reader(lines(), strict=True)
    while True:
        numbers.clear()
        values = None
        with report_to(defects):
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(f"{shown(path)}:{numbers[0]}: not CSV: {error}") from error
        if values is not None:
            yield f"{shown(path)}:{numbers[0]}", values


def json_object(line: str, origin: str) -> dict[str, Any]:
    """Return the object in a line of JSON. Raises `InputError`, beginning with `origin`, for anything else."""
    try:
        found = json.loads(line, parse_int=_number, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{origin}: not JSON ({what}): {shown(line[:60])}") from error
    if not isinstance(found, dict):
        raise InputError(f"{origin}: expected a JSON object, got {shown(line[:60])}")
    return found


def _number(digits: str) -> int | float:
    """A larger one becomes infinite at most, as 1e999 does, and is refused where it stands for seconds."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")
