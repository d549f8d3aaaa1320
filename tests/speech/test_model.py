"""The encoder pass against whisper's own, and loading: what loads, and what each wrong input says."""

import pickle
import urllib.error
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.speech.model import checkpoint_dims, encode, load_recogniser

from ..tiny import saved


@torch.inference_mode()
def test_30_s_are_encoded_as_whisper_does(tiny_whisper):
    encoder = tiny_whisper().encoder
    mel = torch.randn(2, 80, 3000)
    torch.testing.assert_close(encode(encoder, mel), encoder(mel))


@torch.inference_mode()
@pytest.mark.parametrize("positions", [25, 150, 1499])
def test_shorter_audio_is_encoded_as_by_a_whisper_with_a_shorter_context(tiny_whisper, positions: int):
    encoder = tiny_whisper().encoder
    weights = encoder.state_dict()
    weights["positional_embedding"] = weights["positional_embedding"][:positions]
    short = tiny_whisper(n_audio_ctx=positions).encoder
    short.load_state_dict(weights)
    mel = torch.randn(1, 80, 2 * positions)
    torch.testing.assert_close(encode(encoder, mel), short(mel))


def test_a_checkpoint_file_loads_with_its_hash(tiny_whisper, tmp_path: Path):
    model = tiny_whisper(n_audio_ctx=50)
    path = saved(model, tmp_path / "mine.pt")
    recogniser = load_recogniser(str(path))
    assert (recogniser.name, recogniser.pads, recogniser.dims) == ("mine", True, model.dims)
    assert recogniser.sha256 == whisper.hashlib.sha256(path.read_bytes()).hexdigest()
    assert not recogniser.whisper.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(recogniser.whisper.state_dict()[name], tensor, rtol=0, atol=0)
    assert checkpoint_dims(str(path)) == model.dims
    assert checkpoint_dims("large-v3") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinyen", "unknown model 'tinyen'; did you mean 'tiny.en'?"),
        ("large-v9", "unknown model 'large-v9'; did you mean 'large"),
        ("xyz", "known: base"),
        ("", "unknown model ''"),
        ("nowhere/model.pt", "nowhere/model.pt: no such checkpoint; known models: tiny.en, tiny"),
        ("model.pt", "model.pt: no such checkpoint"),
    ],
)
def test_a_name_that_leads_nowhere(name: str, message: str):
    with pytest.raises(InputError) as raised:
        load_recogniser(name)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


class _Touch:
    """Unpickled by a loader that runs code, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def _text(path: Path, model: whisper.Whisper) -> None:
    path.write_text("these are no weights\n")


def _empty(path: Path, model: whisper.Whisper) -> None:
    path.touch()


def _truncated(path: Path, model: whisper.Whisper) -> None:
    saved(model, path)
    path.write_bytes(path.read_bytes()[:-2000])


def _truncated_pickle(path: Path, model: whisper.Whisper) -> None:
    path.write_bytes(pickle.dumps({"dims": asdict(model.dims)})[:-9])


def _code(path: Path, model: whisper.Whisper) -> None:
    torch.save({"dims": _Touch(path.with_name("executed")), "model_state_dict": {}}, path)


def _pickled_code(path: Path, model: whisper.Whisper) -> None:
    path.write_bytes(pickle.dumps(_Touch(path.with_name("executed"))))


def _other_tensors(path: Path, model: whisper.Whisper) -> None:
    torch.save({"dims": asdict(model.dims), "model_state_dict": {"weight": torch.zeros(2)}}, path)


@pytest.mark.parametrize("write", [_text, _empty, _truncated, _truncated_pickle, _code, _pickled_code, _other_tensors])
def test_a_file_that_is_no_checkpoint(tiny_whisper, tmp_path: Path, write):
    path = tmp_path / "bad.pt"
    write(path, tiny_whisper(n_audio_ctx=50))
    with pytest.raises(InputError, match="not a checkpoint in openai-whisper's format") as raised:
        load_recogniser(str(path))
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "error", [urllib.error.URLError("no route to host"), OSError(), RuntimeError("SHA256 checksum\ndoes not match")]
)
def test_official_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception):
    def fail(name: str, device: str, download_root: str) -> None:
        assert (name, download_root) == ("tiny.en", str(tmp_path / "whisper"))
        raise error

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper, "load_model", fail)
    with pytest.raises(InputError, match="could not be downloaded") as raised:
        load_recogniser("tiny.en")
    assert str(tmp_path / "whisper") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_official_weights_are_known_by_the_hash_they_are_published_with(tiny_whisper, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(whisper, "load_model", lambda name, device, download_root: tiny_whisper(n_audio_ctx=50))
    recogniser = load_recogniser("tiny.en")
    # https://github.com/openai/whisper/blob/main/whisper/__init__.py
    assert recogniser.sha256 == "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03"
    assert recogniser.pads
