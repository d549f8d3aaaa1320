"""Objects of a store as files of this machine.

They stream into a folder that is kept below a size: what was used longest ago goes first. So memory holds one piece of
a file, and a sweep that comes back to a recording need not fetch it again.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from ..backends.errors import InputError
from .objects import Objects

_KEPT_GB = 20.0  # unless EARSPAN_AUDIO_GB says otherwise: 170 h of 16 kHz WAV


def fetch_audio(url: str) -> Path:
    """Return a file of this machine that holds an object. Raises `InputError` where it is not reached."""
    folder, name = url.rsplit("/", 1)
    try:
        objects = Objects(folder)
        found = objects.sizes(name).get(name)
        if found is None:
            raise InputError(f"{url}: no such object")
        return fetch_object(objects, name, found)
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error


def audio_folder() -> Path:
    """Return where audio that was fetched is kept."""
    return Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "earspan" / "audio"


def fetch_object(objects: Objects, name: str, version: tuple[int, str]) -> Path:
    """Return the file of this machine with that version of an object; it is fetched if it is not there whole."""
    size, tag = version
    hashed = hashlib.sha256(f"{objects.url}/{name}\0{size}\0{tag}".encode()).hexdigest()
    path = audio_folder() / hashed[:2] / (hashed + Path(name).suffix)
    if path.is_file() and path.stat().st_size == size:
        os.utime(path)  # used now
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    objects.copy(name, path, size)
    _make_room(path)
    return path


def _make_room(newest: Path) -> None:
    """Delete what was used longest ago, until the rest is below the limit; never the newest."""
    try:
        limit = float(os.getenv("EARSPAN_AUDIO_GB") or _KEPT_GB) * 1e9
    except ValueError:
        raise InputError(f"EARSPAN_AUDIO_GB is {os.getenv('EARSPAN_AUDIO_GB')!r}; expected a number") from None
    files = []
    for file in audio_folder().glob("*/*"):
        with suppress(OSError):  # others delete too
            files.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total <= limit:
            return
        if file != newest:
            with suppress(OSError):
                file.unlink()
            total -= size
