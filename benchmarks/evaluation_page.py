"""An evaluation on the terminal and as a page: rates by dataset and speaker, warnings, and the errors word by word."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from .boundary_figures import boundary_section
from .errors_view import Pair, alignment_markup, show_alignment
from .evaluation import derive_evaluation, worst
from .exports import export
from .latency_figures import latency_section
from .markup import Markup, el
from .report import closed_page
from .report_data import Node
from .report_tables import scrolling
from .store import Run, read_raw
from .summary import interval, percent, print_closing
from .tables import show_table

_ON_PAGE = 20  # recordings whose errors the page shows
_COLUMNS = ("", "recordings>", "words>", "WER>", "95 % interval", "CER>", "S>", "D>", "I>")


def evaluated(stored: Run, folder: Path, exports: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The results of an evaluation and its page; files for other tools go to `folder`/export."""
    results = derive_evaluation(stored)
    page = render_evaluation(results, worst(stored, _ON_PAGE))
    for name in exports:
        export(name, stored, results, folder / "export")
    return results, page


def page_again(results: dict[str, Any], folder: Path) -> str:
    """The page of a stored evaluation; without its errors word by word, with a note on stderr, if those are lost."""
    try:
        aligned = worst(read_raw(folder), _ON_PAGE)
    except InputError as error:
        print(f"errors word by word are left out: {error}", file=sys.stderr)
        aligned = []
    return render_evaluation(results, aligned)


def print_evaluation(results: dict[str, Any], folder: Path) -> None:
    """Tables, warnings, failures and the closing sentences on standard output."""
    title = f"{results['model']}, scored under {results['scoring']}"
    show_table(title, _COLUMNS, [_cells("all", results["total"]), *_group_cells(results)])
    print_closing(results, folder)


def show_worst(stored: Run, count: int) -> None:
    """The errors of the recordings that have the most, word by word."""
    for item, aligned in worst(stored, count):
        show_alignment(f"{item.recording.id}: {item.rate.errors} errors in {item.rate.ref_words} words", aligned)


def _group_cells(results: dict[str, Any]) -> list[list[str]]:
    groups = results["by_dataset"] if len(results["by_dataset"]) > 1 else []
    rows = [_cells(row["dataset"], row) for row in groups]
    return rows + [_cells(row["speaker"], row) for row in results["by_speaker"][:40]]


def _cells(name: str, row: dict[str, Any]) -> list[str]:
    counts = [str(row[key]) for key in ("substitutions", "deletions", "insertions")]
    rates = [percent(row["wer"]), interval(row["wer_ci95"]), percent(row["cer"])]
    return [name, str(row["recordings"]), str(row["ref_words"]), *rates, *counts]


def render_evaluation(results: dict[str, Any], worst_first: Sequence[tuple[Any, list[Pair]]] = ()) -> str:
    """The page of an evaluation. Raises `InputError` where the results are not those of one."""
    try:
        parts = [
            el("header", el("div", el("b", "Earspan"), class_="brand"), el("h1", "What was heard, and what was not")),
            el("div", *(el("p", sentence) for sentence in results["summary"]), class_="summary"),
            _notices(results),
            el("section", el("h2", "Error rates"), _rate_table(results)),
            boundary_section(Node(results, "")),
            latency_section(Node(results, "")),
            el("section", el("h2", "Most frequent errors"), *_frequent(results)),
            _errors(worst_first),
            _origin(results),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not the results of an evaluation ({error!r})") from error
    return closed_page(f"Earspan: evaluation of {results['model']}", parts)


def _notices(results: dict[str, Any]) -> Markup | None:
    failures = [f"{failure['recording']}: {failure['reason']}" for failure in results["failed"]]
    notices = [
        el("div", el("b", title), el("ul", *(el("li", item) for item in items)), class_="notice")
        for title, items in (("Not scored.", failures), ("Read with care.", results["warnings"]))
        if items
    ]
    return el("div", *notices) if notices else None


def _table(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Markup:
    head = el("thead", el("tr", *(el("th", column.rstrip(">")) for column in columns)))
    return el("table", head, el("tbody", *(el("tr", *(el("td", str(cell)) for cell in row)) for row in rows)))


def _rate_table(results: dict[str, Any]) -> Markup:
    rows = [_cells("all", results["total"]), *_group_cells(results)]
    return scrolling(_table(_COLUMNS, rows), "Error rates")


def _frequent(results: dict[str, Any]) -> list[Markup]:
    columns = {
        "substitutions": ("said", "heard", "times"),
        "insertions": ("heard", "times"),
        "deletions": ("said", "times"),
    }
    found = results["common_errors"]
    return [
        el("div", el("h3", kind.capitalize()), _table(heads, found[kind]))
        for kind, heads in columns.items()
        if found[kind]
    ]


def _errors(worst_first: Sequence[tuple[Any, list[Pair]]]) -> Markup | None:
    if not worst_first:
        return None
    about = "The recordings with the most errors. Struck out: said and not heard; underlined: heard and not said."
    blocks = [
        el(
            "details",
            el("summary", f"{item.recording.id}: {item.rate.errors} errors in {item.rate.ref_words} words"),
            alignment_markup(aligned),
        )
        for item, aligned in worst_first
    ]
    return el("section", el("h2", "Errors, word by word"), el("p", about), *blocks)


def _origin(results: dict[str, Any]) -> Markup:
    kept = ("model", "model_sha256", "scoring", "datasets", "settings", "rows", "environment")
    items = [part for key in kept for part in (el("dt", key), el("dd", json.dumps(results[key], ensure_ascii=False)))]
    heading = el("h2", "Where this comes from")
    return el("section", heading, el("pre", results["command"]), el("dl", *items, class_="origin"))
