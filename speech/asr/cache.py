"""Transcripts on disk, by content hash: an interrupted or repeated run computes nothing twice.

Transcripts lie in content-addressed files, one for each batch, below `objects/`; `index.sqlite` says which file holds
which key. A file is complete, under the hash of its content, before the index names it: a process that is killed loses
its last batch at most, and leaves at worst a file that nothing names, until `refresh` or `prune`. A file that is gone
or no longer has its hash is as if it had never been written, and said.

The index only makes finding fast: one that is damaged is put aside and made again from the files. With the URL of an
object store the folder is this machine's copy of what is there: what is put goes to both, and `refresh` fetches what
other machines put. Objects are created, never changed, so nobody has to lock anything.
"""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...backends.errors import InputError
from ...datasets.objects import Objects, is_url
from .kept_files import KeptFiles

_KEYS_PER_QUERY = 500  # SQLite's default limit of bound values is 999 in old releases
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
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
T = TypeVar("T")


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
    """A table from hash to JSON object, in a folder or in an object store. Several processes may share it.

    place: a folder, or a URL such as `s3://bucket/study`, of which this machine keeps a copy.
    strict: raises `InputError` where nothing can be written; otherwise it is said, and the table goes on without.
    full: whether nothing is kept any more, because nothing could be written.
    """

    def __init__(self, place: Path | str, strict: bool = False) -> None:
        self.place, self._strict, self.full = place, strict, False
        shared = Objects(str(place)) if is_url(str(place)) else None
        self._folder = _copy_of(shared.url) if shared else Path(place)
        self._files = KeptFiles(self._folder / "objects", shared)
        self._loaded: tuple[str, dict[str, Any]] = ("", {})
        self._collected: dict[Origin, dict[str, Any]] | None = None
        with self._checked():
            (self._folder / "objects").mkdir(parents=True, exist_ok=True)
        self._indexed(lambda: None)

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._folder / "index.sqlite", timeout=_PATIENCE_S, isolation_level=None)
        try:
            self._lay_out(database)
        except BaseException:
            database.close()
            raise
        return database

    @staticmethod
    def _lay_out(database: sqlite3.Connection) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        while database.execute("PRAGMA user_version").fetchone() != (_LAYOUT_VERSION,):
            try:
                database.execute("PRAGMA journal_mode=WAL")  # the file remembers it
                database.executescript(_LAYOUT)
            except sqlite3.OperationalError as error:
                # While another process turns the journal on, SQLite refuses at once, whatever its timeout.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                    raise
                time.sleep(0.02)

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the stored objects of those `keys` that are there."""
        wanted = list(keys)
        waiting = {key: value for values in (self._collected or {}).values() for key, value in values.items()}
        found = {key: waiting[key] for key in wanted if key in waiting}
        # by file: each is read once
        for key, name in sorted(self._places(wanted).items(), key=lambda place: place[1]):
            content = self._content(name)
            if key in content:
                found[key] = content[key]
        return found

    def put(self, values: dict[str, Any], origin: Origin) -> None:
        """Store objects by key, all or none."""
        if not values or self.full:
            return
        if self._collected is not None:
            self._collected.setdefault(origin, {}).update(values)
            return
        made_by = [origin.model, origin.checkpoint, origin.engine]
        content = json.dumps({"origin": made_by, "transcripts": values}, separators=(",", ":")).encode()
        try:
            with self._checked():
                name = self._files.add(content)
                self._indexed(lambda: self._enter(name, len(content), time.time(), origin, values))
        except InputError as error:
            if self._strict:
                raise
            self.full = True
            self._files.said.append(f"{error}; until then what is made is not kept")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Collect what is put within it, and store it as one file for each origin at its end, unless it fails."""
        self._collected = {}
        try:
            yield
        except BaseException:
            self._collected = None
            raise
        collected, self._collected = self._collected, None
        for origin, values in collected.items():
            self.put(values, origin)

    def refresh(self) -> int:
        """Index the files that nothing names, and return how many; with an object store first fetch those of others.

        What is only here is put there, as after a time without a network.
        """
        added = 0
        with self._checked():
            self._files.exchange()
            known = self._indexed(lambda: {name for [name] in self._database.execute("SELECT hash FROM object")})
            strays = [(self._files.place(name).stat().st_mtime, name) for name in self._files.names() - known]
            for at_s, name in sorted(strays):  # the newest of two that hold a key counts, as when they were put
                content = self._files.read(name)
                if content is not None:
                    self._enter(name, len(content), at_s, *_taken_apart(content))
                    added += 1
        return added

    def take_said(self) -> list[str]:
        """Return what a user should know, a sentence each: damaged files, a full disk. Each is returned once."""
        said, self._files.said = self._files.said, []
        return said

    def _enter(self, name: str, size: int, at_s: float, origin: Origin, keys: Iterable[str]) -> None:
        with self._transaction():
            # an equal file may be there already, from another process that had the same to do
            self._database.execute(
                "INSERT OR IGNORE INTO object(hash, bytes, created_at_s, model, checkpoint, engine, transcripts) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (name, size, at_s, origin.model, origin.checkpoint, origin.engine, len(list(keys))),
            )
            [identity] = self._database.execute("SELECT id FROM object WHERE hash = ?", (name,)).fetchone()
            self._database.executemany(
                "INSERT OR REPLACE INTO transcript VALUES (?, ?)", ((key, identity) for key in keys)
            )

    def _indexed(self, use: Callable[[], T]) -> T:
        """Return what `use` of the index gives; a damaged one is put aside, made again from the files, and used."""
        with self._checked():
            try:
                if not hasattr(self, "_database"):
                    self._database = self._open()
                return use()
            except sqlite3.OperationalError:  # busy, full, read only: the index is whole
                raise
            except sqlite3.DatabaseError as error:
                with suppress(AttributeError):
                    self._database.close()
                index = self._folder / "index.sqlite"
                aside = index.with_name(f"{index.name}.damaged")
                self._files.said.append(f"{index}: damaged ({error}); put aside as {aside.name}, and made again")
                index.replace(aside)
                for beside in ("-wal", "-shm"):
                    index.with_name(index.name + beside).unlink(missing_ok=True)
                self._database = self._open()
                self.refresh()
                return use()

    def holdings(self) -> list[Holding]:
        """Return what is there, by origin, oldest first."""
        query = (
            "SELECT model, checkpoint, engine, SUM(transcripts), SUM(bytes), MIN(created_at_s), MAX(created_at_s) "
            "FROM object GROUP BY model, checkpoint, engine ORDER BY MIN(created_at_s)"
        )
        rows = self._indexed(lambda: self._database.execute(query).fetchall())
        return [Holding(Origin(*row[:3]), *row[3:]) for row in rows]

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
                freed += sum(_delete(self._files.place(name)) for _, name in doomed)
            named = {name for [name] in self._database.execute("SELECT hash FROM object")}
            for file in self._files.strays():
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
            places.update(self._indexed(lambda: self._database.execute(query, part).fetchall()))  # noqa: B023
        return places

    def _content(self, name: str) -> dict[str, Any]:
        """Return the transcripts in the file `name`; nothing if it is gone or damaged."""
        if self._loaded[0] != name:
            with self._checked():
                content = self._files.read(name)
            self._loaded = name, {} if content is None else _taken_apart(content)[1]
        return self._loaded[1]

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> InputError:
        return _unusable(self._folder if isinstance(error, sqlite3.Error) else self.place, error)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _copy_of(url: str) -> Path:
    """Return the folder in which this machine keeps its copy of a store."""
    return default_cache_path().with_name("stores") / hashlib.sha256(url.encode()).hexdigest()[:16]


