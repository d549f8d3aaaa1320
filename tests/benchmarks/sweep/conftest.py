from pathlib import Path

import pytest

from .planted import ENGINE, ROOT, write_recordings


@pytest.fixture
def study(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a sweep file over four planted recordings of 12 s: `study(grid, **keywords)` gives its path."""
    monkeypatch.syspath_prepend(str(ROOT))  # workers find the planted engine there
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    write_recordings(tmp_path / "data", 4, 12.0)

    def make(grid: str, **more: str) -> Path:
        given = {"model": tiny_checkpoint, "engine": ENGINE, "dataset": tmp_path / "data", "timed_as": "large-v3"}
        lines = [f'{key} = "{value}"' for key, value in {**given, **more}.items()]
        path = tmp_path / "study.toml"
        path.write_text("\n".join([*lines, "[grid]", grid]) + "\n")
        return path

    return make
