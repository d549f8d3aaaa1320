"""Loading: what loads, and what each wrong input says."""

import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.backends.workload.models import Dimensions
from earspan.speech.asr.model import load_recogniser, model_names
from earspan.speech.weights.dims import checkpoint_dims
from whisper.model import ModelDimensions

from ...tiny import saved


def test_a_checkpoint_file_loads_with_its_hash(tiny_whisper, tmp_path: Path):
    model = tiny_whisper(n_audio_ctx=50)
    path = saved(model, tmp_path / "mine.pt")
    recogniser = load_recogniser(str(path))
    assert (recogniser.name, recogniser.dims) == ("mine", model.dims)
    assert recogniser.sha256 == whisper.hashlib.sha256(path.read_bytes()).hexdigest()
    assert not recogniser.whisper.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(recogniser.whisper.state_dict()[name], tensor, rtol=0, atol=0)
    assert checkpoint_dims(str(path)) == Dimensions.of(model.dims)
    assert checkpoint_dims("large-v9") is None
    assert checkpoint_dims("turbo") == Dimensions.of(ModelDimensions(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 4))
    assert model_names() == whisper.available_models()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny.ne", "unknown model 'tiny.ne'; did you mean 'tiny.en'?"),
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
