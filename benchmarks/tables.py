"""Tables on standard output: drawn on a terminal, plain and unfolded in a pipe or a file."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a title and rows of text. A column whose name ends in ">" is aligned to the right."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a folded line cannot be searched
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(title)
    console.print(table)
