"""Folders of x.wav + x.txt, and single files: pairs are found, and whatever has no partner is named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets.formats.folder import open_folder, open_recording


def pair(folder: Path, name: str, text: str | bytes = "hello there") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(16_000), 16_000)
    content = text if isinstance(text, bytes) else text.encode()
    path.with_suffix(".txt").write_bytes(content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_folder(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_pairs_at_any_depth(tmp_path: Path):
    pair(tmp_path, "b.WAV", "\ufefftwo\r\nlines \r\n")
    pair(tmp_path, "deep/er/a.flac")
    pair(tmp_path, "version 1.2.ogg", "")
    pair(tmp_path, ".hidden/c.wav")
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "README.txt").write_text("not a transcript")
    (tmp_path / "LICENCE").write_text("CC0\n")
    dataset = open_folder(tmp_path)
    assert {entry.id: entry.text for entry in dataset} == {
        "b": "two lines",
        "deep/er/a": "hello there",
        "version 1.2": "",
    }
    assert dataset.licence == "CC0"
    assert dataset.audio_s == pytest.approx(3.0)
    assert all(len(entry.load().audio) == 16_000 for entry in dataset)


def test_what_has_no_partner_is_named(tmp_path: Path):
    pair(tmp_path, "a.wav")
    for name in "bcdefgh":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(100), 16_000)
    assert "without a transcript (x.txt beside x.wav): b, c, d, e, f and 2 more" in refusal(tmp_path)
    for path in tmp_path.glob("[b-h].wav"):
        path.unlink()
    (tmp_path / "lost.txt").write_text("x")
    assert "transcripts without a recording: lost" in refusal(tmp_path)


def test_two_recordings_of_one_name_are_refused(tmp_path: Path):
    pair(tmp_path, "a.wav")
    pair(tmp_path, "a.flac")
    assert "same name as" in refusal(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path):
    assert "no audio in this folder" in refusal(tmp_path)


@pytest.mark.parametrize("link", ["b.wav", "b.txt", "folder"])
def test_links_that_leave_the_folder_are_refused(tmp_path: Path, link: str):
    root = tmp_path / "root"
    pair(root, "b.wav")
    outside = pair(tmp_path / "outside", "b.wav")
    (root / link).unlink(missing_ok=True)
    (root / link).symlink_to(outside.parent if link == "folder" else outside.parent / link)
    assert f"{link}: a link to {outside.parent}" in refusal(root)


def test_links_inside_the_folder_are_followed(tmp_path: Path):
    pair(tmp_path, "a.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "b.txt").write_text("again")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [len(entry.load().audio) for entry in open_folder(tmp_path)] == [16_000, 16_000]


def test_a_transcript_that_is_not_utf8_is_reported_by_line(tmp_path: Path):
    pair(tmp_path, "a.wav", b"fine\ncaf\xe9\n")
    assert "a.txt:2: byte 0xe9 at column 4 is not UTF-8" in refusal(tmp_path)


def test_damaged_and_unknown_audio_stops_one_recording_and_not_the_dataset(tmp_path: Path):
    pair(tmp_path, "a.wav")
    pair(tmp_path, "b.wav").write_bytes(b"")
    (tmp_path / "c.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (tmp_path / "c.txt").write_text("film")
    good, empty, film = open_folder(tmp_path)
    assert len(good.load().audio) == 16_000
    assert (empty.duration_s, film.duration_s) == (0, 0)
    with pytest.raises(InputError, match=r"b\.txt: recording 'b': .*b\.wav: the file is empty"):
        empty.load()
    with pytest.raises(InputError, match=r"c\.txt: recording 'c': .*c\.mp4: not readable as audio.*ffmpeg -i"):
        film.load()


def test_one_file_with_its_transcript_is_a_dataset(tmp_path: Path):
    path = pair(tmp_path, "my talk.wav", "hello\nthere\n")
    (entry,) = open_recording(path)
    assert (entry.id, entry.text, entry.duration_s) == ("my talk", "hello there", 1.0)
    path.with_suffix(".txt").unlink()
    with pytest.raises(InputError, match=r"my talk\.wav: no transcript; write what is said in it to .*my talk\.txt"):
        open_recording(path)
    with pytest.raises(InputError, match=r"paper\.pdf: expected an audio file, a \.jsonl manifest"):
        open_recording(tmp_path / "paper.pdf")
