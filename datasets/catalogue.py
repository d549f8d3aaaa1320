"""Public datasets that are known by name: where they are looked for, and how one gets them. None is fetched unasked."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..backends.errors import InputError
from ..backends.reading import shown
from .audio import part_of_torchaudio


@dataclass(frozen=True, slots=True)
class Known:
    """A public dataset. `folders` are its places below the data folder, the first that is there counts.

    `hours` is the published length. `get` is the exact command, or where to ask.
    """

    format: str
    folders: tuple[str, ...]
    hours: float
    licence: str
    url: str
    get: str


def data_folder() -> Path:
    """Return where public datasets are looked for: `$EARSPAN_DATA`, or `~/.cache/earspan/data`."""
    default = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "earspan" / "data"
    return Path(os.getenv("EARSPAN_DATA") or default)


# Hours: Panayotov et al. 2015, "Librispeech: an ASR corpus based on public domain audio books", table 1;
# the LibriSpeech archives are 314 to 346 MB each (openslr.org/12).
_LIBRISPEECH_HOURS = {"dev-clean": 5.4, "dev-other": 5.3, "test-clean": 5.4, "test-other": 5.1}
_TEDLIUM_URL = "https://www.openslr.org/51"
_TEDLIUM_GET = "curl -L https://www.openslr.org/resources/51/TEDLIUM_release-3.tgz | tar xz -C {folder}   # 50 GB"
_EARNINGS_GET = (
    "git lfs install && git clone https://github.com/revdotcom/speech-datasets {folder}/speech-datasets   # gigabytes"
)


def _librispeech(subset: str) -> Known:
    return Known(
        "librispeech",
        (f"LibriSpeech/{subset}", subset),
        _LIBRISPEECH_HOURS[subset],
        "CC BY 4.0",
        "https://www.openslr.org/12",
        f"earspan datasets librispeech-{subset} --fetch",
    )


def _tedlium(subset: str, hours: float, format_name: str) -> Known:
    # Hours: Hernandez et al. 2018, "TED-LIUM 3: twice as much data", table 1 (legacy dev and test sets).
    folder = f"TEDLIUM_release-3/legacy/{subset}"
    return Known(format_name, (folder,), hours, "CC BY-NC-ND 3.0", _TEDLIUM_URL, _TEDLIUM_GET)


def _earnings(year: str, hours: float) -> Known:
    # Hours: Del Rio et al. 2021 ("Earnings-21") and 2022 ("Earnings-22"); the licence is the repository's.
    url = f"https://github.com/revdotcom/speech-datasets/tree/main/earnings{year}"
    folders = (f"speech-datasets/earnings{year}", f"earnings{year}")
    return Known("earnings", folders, hours, "CC BY-SA 4.0", url, _EARNINGS_GET)


CATALOGUE = {
    **{f"librispeech-{subset}": _librispeech(subset) for subset in _LIBRISPEECH_HOURS},
    "tedlium3-dev": _tedlium("dev", 1.6, "stm"),
    "tedlium3-dev-long": _tedlium("dev", 1.6, "stm-long"),
    "tedlium3-test": _tedlium("test", 2.6, "stm"),
    "tedlium3-test-long": _tedlium("test", 2.6, "stm-long"),
    "earnings21": _earnings("21", 39),
    "earnings22": _earnings("22", 119),
}


def how_to_get(name: str) -> str:
    """Return the command that brings a dataset of the catalogue to where it is looked for."""
    return CATALOGUE[name].get.format(folder=data_folder())


def place_of(name: str) -> Path:
    """Return the folder of a dataset of the catalogue.

    Raises `InputError`, with how to get it, where it is not there.
    """
    known, root = CATALOGUE[name], data_folder()
    for folder in known.folders:
        if (root / folder).is_dir():
            return root / folder
    raise InputError(
        f"dataset {name!r} is not in {shown(root)} (EARSPAN_DATA names another folder); "
        f"{known.licence}, {known.hours:g} hours, {known.url}; to get it: {how_to_get(name)}"
    )


def fetch(name: str) -> Path:
    """Download a LibriSpeech subset with torchaudio into the data folder, and return its place.

    Raises `InputError` for a dataset that has to be fetched by hand, and where the download fails.
    """
    if not name.startswith("librispeech-") or name not in CATALOGUE:
        by_hand = f"; to get {name!r}: {how_to_get(name)}" if name in CATALOGUE else ""
        raise InputError(f"--fetch is for librispeech-dev-clean, -dev-other, -test-clean and -test-other{by_hand}")
    librispeech = part_of_torchaudio("datasets").LIBRISPEECH
    root = data_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        librispeech(root, url=name.removeprefix("librispeech-"), download=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{name}: the download failed ({error}); {CATALOGUE[name].url}") from error
    return place_of(name)
