"""Earnings-21 and -22: word times, and the table of lengths."""

from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset

from .trees import earnings


def test_word_times_of_earnings(tmp_path: Path):
    earnings(tmp_path)
    entries = {entry.id: entry for entry in open_dataset(tmp_path)}
    assert entries["41"].words is None
    assert [(word.text, word.end_s) for word in entries["42"].words or ()] == [("YES", 0.5)]
    assert entries["42"].text == "YES,"


def test_lengths_of_earnings_stand_in_records_that_may_go_on_over_lines(tmp_path: Path):
    earnings(tmp_path)
    table = tmp_path / "earnings21-file-metadata.csv"
    table.write_text('file_id,company,audio_length\n41,"One\nand ""Two"", Inc",5.0\n42,Three,50\n')
    defects: list[str] = []
    open_dataset(tmp_path, defects=defects)
    assert len(defects) == 1
    assert "metadata.csv:4" in defects[0]
    table.write_text('file_id,company,audio_length\n41,"One,5.0\n')
    with pytest.raises(InputError, match=r"metadata\.csv:2: not CSV"):
        open_dataset(tmp_path)
