"""The formats that speech datasets come in. Each is recognised by its files, or chosen as `FORMAT:PATH`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import unknown
from ..defects import Defects
from ..recording import Dataset
from . import audiofolder, cuts, earnings, kaldi, librispeech, stm
from .folder import open_folder
from .manifest import open_manifest

MANIFEST = "manifest.jsonl"
Opener = Callable[[Path, str | None, Defects], Dataset]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it looks like in one line, how it is recognised, how it is read."""

    looks_like: str
    recognises: Callable[[Path], bool]
    open: Opener


def _open_manifest_in(path: Path, name: str | None, defects: Defects) -> Dataset:
    return open_manifest(path / MANIFEST if path.is_dir() else path, name, defects)


# In the order in which they are tried: the last takes any folder.
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


def open_as(name: str, path: Path, defects: Defects = None, called: str | None = None) -> Dataset:
    """The dataset at `path` in the format `name`. Raises `InputError` for an unknown format or bad data."""
    if name not in FORMATS:
        raise unknown("dataset format", name, FORMATS)
    return FORMATS[name].open(path, called, defects)


def recognise(path: Path) -> str | None:
    """The format of what is at `path`, or None."""
    return next((name for name, known in FORMATS.items() if known.recognises(path)), None)
