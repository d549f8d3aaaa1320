"""The page that describes what a run stores, made from the records themselves: `docs/results.md`."""

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints

from ...speech.metrics.calls import CallRecord
from ..experiment.records import Run
from ..experiment.store import SCHEMA
from ..results.records import Results

_FIELD = re.compile(r"[a-z_0-9]+(, [a-z_0-9]+)*: ")
_HEAD = f"""# What a run stores

A run is a folder, here or in an [object store](sweeps.md#stores). Texts and times are stored as they were; all else
follows from them (`earspan score`).

| file | what | record |
| --- | --- | --- |
| `run.json` | what was asked for, planned and said; written last, with the digest of its calls | `Run` |
| `calls.jsonl` | a line for each call, with `track`, the number of its track in `run.json` | `CallRecord` |
| `results.json` | what follows: rows, curves, comparisons, sentences | `Results` |
| `report.html` | the same as a page | |
| `export/` | the same for other tools, where asked for | |

Schema {SCHEMA}: `schema` in each file. A field that is wrong is named, with its place, when a file is read. In Python
the records are what `earspan.load_run` and `earspan.score` return. Times are seconds, rates are fractions, `null` is
not known.
"""


def describe_schema() -> str:
    """Return the page, in Markdown: every record that a run or its results hold, with its fields and their types."""
    parts = [_HEAD]
    for kind in _reachable([Run, CallRecord, Results]):
        first, *lines = (inspect.getdoc(kind) or "").splitlines()
        # A line for each field becomes an item; what follows it, indented, stays with it.
        about = "\n".join(f"- {line}" if _FIELD.match(line) else line for line in lines).strip()
        parts.append(f"## {kind.__name__}\n\n{first}\n" + (f"\n{about}\n" if about else ""))
        hints = get_type_hints(kind)
        rows = [f"| `{field.name}` | {_name(hints[field.name])} |" for field in dataclasses.fields(kind)]
        parts.append("| field | type |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _reachable(kinds: list[type]) -> Iterator[type]:
    """The records that are fields of records, each once, in the order in which a reader meets them."""
    seen: list[type] = []
    queue = list(kinds)
    while queue:
        kind = queue.pop(0)
        if kind in seen:
            continue
        seen.append(kind)
        yield kind
        for hint in get_type_hints(kind).values():
            queue += [one for one in _parts(hint) if dataclasses.is_dataclass(one) and isinstance(one, type)]


def _parts(hint: Any) -> list[Any]:
    return [hint, *(part for one in get_args(hint) for part in _parts(one))]


def _name(hint: Any) -> str:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if one is type(None) else _name(one) for one in inside)
    if origin is tuple:
        return f"list of {_name(inside[0])}" if inside[-1] is ... else f"[{', '.join(map(_name, inside))}]"
    if origin is dict:
        return f"object of {_name(inside[1])}, by {_name(inside[0])}"
    names = {str: "text", int: "integer", float: "number", bool: "true or false", object: "anything"}
    return names.get(hint, f"[{hint.__name__}](#{hint.__name__.lower()})")


if __name__ == "__main__":
    print(describe_schema(), end="")
