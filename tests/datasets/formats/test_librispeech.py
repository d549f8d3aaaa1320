"""LibriSpeech: as torchaudio reads it."""

from pathlib import Path

from earspan.datasets import open_dataset

from .trees import librispeech


def test_librispeech_is_read_as_torchaudio_reads_it(tmp_path: Path):
    import torchaudio.datasets

    librispeech(tmp_path / "LibriSpeech/test-clean")
    theirs = torchaudio.datasets.LIBRISPEECH(tmp_path, url="test-clean")
    entries = {entry.id: entry for entry in open_dataset(tmp_path / "LibriSpeech")}
    assert len(theirs) == len(entries)
    for number in range(len(theirs)):
        path, _, text, speaker, chapter, utterance = theirs.get_metadata(number)
        entry = entries[f"{speaker}-{chapter}-{utterance:04d}"]
        assert (entry.text, entry.speaker, entry.audio_path.name) == (text, str(speaker), Path(path).name)
