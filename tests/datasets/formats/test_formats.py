"""Every format on a tiny tree of its real shape, whole and with each common defect: said by name, the rest is read."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets import dataset_names, open_dataset
from earspan.datasets.catalogue import fetch
from earspan.datasets.formats import FORMATS, recognise
from hypothesis import example, given, settings
from hypothesis import strategies as st

SHARED = Path(__file__).parents[3] / "shared" / "data" / "speech"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the recordings in ../shared/data/speech")


def put_audio(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {".sph": "NIST", ".mp3": "MP3"}
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, round(16_000 * seconds))
    soundfile.write(path, noise, 16_000, format=kinds.get(path.suffix))


def librispeech(root: Path) -> None:
    for utterance in ("84-1-0000", "84-1-0001", "85-2-0000"):
        speaker, chapter, _ = utterance.split("-")
        put_audio(root / speaker / chapter / f"{utterance}.flac")
    (root / "84/1/84-1.trans.txt").write_text("84-1-0000 GO ON\n84-1-0001 STAY HERE\n")
    (root / "85/2/85-2.trans.txt").write_text("85-2-0000 YES\n")


def nemo(root: Path) -> None:
    lines = []
    for name, text in (("a", "GO ON"), ("b", "STAY HERE"), ("c", "YES")):
        put_audio(root / f"{name}.wav")
        lines.append(json.dumps({"audio_filepath": f"{name}.wav", "duration": 1.0, "text": text}) + "\n")
    (root / "manifest.jsonl").write_text("".join(lines))


def kaldi(root: Path) -> None:
    for name in ("a", "b", "c"):
        put_audio(root / f"{name}.wav")
    (root / "wav.scp").write_text("s1-a a.wav\ns1-b b.wav\ns2-c c.wav\n")
    (root / "text").write_text("s1-a GO ON\ns1-b STAY HERE\ns2-c YES\n")
    (root / "utt2spk").write_text("s1-a s1\ns1-b s1\ns2-c s2\n")
    (root / "utt2dur").write_text("s1-a 1.0\ns1-b 1.0\ns2-c 1.0\n")


def audiofolder(root: Path) -> None:
    for name in ("a", "b", "c"):
        put_audio(root / f"{name}.wav")
    (root / "metadata.csv").write_text('file_name,text,speaker_id\na.wav,GO ON,1\nb.wav,"STAY HERE",1\nc.wav,YES,2\n')


def stm(root: Path) -> None:
    put_audio(root / "sph/Talk_2010.sph", 10)
    put_audio(root / "sph/Other_2011.sph", 10)
    (root / "stm").mkdir()
    (root / "stm/Talk_2010.stm").write_text(
        ";; a comment\n"
        "Talk_2010 1 Talk 0.50 3.00 <o,f0,male> GO ON\n"
        "Talk_2010 1 inter_segment_gap 3.00 4.00 <o,,unknown> ignore_time_segment_in_scoring\n"
        "Talk_2010 1 Talk 4.00 6.00 <o,f0,male> STAY <unk> HERE\n"
    )
    (root / "stm/Other_2011.stm").write_text("Other_2011 1 Other 1.00 2.00 <NA> YES\n")


def earnings(root: Path) -> None:
    for call, tokens in (
        ("41", "GO|0||||UC|[]|[]\nON|0|||.|LC|[]|[]\n"),
        ("42", "YES|0|0.1|0.5|,|LC|[]|[]\n"),
        ("43", ""),
    ):
        put_audio(root / f"media/{call}.mp3", 5)
        transcript = root / f"transcripts/nlp_references/{call}.nlp"
        transcript.parent.mkdir(parents=True, exist_ok=True)
        transcript.write_text("token|speaker|ts|endTs|punctuation|case|tags|wer_tags\n" + tokens)
    (root / "earnings21-file-metadata.csv").write_text("file_id,audio_length\n41,5.0\n42,5.0\n43,5.0\n")


def lhotse(root: Path) -> None:
    lines = []
    for name, text in (("a", "GO ON"), ("b", "STAY HERE"), ("c", "YES")):
        put_audio(root / f"{name}.wav", 2)
        source = {"type": "file", "channels": [0], "source": f"{name}.wav"}
        recording = {
            "id": f"r{name}",
            "sources": [source],
            "sampling_rate": 16000,
            "num_samples": 32000,
            "duration": 2.0,
        }
        supervision = {
            "id": name,
            "recording_id": f"r{name}",
            "start": 0.0,
            "duration": 1.0,
            "channel": 0,
            "text": text,
        }
        cut = {"id": name, "start": 0.5, "duration": 1.0, "channel": 0, "recording": recording, "type": "MonoCut"}
        lines.append(json.dumps({**cut, "supervisions": [{**supervision, "speaker": f"s{name}"}]}) + "\n")
    (root / "cuts.jsonl").write_text("".join(lines))


def folder(root: Path) -> None:
    for name, text in (("a", "GO ON"), ("b", "STAY HERE"), ("c", "YES")):
        put_audio(root / f"{name}.wav")
        (root / f"{name}.txt").write_text(text)


@dataclass(frozen=True)
class Tree:
    """A tiny dataset: how to make it, its list of texts, the audio and the id of its first recording."""

    make: Callable[[Path], None]
    transcript: str
    audio: str
    first: str
    given: str = "."


TREES = {
    "librispeech": Tree(librispeech, "84/1/84-1.trans.txt", "84/1/84-1-0000.flac", "84-1-0000"),
    "nemo": Tree(nemo, "manifest.jsonl", "a.wav", "a.wav"),
    "kaldi": Tree(kaldi, "text", "a.wav", "s1-a"),
    "audiofolder": Tree(audiofolder, "metadata.csv", "a.wav", "a"),
    "stm": Tree(stm, "stm/Talk_2010.stm", "sph/Talk_2010.sph", "Talk_2010-0000050-0000300"),
    "earnings": Tree(earnings, "transcripts/nlp_references/41.nlp", "media/41.mp3", "41"),
    "lhotse": Tree(lhotse, "cuts.jsonl", "a.wav", "a", given="cuts.jsonl"),
    "folder": Tree(folder, "a.txt", "a.wav", "a"),
}


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


def speakers_and_groups(path: Path) -> dict[str, tuple[str | None, str | None]]:
    return {entry.id: (entry.speaker, entry.group) for entry in open_dataset(path)}


def test_speakers_and_groups(tmp_path: Path):
    for make in (librispeech, kaldi, audiofolder, stm):
        make(tmp_path / make.__name__)
    assert speakers_and_groups(tmp_path / "librispeech")["84-1-0001"] == ("84", "84-1")
    assert speakers_and_groups(tmp_path / "kaldi")["s2-c"] == ("s2", None)
    assert speakers_and_groups(tmp_path / "audiofolder")["c"] == ("2", None)
    assert speakers_and_groups(tmp_path / "stm")["Talk_2010-0000400-0000600"] == ("Talk", "Talk_2010")


def test_long_form_joins_the_segments_of_a_talk(tmp_path: Path):
    stm(tmp_path)
    talks = {entry.id: entry for entry in open_dataset(f"stm-long:{tmp_path}")}
    talk = talks["Talk_2010"]
    assert (talk.text, talk.offset_s, talk.duration_s) == ("GO ON STAY <unk> HERE", 0.5, 5.5)
    assert talk.load().audio.shape == (88_000,)
    assert "ignore" not in " ".join(entry.text for entry in talks.values())


def test_kaldi_segments(tmp_path: Path):
    kaldi(tmp_path)
    put_audio(tmp_path / "long.wav", 9)
    (tmp_path / "wav.scp").write_text("long long.wav\n")
    (tmp_path / "segments").write_text("s1-a long 1.0 2.5\ns1-b long 3 4\ns2-c long 5 -1\n")
    (tmp_path / "utt2dur").unlink()
    entries = {entry.id: (entry.offset_s, entry.duration_s, entry.group) for entry in open_dataset(tmp_path)}
    assert entries == {"s1-a": (1.0, 1.5, "long"), "s1-b": (3.0, 1.0, "long"), "s2-c": (5.0, 4.0, "long")}


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


def test_compressed_cuts_are_the_same(tmp_path: Path):
    lhotse(tmp_path)
    plain = open_dataset(tmp_path / "cuts.jsonl")
    (tmp_path / "cuts.jsonl.gz").write_bytes(gzip.compress((tmp_path / "cuts.jsonl").read_bytes()))
    assert open_dataset(tmp_path / "cuts.jsonl.gz").digest() == plain.digest()


def test_cuts_are_read_as_lhotse_reads_them(tmp_path: Path):
    reader = pytest.importorskip("lhotse", reason="needs lhotse (pip install 'earspan[lhotse]')")
    lhotse(tmp_path)
    theirs = {cut.id: cut for cut in reader.CutSet.from_file(tmp_path / "cuts.jsonl")}
    for entry in open_dataset(tmp_path / "cuts.jsonl"):
        cut = theirs[entry.id]
        text = " ".join(supervision.text for supervision in cut.supervisions)
        assert (entry.offset_s, entry.duration_s, entry.text) == (cut.start, cut.duration, text)


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
        ("lhotse", "cuts.jsonl", "[1]", "not a cut"),
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda cut: cut | {"duration": float("nan")}, "duration is 'nan'"),
        (lambda cut: cut | {"start": float("inf")}, "start is 'inf'"),
        (lambda cut: cut | {"id": "\ud800"}, "id is '\\ud800', which is not valid Unicode"),
    ],
)
def test_numbers_and_text_that_cannot_be(change, said: str, tmp_path: Path):
    lhotse(tmp_path)
    cuts = [json.loads(line) for line in (tmp_path / "cuts.jsonl").read_text().splitlines()]
    (tmp_path / "cuts.jsonl").write_text("".join(json.dumps(cut) + "\n" for cut in [change(cuts[0]), *cuts[1:]]))
    defects: list[str] = []
    assert len(open_dataset(tmp_path / "cuts.jsonl", defects)) == 2
    assert said in defects[0]


def test_speakers_that_are_numbers_are_names(tmp_path: Path):
    lhotse(tmp_path)
    text = (tmp_path / "cuts.jsonl").read_text()
    (tmp_path / "cuts.jsonl").write_text(text.replace('"speaker": "sa"', '"speaker": 7'))
    assert next(iter(open_dataset(tmp_path / "cuts.jsonl"))).speaker == "7"


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
