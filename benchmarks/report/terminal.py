"""Results on the terminal: tables, warnings, sentences, and the errors word by word."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ...speech.metrics.align import DELETION, HIT, INSERTION, SUBSTITUTION
from ..experiment.records import Run
from ..results.curves import CurveSeries
from ..results.evaluation import WordPair, worst_recordings
from ..results.records import Results
from ..results.wording import error_count, name_load, neutralise
from .tables.endpoints import list_endpoints
from .tables.evaluation import find_excerpts, list_groups
from .tables.series import conclude, list_points
from .tables.spans import (
    list_curves,
    list_footings,
    list_gains,
    list_loads,
    list_played,
    list_rows,
    list_streaming,
)
from .tables.strategies import list_candidates, list_strategies
from .tables.table import Table

_EXCERPTS = 12  # stretches with errors that are shown of one recording
_STYLES = {SUBSTITUTION: "yellow", INSERTION: "red", DELETION: "cyan"}
_MARKS = {HIT: "", SUBSTITUTION: "S", INSERTION: "I", DELETION: "D"}


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a title and rows of text, as text: drawn on a terminal, plain and unfolded in a pipe or a file.

    A column whose name ends in ">" is aligned to the right. What a terminal would obey is not printed.
    """
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a folded line cannot be searched
    grid = Grid(box=box.SIMPLE_HEAD if console.is_terminal else None, show_edge=False, pad_edge=False)
    for column in columns:
        justify = "right" if column.endswith(">") else "left"
        grid.add_column(neutralise(column.rstrip(">")), justify=justify, overflow="fold")
    for row in rows:
        grid.add_row(*map(neutralise, row))
    console.print(neutralise(title))
    console.print(grid)
    if console.is_terminal:
        console.print()


def print_results(results: Results, folder: Path, run: Run | None = None, errors: int = 3) -> None:
    """Print results: figures as tables, what weakens them, what follows, and where the files are.

    run, errors: of one setting, the errors of so many recordings are shown word by word, as far as the run is there.
    """
    print(neutralise(_title(results)))
    for table in _choose_tables(results):
        if table:
            show_table(table.title, table.columns, table.rows)
    if run:
        for one, pairs in worst_recordings(run, results, errors):
            _print_words(f"{one.recording}: {error_count(one.errors.errors, one.errors.ref_words)}", pairs)
    for warning in results.warnings:
        print(neutralise(f"warning: {warning}"))
    for failure in results.failed:
        print(neutralise(f"failed: {failure.recording}: {failure.reason}"))
    print()
    for sentence in results.summary:
        print(neutralise(sentence))
    names = {"report": "report.html", "numbers": "results.json", "raw calls": "calls.jsonl"}
    print("\n" + "   ".join(f"{kind}: {folder / name}" for kind, name in names.items()))


def _title(results: Results) -> str:
    origin, experiment = results.provenance, results.experiment
    said = f"{origin.model} heard {results.data}, scored under {results.scoring}"
    if not results.simulated:
        return said
    load = name_load(experiment.load.name, experiment.strategy)
    return f"{said}; {origin.timed_as} timed, {load}, overload policy {experiment.overload}"


def _choose_tables(results: Results) -> list[Table | None]:
    asked = list_endpoints(results.endpoints)
    if results.comparison:
        return [list_strategies(results.rows), list_candidates(results.comparison.within), asked]
    footings = list_footings(results.played)
    if results.evaluation:
        rows = [list_groups(results.evaluation), list_rows(results.played), asked, footings]
        return [*rows, list_streaming(results.heard, results.batch)]
    played = results.experiment.load.name
    spans, *limits = list_loads(results.rows, played) or [None]
    itself = [
        replace(table, title=f"Text and time of one Whisper: {table.title}")
        for table in list_loads(results.as_heard, played)[:1]
    ]
    gains = list_gains(
        [gain for gain in results.gains if gain.model == results.provenance.timed_as], results.experiment.strategy
    )
    return [footings, list_curves(results.curves), asked, list_played(results.played), *limits, *itself, spans, gains]


def _print_words(title: str, pairs: Sequence[WordPair]) -> None:
    """Print stretches with errors in three lines each, as jiwer lays them out; in colour on a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(neutralise(title), style="bold"))
    stretches = find_excerpts(pairs)
    for stretch in stretches[:_EXCERPTS]:
        lines = [Text("  REF: "), Text("  HYP: "), Text("       ")]
        for pair in stretch:
            said, heard = neutralise(pair.reference), neutralise(pair.hypothesis)
            width, style = max(len(said), len(heard)) + 1, _STYLES.get(pair.step, "")
            shown = (said or "*" * (width - 1), heard or "*" * (width - 1), _MARKS[pair.step])
            for line, word in zip(lines, shown, strict=True):
                line.append(word.ljust(width), style=style)
        for line in lines:
            line.rstrip()
            console.print(line)
    if len(stretches) > _EXCERPTS:
        console.print(f"  ... and {len(stretches) - _EXCERPTS} more stretches with errors; the report shows them")


def print_series(series: CurveSeries) -> None:
    """Print one series of the reference curve as a table, and what follows from it."""
    table = list_points(series)
    show_table(table.title, table.columns, table.rows)
    print("\n".join(conclude(series)), end="\n\n")
