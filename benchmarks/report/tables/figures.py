"""Figures for other programs: of records as comma-separated values, and tables in Markdown."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from ...results.wording import neutralise

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


def write_markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, whose cells hold no end of a cell or line.

    columns: a name that ends in ">" is of a column that is aligned to the right.
    """
    lines = [
        [column.rstrip(">") for column in columns],
        ["---:" if column.endswith(">") else "---" for column in columns],
        *rows,
    ]
    escaped = [[neutralise(cell).replace("|", "\\|") for cell in cells] for cells in lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)
