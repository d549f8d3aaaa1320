"""Transcripts on disk, by content hash: an interrupted or repeated run computes nothing twice.

Transcripts lie in content-addressed files, one for each batch, below `objects/`; `index.sqlite` says which file holds
which key. A file is complete, under the hash of its content, before the index names it: a process that is killed loses
its last batch at most, and leaves at worst a file that nothing names, until `prune`. A file that is gone or no longer
has its hash is as if it had never been written.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...backends.errors import InputError

_KEYS_PER_QUERY = 500  # SQLite's default limit of bound values is 999 in old releases
_PATIENCE_S = 60.0  # with other processes that write
_ORPHAN_AFTER_S = 3600.0  # another process may have written a file, and be about to name it in the index
_LAYOUT = """
CREATE TABLE IF NOT EXISTS object (
    id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, created_at_s REAL NOT NULL,
    model TEXT NOT NULL, checkpoint TEXT NOT NULL, engine TEXT NOT NULL, transcripts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS transcript (
    key TEXT PRIMARY KEY, object INTEGER NOT NULL REFERENCES object(id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transcript_object ON transcript(object);
PRAGMA user_version = 1;
"""
_LAYOUT_VERSION = 1


def default_cache_path() -> Path:
    """Return `$XDG_CACHE_HOME/earspan/transcripts`, or the same below `~/.cache`."""
    return Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "earspan" / "transcripts"


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a transcript: a model by name, its checkpoint's SHA-256, an engine with its version."""

    model: str
    checkpoint: str
    engine: str


@dataclass(frozen=True, slots=True)
class Holding:
    """Transcripts of one origin in a cache; times are seconds since the epoch."""

    origin: Origin
    transcripts: int
    size_bytes: int
    first_at_s: float
    last_at_s: float


class TranscriptCache:
    """A table from hash to JSON object in the folder `path`. Several processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._objects = path / "objects"
        self._loaded: tuple[str, dict[str, Any]] = ("", {})
        with self._checked():
            self._objects.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path / "index.sqlite", timeout=_PATIENCE_S, isolation_level=None)
            self._lay_out()

    def _lay_out(self) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        while self._database.execute("PRAGMA user_version").fetchone() != (_LAYOUT_VERSION,):
            try:
                self._database.execute("PRAGMA journal_mode=WAL")  # the file remembers it
                self._database.executescript(_LAYOUT)
            except sqlite3.OperationalError as error:
                # While another process turns the journal on, SQLite refuses at once, whatever its timeout.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                    raise
                time.sleep(0.02)

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the stored objects of those `keys` that are there."""
        found = {}
        # by file: each is read once
        for key, name in sorted(self._places(list(keys)).items(), key=lambda place: place[1]):
            content = self._content(name)
            if key in content:
                found[key] = content[key]
        return found

    def put(self, values: dict[str, Any], origin: Origin) -> None:
        """Store objects by key, all or none."""
        if not values:
            return
        content = json.dumps(values, separators=(",", ":")).encode()
        name = hashlib.sha256(content).hexdigest()
        with self._checked():
            _write(self._file(name), content)
            row = (name, len(content), time.time(), origin.model, origin.checkpoint, origin.engine, len(values))
            with self._transaction():
                # an equal file may be there already, from another process that had the same to do
                self._database.execute(
                    "INSERT OR IGNORE INTO object(hash, bytes, created_at_s, model, checkpoint, engine, transcripts) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                [identity] = self._database.execute("SELECT id FROM object WHERE hash = ?", (name,)).fetchone()
                self._database.executemany(
                    "INSERT OR REPLACE INTO transcript VALUES (?, ?)", ((key, identity) for key in values)
                )

    def holdings(self) -> list[Holding]:
        """Return what is there, by origin, oldest first."""
        query = (
            "SELECT model, checkpoint, engine, SUM(transcripts), SUM(bytes), MIN(created_at_s), MAX(created_at_s) "
            "FROM object GROUP BY model, checkpoint, engine ORDER BY MIN(created_at_s)"
        )
        with self._checked():
            return [Holding(Origin(*row[:3]), *row[3:]) for row in self._database.execute(query)]

    def prune(
        self, keep_bytes: float | None = None, older_than_s: float | None = None, engine: str | None = None
    ) -> int:
        """Delete the oldest files beyond `keep_bytes`, those older than `older_than_s`, and those of `engine`.

        Also files that nothing names. Returns the number of bytes freed.
        """
        now, freed = time.time(), 0
        with self._checked():
            with self._transaction():
                rows = self._database.execute(
                    "SELECT id, hash, bytes, created_at_s, engine FROM object ORDER BY created_at_s DESC, id DESC"
                ).fetchall()
                doomed: list[tuple[int, str]] = []
                kept = 0
                for identity, name, size, created_at_s, made_by in rows:
                    aged = older_than_s is not None and now - created_at_s > older_than_s
                    if aged or made_by == engine or (keep_bytes is not None and kept + size > keep_bytes):
                        doomed.append((identity, name))
                    else:
                        kept += size
                for identity, _ in doomed:
                    self._database.execute("DELETE FROM transcript WHERE object = ?", (identity,))
                    self._database.execute("DELETE FROM object WHERE id = ?", (identity,))
                # within the transaction: whoever stores the same content again finds no file, and writes it
                freed += sum(_delete(self._file(name)) for _, name in doomed)
            named = {name for [name] in self._database.execute("SELECT hash FROM object")}
            for file in self._objects.glob("*/*"):
                if file.name not in named and now - file.stat().st_mtime > _ORPHAN_AFTER_S:
                    freed += _delete(file)
        return freed

    def close(self) -> None:
        """Let the index go."""
        self._database.close()

    def _places(self, keys: list[str]) -> dict[str, str]:
        """Return the name of the file that holds each key."""
        places: dict[str, str] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            part = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, hash FROM transcript JOIN object ON object = id WHERE key IN ({marks})"
            with self._checked():
                places.update(self._database.execute(query, part))
        return places

    def _content(self, name: str) -> dict[str, Any]:
        """Return what the file `name` holds; nothing if it is gone or damaged."""
        if self._loaded[0] != name:
            try:
                content = self._file(name).read_bytes()
            except FileNotFoundError:
                return {}
            except OSError as error:
                raise _unusable(self.path, error) from error
            whole = hashlib.sha256(content).hexdigest() == name
            self._loaded = name, json.loads(content) if whole else {}
        return self._loaded[1]

    def _file(self, name: str) -> Path:
        return self._objects / name[:2] / name

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise _unusable(self.path, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def clear(path: Path) -> None:
    """Delete the cache at `path`, whatever state it is in. Raises `InputError` if it cannot be deleted."""
    # only what a cache consists of: the folder may have been named by mistake
    try:
        for file in path.glob("index.sqlite*"):
            file.unlink(missing_ok=True)
        shutil.rmtree(path / "objects", ignore_errors=not (path / "objects").exists())
    except OSError as error:
        raise _unusable(path, error) from error


def _write(file: Path, content: bytes) -> None:
    """Write `file` so that it is there whole or not at all, also after a crash."""
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _delete(file: Path) -> int:
    """Delete `file` if it is there; the number of bytes it had."""
    try:
        size = file.stat().st_size
        file.unlink()
    except FileNotFoundError:
        return 0
    return size


def _unusable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: not usable as a transcript cache ({error}); type earspan cache clear, or give --no-cache"
    )
