"""`earspan datasets`: what can be listened to, and what a dataset holds."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ..backends.errors import InputError
from ..datasets import Dataset, dataset_names, open_dataset

HELP = "list the known datasets, or the recordings of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset",
        nargs="?",
        metavar="NAME|PATH",
        help="a known dataset, a .jsonl manifest, a folder, or an audio file with a .txt beside it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print the list, return the exit code. Raises `InputError` for a dataset that cannot be opened."""
    if args.dataset is None:
        _list_known(args.json)
    else:
        _list_recordings(open_dataset(args.dataset), args.json)
    return 0


def _list_known(as_json: bool) -> None:
    rows = [_known(name) for name in dataset_names()]
    if as_json:
        print(json.dumps(rows))
        return
    table = _table("dataset", ("recordings", "hours", "speakers"), "present", "licence")
    for row in rows:
        if row["present"]:
            counts = [str(row["recordings"]), f"{row['audio_s'] / 3600:.2f}", str(row["speakers"])]
            table.add_row(row["name"], *counts, "yes", row["licence"] or "not stated")
        else:
            table.add_row(row["name"], "", "", "", f"no: {row['problem']}", "")
    _print(table)
    print("A .jsonl manifest, a folder of x.wav + x.txt or an audio file is one too: earspan datasets PATH")


def _table(name: str, counts: tuple[str, ...], *texts: str) -> Table:
    """An empty table: a name, right-aligned counts, texts; long values wrap, so that none is cut."""
    table = Table(box=None)
    table.add_column(name, overflow="fold")
    for heading in counts:
        table.add_column(heading, justify="right")
    for heading in texts:
        table.add_column(heading, overflow="fold")
    return table


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 200  # in a pipe or a file nothing is that narrow, and a folded name cannot be searched
    console.print(table, markup=False)


def _known(name: str) -> dict[str, Any]:
    try:
        return {**_summary(open_dataset(name)), "present": True}
    except InputError as error:
        return {"name": name, "present": False, "problem": str(error)}


def _summary(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "path": str(dataset.path),
        "recordings": len(dataset),
        "audio_s": dataset.audio_s,
        "speakers": len(dataset.speakers),
        "licence": dataset.licence,
    }


def _list_recordings(dataset: Dataset, as_json: bool) -> None:
    summary = _summary(dataset)
    if as_json:
        entries = [
            {
                "id": entry.id,
                "audio": str(entry.audio_path),
                "offset_s": entry.offset_s,
                "duration_s": entry.duration_s,
                "speaker": entry.speaker,
                "text": entry.text,
                "word_times": entry.words is not None,
            }
            for entry in dataset
        ]
        print(json.dumps({**summary, "entries": entries}))
        return
    table = _table("recording", ("seconds", "words"), "speaker", "word times")
    for entry in dataset:
        seconds = f"{entry.duration_s:.2f}" if entry.duration_s else "unreadable"
        times = "yes" if entry.words is not None else "no"
        table.add_row(entry.id, seconds, str(len(entry.text.split())), entry.speaker or "-", times)
    _print(table)
    print(
        f"{dataset.name}: {len(dataset)} recordings, {dataset.audio_s / 3600:.2f} hours, "
        f"{summary['speakers'] or 'unnamed'} speakers, licence: {dataset.licence or 'not stated'}"
    )
