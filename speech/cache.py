"""Transcripts on disk, by content hash: an interrupted or repeated run computes nothing twice."""

import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..backends.errors import InputError

_KEYS_PER_QUERY = 500  # SQLite's default limit of bound values is 999 in old releases


def default_cache_path() -> Path:
    """`$XDG_CACHE_HOME/earspan/transcripts.sqlite`, or the same below `~/.cache`."""
    return Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "earspan" / "transcripts.sqlite"


class TranscriptCache:
    """A table from hash to JSON object. Several processes may share it; a killed one loses its last batch at most."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS transcript (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error
        self._path = path

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """The stored objects of those `keys` that are there."""
        wanted, found = list(keys), {}
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            part = wanted[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, value FROM transcript WHERE key IN ({marks})"
            try:
                found.update((key, json.loads(value)) for key, value in self._database.execute(query, part))
            except (sqlite3.Error, ValueError) as error:
                raise _unusable(self._path, error) from error
        return found

    def put(self, values: dict[str, Any]) -> None:
        """Store objects by key, all or none."""
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        try:
            with self._database:
                self._database.execute("BEGIN")
                self._database.executemany("INSERT OR REPLACE INTO transcript VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def close(self) -> None:
        self._database.close()


def _unusable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not usable as a transcript cache ({error}); delete it, or type --no-cache")
