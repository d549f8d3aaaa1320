"""A dataset in an object store is the dataset that was put there, read in pieces, kept below a size."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset
from earspan.datasets.fetched import audio_folder
from earspan.datasets.objects import Objects

from ..benchmarks.sweep.planted import write_recordings

URL = "s3://bucket/data"


@pytest.fixture
def local(s3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of three recordings that is in the store too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_recordings(tmp_path / "data", 3, 2.0)
    for file in folder.iterdir():
        Objects(URL).create(file.name, file.read_bytes())
    return folder


@pytest.mark.parametrize("given", [URL, f"{URL}/manifest.jsonl"])
def test_it_is_the_same(local: Path, given: str):
    here, there = open_dataset(local), open_dataset(given)
    assert there.digest() == here.digest()
    for one, other in zip(here, there, strict=True):
        assert (one.id, one.text, one.words, one.duration_s) == (other.id, other.text, other.words, other.duration_s)
        assert np.array_equal(one.load().audio, other.load().audio)


def test_what_is_not_there_is_said(local: Path):
    with pytest.raises(InputError, match=r"s3://bucket/none/manifest.jsonl: no such object"):
        open_dataset("s3://bucket/none")
    line = (local / "manifest.jsonl").read_text().splitlines()[0].replace("0.wav", "../0.wav")
    Objects("s3://bucket/bad").create("manifest.jsonl", line.encode())
    with pytest.raises(InputError, match=r":1: no such object: s3://bucket/bad/\.\./0\.wav"):
        open_dataset("s3://bucket/bad")
    with pytest.raises(InputError, match="nowhere"):
        open_dataset("s3://nowhere/data")


def test_a_large_file_is_fetched_in_pieces_and_old_ones_make_room(local: Path, monkeypatch: pytest.MonkeyPatch):
    soundfile.write(local / "long.wav", np.zeros(60 * 16_000 * 20, np.float32), 16_000, "PCM_16")  # 38 MB
    Objects(URL).create("long.wav", (local / "long.wav").read_bytes())
    Objects(URL).create("long.jsonl", b'{"audio_filepath": "long.wav", "duration": 1200, "text": ""}')
    monkeypatch.setenv("EARSPAN_AUDIO_GB", "0.039")
    [entry] = open_dataset(f"{URL}/long.jsonl")
    tracemalloc.start()
    file = entry.file
    assert tracemalloc.get_traced_memory()[1] < 20e6  # of 38
    tracemalloc.stop()
    assert file.read_bytes() == (local / "long.wav").read_bytes()
    open_dataset(URL).digest()
    kept = sum(file.stat().st_size for file in audio_folder().glob("*/*"))
    assert kept <= 39e6
    assert entry.load().duration_s == 1200  # fetched again
