"""STM files of TED-LIUM: segments, and whole talks."""

from pathlib import Path

from earspan.datasets import open_dataset

from .trees import stm


def test_long_form_joins_the_segments_of_a_talk(tmp_path: Path):
    stm(tmp_path)
    talks = {entry.id: entry for entry in open_dataset(f"stm-long:{tmp_path}")}
    talk = talks["Talk_2010"]
    assert (talk.text, talk.offset_s, talk.duration_s) == ("GO ON STAY <unk> HERE", 0.5, 5.5)
    assert talk.load().audio.shape == (88_000,)
    assert "ignore" not in " ".join(entry.text for entry in talks.values())
