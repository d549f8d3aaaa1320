"""Defects of a dataset: the first one stops, or all are listed and the rest is read, as the caller wishes."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..backends.errors import InputError

Defects = list[str] | None
_MOST = 10_000  # a file with more is something else


def tell_first(defects: Defects) -> str:
    """Return the end of a message that says the first defect and how many there are; empty where there is none."""
    return f"; the first of {len(defects)} defects: {defects[0]}" if defects else ""


@contextmanager
def report_to(defects: Defects) -> Iterator[None]:
    """Within it an `InputError` is added to `defects`, and what raised it is left out; without a list it is raised."""
    try:
        yield
    except InputError as error:
        if defects is None:
            raise
        if len(defects) >= _MOST:
            raise InputError(f"{error}; after {_MOST:,} other defects: is it the right file?") from error
        defects.append(str(error))
