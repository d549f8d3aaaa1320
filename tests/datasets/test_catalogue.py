"""Public datasets by name: where they are looked for, and how to get them."""

from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.datasets import dataset_names, open_dataset
from earspan.datasets.catalogue import fetch

from .formats.trees import librispeech, stm


def test_public_sets_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EARSPAN_DATA", str(tmp_path))
    for name in (name for name in dataset_names() if not name.startswith("talks")):
        with pytest.raises(InputError, match="to get it: ") as caught:
            open_dataset(name)
        assert "https://" in str(caught.value)
    with pytest.raises(InputError, match="--fetch is for"):
        fetch("earnings22")
    librispeech(tmp_path / "LibriSpeech/test-clean")
    assert [entry.dataset for entry in open_dataset("librispeech-test-clean")] == ["librispeech-test-clean"] * 3
    stm(tmp_path / "TEDLIUM_release-3/legacy/test")
    assert len(open_dataset("tedlium3-test")) == 3
    assert len(open_dataset("tedlium3-test-long")) == 2
