"""Manifests: what is written comes back, and any defect is reported in one line, FILE:LINE first."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.datasets.formats.manifest import open_manifest
from earspan.datasets.recording import Word
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = {"audio_filepath": "a.wav", "duration": 2.0, "text": "hello there"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seconds of counting samples in a.wav, one second in b.wav."""
    for name, frames in (("a.wav", 32_000), ("b.wav", 16_000)):
        soundfile.write(tmp_path / name, np.arange(frames, dtype=np.int16), 16_000)
    return tmp_path


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refusal(path: Path, line: int | None) -> str:
    with pytest.raises(InputError) as caught:
        open_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:{line}: " if line else f"{path}: ")
    return message


def test_whole_files_segments_and_words(folder: Path):
    words = [{"word": "hello", "start": 0.1, "end": 0.4}, {"text": "there", "start": 0.4, "end": 0.9}]
    segment = {
        **GOOD,
        "id": "s",
        "offset": 0.5,
        "duration": 1.0,
        "words": words,
        "speaker": "anna",
        "x": 1,
        "condition": "noisy",
    }
    dataset = open_manifest(write(folder, GOOD, segment), name="mine")
    whole, part = dataset
    assert [entry.id for entry in dataset] == ["a.wav", "s"]
    assert (whole.words, whole.speaker, whole.offset_s, whole.condition) == (None, None, None, None)
    assert whole.origin == f"{folder / 'm.jsonl'}:1"
    assert dataset.audio_s == 3.0
    assert dataset.speakers == {"anna"}
    assert part.condition == "noisy"
    heard = part.load()
    assert heard.words == (Word("hello", 0.1, 0.4), Word("there", 0.4, 0.9))
    assert (heard.id, heard.text, heard.dataset, heard.speaker) == ("s", "hello there", "mine", "anna")
    assert heard.duration_s == 1.0
    np.testing.assert_array_equal(heard.audio * 32768, np.arange(8_000, 24_000))
    assert len(whole.load().audio) == 32_000


def test_default_ids_tell_segments_apart(folder: Path):
    rows = [{**GOOD, "duration": 0.5, "offset": offset} for offset in (0, 0.5, 1.0)]
    assert [entry.id for entry in open_manifest(write(folder, *rows))] == [
        "a.wav@0.0",
        "a.wav@0.5",
        "a.wav@1.0",
    ]


def test_bom_crlf_and_blank_lines(folder: Path):
    path = folder / "m.jsonl"
    second = {**GOOD, "audio_filepath": str(folder / "b.wav"), "duration": 1, "text": "café"}
    lines = ["", json.dumps(GOOD), "  ", json.dumps(second, ensure_ascii=False), ""]
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    dataset = open_manifest(path)
    assert [entry.text for entry in dataset] == ["hello there", "café"]
    assert [entry.origin for entry in dataset] == [f"{path}:2", f"{path}:4"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"audio_filepath": None}, "'audio_filepath' is null; expected a string"),
        ({"audio_filepath": ""}, "'audio_filepath' is empty"),
        ({"audio_filepath": "c.wav"}, "no such audio file: "),
        ({"audio_filepath": "."}, "no such audio file: "),
        ({"audio_filepath": "a\0.wav"}, "no such audio file: "),
        ({"audio_filepath": "a" * 5000}, "no such audio file: "),
        ({"audio_filepath": "\ud800"}, "not valid Unicode"),
        ({"text": 3}, "'text' is 3; expected a string"),
        ({"text": ["hello"]}, "'text' is [\"hello\"]; expected a string"),
        ({"duration": "2.0"}, "'duration' is \"2.0\"; expected a number of seconds"),
        ({"duration": True}, "'duration' is true; expected a number of seconds"),
        ({"duration": 0}, "the recording lasts 0 s; expected more than 0"),
        ({"duration": -2}, "'duration' is -2; expected a number of seconds, 0 or more"),
        ({"duration": 10**400}, "expected a number of seconds"),
        ({"duration": 1.5}, "duration is 1.5 s, but "),
        ({"duration": 2.2}, "duration is 2.2 s, but "),
        ({"offset": "x"}, "'offset' is \"x\"; expected a number"),
        ({"offset": 1.0}, "the segment ends at 3 s, but "),
        ({"offset": 2.05, "duration": 0.01}, "the segment ends at 2.06 s, but "),
        ({"id": 7}, "'id' is 7; expected a string"),
        ({"id": ""}, "'id' is empty"),
        ({"speaker": 7}, "'speaker' is 7; expected a string"),
        ({"words": "hello there"}, "'words' is \"hello there\"; expected a list"),
        ({"words": ["hello"]}, 'word 1 is "hello"; expected {'),
        ({"words": [{"start": 0, "end": 1}]}, "word 1: 'word' is null; expected a string"),
        ({"words": [{"word": "a", "start": 0}]}, "word 1: 'end' is null; expected a number"),
        ({"words": [{"word": "a", "start": 1, "end": 0.5}]}, "word 1 ('a') is at 1-0.5 s"),
        ({"words": [{"word": "a", "start": 1, "end": 9}]}, "word 1 ('a') is at 1-9 s"),
        (
            {"words": [{"word": "a", "start": 1, "end": 1.5}, {"word": "b", "start": 0.5, "end": 1.7}]},
            "word 2 ('b') is at 0.5-1.7 s",
        ),
    ],
)
def test_a_bad_field_is_reported_with_its_line(folder: Path, change: dict[str, Any], what: str):
    other = {**GOOD, "audio_filepath": "b.wav", "duration": 1.0}
    assert what in refusal(write(folder, other, {**GOOD, **change}), line=2)


