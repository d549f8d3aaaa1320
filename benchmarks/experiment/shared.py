"""Where a run is: a folder, or the URL of one in an object store, of which this machine then keeps a copy.

In a store the files of a run are objects below `files/`, named by the hash of what they hold, made once and never
changed. `files.json` says which of them the run consists of. It is written last, and only where there is none: so a run
is there whole or not at all, nobody locks, and of two who write at once the first counts. The copy is only that: what
is not in the store, or holds something else than its hash says, is not the run.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from ...backends.errors import InputError
from ...datasets.objects import Damaged, Objects, is_url
from ...speech.asr.cache import default_cache_path
from . import store
from .experiment import Experiment
from .progress import Progress, Silence
from .records import Imported, Run, files_of, read_run

_LISTING, _RUN, _CALLS = "files.json", "run.json", "calls.jsonl"
_FILES = (_CALLS, "results.json", "report.html", _RUN)  # of a run; the last says that the first is whole
_CONTENT = re.compile(r"(?P<run>(?:.*/)?)files/[0-9a-f]{64}")  # the object of a file, and the run that it is below
_PART = re.compile(r"[\w.,=+@-]+", re.ASCII)  # between the slashes of a URL: what every file system and store takes


@dataclass(frozen=True, slots=True)
class _Listed:
    """A file of a run in a store."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    bytes: Annotated[int, msgspec.Meta(ge=0)]

    @property
    def name(self) -> str:
        """Its object."""
        return f"files/{self.sha256}"


_Listing = dict[str, _Listed]  # by the name of the file


class Place:
    """A run's place. Whatever fails is an `InputError`.

    out: a folder, or a URL such as `s3://bucket/runs/mine`.
    progress: is told of what is damaged and made anew.
    """

    def __init__(self, out: str | os.PathLike[str], progress: Progress | None = None) -> None:
        self.url = str(out).rstrip("/") if is_url(out) else ""
        self.folder = _copy_of(self.url) if self.url else Path(out)
        with _told():
            self._objects = Objects(self.url) if self.url else None
        self._within = ""  # before the names of objects
        self._progress = progress or Silence()
        self._replaces = False  # what is there: it is damaged, or known to be of the same experiment

    def __str__(self) -> str:
        return self.url or str(self.folder)

    def part(self, name: str) -> "Place":
        """Return the place of one run of several. It shares the connections of this one: they take long to make."""
        one = Place(self.folder / name, self._progress)
        if self.url:
            one.url, one._objects, one._within = f"{self.url}/{name}", self._objects, f"{self._within}{name}/"
        return one

    def fetched(self) -> Path:
        """Return the folder of this machine with the files of the run, after fetching what of them is not there."""
        with _told():
            if self._objects and not self._fetch(self._objects):
                raise InputError(f"{self.url}: no run there; type the URL of one, for example s3://bucket/runs/bench")
        return self.folder

    def load(self) -> Run:
        """Return the run that is there."""
        return read_run(self.fetched())

    def has(self, experiment: Experiment, imported: Imported | None = None) -> bool:
        """Return whether the run of an experiment is in the store, whole, and fetch it; False for a folder.

        Raises `InputError` where the run of another one is there.
        """
        if self._objects is None:
            return False
        with _told():
            try:
                if not self._fetch(self._objects):
                    return False
            except Damaged as error:
                self._progress.say(f"{error.strerror}; the run is made anew")
                self._replaces = True
                return False
        there = store.read_record(self.folder / _RUN, Run)
        if (there.experiment, there.imported) != (experiment, imported):
            raise InputError(f"{self.url}: the run of another experiment is there; type another --out")
        self._replaces = True
        return True

    def keep(self, run: Run) -> Run:
        """Write a run, and return it; in a store the one that another writer has put there in the meantime."""
        first = self.put(files_of(run), run.experiment, run.imported)
        return run if first else read_run(self.folder)

    def put(self, files: Mapping[str, str], experiment: Experiment, imported: Imported | None = None) -> bool:
        """Write all files of a run, by name; False where another writer has put the same experiment's there."""
        try:
            if self._objects:
                with _told():
                    listing = self._upload(self._objects, files)
                    while not self._objects.create(self._within + _LISTING, listing, anew=self._replaces):
                        if self.has(experiment, imported):
                            return False
        except InputError as error:
            self._write(files)
            raise InputError(f"{error}; until then the run is in {self.folder}") from error
        self._write(files)
        return True

    def add(self, files: Mapping[str, str]) -> None:
        """Write files that follow from the run that is there, by name."""
        self._write(files)
        if self._objects:
            with _told():
                there = self._listing(self._objects)
                if there is None:
                    raise InputError(f"{self.url}: no run there any more; what follows from it is in {self.folder}")
                listing = self._upload(self._objects, files, there)
                self._objects.create(self._within + _LISTING, listing, anew=True)

    def settle(self, name: str, text: str) -> str:
        """Return what the file `name` holds: `text`, unless somebody was first to say it."""
        path = self.folder / name
        if self._objects is None:
            if not path.exists():
                store.write_whole(path, text)
            return store.read_text(path)
        with _told():
            while (there := self._objects.read(self._within + name)) is None:
                self._objects.create(self._within + name, text.encode())
            return there.decode(errors="replace")

    def _write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            store.write_whole(self.folder / name, text)

    def _upload(self, objects: Objects, files: Mapping[str, str], there: Mapping[str, _Listed] | None = None) -> bytes:
        """Put the contents of files into the store, and return the listing of them and of what is `there`."""
        listing = dict(there or {})
        for name, text in files.items():
            content = text.encode()
            one = listing[name] = _Listed(hashlib.sha256(content).hexdigest(), len(content))
            place = self._within + one.name
            if not objects.create(place, content) and not objects.holds(place, one.bytes, one.sha256):
                objects.create(place, content, anew=True)
        return store.encode(listing).encode()

    def _listing(self, objects: Objects) -> _Listing | None:
        """Return what the run in the store consists of; None where there is none."""
        content = objects.read(self._within + _LISTING)
        if content is None:
            return None
        try:
            listing = store.decode(content, _Listing, f"{self.url}/{_LISTING}")
        except InputError as error:
            raise Damaged(None, str(error)) from error
        if not {_RUN, _CALLS} <= set(listing) <= set(_FILES):
            raise Damaged(None, f"{self.url}/{_LISTING}: it names {', '.join(listing)}; expected {', '.join(_FILES)}")
        return listing

    def _fetch(self, objects: Objects) -> bool:
        """Make the copy what is in the store; return whether there is a run."""
        listing = self._listing(objects)
        if listing is None:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            path, one = self.folder / name, listing.get(name)
            if one is None:  # of another run that was there
                path.unlink(missing_ok=True)
            elif not _holds(path, one):
                objects.copy(self._within + one.name, path, one.bytes, one.sha256)
        return True


