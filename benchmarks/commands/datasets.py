"""`earspan datasets`: what can be listened to, and what a dataset holds."""

import argparse
from dataclasses import dataclass

from ...backends.errors import InputError
from ...datasets import Dataset, dataset_names, open_dataset
from ...datasets.audio import audio_duration_s
from ...datasets.catalogue import CATALOGUE, data_folder, fetch, how_to_get
from ...datasets.defects import report_to
from ...datasets.formats import find_format, format_names
from ..experiment.store import encode
from ..report.terminal import show_table
from ..results.wording import neutralise


@dataclass(frozen=True, slots=True)
class Listing:
    """A dataset in a list.

    present: whether it is here; if not, `problem` says why, and `hours`, `url` and `get` what there is and how to get
        it.
    path, recordings, audio_s, speakers: of one that is here, and how many entries are left out as defects.
    """

    name: str
    present: bool
    licence: str | None = None
    path: str | None = None
    recordings: int = 0
    audio_s: float = 0.0
    speakers: int = 0
    defects: int = 0
    problem: str | None = None
    hours: float | None = None
    url: str | None = None
    get: str | None = None


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """A recording in a list, without its audio."""

    id: str
    audio: str
    offset_s: float | None
    duration_s: float
    speaker: str | None
    condition: str | None
    text: str
    word_times: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What a dataset holds."""

    name: str
    path: str
    recordings: int
    audio_s: float
    speakers: int
    licence: str | None
    defects: tuple[str, ...]
    entries: tuple[ListedEntry, ...]


def add_datasets_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan datasets`."""
    about = "a known dataset, a .jsonl manifest, a folder, or an audio file with a .txt beside it; FORMAT:PATH too"
    parser.add_argument("dataset", nargs="?", metavar="NAME|PATH", help=about)
    parser.add_argument("--fetch", action="store_true", help="download the dataset first (LibriSpeech, 350 MB each)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run_datasets(args: argparse.Namespace) -> int:
    """Print the list, or what one dataset holds. Exit code 1: it has defects."""
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
    dataset = open_dataset(args.dataset, defects)
    for entry in dataset:
        with report_to(defects):
            if not entry.duration_s:  # nothing could be opened; it says why
                audio_duration_s(entry.audio_path)
    _list_recordings(dataset, args.json, defects)
    return 1 if defects else 0


def _list_known(as_json: bool) -> None:
    listings = [_known(name) for name in dataset_names()]
    if as_json:
        print(encode(listings))
        return
    rows = []
    for one in listings:
        counts = [str(one.recordings), f"{one.audio_s / 3600:.2f}", str(one.speakers), "yes"]
        absent = ["", f"{one.hours:g}" if one.hours else "", "", "no" if one.get else f"no: {one.problem}"]
        licence = (one.licence or "not stated") if one.present else one.licence or ""
        rows.append([one.name, *(counts if one.present else absent), licence, one.get or ""])
    columns = ("dataset", "recordings>", "hours>", "speakers>", "present", "licence", "to get it")
    show_table("Datasets known by name", columns, rows)
    folder = (
        f"Public sets are looked for in {data_folder()}; EARSPAN_DATA names another folder. None is fetched unasked."
    )
    print(f"\n{folder}\nYour own: earspan datasets PATH, or FORMAT:PATH where the format is not recognised.")
    for name in format_names():
        print(f"  {name:12} {find_format(name).looks_like}")


def _known(name: str) -> Listing:
    known = CATALOGUE.get(name)
    defects: list[str] = []
    try:
        dataset = open_dataset(name, defects)
    except InputError as error:
        if known is None:
            return Listing(name, False, problem=str(error))
        public = {"licence": known.licence, "hours": known.hours, "url": known.url, "get": how_to_get(name)}
        return Listing(name, False, problem=str(error), **public)
    licence = dataset.licence or (known.licence if known else None)
    counts = len(dataset), dataset.audio_s, len(dataset.speakers), len(defects)
    return Listing(name, True, licence, str(dataset.path), *counts)


def _list_recordings(dataset: Dataset, as_json: bool, defects: list[str]) -> None:
    if as_json:
        entries = tuple(
            ListedEntry(e.id, str(e.audio_path), e.offset_s, e.duration_s, e.speaker, e.condition, e.text,
                        e.words is not None)
            for e in dataset
        )  # fmt: skip
        counts = len(dataset), dataset.audio_s, len(dataset.speakers)
        print(encode(Contents(dataset.name, str(dataset.path), *counts, dataset.licence, tuple(defects), entries)))
        return
    conditions = any(entry.condition is not None for entry in dataset)
    columns = ("recording", "seconds>", "words>", "speaker", "word times", *["condition"] * conditions)
    rows = [
        [
            entry.id,
            f"{entry.duration_s:.2f}" if entry.duration_s else "unreadable",
            str(len(entry.text.split())),
            entry.speaker or "-",
            "yes" if entry.words is not None else "no",
            *[entry.condition or "-"] * conditions,
        ]
        for entry in dataset
    ]
    total = (
        f"{dataset.name}: {len(dataset)} recordings, {dataset.audio_s / 3600:.2f} hours, "
        f"{len(dataset.speakers) or 'unnamed'} speakers, licence: {dataset.licence or 'not stated'}"
    )
    show_table(total, columns, rows)
    for defect in defects:
        print(f"defect: {neutralise(defect)}")
