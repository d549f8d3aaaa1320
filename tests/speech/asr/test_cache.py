"""The transcript cache: what was put is there again, for other processes too; damage is told."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from earspan.backends.errors import InputError
from earspan.speech.asr.cache import Origin, TranscriptCache, clear, default_cache_path
from earspan.speech.asr.kept_files import KeptFiles
from hypothesis import given, settings
from hypothesis import strategies as st

ORIGIN = Origin("tiny.en", "0" * 64, "torch 2")
OTHER = Origin("tiny.en", "1" * 64, "ct2 int8")


def held(values: dict, origin: Origin = ORIGIN) -> bytes:
    """What the file of one `put` holds."""
    made_by = [origin.model, origin.checkpoint, origin.engine]
    return json.dumps({"origin": made_by, "transcripts": values}, separators=(",", ":")).encode()


def test_survives_reopening(tmp_path: Path):
    path = tmp_path / "deep" / "er" / "cache.sqlite"
    first = TranscriptCache(path)
    first.put({"a": {"text": "naïve “quote” \n"}, "b": {"text": "", "n": 1.5}}, ORIGIN)
    first.put({"b": {"text": "newer"}}, ORIGIN)
    first.put({}, ORIGIN)
    first.close()
    second = TranscriptCache(path)
    assert second.get(["b", "a", "absent", "a"]) == {"a": {"text": "naïve “quote” \n"}, "b": {"text": "newer"}}
    assert second.get([]) == {}
    second.close()


def test_more_keys_than_sqlite_takes_in_one_query(tmp_path: Path):
    cache = TranscriptCache(tmp_path / "cache.sqlite")
    values = {f"key {n}": {"n": n} for n in range(40_001)}
    cache.put(values, ORIGIN)
    assert cache.get(values) == values
    assert cache.get(f"key {n}" for n in range(40_000, 40_003)) == {"key 40000": {"n": 40_000}}
    cache.close()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), st.integers()), max_size=6))
def test_a_cache_is_a_dictionary(puts: list[dict[str, int]]):
    with TemporaryDirectory() as folder:
        _check_dictionary(TranscriptCache(Path(folder)), puts)


def _check_dictionary(cache: TranscriptCache, puts: list[dict[str, int]]) -> None:
    expected: dict[str, int] = {}
    for values in puts:
        cache.put(values, ORIGIN)
        expected.update(values)
    assert cache.get(expected) == expected
    cache.close()


WRITER = """
import random, sys
from pathlib import Path
from earspan.speech.asr.cache import Origin, TranscriptCache

writer = sys.argv[2]
keys = [f"{writer}-{n}" for n in range(60)] + [f"shared-{n}" for n in range(20)]
random.Random(writer).shuffle(keys)
print("ready", flush=True)
sys.stdin.readline()
cache = TranscriptCache(Path(sys.argv[1]))
for start in range(0, len(keys), 8):
    cache.put({key: {"key": key} for key in keys[start : start + 8]}, Origin("m", "c", "e"))
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


KILLED = """
import sys
from pathlib import Path
from earspan.speech.asr.cache import Origin, TranscriptCache

cache = TranscriptCache(Path(sys.argv[1]))
n = 0
while True:
    cache.put({f"{n} {m}": {"n": n, "text": "x" * 2000} for m in range(5)}, Origin("m", "c", "e"))
    print(n, flush=True)
    n += 1
"""


