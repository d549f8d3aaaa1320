"""The mean of two trainings, on planted weights."""

import sys
from pathlib import Path

import pytest
import torch
from earspan.backends.errors import InputError
from earspan.speech.pocket import average
from earspan.speech.pocket.average import averaged
from earspan.speech.pocket.checkpoint import BUNDLED
from earspan.speech.pocket.learner import PocketTrainer
from earspan.speech.pocket.train import begin_with
from earspan.speech.pocket.vocabulary import used_tokens


def training(value: float, width: int = 3, tokens: tuple[int, ...] = (5, 7), step: int = 1) -> dict:
    weights = {"whisper.a": torch.full((2, width), value), "letters.b": torch.full((width,), 2 * value)}
    return {"model": weights, "token_ids": torch.tensor(tokens), "step": step, "heard_s": 60.0 * step, "optimizers": []}


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.25, 2.0), (1.0, 5.0)])
def test_the_mean_lies_between_the_weights_by_its_share(share: float, expected: float):
    mean = averaged(training(1.0), training(5.0, step=9), share)
    assert mean["model"]["whisper.a"].tolist() == [[expected] * 3] * 2
    assert mean["model"]["letters.b"].tolist() == [2 * expected] * 3
    assert (mean["step"], mean["heard_s"]) == (9, 540.0)  # of the later one
    assert "optimizers" not in mean  # they belong to neither


@pytest.mark.parametrize("other", [training(2.0, width=4), training(2.0, tokens=(5, 8))])
def test_trainings_of_other_models_are_refused(other: dict):
    with pytest.raises(InputError, match="give two of one"):
        averaged(training(1.0), other, 0.5)


def test_the_command_writes_what_the_next_step_reads(tmp_path: Path, monkeypatch, capsys):
    for name, value in (("before", 1.0), ("after", 3.0)):
        torch.save(training(value), tmp_path / f"{name}.pt")
    arguments = ["average", str(tmp_path / "before.pt"), str(tmp_path / "after.pt"), "--out", str(tmp_path / "mean.pt")]
    monkeypatch.setattr(sys, "argv", arguments)
    average.main()
    written = torch.load(tmp_path / "mean.pt", weights_only=True)
    assert written["model"]["whisper.a"].unique().tolist() == [2.0]
    assert "0.5 of" in capsys.readouterr().out


def test_a_training_from_the_bundled_file_is_averaged_with_it(tmp_path: Path, monkeypatch):
    model = PocketTrainer()
    begin_with(model, BUNDLED)
    moved = {name: weight + 1 for name, weight in model.state_dict().items()}
    torch.save({"model": moved, "token_ids": torch.tensor(used_tokens())}, tmp_path / "after.pt")
    monkeypatch.setattr(
        sys, "argv", ["average", str(BUNDLED), str(tmp_path / "after.pt"), "--out", str(tmp_path / "mean.pt")]
    )
    average.main()
    written = torch.load(tmp_path / "mean.pt", weights_only=True)["model"]
    assert all(torch.allclose(written[name], weight + 0.5, atol=1e-5) for name, weight in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.pt", "missing.pt"], "no such file"),
        (["a.pt", "a.pt", "--share", "1.5"], "expected 0 to 1"),
        (["a.pt", "weights.pt"], "without a training's state"),
        (["a.pt", "wider.pt"], "give two of one model"),
    ],
)
def test_bad_input_is_said_in_one_line(arguments: list[str], said: str, tmp_path: Path, monkeypatch, capsys):
    torch.save(training(1.0), tmp_path / "a.pt")
    torch.save(training(1.0, width=4), tmp_path / "wider.pt")
    torch.save({"model_state_dict": {}}, tmp_path / "weights.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["average", *arguments])
    with pytest.raises(SystemExit, match="2"):
        average.main()
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "build").exists()
