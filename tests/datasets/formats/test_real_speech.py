"""Real recordings in several formats; skipped where they are not."""

from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset

SHARED = Path(__file__).parents[3] / "shared" / "data" / "speech"


shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the recordings in ../shared/data/speech")


@shared
def test_real_speech_through_three_adapters(tmp_path: Path):
    tree, manifest = open_dataset(SHARED / "librispeech"), open_dataset(SHARED)
    (tmp_path / "text").write_text("".join(f"{entry.id} {entry.text}\n" for entry in tree))
    (tmp_path / "wav.scp").write_text("".join(f"{entry.id} {entry.audio_path.resolve()}\n" for entry in tree))
    assert (len(tree), len(manifest)) == (18, 36)
    assert open_dataset(tmp_path).digest() == tree.digest()
    texts = {entry.audio_path.name: entry.text.upper() for entry in manifest}
    for entry in tree:
        assert texts[entry.audio_path.name] == entry.text
        assert abs(entry.load().duration_s - entry.duration_s) < 1e-6


@shared
def test_real_formats(tmp_path: Path):
    unread = []
    for entry in open_dataset(SHARED / "formats.jsonl", []):
        try:
            recording = entry.load()
        except InputError:
            unread.append(entry.audio_path.suffix)
        else:
            assert abs(recording.duration_s - entry.duration_s) < 0.2
    assert sorted(unread) == [".aac", ".mp4", ".webm"]  # libsndfile has no such decoder
