"""What users add to Earspan: strategies, dataset formats and engines, by import path or offered by their packages.

A package offers them as entry points in its pyproject.toml, for example:

    [project.entry-points."earspan.strategies"]
    halves = "my_package.halves:Halves"

Nothing is imported before it is asked for by name.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..backends.errors import InputError, unknown


def list_offered(group: str) -> dict[str, EntryPoint]:
    """Return what installed packages offer in the entry point group `group`, by name."""
    return {point.name: point for point in entry_points(group=group)}


def load_own(kind: str, name: str, group: str, known: Mapping[str, Any] | list[str]) -> Any:
    """Return the object that a user means by `name`: `package.module:attribute`, or a name that a package offers.

    kind: what it is, for messages, such as "strategy".
    group: the entry point group in which packages offer such things.
    known: the names that Earspan itself knows, for messages.

    Raises `InputError` where there is no such name, and where what it stands for cannot be imported.
    """
    offered = list_offered(group)
    module, colon, attribute = name.partition(":")
    if not colon and name not in offered:
        raise unknown(kind, name, [*known, *offered])
    try:
        return getattr(import_module(module), attribute) if colon else offered[name].load()
    except Exception as error:  # the code is not ours: importing it may fail in any way
        found = "" if colon else f", which a package offers as {offered[name].value},"
        raise InputError(
            f"{kind} {name!r}{found} cannot be imported ({type(error).__name__}: {error}); expected "
            "package.module:Class whose folder is on PYTHONPATH or whose package is installed"
        ) from error
