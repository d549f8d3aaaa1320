"""`earspan datasets`: counts in the table and in the JSON are those of the dataset."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from earspan.backends.errors import InputError
from earspan.benchmarks.commands import datasets as command
from earspan.benchmarks.commands.cli import parser_of


def run(*arguments: str) -> int:
    return command.run_datasets(parser_of("datasets").parse_args(arguments))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000 * 36), 16_000)
    rows = [
        {"audio_filepath": "a.wav", "duration": 36, "text": "one two", "speaker": "anna", "license": "CC0"},
        {"audio_filepath": "a.wav", "duration": 36, "text": "three", "id": "[bold]x[/nonsense]"},
    ]
    path = tmp_path / "m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_known_datasets_are_listed(capsys: pytest.CaptureFixture[str]):
    assert run("--json") == 0
    talks, *public = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in (talks, *public[:2])] == ["talks", "talks-clean", "talks-noisy"]
    assert {row["name"] for row in public} >= {"librispeech-test-clean", "tedlium3-test-long", "earnings22"}
    assert run() == 0
    assert ("yes" if talks["present"] else "no: ") in capsys.readouterr().out


def test_a_defect_of_a_known_dataset_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def broken(name: str, defects: list[str]):
        raise InputError(f"{name}: planted defect")

    monkeypatch.setattr(command, "open_dataset", broken)
    assert run() == 0
    assert "no: talks: planted defect" in capsys.readouterr().out


def test_recordings_of_one_are_listed(manifest: Path, capsys: pytest.CaptureFixture[str]):
    assert run(str(manifest)) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[2:4]] == [
        ["a.wav", "36.00", "2", "anna", "no"],
        ["[bold]x[/nonsense]", "36.00", "1", "-", "no"],
    ]
    assert out.splitlines()[0].endswith("m.jsonl: 2 recordings, 0.02 hours, 1 speakers, licence: CC0")


def test_conditions_are_listed_where_stated(capsys: pytest.CaptureFixture[str]):
    assert run("talks-noisy") == 0
    total, heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[-1] == "condition"
    assert {line.split()[-1] for line in rows} == {"noisy"}
    assert total.startswith("talks-noisy: 8 recordings, ")
    assert run("talks", "--json") == 0
    conditions = [entry["condition"] for entry in json.loads(capsys.readouterr().out)["entries"]]
    assert sorted(conditions) == ["clean"] * 8 + ["noisy"] * 8


def test_json_of_one(manifest: Path, capsys: pytest.CaptureFixture[str]):
    assert run(str(manifest), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["recordings"], result["audio_s"], result["licence"]) == (2, 72.0, "CC0")
    assert [entry["text"] for entry in result["entries"]] == ["one two", "three"]


def test_an_unknown_name_is_an_input_error():
    with pytest.raises(InputError, match="did you mean 'talks'"):
        run("talk")
