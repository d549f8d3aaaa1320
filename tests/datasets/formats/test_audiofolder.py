"""Hugging Face audiofolders: values over several lines, audio elsewhere."""

from pathlib import Path

from earspan.datasets import open_dataset

from .trees import put_audio


def test_a_reference_may_go_on_over_a_line_break(tmp_path: Path):
    put_audio(tmp_path / "a.wav")
    put_audio(tmp_path / "b.wav")
    (tmp_path / "metadata.csv").write_text('file_name,text\na.wav,"hello\nthere ""world"""\nb.wav,fine\n')
    a, b = open_dataset(tmp_path)
    assert a.text.split() == ["hello", "there", '"world"']
    assert (b.text, b.origin.endswith("metadata.csv:4")) == ("fine", True)
    (tmp_path / "metadata.csv").write_text('file_name,text\na.wav,fine\nb.wav,"hello\n')
    defects: list[str] = []
    assert [entry.id for entry in open_dataset(tmp_path, defects)] == ["a"]
    assert "metadata.csv:3: not CSV" in defects[0]


def test_audio_elsewhere_is_named_by_its_absolute_path(tmp_path: Path):
    put_audio(tmp_path / "elsewhere/a.wav")
    (tmp_path / "list").mkdir()
    (tmp_path / "list/metadata.csv").write_text(f"file_name,text\n{tmp_path}/elsewhere/a.wav,GO\n")
    (entry,) = open_dataset(tmp_path / "list")
    assert entry.audio_path == tmp_path / "elsewhere/a.wav"
    (tmp_path / "talks.stm").write_text(f"{tmp_path}/elsewhere/a 1 Anna 0.0 0.5 <NA> GO\n")
    (entry,) = open_dataset(tmp_path / "talks.stm")
    assert entry.audio_path == tmp_path / "elsewhere/a.wav"