def load_run(out: str | os.PathLike[str]) -> Run:
    """Return the run in a folder, or at the URL of one in an object store.

    Raises `InputError` if there is none, or it is torn, damaged or of another schema.
    """
    return Place(out).load()


def find_leftovers(url: str, older_than_s: float = 86_400.0, *, delete: bool = False) -> dict[str, int]:
    """Return what killed writers left below a URL, with its bytes: contents of files that belong to no run there.

    url: of a run, or of the folder of many.
    older_than_s: what is newer is left alone: it may be a run that is being written.
    delete: deletes them for good. Where a run's listing cannot be read, nothing of that run is touched or returned.

    Raises `InputError` for a folder of this machine, where nothing is left, and where the store is not reached.
    """
    if not is_url(url):
        raise InputError(f"{url}: expected the URL of runs in a store, for example s3://bucket/runs")
    found: dict[str, int] = {}
    with _told():
        objects = Objects(url)
        by_run: dict[str, dict[str, int]] = {}
        for name, (size, age_s) in objects.ages().items():
            if age_s >= older_than_s and (content := _CONTENT.fullmatch(name)):
                by_run.setdefault(content["run"], {})[name] = size
        for run, contents in by_run.items():
            listing = objects.read(run + _LISTING)  # as it is now: a writer may have made use of what lay there
            try:
                named = store.decode(listing, _Listing, _LISTING) if listing is not None else {}
            except InputError:
                continue
            kept = {run + one.name for one in named.values()}
            for name, size in contents.items():
                if name not in kept:
                    if delete:
                        objects.delete(name)
                    found[name] = size
    return found


def _holds(path: Path, one: _Listed) -> bool:
    if not path.is_file() or path.stat().st_size != one.bytes:
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == one.sha256


def _copy_of(url: str) -> Path:
    """Return the folder in which this machine keeps its copy of a run."""
    scheme, _, path = url.partition("://")
    parts = path.split("/")
    for part in parts:
        if not _PART.fullmatch(part) or part in (".", ".."):
            raise InputError(f"{url}: {part!r} in it; expected letters, digits and .,_=+@- between single slashes")
    return default_cache_path().with_name("runs").joinpath(scheme, *parts)


@contextmanager
def _told() -> Iterator[None]:
    """Give every failure of the store, or of the copy, as an `InputError` of one line."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        how = "make the run again" if isinstance(error, Damaged) else "run it again when that is mended"
        raise InputError(f"{what}; {how}") from error
