"""The digest of a dataset: of what is scored, by content, and of nothing else."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets.recording import Dataset, Entry


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    entries = []
    for seed, name in enumerate("ab"):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, 1_600), 16_000)
        entries.append(Entry(name, path, f"text {name}", None, 0.1, None, None, "d", f"m:{seed}"))
    return Dataset("d", tmp_path, tuple(entries), None)


def with_first(dataset: Dataset, **changes: object) -> Dataset:
    first, *others = dataset.entries
    return dataclasses.replace(dataset, entries=(dataclasses.replace(first, **changes), *others))


def test_a_copy_under_another_name_has_the_same_digest(dataset: Dataset, tmp_path: Path):
    shutil.copytree(tmp_path, tmp_path / "copy")
    entries = tuple(
        dataclasses.replace(entry, audio_path=tmp_path / "copy" / entry.audio_path.name, origin="elsewhere")
        for entry in dataset
    )
    copy = Dataset("another name", tmp_path / "copy", entries, "CC0")
    assert copy.digest() == dataset.digest()
    assert len(dataset.digest()) == 64


def test_every_scored_thing_changes_the_digest(dataset: Dataset):
    other_audio = dataset.entries[1].audio_path
    variants = [
        dataset,
        with_first(dataset, id="c"),
        with_first(dataset, text="text"),
        with_first(dataset, id="at", text="ext a"),
        with_first(dataset, audio_path=other_audio),
        with_first(dataset, offset_s=0.0),
        with_first(dataset, offset_s=0.05),
        dataclasses.replace(dataset, entries=dataset.entries[::-1]),
        dataclasses.replace(dataset, entries=dataset.entries[:1]),
    ]
    digests = [variant.digest() for variant in variants]
    content = bytearray(other_audio.read_bytes())
    content[-1] ^= 1
    other_audio.write_bytes(content)
    assert len({*digests, dataset.digest()}) == len(variants) + 1


def test_a_digest_of_missing_audio_is_an_input_error(dataset: Dataset, tmp_path: Path):
    (tmp_path / "a.wav").unlink()
    with pytest.raises(InputError, match="m:0: recording 'a': No such file"):
        dataset.digest()


def test_iteration_reads_no_audio(dataset: Dataset, tmp_path: Path):
    for path in tmp_path.glob("*.wav"):
        path.unlink()
    assert [entry.id for entry in dataset] == ["a", "b"]
    assert len(dataset) == 2
