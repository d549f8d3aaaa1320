"""Kaldi data folders: segments of longer recordings."""

from pathlib import Path

from earspan.datasets import open_dataset

from .trees import kaldi, put_audio


def test_kaldi_segments(tmp_path: Path):
    kaldi(tmp_path)
    put_audio(tmp_path / "long.wav", 9)
    (tmp_path / "wav.scp").write_text("long long.wav\n")
    (tmp_path / "segments").write_text("s1-a long 1.0 2.5\ns1-b long 3 4\ns2-c long 5 -1\n")
    (tmp_path / "utt2dur").unlink()
    entries = {entry.id: (entry.offset_s, entry.duration_s, entry.group) for entry in open_dataset(tmp_path)}
    assert entries == {"s1-a": (1.0, 1.5, "long"), "s1-b": (3.0, 1.0, "long"), "s2-c": (5.0, 4.0, "long")}
