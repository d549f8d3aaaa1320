"""Objects by name in an object store, `s3://`, `gs://` or `az://`: whole or not there, made once and never changed.

obstore is the client: one library for the three, conditional creation in all of them, retries with backoff.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from ..backends.errors import InputError

SCHEMES = ("s3", "gs", "az")
_PATIENCE_S = 60.0  # with a network that is gone; each call is retried until then
_PIECE_BYTES = 4 << 20  # of an object in memory at a time
_MOST_BYTES = 256 << 20  # of one that is read whole


class Damaged(OSError):
    """An object that is gone, or holds something else than it should."""


def is_url(place: str | os.PathLike[str]) -> bool:
    """Return whether a place is an object store's URL, not a path."""
    return isinstance(place, str) and place.partition("://")[0] in SCHEMES


class Objects:
    """The objects below a URL. Whatever fails after all retries is an `OSError` whose message is one line.

    url: for example `s3://bucket/prefix`; credentials, region and endpoint come from the environment, as for the
        provider's own tools (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL ...).

    Raises `InputError` for another scheme, and where obstore is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if not is_url(url):
            raise InputError(f"{url}: expected {', '.join(f'{scheme}://' for scheme in SCHEMES)}, or a path")
        self._library = _obstore()
        from obstore.store import from_url

        plain: Any = {"client_options": {"allow_http": True}} if "http:" in os.getenv("AWS_ENDPOINT_URL", "") else {}
        retries: Any = {"max_retries": 20, "retry_timeout": timedelta(seconds=_PATIENCE_S)}
        with self._told(""):
            self._store = from_url(self.url, retry_config=retries, **plain)

    def create(self, name: str, content: bytes, *, anew: bool = False) -> bool:
        """Write an object, and return True; False where one of that name is there already, which stays as it is.

        anew: writes it over one that is damaged.
        """
        with self._told(name):
            try:
                self._library.put(self._store, name, content, mode="overwrite" if anew else "create")
            except self._library.exceptions.AlreadyExistsError:
                return False
            return True

    def read(self, name: str) -> bytes | None:
        """Return what an object holds; None where there is none."""
        with self._told(name):
            try:
                found = self._library.get(self._store, name)
                if found.meta["size"] > _MOST_BYTES:
                    raise ValueError(f"larger than {_MOST_BYTES >> 20} MB")
                return bytes(found.bytes())
            except (FileNotFoundError, self._library.exceptions.NotFoundError):
                return None

    def pieces(self, name: str, size: int, sha256: str | None = None) -> Iterator[bytes]:
        """Yield what an object holds. Raises `Damaged` for one that has not that size, or that hash if one is given."""
        came, total = 0, hashlib.sha256()
        with self._told(name):
            try:
                for piece in self._library.get(self._store, name).stream(min_chunk_size=_PIECE_BYTES):
                    came += len(piece)
                    if came > size:
                        break
                    total.update(piece)
                    yield piece
            except (FileNotFoundError, self._library.exceptions.NotFoundError):
                raise Damaged(None, f"{self.url}/{name}: no such object") from None
        if came != size or sha256 not in (None, total.hexdigest()):
            raise Damaged(None, f"{self.url}/{name}: damaged, it does not hold the {size} bytes that it should")

    def copy(self, name: str, path: Path, size: int, sha256: str | None = None) -> None:
        """Write an object to a file, a piece at a time, as `pieces`; the file is there whole or not at all."""
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with open(draft, "wb") as file:
                file.writelines(self.pieces(name, size, sha256))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def holds(self, name: str, size: int, sha256: str) -> bool:
        """Return whether an object is there, and whole."""
        try:
            for _ in self.pieces(name, size, sha256):
                pass
        except Damaged:
            return False
        return True

    def sizes(self, start: str = "") -> dict[str, tuple[int, str]]:
        """Return the bytes and the version of all objects, or of that one object, by name."""
        with self._told(start):
            if start:
                try:
                    found = [self._library.head(self._store, start)]
                except (FileNotFoundError, self._library.exceptions.NotFoundError):
                    found = []
            else:
                found = [one for part in self._library.list(self._store) for one in part]
            return {one["path"]: (one["size"], str(one["e_tag"] or one["last_modified"])) for one in found}

    def ages(self) -> dict[str, tuple[int, float]]:
        """Return the bytes and the age in seconds of all objects, by name."""
        now = datetime.now(UTC)
        with self._told(""):
            found = [one for part in self._library.list(self._store) for one in part]
            return {one["path"]: (one["size"], (now - one["last_modified"]).total_seconds()) for one in found}

    def delete(self, name: str) -> None:
        """Delete an object for good; one that is not there is no error."""
        with self._told(name), suppress(FileNotFoundError, self._library.exceptions.NotFoundError):
            self._library.delete(self._store, name)

    def list(self, folder: str) -> Iterator[str]:
        """Yield the names of all objects in a folder and below it."""
        with self._told(folder):
            for part in self._library.list(self._store, folder):
                yield from (one["path"] for one in part)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Give every failure as an `OSError` of one line."""
        try:
            yield
        except (self._library.exceptions.BaseError, ValueError) as error:
            reason = " ".join(str(error).split("\n\nDebug source")[0].split())[:300]
            raise OSError(None, f"{self.url}/{name}".rstrip("/") + f": {reason}") from error


def _obstore() -> ModuleType:
    try:
        import obstore
    except ImportError:
        raise InputError("obstore is not installed; type pip install 'earspan[cluster]'") from None
    return obstore
