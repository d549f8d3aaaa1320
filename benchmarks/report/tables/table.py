"""Figures in rows of text: one record for the terminal and for pages."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows of text.

    columns: a name that ends in ">" is of a column that is aligned to the right. about: what the columns say. picks:
    what the first column names, if a reader may choose it: "backend". csv: the whole figures, to be saved from a page.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str = ""
    picks: str = ""
    csv: str = ""
