"""An object store that is a folder, so that tests can look into it and damage it."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder in which the objects of `s3://bucket` are; this machine has no copy of anything."""
    stores = pytest.importorskip("obstore.store")

    def open_folder(url: str, **_: object):
        return stores.LocalStore(tmp_path / url.replace("s3://", ""), mkdir=True)

    monkeypatch.setattr(stores, "from_url", open_folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    return tmp_path / "bucket"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Has all that follows happen on a machine that has no copy of anything: `elsewhere()`."""
    machines = iter(range(100))
    return lambda: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"machine {next(machines)}"))
