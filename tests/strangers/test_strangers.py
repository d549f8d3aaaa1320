"""Everything bad that a stranger might send: refused in one clear line, in bounded memory and time, and nothing lost.

`make test-strangers`. Each case runs as a command in a process of its own, whose exit code, output and peak memory are
looked at from outside.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..tiny import saved, tiny_whisper
from . import audio, lists, models, runs, settings
from .case import Case
from .sandbox import LIMIT_S, Sandbox

PEAK_MB = 500  # Python with torch takes 310 of them
GROUPS = {"audio": audio, "lists": lists, "models": models, "runs": runs, "settings": settings}
ALL = [pytest.param(case, id=f"{name}: {case.name}") for name, group in GROUPS.items() for case in group.CASES]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a model of random weights, which takes the place of the user's home."""
    folder = tmp_path_factory.mktemp("home")
    saved(tiny_whisper(n_text_ctx=64), folder / "random.pt")
    return folder


@pytest.fixture(scope="module")
def sandbox(home) -> Iterator[Sandbox]:
    paths = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])  # where modules of one's own would be
    made = Sandbox({"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": paths})
    yield made
    made.close()


@pytest.mark.parametrize("case", ALL)
def test_what_strangers_send_is_met_in_one_line(case: Case, sandbox: Sandbox, home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "random.pt", tmp_path)
    argv = case.plant(tmp_path)
    before = _listed(tmp_path)
    try:
        outcome = sandbox.run(argv, tmp_path)
        told = f"exit code {outcome.code}\n{outcome.err[-2000:]}\n{outcome.out[-1000:]}"
        assert outcome.code in case.codes, told  # a signal that ends it, of the limit of time or of memory, is no code
        assert "Traceback" not in outcome.err, told
        assert outcome.peak_mb <= PEAK_MB, told
        errors = [line for line in outcome.err.splitlines() if line.startswith("earspan: ")]
        assert len(errors) == (outcome.code == 2), told
        assert not set(outcome.err + outcome.out) & set("\x1b\u202e\x07"), told  # nothing that a terminal obeys
        new = {path for path in _listed(tmp_path) - before if path.parts[0] not in ("out", "run")}
        assert not new, f"{new}\n{told}"
        if outcome.code == 2:
            assert not (tmp_path / "out").exists(), told
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)  # some cases are gigabytes


def _listed(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def test_a_hanging_command_would_be_seen(sandbox: Sandbox, home: Path, tmp_path: Path) -> None:
    """The sandbox itself: what works without end is ended by its limit, which is no exit code of a case."""
    (home / "endless.py").write_text("while True:\n    pass\n")
    outcome = sandbox.run(["time", "--backend", "endless:name"], tmp_path)
    assert outcome.code not in {code for param in ALL for code in param.values[0].codes}  # pyright: ignore
    assert outcome.wall_s >= LIMIT_S / 2
