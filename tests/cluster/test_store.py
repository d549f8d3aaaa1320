"""Transcripts in an object store: shared by machines, created once, found damaged; in one line when it is gone."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.sweep.run import sweep
from earspan.datasets import objects as objects_module
from earspan.datasets.objects import Objects
from earspan.speech.asr.cache import Origin, TranscriptCache

from ..benchmarks.sweep.test_sweep import GRID, files_of

ORIGIN = Origin("tiny.en", "0" * 64, "torch 2")
PLACE = "s3://bucket/study"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], TranscriptCache]:
    """The store as another machine sees it, which has no copy of it yet: `machine("a")`."""

    def open_as(name: str) -> TranscriptCache:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return TranscriptCache(PLACE, strict=True)

    return open_as


def test_what_one_machine_puts_another_finds(s3, machine):
    a, b = machine("a"), machine("b")
    a.put({"key": {"text": "naïve"}}, ORIGIN)
    b.put({"other": 2}, ORIGIN)
    assert (a.get(["key", "other"]), b.get(["key", "other"])) == ({"key": {"text": "naïve"}}, {"other": 2})
    assert (a.refresh(), b.refresh(), a.refresh()) == (1, 1, 0)
    assert a.get(["key", "other"]) == b.get(["key", "other"]) == {"key": {"text": "naïve"}, "other": 2}
    assert b.holdings()[0].origin == ORIGIN


def test_of_many_who_create_one_object_one_does(s3):
    stores = [Objects(PLACE) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda pair: pair[1].create("one", b"%d" % pair[0]), enumerate(stores)))
    # One whose first answer was lost on the way, and who asked again, is told that it is there already.
    assert sum(made) <= 1
    kept = stores[0].read("one")
    assert kept in ([b"%d" % made.index(True)] if any(made) else [b"%d" % number for number in range(16)])
    assert not stores[1].create("one", b"late")
    assert stores[0].read("one") == kept
    assert stores[0].read("none") is None
    assert [*stores[0].list("")] == ["one"]


def test_a_damaged_object_is_said_and_made_again(s3, machine):
    a = machine("a")
    a.put({"key": 1}, ORIGIN)
    [name] = Objects(PLACE).list("objects")
    whole = Objects(PLACE).read(name)
    Objects(PLACE).create(name, b"damaged", anew=True)
    b = machine("b")
    assert b.refresh() == 0
    assert b.get(["key"]) == {}
    [said] = b.take_said()
    assert f"{PLACE}/{name}" in said
    b.put({"key": 1}, ORIGIN)
    assert Objects(PLACE).read(name) == whole
    assert b.get(["key"]) == {"key": 1}


def test_a_copy_that_is_damaged_or_gone_is_fetched_again(s3, machine, tmp_path: Path):
    cache = machine("a")
    cache.put({"key": 1}, ORIGIN)
    [file] = tmp_path.glob("a/earspan/stores/*/objects/*/*")
    file.write_bytes(b"damaged")
    assert machine("a").get(["key"]) == {"key": 1}
    file.unlink()
    assert machine("a").get(["key"]) == {"key": 1}
    assert file.is_file()


def test_what_was_put_without_a_network_is_put_there_later(s3, machine):
    a = machine("a")
    a.put({"key": 1}, ORIGIN)
    [name] = Objects(PLACE).list("objects")
    a._files._shared._library.delete(a._files._shared._store, name)  # as if it had never come there
    a.refresh()
    b = machine("b")
    assert b.refresh() == 1
    assert b.get(["key"]) == {"key": 1}


def test_a_store_that_is_gone_is_one_line(s3: subprocess.Popen, machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objects_module, "_PATIENCE_S", 1.0)
    cache = machine("a")
    s3.kill()
    s3.wait()
    for use in (lambda: cache.put({"key": 1}, ORIGIN), cache.refresh):
        with pytest.raises(InputError, match=rf"^{PLACE}.*run it again when the store is reached") as caught:
            use()
        assert str(caught.value).count("\n") == 0


def test_a_sweep_through_a_store_gives_the_same_bytes(s3, study, tmp_path: Path):
    path = study(GRID)
    sweep(path, tmp_path / "a", place=tmp_path / "store", task_calls=9, workers=2)
    done = sweep(path, tmp_path / "b", place=PLACE, task_calls=9, workers=2)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert done.computed > 0
