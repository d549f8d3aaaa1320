"""All figures of records as comma-separated values, to be saved from a page."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from ..results.wording import neutralise

_LEFT_OUT = ("places", "schedule", "footing", "describe", "device_sha256")


def write_csv(records: Iterable[Any]) -> str:
    """Return records as comma-separated values, a column for each field of theirs and of records in them.

    Numbers are as they are. Text that a spreadsheet would compute follows an apostrophe.
    """
    lines = [dict(_flatten(record)) for record in records]
    file = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(file, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, str):
        value = neutralise(value)
        yield name, f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    elif not (is_dataclass(value) or isinstance(value, (dict, tuple))):
        yield name, value
    else:
        if is_dataclass(value):
            value = {one.name: getattr(value, one.name) for one in fields(value)}
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in _LEFT_OUT:
                yield from _flatten(item, f"{name}.{neutralise(str(key))}".removeprefix("."))
