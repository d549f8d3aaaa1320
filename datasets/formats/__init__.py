"""Formats of speech datasets, those of users too: recognised by their files, or named as `FORMAT:PATH`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError
from ..defects import Defects
from ..offered import list_offered, load_own
from ..recording import Dataset
from . import audiofolder, cuts, earnings, kaldi, librispeech, stm
from .folder import open_folder
from .manifest import open_manifest

MANIFEST = "manifest.jsonl"
Opener = Callable[[Path, str | None, Defects], Dataset]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that datasets come in.

    looks_like: its files, in one line.
    recognises: says whether what is at a path is of this format.
    open: reads a path into a `Dataset`, given its name, or None to have it called by its path, and `defects`, a list
        to add defects to, or None to raise the first.
    """

    looks_like: str
    recognises: Callable[[Path], bool]
    open: Opener


def _open_manifest_in(path: Path, name: str | None, defects: Defects) -> Dataset:
    return open_manifest(path / MANIFEST if path.is_dir() else path, name, defects)


GROUP = "earspan.formats"  # of entry points: names of formats, each a `Format`
# In the order in which they are tried, after those that packages offer: the last takes any folder.
FORMATS = {
    "lhotse": Format("cuts.jsonl or cuts.jsonl.gz of a lhotse CutSet", cuts.recognises, cuts.open_cuts),
    "nemo": Format(
        "x.jsonl, or a folder with manifest.jsonl: audio_filepath, duration, text",
        lambda path: path.suffix.lower() in (".jsonl", ".json") or (path / MANIFEST).is_file(),
        _open_manifest_in,
    ),
    "librispeech": Format(
        "SPEAKER/CHAPTER/*.flac with SPEAKER-CHAPTER.trans.txt", librispeech.recognises, librispeech.open_librispeech
    ),
    "kaldi": Format("a folder with wav.scp and text, maybe segments and utt2spk", kaldi.recognises, kaldi.open_kaldi),
    "audiofolder": Format(
        "a Hugging Face audiofolder: metadata.csv or .jsonl with file_name and text",
        audiofolder.recognises,
        audiofolder.open_audiofolder,
    ),
    "earnings": Format(
        "Earnings-21 or -22: media/*.mp3 and transcripts/nlp_references/*.nlp",
        earnings.recognises,
        earnings.open_earnings,
    ),
    "stm": Format("stm/*.stm and sph/*.sph (TED-LIUM), each segment a recording", stm.recognises, stm.open_segments),
    "stm-long": Format("the same, each talk a recording", lambda path: False, stm.open_talks),
    "folder": Format("x.wav with x.txt beside it, in a folder and below", Path.is_dir, open_folder),
}


def find_format(name: str) -> Format:
    """Return the format called `name`. Raises `InputError` if there is none, or a package offers what is none."""
    if name in FORMATS:
        return FORMATS[name]
    found = load_own("dataset format", name, GROUP, FORMATS)
    if not isinstance(found, Format):
        raise InputError(
            f"dataset format {name!r} is a {type(found).__name__}; expected an earspan.datasets.formats.Format, "
            "see docs/adding-a-dataset.md"
        )
    return found


def format_names() -> list[str]:
    """Return the names of all formats, in the order in which they are tried."""
    return [*(name for name in list_offered(GROUP) if name not in FORMATS), *FORMATS]


def open_as(name: str, path: Path, defects: Defects = None, called: str | None = None) -> Dataset:
    """Return the dataset at `path` in the format `name`. Raises `InputError` for an unknown format or bad data."""
    return find_format(name).open(path, called, defects)


def recognise(path: Path) -> str | None:
    """Return the format of what is at `path`, or None."""
    return next((name for name in format_names() if find_format(name).recognises(path)), None)
