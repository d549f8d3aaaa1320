"""Weights kept in the user's cache: one folder for each model and source, which appears whole or not at all.

A folder holds the checkpoint in openai-whisper's format, CTranslate2's files where the source had them, and a manifest
with the size and SHA-256 of each file. It is made beside its place and then renamed into it, so that processes that
store the same weights at once do not see each other's halves.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: two processes that mend the same damage may do it one after the other
    fcntl = None

from ...backends.errors import InputError
from .sources import cache_home, sources_of

_MANIFEST = "manifest.json"
_DRAFT, _OLD = ".draft-", ".old-"
_LOCK = ".lock"
_ABANDONED_AFTER_S = 6 * 3600.0  # on Windows; elsewhere the lock tells


@dataclass(frozen=True, slots=True)
class StoredFile:
    """size_bytes and sha256 of a file when it was stored."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One Whisper from one source.

    folder: where it lies.
    model, source: what it is, and where it came from.
    digest: over its tensors.
    files: by name below `folder`; none where the manifest cannot be read.
    """

    folder: Path
    model: str
    source: str
    digest: str
    files: dict[str, StoredFile]

    @property
    def checkpoint(self) -> Path:
        """Return the file in openai-whisper's format."""
        return self.folder / f"{self.model}.pt"

    @property
    def ct2(self) -> Path | None:
        """Return the folder in CTranslate2's format; None where the source had none."""
        return self.folder / "ct2" if "ct2/model.bin" in self.files else None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())


def weights_folder() -> Path:
    """Return `$EARSPAN_WEIGHTS`, or `earspan/weights` in the user's cache."""
    return Path(os.getenv("EARSPAN_WEIGHTS") or cache_home() / "earspan" / "weights")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_stored(model: str) -> list[Stored]:
    """Return what the store has of a model, sources of first choice first; whether it is whole, `problem` says."""
    folders = {source.name: weights_folder() / model / source.name for source in sources_of(model)}
    return [_read(folder, model, name) for name, folder in folders.items() if folder.is_dir()]


def _read(folder: Path, model: str, source: str) -> Stored:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        files = {name: StoredFile(**file) for name, file in manifest["files"].items()}
        return Stored(folder, model, source, str(manifest["digest"]), files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Stored(folder, model, source, "", {})


def problem(kept: Stored, *, hashed: bool) -> str | None:
    """Return what is wrong with stored weights; None if nothing is. Without `hashed`, only sizes are looked at."""
    if kept.checkpoint.name not in kept.files:
        return f"{kept.folder / _MANIFEST} is damaged"
    for name, file in kept.files.items():
        path = kept.folder / name
        try:
            size_bytes = path.stat().st_size
            if size_bytes != file.size_bytes:
                return f"{path} has {size_bytes:,} bytes of {file.size_bytes:,}"
            if hashed and file_sha256(path) != file.sha256:
                return f"{path} has not the SHA-256 that it had when it was stored"
        except OSError as error:
            return f"{path}: {error.strerror or error}"
    return None


def describe_damage(kept: Stored, reason: str) -> InputError:
    """Return what to say of stored weights that are not whole."""
    return InputError(f"{reason}; type earspan weights fetch {kept.model}, which replaces it")


@contextmanager
def draft() -> Iterator[Path]:
    """Yield an empty folder in the store, gone at the end. Raises `InputError` for whatever the file system refuses."""
    root = weights_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone():
            _sweep(root)
            folder = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=root))
            held = (folder / _LOCK).open("a")
            _lock(held)
        try:
            yield folder
        finally:
            held.close()
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"{root}: cannot keep weights there ({error.strerror or error}); "
            "make room or set EARSPAN_WEIGHTS to a folder that can be written to"
        ) from error


def _sweep(root: Path) -> None:
    """Delete what processes left that were killed."""
    for path in root.glob(".*-*"):
        if path.name.startswith((_DRAFT, _OLD)) and _abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _abandoned(path: Path) -> bool:
    try:
        if fcntl is None:
            return time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S
        with (path / _LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # somebody is at it
        return False
    except FileNotFoundError:
        return True
    return True


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes from changing what is in the store. The lock goes with the process that holds it."""
    with (weights_folder() / _LOCK).open("a") as file:
        _lock(file)
        yield


def _lock(file: IO[str]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def publish(entry: Path, model: str, source: str, digest: str) -> Stored:
    """Move a complete folder below a `draft` to its place in the store; another process's that is whole may stay."""
    files = {
        path.relative_to(entry).as_posix(): StoredFile(path.stat().st_size, file_sha256(path))
        for path in sorted(entry.rglob("*"))
        if path.is_file()
    }
    manifest = {"model": model, "source": source, "digest": digest, "files": {n: asdict(f) for n, f in files.items()}}
    (entry / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    place = weights_folder() / model / source
    with _alone():
        there = _read(place, model, source)
        if problem(there, hashed=True) is None:
            return there
        _discard(there)
        place.parent.mkdir(exist_ok=True)
        entry.rename(place)
    return _read(place, model, source)


def discard_damaged(model: str) -> None:
    """Take out of the store what it has of a model and is not whole. Raises `InputError` if that cannot be done."""
    for kept in find_stored(model):
        if problem(kept, hashed=True):
            try:
                with _alone():
                    if problem(kept, hashed=True):  # another process may just have mended it
                        _discard(kept)
            except OSError as error:
                raise InputError(f"{kept.folder}: cannot be replaced ({error.strerror}); delete it by hand") from error


def _discard(kept: Stored) -> None:
    """Move a folder away before it is deleted, so that nobody sees a part of it."""
    if kept.folder.is_dir():
        away = weights_folder() / f"{_OLD}{os.getpid()}-{time.monotonic_ns()}"
        kept.folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)
