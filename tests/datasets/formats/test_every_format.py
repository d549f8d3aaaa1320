"""Every format on a tiny tree, whole and with each common defect: said by name, and the rest is read."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset
from earspan.datasets.formats import FORMATS, recognise
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .trees import TREES, Tree, audiofolder, kaldi, librispeech, put_audio, stm


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Tree, Path]:
    TREES[request.param].make(tmp_path / "set")
    return TREES[request.param], tmp_path / "set"


@pytest.mark.parametrize("name", TREES)
def test_a_whole_tree_is_recognised_and_read(name: str, tmp_path: Path):
    tree = TREES[name]
    tree.make(tmp_path)
    assert recognise(tmp_path / tree.given) == name
    dataset = open_dataset(tmp_path / tree.given)
    assert len(dataset) == 3
    first = next(entry for entry in dataset if entry.id == tree.first)
    assert first.text.upper().strip(".") == "GO ON"
    recording = first.load()
    assert abs(recording.duration_s - first.duration_s) < 0.1
    assert open_dataset(f"{name}:{tmp_path / tree.given}").digest() == dataset.digest()


# Defects: how to make each, and what must be said. Where a format has no place for a defect, it is left out.
def cut_audio(tree: Tree, root: Path) -> None:
    (root / tree.audio).write_bytes((root / tree.audio).read_bytes()[:300])


def empty_audio(tree: Tree, root: Path) -> None:
    (root / tree.audio).write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_audio, empty_audio])
def test_damaged_audio_is_said_when_it_is_loaded_and_the_rest_is_read(tree: tuple[Tree, Path], damage):
    shape, root = tree
    damage(shape, root)
    defects: list[str] = []
    dataset = open_dataset(root / shape.given, defects)
    bad = [entry for entry in dataset if entry.audio_path.name == Path(shape.audio).name]
    assert bad
    for entry in bad:
        with pytest.raises(InputError) as caught:
            entry.load()
        assert entry.id in str(caught.value)
        assert Path(shape.audio).name in str(caught.value)
    assert all(len(entry.load().audio) for entry in dataset if entry not in bad)


def test_missing_audio_is_said_and_the_rest_is_read(tree: tuple[Tree, Path]):
    shape, root = tree
    (root / shape.audio).unlink()
    assert_said(shape, root, Path(shape.audio).stem)


def test_audio_that_is_a_link_out_of_the_folder_is_said_and_the_rest_is_read(tree: tuple[Tree, Path]):
    shape, root = tree
    outside = root.parent / f"outside{Path(shape.audio).suffix}"
    shutil.move(root / shape.audio, outside)
    os.symlink(outside, root / shape.audio)
    assert_said(shape, root, Path(shape.audio).stem)


def assert_said(shape: Tree, root: Path, *words: str, left: range = range(1, 3)) -> None:
    """The defect is listed in words, at least one recording is left; and without a list it is raised."""
    defects: list[str] = []
    dataset = open_dataset(root / shape.given, defects)
    assert defects
    for word in words:
        assert any(word in defect for defect in defects), defects
    assert len(dataset) in left
    for entry in dataset:
        assert len(entry.load().audio)
    with pytest.raises(InputError):
        open_dataset(root / shape.given)


def edit(root: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    (root / name).write_bytes(change((root / name).read_bytes()))


def test_text_that_is_not_utf8_is_said_with_its_line_and_the_rest_is_read(tree: tuple[Tree, Path]):
    shape, root = tree
    edit(root, shape.transcript, lambda content: content.replace(b"GO ON", b"GO \xff", 1).replace(b"GO|", b"\xffGO|"))
    number = {"stm": 2, "audiofolder": 2, "earnings": 2}.get(name_of(shape), 1)
    assert_said(shape, root, f"{Path(shape.transcript).name}:{number}", "UTF-8", left=range(1, 4))


def name_of(shape: Tree) -> str:
    return next(name for name, tree in TREES.items() if tree is shape)


def test_byte_order_mark_and_crlf_do_not_show(tree: tuple[Tree, Path]):
    shape, root = tree
    before = open_dataset(root / shape.given)
    edit(root, shape.transcript, lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert open_dataset(root / shape.given).digest() == before.digest()


@pytest.mark.parametrize("name", ["librispeech", "nemo", "kaldi", "audiofolder", "stm", "lhotse"])
def test_a_duplicate_id_is_said_with_its_line_and_the_rest_is_read(name: str, tmp_path: Path):
    shape = TREES[name]
    shape.make(tmp_path)
    lines = (tmp_path / shape.transcript).read_text().splitlines()
    (tmp_path / shape.transcript).write_text("\n".join([*lines, lines[1]]) + "\n")
    assert_said(shape, tmp_path, f"{Path(shape.transcript).name}:{len(lines) + 1}", "duplicate", left=range(3, 4))


@pytest.mark.parametrize("name", ["librispeech", "kaldi", "audiofolder", "earnings", "folder"])
def test_a_missing_transcript_is_said_by_name_and_the_rest_is_read(name: str, tmp_path: Path):
    shape = TREES[name]
    shape.make(tmp_path)
    if name in ("folder", "earnings"):
        (tmp_path / shape.transcript).unlink()
    else:
        edit(tmp_path, shape.transcript, lambda content: b"\n".join(
            line for line in content.split(b"\n") if b"GO ON" not in line
        ))  # fmt: skip
    said = "s1-a" if name == "kaldi" else Path(shape.audio).stem
    assert_said(shape, tmp_path, said, "transcript")


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "said"),
    [
        ("nemo", "manifest.jsonl", b'"duration": 1.0', b'"duration": 9.0', "manifest.jsonl:1"),
        ("kaldi", "utt2dur", b"s1-a 1.0", b"s1-a 9.0", "text:1"),
        ("stm", "stm/Talk_2010.stm", b"0.50 3.00", b"0.50 30.0", "Talk_2010.stm:2"),
        ("earnings", "earnings21-file-metadata.csv", b"41,5.0", b"41,50", "metadata.csv:2"),
        ("lhotse", "cuts.jsonl", b'"duration": 1.0, "channel": 0, "rec', b'"duration": 9, "rec', "cuts.jsonl:1"),
    ],
)  # fmt: skip
def test_a_wrong_duration_is_said_with_its_line_and_the_rest_is_read(
    name: str, file: str, old: bytes, new: bytes, said: str, tmp_path: Path
):
    shape = TREES[name]
    shape.make(tmp_path)
    assert old in (tmp_path / file).read_bytes()
    edit(tmp_path, file, lambda content: content.replace(old, new, 1))
    assert_said(shape, tmp_path, said, "s long")


@pytest.mark.parametrize(
    ("name", "file", "old", "said"),
    [
        ("nemo", "manifest.jsonl", b'"a.wav"', "manifest.jsonl:1"),
        ("kaldi", "wav.scp", b"a.wav", "text:1"),
        ("audiofolder", "metadata.csv", b"a.wav", "metadata.csv:2"),
        ("lhotse", "cuts.jsonl", b'"a.wav"', "cuts.jsonl:1"),
    ],
)
def test_a_path_out_of_the_folder_is_said_with_its_line_and_the_rest_is_read(
    name: str, file: str, old: bytes, said: str, tmp_path: Path
):
    shape = TREES[name]
    root = tmp_path / "set"
    shape.make(root)
    put_audio(tmp_path / "a.wav")
    edit(root, file, lambda content: content.replace(old, old.replace(b"a.wav", b"../a.wav"), 1))
    assert_said(shape, root, said, "outside")


@pytest.mark.parametrize("name", ["librispeech", "nemo", "kaldi", "audiofolder", "stm", "lhotse", "folder"])
def test_an_empty_reference_is_kept_as_silence(name: str, tmp_path: Path):
    shape = TREES[name]
    shape.make(tmp_path)
    edit(tmp_path, shape.transcript, lambda content: content.replace(b"GO ON", b"", 1))
    dataset = open_dataset(tmp_path / shape.given)
    assert next(entry.text for entry in dataset if entry.id == shape.first) == ""
    assert len(dataset) == 3


@pytest.mark.parametrize(
    ("name", "file", "line", "said"),
    [
        ("kaldi", "wav.scp", "s2-c sph2pipe -f wav c.sph |", "is a command"),
        ("kaldi", "wav.scp", "s1-a", "expected KEY VALUE"),
        ("stm", "stm/Talk_2010.stm", "Talk_2010 1 Talk", "expected TALK CHANNEL"),
        ("stm", "stm/Talk_2010.stm", "Talk_2010 1 Talk 3.0 1.0 <o,f0,male> X", "the end after the start"),
        ("stm", "stm/Talk_2010.stm", "Talk_2010 1 Talk x 1.0 <o,f0,male> X", "number of seconds"),
        ("stm", "stm/Talk_2010.stm", "Gone 1 Talk 0.0 1.0 <o,f0,male> X", "no audio for talk"),
        ("librispeech", "84/1/84-1.trans.txt", "84-1-0009 GO", "no audio for '84-1-0009'"),
        ("audiofolder", "metadata.csv", "a.wav", "1 values; expected 3"),
        ("lhotse", "cuts.jsonl", "{}", "not a cut"),
        ("lhotse", "cuts.jsonl", "[1]", "a JSON object"),
        ("lhotse", "cuts.jsonl", '{"type": "MixedCut"}', "MixedCut"),
        ("lhotse", "cuts.jsonl", "{", "not JSON"),
        ("audiofolder", "metadata.csv", '"a.wav"x,GO,1', "not CSV"),
        ("audiofolder", "metadata.csv", "/gone/a.wav,GO,1", "no such audio file"),
        ("stm", "stm/Talk_2010.stm", "/gone/a 1 Talk 0.0 1.0 <o,f0,male> X", "no audio for talk"),
    ],
)
def test_a_bad_line_is_said_and_the_rest_is_read(name: str, file: str, line: str, said: str, tmp_path: Path):
    shape = TREES[name]
    shape.make(tmp_path)
    lines = (tmp_path / file).read_text().splitlines()
    (tmp_path / file).write_text("\n".join([*lines[:-1], line, lines[-1]]) + "\n")
    assert_said(shape, tmp_path, said, left=range(2, 4))


def test_a_set_without_a_good_recording_is_an_error_all_the_same(tmp_path: Path):
    kaldi(tmp_path)
    for name in "abc":
        (tmp_path / f"{name}.wav").unlink()
    with pytest.raises(InputError, match="no recordings"):
        open_dataset(tmp_path, [])


def test_an_unknown_format_and_a_missing_path():
    with pytest.raises(InputError, match=r"gone: no such file or folder"):
        open_dataset("kaldi:gone")
    assert "folder" in FORMATS


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=60))
@example(b"\x00\r\x00")  # which Python's csv module refuses with an error of its own
def test_any_bytes_as_a_list_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    root = tmp_path_factory.mktemp("any")
    for name in ("wav.scp", "text", "metadata.csv", "x.stm", "x-1.trans.txt", "cuts.jsonl"):
        (root / name).write_bytes(content)
    for name in FORMATS:
        path = root / "cuts.jsonl" if name == "lhotse" else root
        with pytest.raises(InputError):
            open_dataset(f"{name}:{path}", [])


def speakers_and_groups(path: Path) -> dict[str, tuple[str | None, str | None]]:
    return {entry.id: (entry.speaker, entry.group) for entry in open_dataset(path)}


def test_speakers_and_groups(tmp_path: Path):
    for make in (librispeech, kaldi, audiofolder, stm):
        make(tmp_path / make.__name__)
    assert speakers_and_groups(tmp_path / "librispeech")["84-1-0001"] == ("84", "84-1")
    assert speakers_and_groups(tmp_path / "kaldi")["s2-c"] == ("s2", None)
    assert speakers_and_groups(tmp_path / "audiofolder")["c"] == ("2", None)
    assert speakers_and_groups(tmp_path / "stm")["Talk_2010-0000400-0000600"] == ("Talk", "Talk_2010")