def test_what_was_stored_survives_kill_9(tmp_path: Path):
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = next(int(line) for line in writer.stdout if int(line) >= 20)
    writer.send_signal(signal.SIGKILL)
    last = max([last, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    cache = TranscriptCache(tmp_path)
    stored = cache.get(f"{n} {m}" for n in range(last + 2) for m in range(5))
    for n in range(last + 1):  # all that was said to be stored
        for m in range(5):
            assert stored[f"{n} {m}"]["n"] == n
    assert len(stored) % 5 == 0  # and the rest whole or not at all
    cache.put({"more": 1}, ORIGIN)
    assert cache.get(["more"]) == {"more": 1}
    cache.close()


def test_a_file_that_is_gone_or_damaged_is_as_if_never_written(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    for n in range(3):
        cache.put({f"key {n}": {"n": n}}, ORIGIN)
    files = {b: file for file in (tmp_path / "objects").glob("*/*") for b in [file.read_bytes()]}
    files[held({"key 0": {"n": 0}})].unlink()
    files[held({"key 1": {"n": 1}})].write_bytes(held({"key 1": {"n": 7}}))
    keys = ["key 0", "key 1", "key 2"]
    assert cache.get(keys) == {"key 2": {"n": 2}}
    cache.put({"key 0": {"n": 0}, "key 1": {"n": 1}}, ORIGIN)
    assert cache.get(keys) == {key: {"n": n} for n, key in enumerate(keys)}
    cache.close()


def test_a_damaged_file_is_written_again_with_the_same_content(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    cache.put({"key": 1}, ORIGIN)
    [file] = (tmp_path / "objects").glob("*/*")
    for damaged in (b"{}", b'{"key":2}'):
        file.write_bytes(damaged)
        assert TranscriptCache(tmp_path).get(["key"]) == {}
        TranscriptCache(tmp_path).put({"key": 1}, ORIGIN)
        assert TranscriptCache(tmp_path).get(["key"]) == {"key": 1}
    cache.close()


def test_holdings_and_what_prune_leaves(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    assert cache.holdings() == []
    sizes = []
    for n, origin in enumerate((ORIGIN, ORIGIN, OTHER)):
        values = {f"key {n}": "x" * 10 * n, f"also {n}": n}
        cache.put(values, origin)
        sizes.append(len(held(values, origin)))
    first, second = cache.holdings()
    assert (first.origin, first.transcripts, first.size_bytes) == (ORIGIN, 4, sizes[0] + sizes[1])
    assert (second.origin, second.transcripts, second.size_bytes) == (OTHER, 2, sizes[2])
    assert first.first_at_s < first.last_at_s < second.first_at_s <= time.time()
    assert cache.prune() == 0
    assert cache.prune(keep_bytes=sum(sizes)) == 0
    assert cache.prune(keep_bytes=sum(sizes) - 1) == sizes[0]  # the oldest
    assert set(cache.get(["key 0", "key 1", "key 2"])) == {"key 1", "key 2"}
    assert cache.prune(older_than_s=3600) == 0
    assert cache.prune(engine=OTHER.engine) == sizes[2]
    assert cache.prune(older_than_s=0) == sizes[1]
    assert cache.holdings() == []
    assert not list((tmp_path / "objects").glob("*/*"))
    cache.put({"key 0": "", "also 0": 0}, ORIGIN)  # what was deleted can be stored again
    assert cache.get(["also 0"]) == {"also 0": 0}
    cache.close()


def test_prune_deletes_what_nothing_names_unless_it_is_new(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    cache.put({"key": 1}, ORIGIN)
    [file] = (tmp_path / "objects").glob("*/*")
    old, new = file.with_name("a" * 64), file.with_name("b" * 64)
    old.write_bytes(b"12345")
    new.write_bytes(b"123")
    os.utime(old, (0, 0))
    os.utime(file, (0, 0))
    assert cache.prune() == 5
    assert (old.exists(), new.exists(), file.exists()) == (False, True, True)
    cache.close()


def test_clear_deletes_a_cache_in_any_state_and_nothing_else(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    cache.put({"key": 1}, ORIGIN)
    cache.close()
    (tmp_path / "index.sqlite").write_text("damaged")
    (tmp_path / "thesis.tex").touch()
    clear(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    clear(tmp_path / "absent")
    fresh = TranscriptCache(tmp_path)
    assert fresh.get(["key"]) == {}
    fresh.close()


def _expect_unusable(path: Path):
    return pytest.raises(InputError, match=rf"^{path}: not usable as a transcript cache .*; type earspan cache clear")


def test_an_index_that_is_no_database_is_put_aside_and_made_again(tmp_path: Path):
    first = TranscriptCache(tmp_path)
    first.put({"key": {"n": 1}}, ORIGIN)
    first.put({"other": {"n": 2}}, OTHER)
    expected = [(holding.origin, holding.transcripts, holding.size_bytes) for holding in first.holdings()]
    first.close()
    (tmp_path / "index.sqlite").write_text("these are no transcripts, whatever the name says\n" * 40)
    again = TranscriptCache(tmp_path)
    assert again.get(["key", "other", "absent"]) == {"key": {"n": 1}, "other": {"n": 2}}
    assert [(holding.origin, holding.transcripts, holding.size_bytes) for holding in again.holdings()] == expected
    assert len(again.take_said()) == 1
    assert again.take_said() == []
    assert (tmp_path / "index.sqlite.damaged").read_text().startswith("these are no")
    again.close()


def test_an_index_with_damaged_pages_is_made_again_from_the_files(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    values = {f"key {n}": {"text": "x" * 50} for n in range(2000)}
    cache.put(values, ORIGIN)
    cache.close()
    index = tmp_path / "index.sqlite"
    content = index.read_bytes()
    index.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))  # the schema is whole, the rows are not
    damaged = TranscriptCache(tmp_path)
    assert damaged.get(values) == values
    damaged.put({"key 0": {"text": "new"}}, ORIGIN)
    assert damaged.get(["key 0", "key 1"]) == {"key 0": {"text": "new"}, "key 1": values["key 1"]}
    damaged.close()


def test_files_that_nothing_names_are_found_again(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    name = hashlib.sha256(held({"key": 1})).hexdigest()
    old = b'{"old":2}'  # transcripts alone, as they were kept before 0.2
    strays = {
        name: held({"key": 1}),  # as if its writer had been killed before it could tell the index
        hashlib.sha256(old).hexdigest(): old,
        "a" * 64: b"{}",  # damaged
    }
    for stray, content in strays.items():
        file = tmp_path / "objects" / stray[:2] / stray
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    assert cache.get(["key", "old"]) == {}
    assert cache.refresh() == 2
    assert cache.get(["key", "old"]) == {"key": 1, "old": 2}
    assert cache.refresh() == 0
    assert [said.split(": ")[0] for said in cache.take_said()] == [str(tmp_path / "objects" / "aa" / ("a" * 64))]
    cache.close()


def test_what_is_put_together_is_one_file_or_none(tmp_path: Path):
    cache = TranscriptCache(tmp_path)
    with cache.together():
        cache.put({"a": 1}, ORIGIN)
        cache.put({"b": 2}, ORIGIN)
        assert cache.get(["a", "b"]) == {"a": 1, "b": 2}
        assert not list((tmp_path / "objects").glob("*/*"))
    assert len(list((tmp_path / "objects").glob("*/*"))) == 1
    with pytest.raises(TypeError), cache.together():
        cache.put({"c": 3}, ORIGIN) or len(3)  # type: ignore[arg-type] - as if what computes the next had failed
    assert cache.get(["a", "b", "c"]) == {"a": 1, "b": 2}
    cache.close()


def test_on_a_full_disk_it_goes_on_without_and_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cache, strict = TranscriptCache(tmp_path), TranscriptCache(tmp_path, strict=True)
    cache.put({"before": 1}, ORIGIN)

    def full(self, content: bytes) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(KeptFiles, "add", full)
    cache.put({"a": 1}, ORIGIN)
    cache.put({"b": 1}, ORIGIN)
    assert cache.get(["before", "a", "b"]) == {"before": 1}
    [said] = cache.take_said()
    assert said.startswith(f"{tmp_path}: no room left")
    with pytest.raises(InputError, match=f"^{tmp_path}: no room left"):
        strict.put({"a": 1}, ORIGIN)
    cache.close()
    strict.close()


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "file").touch()
    with _expect_unusable(tmp_path / "file" / "cache"):
        TranscriptCache(tmp_path / "file" / "cache")


def test_the_default_is_below_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_path() == tmp_path / "earspan" / "transcripts"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_cache_path() == Path("/home/someone/.cache/earspan/transcripts")