def _taken_apart(content: bytes) -> tuple[Origin, dict[str, Any]]:
    """Return who made the transcripts of a whole file, and the transcripts."""
    held = json.loads(content)
    if set(held) == {"origin", "transcripts"}:
        return Origin(*held["origin"]), held["transcripts"]
    return Origin("unknown", "unknown", "before 0.2"), held  # the transcripts alone, as until then


def clear(path: Path) -> None:
    """Delete the cache at `path`, whatever state it is in. Raises `InputError` if it cannot be deleted."""
    # only what a cache consists of: the folder may have been named by mistake
    try:
        for file in path.glob("index.sqlite*"):
            file.unlink(missing_ok=True)
        shutil.rmtree(path / "objects", ignore_errors=not (path / "objects").exists())
    except OSError as error:
        raise _unusable(path, error) from error


def _delete(file: Path) -> int:
    """Delete `file` if it is there; the number of bytes it had."""
    try:
        size = file.stat().st_size
        file.unlink()
    except FileNotFoundError:
        return 0
    return size


def _unusable(path: Path | str, error: Exception) -> InputError:
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full or getattr(error, "errno", None) in _NO_ROOM:
        return InputError(f"{path}: no room left; what was heard is kept there: make room, and run it again")
    if isinstance(error, OSError) and is_url(str(path)):
        return InputError(f"{error.strerror}; what was heard is kept there: run it again when the store is reached")
    return InputError(
        f"{path}: not usable as a transcript cache ({error}); type earspan cache clear, or give --no-cache"
    )
