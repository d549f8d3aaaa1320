"""Files named by the hash of what they hold, in a folder and maybe in an object store: made once, never changed.

With a store, the folder is this machine's copy of it. Damage shows in the hash: such a file is as if it were not
there, and it is said.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...datasets.objects import Objects

_AT_ONCE = 16  # objects that are fetched side by side: a store answers after tens of milliseconds


class KeptFiles:
    """The files in a folder, and those of a store that it is a copy of. All failures are `OSError`."""

    def __init__(self, folder: Path, shared: Objects | None) -> None:
        self.said: list[str] = []  # what a user should know
        self._folder, self._shared = folder, shared
        self._damaged: set[str] = set()

    def place(self, name: str) -> Path:
        """Return where the file of that hash is, or would be."""
        return self._folder / name[:2] / name

    def names(self) -> set[str]:
        """Return the hashes of the files that are here."""
        return {file.name for file in self.strays() if len(file.name) == 64 and file == self.place(file.name)}

    def strays(self) -> Iterator[Path]:
        """Yield everything that lies here, drafts of processes that were killed too."""
        return self._folder.glob("*/*")

    def add(self, content: bytes) -> str:
        """Keep `content`, here and in the store, and return its hash."""
        name = hashlib.sha256(content).hexdigest()
        write_whole(self.place(name), content)
        if self._shared:
            self._shared.create(_object(name), content, anew=name in self._damaged)
        self._damaged.discard(name)
        return name

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; None where it is gone or damaged, here and in the store."""
        try:
            content = self.place(name).read_bytes()
        except FileNotFoundError:
            content = None
        if content is None or not self._is_whole(name, content, str(self.place(name))):
            content = self._fetch(name)
        return content

    def exchange(self) -> None:
        """Fetch from the store what is not here, and put there what is only here, as after a time without network."""
        if self._shared is None:
            return
        there, here = {name.rpartition("/")[2] for name in self._shared.list("objects")}, self.names()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._fetch, sorted(there - here)))
        for name in sorted(here - there):
            content = self.place(name).read_bytes()
            if self._is_whole(name, content, str(self.place(name))):
                self._shared.create(_object(name), content)

    def _fetch(self, name: str) -> bytes | None:
        content = self._shared.read(_object(name)) if self._shared else None
        if self._shared is None or content is None:
            return None
        if not self._is_whole(name, content, f"{self._shared.url}/{_object(name)}"):
            return None
        write_whole(self.place(name), content)
        return content

    def _is_whole(self, name: str, content: bytes, place: str) -> bool:
        if hashlib.sha256(content).hexdigest() == name:
            return True
        if name not in self._damaged:
            self.said.append(f"{place}: damaged, it does not hold what its name says; its calls are heard again")
        self._damaged.add(name)
        return False


def _object(name: str) -> str:
    return f"objects/{name[:2]}/{name}"


def write_whole(file: Path, content: bytes) -> None:
    """Write `file` so that it is there whole or not at all, also after a crash."""
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")  # machines may share a folder
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
