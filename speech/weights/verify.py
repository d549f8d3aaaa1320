"""Whether weights are what they claim: files hashed again, and the sources of one model held together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...backends.errors import InputError
from .checkpoint import read_checkpoint, tensor_digest
from .ct2_whisper import read_ct2
from .fetch import UnavailableError, fetch_aside
from .locate import OPENAI_CACHE, in_openai_cache
from .sources import Official, digests, sources_of
from .store import file_sha256, find_stored, problem


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one model from one source.

    digest: over its tensors; empty where there is none to compute.
    problem: what is wrong; None if nothing is.
    reached: False if the source gave nothing, which does not say that it is wrong.
    """

    model: str
    source: str
    digest: str
    problem: str | None = None
    reached: bool = True


def verify(model: Official, *, all_sources: bool) -> list[Finding]:
    """Return everything that is on this machine of a model, or with `all_sources` of the world, checked and compared.

    Tensors are compared with the digest known for the model, else with those of the first source.
    """
    found = list(_present(model))
    if all_sources:
        found += _elsewhere(model, {finding.source for finding in found})
    known = digests().get(model.model) or next((finding.digest for finding in found if finding.digest), "")
    return [
        replace(finding, problem="its tensors are others") if finding.digest not in ("", known) else finding
        for finding in found
    ]


def _present(model: Official) -> Iterator[Finding]:
    theirs = in_openai_cache(model)
    if theirs.is_file():
        yield _openai_cache(model, theirs)
    for kept in find_stored(model.model):
        if reason := problem(kept, hashed=True):
            yield Finding(model.name, kept.source, "", reason)
            continue
        ct2 = kept.ct2 / "model.bin" if kept.ct2 else None
        yield _read_again(model, kept.source, kept.checkpoint, ct2, kept.digest)


def _openai_cache(model: Official, path: Path) -> Finding:
    try:
        if file_sha256(path) == model.sha256:
            return _read_again(model, OPENAI_CACHE, path, None, None)
        return Finding(model.name, OPENAI_CACHE, "", f"{path} has not the SHA-256 that OpenAI published")
    except OSError as error:
        return Finding(model.name, OPENAI_CACHE, "", f"{path}: {error.strerror}")


def _read_again(model: Official, source: str, checkpoint: Path, ct2: Path | None, noted: str | None) -> Finding:
    try:
        digest = tensor_digest(read_checkpoint(checkpoint))
        other = tensor_digest(read_ct2(ct2)) if ct2 else digest
    except InputError as error:
        return Finding(model.name, source, "", str(error))
    if other != digest:
        return Finding(model.name, source, digest, f"{ct2} and {checkpoint.name} hold different tensors")
    if noted not in (None, digest):
        return Finding(model.name, source, digest, "its tensors are not those that were noted when it was stored")
    return Finding(model.name, source, digest)


def _elsewhere(model: Official, seen: Iterable[str]) -> Iterator[Finding]:
    for source in sources_of(model.model):
        if source.name in seen:
            continue
        try:
            with fetch_aside(model, source) as (_, digest):
                yield Finding(model.name, source.name, digest)
        except UnavailableError as error:
            yield Finding(model.name, source.name, "", str(error), reached=False)
