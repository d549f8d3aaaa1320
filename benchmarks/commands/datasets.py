"""`earspan datasets`: what can be listened to, and what a dataset holds."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ...backends.errors import InputError
from ...datasets import Dataset, dataset_names, open_dataset
from ...datasets.catalogue import CATALOGUE, data_folder, fetch, how_to_get
from ...datasets.formats import FORMATS


def add_datasets_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset",
        nargs="?",
        metavar="NAME|PATH",
        help="a known dataset, a .jsonl manifest, a folder, or an audio file with a .txt beside it; FORMAT:PATH too",
    )
    parser.add_argument("--fetch", action="store_true", help="download the dataset first (LibriSpeech, 350 MB each)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run_datasets(args: argparse.Namespace) -> int:
    """Print the list, return the exit code. Raises `InputError` for a dataset that cannot be opened."""
    if args.dataset is None:
        if args.fetch:
            raise InputError(
                "--fetch needs the name of a dataset; type earspan datasets librispeech-test-clean --fetch"
            )
        _list_known(args.json)
        return 0
    if args.fetch:
        fetch(args.dataset)
    defects: list[str] = []
    _list_recordings(open_dataset(args.dataset, defects), args.json, defects)
    return 1 if defects else 0


def _list_known(as_json: bool) -> None:
    rows = [_known(name) for name in dataset_names()]
    if as_json:
        print(json.dumps(rows))
        return
    table = _table("dataset", ("recordings", "hours", "speakers"), "present", "licence", "to get it")
    for row in rows:
        if row["present"]:
            counts = [str(row["recordings"]), f"{row['audio_s'] / 3600:.2f}", str(row["speakers"])]
            table.add_row(row["name"], *counts, "yes", row["licence"] or "not stated", "")
        elif row.get("get"):
            table.add_row(row["name"], "", f"{row['hours']:g}", "", "no", row["licence"], row["get"])
        else:
            table.add_row(row["name"], "", "", "", f"no: {row['problem']}", "", "")
    _print(table)
    print(
        f"\nPublic sets are looked for in {data_folder()}; EARSPAN_DATA names another folder. None is fetched unasked."
    )
    print("Your own: earspan datasets PATH, or FORMAT:PATH where the format is not recognised.")
    for name, known in FORMATS.items():
        print(f"  {name:12} {known.looks_like}")


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
        defects: list[str] = []
        summary = _summary(open_dataset(name, defects))
        licence = summary["licence"] or (CATALOGUE[name].licence if name in CATALOGUE else None)
        return {**summary, "licence": licence, "present": True, "defects": len(defects)}
    except InputError as error:
        row = {"name": name, "present": False, "problem": str(error)}
        if name not in CATALOGUE:
            return row
        known = CATALOGUE[name]
        return {**row, "hours": known.hours, "licence": known.licence, "url": known.url, "get": how_to_get(name)}


def _summary(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "path": str(dataset.path),
        "recordings": len(dataset),
        "audio_s": dataset.audio_s,
        "speakers": len(dataset.speakers),
        "licence": dataset.licence,
    }


def _list_recordings(dataset: Dataset, as_json: bool, defects: list[str]) -> None:
    summary = _summary(dataset)
    if as_json:
        entries = [
            {
                "id": entry.id,
                "audio": str(entry.audio_path),
                "offset_s": entry.offset_s,
                "duration_s": entry.duration_s,
                "speaker": entry.speaker,
                "condition": entry.condition,
                "text": entry.text,
                "word_times": entry.words is not None,
            }
            for entry in dataset
        ]
        print(json.dumps({**summary, "defects": defects, "entries": entries}))
        return
    conditions = any(entry.condition is not None for entry in dataset)
    table = _table("recording", ("seconds", "words"), "speaker", "word times", *["condition"] * conditions)
    for entry in dataset:
        seconds = f"{entry.duration_s:.2f}" if entry.duration_s else "unreadable"
        times = "yes" if entry.words is not None else "no"
        table.add_row(
            entry.id,
            seconds,
            str(len(entry.text.split())),
            entry.speaker or "-",
            times,
            *[entry.condition or "-"] * conditions,
        )
    _print(table)
    print(
        f"{dataset.name}: {len(dataset)} recordings, {dataset.audio_s / 3600:.2f} hours, "
        f"{summary['speakers'] or 'unnamed'} speakers, licence: {dataset.licence or 'not stated'}"
    )
    for defect in defects:
        print(f"defect: {defect}")
