"""The transcript cache: what was put is there again, for other processes too; damage is told."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.speech.cache import TranscriptCache, default_cache_path
from hypothesis import given, settings
from hypothesis import strategies as st


def test_survives_reopening(tmp_path: Path):
    path = tmp_path / "deep" / "er" / "cache.sqlite"
    first = TranscriptCache(path)
    first.put({"a": {"text": "naïve “quote” \n"}, "b": {"text": "", "n": 1.5}})
    first.put({"b": {"text": "newer"}})
    first.put({})
    first.close()
    second = TranscriptCache(path)
    assert second.get(["b", "a", "absent", "a"]) == {"a": {"text": "naïve “quote” \n"}, "b": {"text": "newer"}}
    assert second.get([]) == {}
    second.close()


def test_more_keys_than_sqlite_takes_in_one_query(tmp_path: Path):
    cache = TranscriptCache(tmp_path / "cache.sqlite")
    values = {f"key {n}": {"n": n} for n in range(40_001)}
    cache.put(values)
    assert cache.get(values) == values
    assert cache.get(f"key {n}" for n in range(40_000, 40_003)) == {"key 40000": {"n": 40_000}}
    cache.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), st.integers()), max_size=6))
def test_a_cache_is_a_dictionary(puts: list[dict[str, int]]):
    cache = TranscriptCache(Path(":memory:"))
    expected: dict[str, int] = {}
    for values in puts:
        cache.put(values)
        expected.update(values)
    assert cache.get(expected) == expected
    cache.close()


WRITER = """
import random, sys
from pathlib import Path
from earspan.speech.cache import TranscriptCache

writer = sys.argv[2]
keys = [f"{writer}-{n}" for n in range(60)] + [f"shared-{n}" for n in range(20)]
random.Random(writer).shuffle(keys)
print("ready", flush=True)
sys.stdin.readline()
cache = TranscriptCache(Path(sys.argv[1]))
for start in range(0, len(keys), 8):
    cache.put({key: {"key": key} for key in keys[start : start + 8]})
cache.close()
"""


def test_several_processes_share_one(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer in range(3)
    ]
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in writers:  # all of them create the file now
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in writers] == ["", "", ""]
    assert [process.returncode for process in writers] == [0, 0, 0]
    keys = [f"{writer}-{n}" for writer in range(3) for n in range(60)] + [f"shared-{n}" for n in range(20)]
    cache = TranscriptCache(path)
    assert cache.get(keys) == {key: {"key": key} for key in keys}
    cache.close()


def _expect_unusable(path: Path):
    return pytest.raises(InputError, match=rf"^{path}: not usable as a transcript cache .*; delete it, or type --no-c")


def test_a_file_that_is_no_database(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    path.write_text("these are no transcripts, whatever the name says\n" * 40)
    with _expect_unusable(path):
        TranscriptCache(path)
    assert path.read_text().startswith("these are no")


def test_a_database_with_damaged_pages(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    cache = TranscriptCache(path)
    keys = [f"key {n}" for n in range(2000)]
    cache.put({key: {"text": "x" * 50} for key in keys})
    cache.close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))  # the schema is whole, the rows are not
    damaged = TranscriptCache(path)
    with _expect_unusable(path):
        damaged.get(keys)
    with _expect_unusable(path):
        damaged.put({key: {"text": "new"} for key in keys})
    damaged.close()


def test_a_value_that_is_no_json(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    cache = TranscriptCache(path)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("INSERT INTO transcript VALUES ('a', '{\"text')")
    other.close()
    with _expect_unusable(path):
        cache.get(["a"])
    cache.close()


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "file").touch()
    with _expect_unusable(tmp_path / "file" / "cache.sqlite"):
        TranscriptCache(tmp_path / "file" / "cache.sqlite")


def test_the_default_is_below_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_path() == tmp_path / "earspan" / "transcripts.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_cache_path() == Path("/home/someone/.cache/earspan/transcripts.sqlite")