@pytest.mark.parametrize("field", ["audio_filepath", "duration", "text"])
def test_a_missing_field_is_reported(folder: Path, field: str):
    row = {key: value for key, value in GOOD.items() if key != field}
    assert refusal(write(folder, row), line=1).endswith(f"field '{field}' is missing")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"hello", "not JSON (Expecting value): hello"),
        (b'{"a": 1', "not JSON ("),
        (b'{"duration": NaN}', "NaN is not a JSON number"),
        (b"[" * 100_000, "not JSON ("),
        (b"[1, 2]", "expected a JSON object, got [1, 2]"),
        (b'"a\\nb"', 'expected a JSON object, got "a\\nb"'),
        (b'{"text": "caf\xe9"}', "byte 0xe9 at column 14 is not UTF-8"),
        (json.dumps(GOOD).encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_line_that_is_no_json_object_is_reported(folder: Path, line: bytes, what: str):
    path = folder / "m.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n")
    assert what in refusal(path, line=2)


def test_duplicate_ids_name_both_lines(folder: Path):
    path = write(folder, GOOD, GOOD)
    assert f"duplicate id 'a.wav', also at {path}:1" in refusal(path, line=2)


def test_empty_and_missing_manifests(folder: Path):
    path = folder / "m.jsonl"
    path.write_text("\n\n")
    assert "no recordings" in refusal(path, line=None)
    assert "no such file" in refusal(folder / "no.jsonl", line=None)


def test_damaged_audio_stops_one_recording_and_not_the_dataset(folder: Path):
    (folder / "zero.wav").touch()
    (folder / "cut.wav").write_bytes((folder / "a.wav").read_bytes()[:30_000])
    (folder / "text.wav").write_text("no audio")
    rows = [{**GOOD, "audio_filepath": name} for name in ("zero.wav", "cut.wav", "text.wav", "a.wav")]
    *damaged, good = open_manifest(write(folder, *rows))
    assert len(good.load().audio) == 32_000
    for number, (entry, what) in enumerate(zip(damaged, ("empty", "truncated", "not readable"), strict=True), 1):
        with pytest.raises(InputError) as caught:
            entry.load()
        message = str(caught.value)
        assert message.startswith(f"{folder / 'm.jsonl'}:{number}: recording {entry.id!r}: ")
        assert what in message
        assert "\n" not in message


def test_the_licence_is_that_of_the_rows_or_of_the_folder(folder: Path):
    assert open_manifest(write(folder, GOOD)).licence is None
    (folder / "LICENSE.txt").write_text("\n# CC BY 4.0\nand so on\n")
    assert open_manifest(write(folder, GOOD)).licence == "CC BY 4.0"
    rows = [
        {**GOOD, "license": "MIT"},
        {**GOOD, "id": "2", "license": "CC0"},
        {**GOOD, "id": "3", "license": "MIT"},
    ]
    assert open_manifest(write(folder, *rows)).licence == "CC0; MIT"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    row: dict[str, Any] = {**GOOD, "text": draw(texts), "id": draw(texts.filter(bool))}
    if draw(st.booleans()):
        times = sorted(draw(st.lists(st.floats(0, 2), max_size=6)))
        row["words"] = [{"word": draw(texts), "start": t, "end": min(2.0, t + 0.1)} for t in times]
    if draw(st.booleans()):
        row["speaker"] = draw(texts.filter(bool))
    if draw(st.booleans()):
        row["offset"] = draw(st.floats(0, 1))
        row["duration"] = draw(st.floats(0.01, 1))
        row.pop("words", None)
    return row


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows(), min_size=1, max_size=5, unique_by=lambda row: row["id"]))
def test_what_is_written_comes_back(folder: Path, written: list[dict[str, Any]]):
    entries = open_manifest(write(folder, *written)).entries
    for row, entry in zip(written, entries, strict=True):
        words = row.get("words")
        expected = None if words is None else tuple(Word(w["word"], w["start"], w["end"]) for w in words)
        assert (entry.id, entry.text, entry.words) == (row["id"], row["text"], expected)
        assert (entry.duration_s, entry.offset_s) == (row["duration"], row.get("offset"))
        assert entry.speaker == row.get("speaker")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts, lambda inner: st.lists(inner, max_size=3)
)
fields = st.sampled_from([*GOOD, "offset", "speaker", "id", "words", "license"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=80)
    | st.dictionaries(fields, json_values).map(lambda change: json.dumps({**GOOD, **change}).encode())
    | json_values.map(lambda words: json.dumps({**GOOD, "words": [{"word": words, "start": words}]}).encode())
)
def test_random_lines_raise_nothing_but_input_errors(folder: Path, line: bytes):
    path = folder / "m.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line)
    try:
        opened = len(open_manifest(path))
    except InputError as error:
        message = str(error)
    else:
        assert opened in (1, 2)
        return
    assert message.startswith(f"{path}:")
    assert "\n" not in message
