"""Checkpoints: shapes against openai-whisper's own modules, the digest against its definition, and what is refused."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.backends.workload.models import Dimensions
from earspan.speech.weights.checkpoint import Checkpoint, read_checkpoint, save, shapes_of, tensor_digest
from whisper.model import ModelDimensions, Whisper

from .planted import SIZES, whisper_of

DIMS = Dimensions(**SIZES)


def _planted(seed: int = 1, **sizes: int) -> Checkpoint:
    model = whisper_of(seed, **sizes)
    return Checkpoint(Dimensions.of(model.dims), dict(model.state_dict()))


@pytest.mark.parametrize("sizes", [{}, {"n_audio_layer": 3, "n_text_layer": 1, "n_mels": 80, "n_vocab": 12}])
def test_shapes_are_those_of_openai_whisper(sizes: dict[str, int]):
    dims = replace(DIMS, **sizes)
    state = Whisper(ModelDimensions(**dims.to_dict())).state_dict()
    assert shapes_of(dims) == {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_openai_whisper_loads_what_is_saved(tmp_path: Path):
    planted = _planted()
    save(planted, tmp_path / "tiny.pt")
    theirs, ours = whisper.load_model(str(tmp_path / "tiny.pt"), device="cpu"), read_checkpoint(tmp_path / "tiny.pt")
    assert vars(theirs.dims) == ours.dims.to_dict() == SIZES
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, planted.tensors[name].float())
        assert torch.equal(ours.tensors[name], planted.tensors[name])


def test_the_digest_is_what_it_says():
    planted = _planted()
    text = json.dumps(dict(sorted(SIZES.items()))).encode()
    for name in sorted(planted.tensors):
        values = planted.tensors[name].numpy()
        text += f"\n{name} float16 {list(values.shape)}\n".encode() + values.tobytes()
    assert tensor_digest(planted) == hashlib.sha256(text).hexdigest()


def test_how_numbers_are_held_does_not_count_but_every_number_does():
    planted = _planted()
    digest = tensor_digest(planted)
    backwards = {name: tensor.float() for name, tensor in reversed(planted.tensors.items())}
    assert tensor_digest(replace(planted, tensors=backwards)) == digest
    assert tensor_digest(replace(planted, dims=replace(DIMS, n_audio_head=4))) != digest
    for name, tensor in planted.tensors.items():
        for nudge in (2.0, 1 + 1e-5):  # another fp16 number, and one that fp16 does not hold
            other = tensor.float()
            other.view(-1)[-1] *= nudge
            assert tensor_digest(replace(planted, tensors=planted.tensors | {name: other})) != digest


ABSURD = {
    "n_mels": [0, -1, 10**12],
    "n_audio_ctx": [0, 8, 10**15],
    "n_audio_state": [0, 10, 10**9],
    "n_audio_head": [0, 3],
    "n_audio_layer": [0, 2, 10**9],
    "n_vocab": [0, 12, 10**18, 2**70, 11.0, True, "11", None],
    "n_text_head": [-4, 16],
    "n_text_layer": [1, 1000],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ABSURD.items() for value in values])
def test_dims_that_do_not_fit(tmp_path: Path, name: str, value: object):
    path = tmp_path / "bad.pt"
    torch.save({"dims": {**SIZES, name: value}, "model_state_dict": _planted().tensors}, path)
    with pytest.raises(InputError, match="not a checkpoint in openai-whisper's format") as raised:
        read_checkpoint(path)
    assert "\n" not in str(raised.value)


def _changed(name: str, tensor: object) -> dict:
    return {"dims": SIZES, "model_state_dict": {**_planted().tensors, name: tensor}}


STATE = _planted().tensors
BAD = {
    "NaN": _changed("decoder.ln.bias", torch.full((8,), torch.nan)),
    "one NaN among many": _changed("decoder.token_embedding.weight", STATE["decoder.token_embedding.weight"].clone()),
    "infinity": _changed("decoder.ln.bias", torch.full((8,), -torch.inf).half()),
    "another shape": _changed("decoder.ln.bias", torch.zeros(9)),
    "whole numbers": _changed("decoder.ln.bias", torch.zeros(8, dtype=torch.int64)),
    "no tensor": _changed("decoder.ln.bias", [0.0] * 8),
    "a sparse tensor": _changed("decoder.ln.bias", torch.zeros(8).to_sparse()),
    "a tensor too many": _changed("decoder.lm_head.weight", torch.zeros(8)),
    "a tensor too few": {"dims": SIZES, "model_state_dict": {k: v for k, v in STATE.items() if k != "decoder.ln.bias"}},
    "no dims": {"model_state_dict": STATE},
    "dims of something else": {"dims": {"n_mels": 80}, "model_state_dict": STATE},
    "a bare state dict": STATE,
    "a list": [SIZES, STATE],
}
BAD["one NaN among many"]["model_state_dict"]["decoder.token_embedding.weight"][10, 3] = torch.nan


@pytest.mark.parametrize("kind", BAD)
def test_no_whisper(tmp_path: Path, kind: str):
    path = tmp_path / "bad.pt"
    torch.save(BAD[kind], path)
    with pytest.raises(InputError, match="not a checkpoint in openai-whisper's format") as raised:
        read_checkpoint(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_file_that_would_unpack_to_more_than_it_is(tmp_path: Path):
    save(_planted(), tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as bomb:
        for member in good.infolist():
            bomb.writestr(member.filename, good.read(member), zipfile.ZIP_DEFLATED)
        bomb.writestr("good/data/9999", bytes(10**7), zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="more than it is"):
        read_checkpoint(tmp_path / "bomb.pt")
