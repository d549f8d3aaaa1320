"""Official weights by name: those that are on this machine, else those that a source gives."""

from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError, unknown
from .fetch import UnavailableError, fetch
from .sources import Official, Source, cache_home, official, sources_of
from .store import Stored, describe_damage, discard_damaged, file_sha256, find_stored, problem, weights_folder

OPENAI_CACHE = "openai-cache"


@dataclass(frozen=True, slots=True)
class Located:
    """A checkpoint file on this machine, its hash checked.

    path: in openai-whisper's format.
    source: where it came from.
    sha256: of the file.
    digest: over its tensors, where it was noted; else empty.
    ct2: the same in CTranslate2's format, where the source had it.
    """

    path: Path
    source: str
    sha256: str
    digest: str
    ct2: Path | None


def in_openai_cache(model: Official) -> Path:
    """Return where openai-whisper itself keeps the file, there or not."""
    return cache_home() / "whisper" / model.file


def locate(name: str) -> Located:
    """Return the weights of an official model: in openai-whisper's cache, in our store, or fetched now.

    Raises `InputError` if they are damaged, if no source gives them, and if they cannot be kept here.
    """
    model = official(name)
    theirs = in_openai_cache(model)
    reasons = []
    if theirs.is_file():  # openai-whisper leaves half a file there if it is interrupted
        try:
            if file_sha256(theirs) == model.sha256:
                return Located(theirs, OPENAI_CACHE, model.sha256, "", None)
            reasons.append(f"{theirs} is damaged")
        except OSError as error:
            reasons.append(f"{theirs}: {error.strerror}")
    for kept in find_stored(model.model):
        return _whole(kept)
    for source in sources_of(model.model):
        try:
            return _whole(fetch(model, source))
        except UnavailableError as error:
            reasons.append(f"{source.name}: {error}")
    raise InputError(
        f"no weights of {name!r} in {theirs.parent} or {weights_folder()}, and no source gave them "
        f"({'; '.join(reasons)}); connect this machine, put {model.file} into {theirs.parent}, or give a path"
    )


def _whole(kept: Stored) -> Located:
    if reason := problem(kept, hashed=False):
        raise describe_damage(kept, reason)
    noted = kept.files[kept.checkpoint.name].sha256
    if file_sha256(kept.checkpoint) != noted:
        raise describe_damage(kept, f"{kept.checkpoint} has not the SHA-256 that it had when it was stored")
    return Located(kept.checkpoint, kept.source, noted, kept.digest, kept.ct2)


def renew(name: str) -> Located:
    """As `locate`, but what is damaged in our store is fetched again."""
    discard_damaged(official(name).model)
    return locate(name)


def from_source(name: str, source_name: str) -> Located:
    """Return the weights of an official model from one source, fetched if the store does not have them whole.

    Raises `InputError` for an unknown source and for one that does not give them.
    """
    model = official(name)
    sources: dict[str, Source] = {source.name: source for source in sources_of(model.model)}
    if source_name not in sources:
        raise unknown(f"source of {name}", source_name, sources)
    for kept in find_stored(model.model):
        if kept.source == source_name and problem(kept, hashed=True) is None:
            return _whole(kept)
    try:
        return _whole(fetch(model, sources[source_name]))
    except UnavailableError as error:
        raise InputError(f"{name} from {source_name}: {error}; type earspan weights fetch {name}") from error
