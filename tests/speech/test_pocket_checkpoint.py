"""The bundled checkpoint's format, whatever its accuracy: compact, expanded, exported, and all the same model."""

import runpy
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.speech.engine import Clip, DecodeOptions, Engine
from earspan.speech.model import Recogniser, load_recogniser
from earspan.speech.pocket.checkpoint import BUNDLED, compact, expanded
from earspan.speech.pocket.vocabulary import N_VOCAB, used_tokens
from whisper.model import ModelDimensions

TABLE = "decoder.token_embedding.weight"


def export(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["export", *arguments])
    monkeypatch.delitem(sys.modules, "earspan.speech.pocket.export", raising=False)
    runpy.run_module("earspan.speech.pocket.export", run_name="__main__")


def test_what_is_made_compact_expands_to_the_same_table(tiny_whisper, tmp_path: Path):
    model = tiny_whisper(n_audio_ctx=50)
    weights = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    token_ids = (3, 7, 50_256, 50_257)
    rows = torch.randn(5, 64).half().float()
    path = tmp_path / "small.pt"
    torch.save(compact(asdict(model.dims), {**weights, TABLE: rows}, token_ids), path)
    again = expanded(path)
    assert ModelDimensions(**again["dims"]) == model.dims
    for name, tensor in weights.items():
        if name != TABLE:
            assert torch.equal(again["model_state_dict"][name], tensor)
    table = again["model_state_dict"][TABLE]
    assert table.shape == (N_VOCAB, 64)
    assert torch.equal(table[list(token_ids)], rows[:-1])
    others = torch.ones(N_VOCAB, dtype=torch.bool)
    others[list(token_ids)] = False
    assert torch.equal(table[others], rows[-1].expand(N_VOCAB - 4, -1))


def test_the_bundled_file_is_small_and_its_token_ids_are_those_of_the_vocabulary():
    assert BUNDLED.stat().st_size <= 16e6
    stored = torch.load(BUNDLED, weights_only=True)
    assert stored.keys() == {"dims", "model_state_dict", "token_ids", "heads"}
    assert stored["heads"].keys() == {"letters", "phonemes"}
    assert tuple(stored["token_ids"].tolist()) == used_tokens()
    assert stored["dims"]["n_vocab"] == N_VOCAB
    assert {tensor.dtype for tensor in stored["model_state_dict"].values()} == {torch.float16}
    assert stored["model_state_dict"][TABLE].shape[0] == len(used_tokens()) + 1


def test_the_exported_file_is_the_same_model_for_openai_whisper(monkeypatch, tmp_path: Path, tones, capsys):
    path = tmp_path / "pocket-openai.pt"
    export(monkeypatch, "--expand", str(path))
    assert f"whisper.load_model('{path}')" in capsys.readouterr().out
    loaded = whisper.load_model(str(path), device="cpu").eval()
    pocket = load_recogniser("pocket")
    assert loaded.state_dict().keys() == pocket.whisper.state_dict().keys()
    for name, tensor in pocket.whisper.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    table = loaded.state_dict()[TABLE]
    unused = sorted(set(range(N_VOCAB)) - set(used_tokens()))
    assert torch.equal(table[unused], table[unused[0]].expand(len(unused), -1))

    options = DecodeOptions(max_tokens=20)
    clips = [Clip(tones(seconds, 2)) for seconds in (0.5, 1.7)]
    again = Recogniser("again", loaded, "0" * 64, pads=False)
    assert Engine(again, options).transcribe(clips) == Engine(pocket, options).transcribe(clips)
    # Loaded by its path it is padded like any Whisper, and 30 s are 30 s for both.
    clip = Clip(tones(30.0, 3))
    by_path = load_recogniser(str(path))
    assert Engine(by_path, options).transcribe([clip]) == Engine(pocket, options).transcribe([clip])


def test_export_takes_the_whisper_out_of_the_trainers_state(monkeypatch, tmp_path: Path, tiny_whisper, capsys):
    model = tiny_whisper(n_audio_ctx=50)
    weights = {f"whisper.{name}": tensor for name, tensor in model.state_dict().items()}
    weights[f"whisper.{TABLE}"] = torch.randn(len(used_tokens()) + 1, 64)
    state = {
        "model": {**weights, "letters.weight": torch.ones(2), "phonemes.1.bias": torch.zeros(3)},
        "dims": asdict(model.dims),
        "step": 3,
        "heard_s": 7200.0,
    }
    torch.save(state, tmp_path / "training.pt")
    export(monkeypatch, "--training", str(tmp_path / "training.pt"), "--out", str(tmp_path / "out.pt"))
    assert "step 3, 2.0 h" in capsys.readouterr().out
    heads = torch.load(tmp_path / "out.pt", weights_only=True)["heads"]
    assert heads["letters"]["weight"].tolist() == [1, 1]
    assert heads["phonemes"]["1.bias"].tolist() == [0, 0, 0]
    again = expanded(tmp_path / "out.pt")["model_state_dict"]
    assert again.keys() == model.state_dict().keys()
    for name in again.keys() - {TABLE}:
        np.testing.assert_allclose(again[name], model.state_dict()[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"these are no weights\n",
        BUNDLED.read_bytes()[:-5000] if BUNDLED.exists() else b"",
        None,  # a checkpoint in openai-whisper's format, without token ids
    ],
)
def test_a_file_that_is_no_pocket_checkpoint(tmp_path: Path, tiny_whisper, content: bytes | None):
    path = tmp_path / "bad.pt"
    if content is None:
        model = tiny_whisper(n_audio_ctx=50)
        torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="not a pocket checkpoint") as raised:
        expanded(path)
    assert "\n" not in str(raised.value)


def test_token_ids_beyond_the_table(tmp_path: Path, tiny_whisper):
    model = tiny_whisper(n_audio_ctx=50)
    stored = compact(asdict(model.dims), model.state_dict() | {TABLE: torch.zeros(3, 64)}, (1, N_VOCAB))
    torch.save(stored, tmp_path / "bad.pt")
    with pytest.raises(InputError, match="not a pocket checkpoint"):
        expanded(tmp_path / "bad.pt")


def test_a_missing_checkpoint_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such checkpoint; make one with: make pocket"):
        expanded(tmp_path / "pocket.pt")
