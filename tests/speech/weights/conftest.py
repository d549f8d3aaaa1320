"""A store, a cache and a table of sources of the test's own, so that nothing here reaches a network."""

from collections.abc import Callable
from pathlib import Path

import pytest
from earspan.speech.weights import sources


def _forget() -> None:
    for cached in (sources._data, sources._sources, sources.digests):
        cached.cache_clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache: empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EARSPAN_WEIGHTS", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def sourced(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes its text the table of sources: `sourced(text)`."""

    def plant(text: str) -> None:
        (tmp_path / "sources.toml").write_text(text if "[digests]" in text else f"{text}\n[digests]\n")
        _forget()

    monkeypatch.setattr(sources, "FILE", tmp_path / "sources.toml")
    plant("source = []")
    yield plant
    _forget()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A function that makes `tiny.en` be this file at this URL: `published(url, sha256)`."""

    def plant(url: str, sha256: str) -> None:
        table = {"tiny.en": sources.Official("tiny.en", "tiny.en.pt", url, sha256)}
        monkeypatch.setattr(sources, "officials", lambda: table)

    return plant
