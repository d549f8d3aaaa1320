"""`model.bin`: what our own writer and CTranslate2 itself put in comes out, and no damage does worse than one line."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from earspan.backends.errors import InputError
from earspan.speech.asr.model import Recogniser
from earspan.speech.weights.checkpoint import Checkpoint, tensor_digest
from earspan.speech.weights.ct2_whisper import read_ct2
from hypothesis import given
from hypothesis import strategies as st

from .planted import ALIAS, SETTINGS, model_bin, text_bytes, variables_of, whisper_of

GOOD = model_bin({**variables_of(whisper_of()), **SETTINGS})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ct2") / "model.bin"


def _read(place: Path, content: bytes) -> Checkpoint:
    # a new file each time: changing one that is mapped into memory is another story
    place.unlink(missing_ok=True)
    place.write_bytes(content)
    return read_ct2(place)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("sizes", [{}, {"n_audio_layer": 11, "n_text_layer": 1, "n_text_head": 1}])
def test_what_was_written_is_read(place: Path, dtype: str, sizes: dict[str, int]):
    model = whisper_of(**sizes)
    found = _read(place, model_bin({**variables_of(model, dtype), **SETTINGS}))
    assert found.dims.to_dict() == vars(model.dims)
    assert found.tensors.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert found.tensors[name].dtype == getattr(torch, dtype)
        assert torch.equal(found.tensors[name], tensor.to(found.tensors[name].dtype))


def test_what_ctranslate2_wrote_is_read(tiny_whisper: Callable, tmp_path: Path):
    pytest.importorskip("ctranslate2", reason="needs earspan[ct2]")
    from earspan.speech.asr.ct2_format import convert

    model = tiny_whisper(n_audio_ctx=50).half().float()
    convert(Recogniser("tiny", model, "0" * 64), tmp_path / "made", "float16")
    found = read_ct2(tmp_path / "made" / "model.bin")
    assert found.dims.to_dict() == vars(model.dims)
    for name, tensor in model.state_dict().items():
        assert torch.equal(found.tensors[name].float(), tensor)


@given(size=st.integers(0, len(GOOD) - 1))
def test_truncated_anywhere(place: Path, size: int):
    with pytest.raises(InputError, match=r"model\.bin") as raised:
        _read(place, GOOD[:size])
    assert "\n" not in str(raised.value)


@given(at=st.integers(0, len(GOOD) - 1), bits=st.integers(1, 255))
def test_a_damaged_byte_is_refused_or_another_number(place: Path, at: int, bits: int):
    damaged = bytearray(GOOD)
    damaged[at] ^= bits
    try:
        found = _read(place, bytes(damaged))
    except InputError:
        return
    original = _read(place, GOOD)
    # a revision changes nothing that we read; an alias of one tensor may become one of another
    assert found.dims != original.dims or sum(
        not torch.equal(found.tensors[name], tensor) for name, tensor in original.tensors.items()
    ) in (0, 1)


def _header(variables: int) -> bytes:
    return struct.pack("<I", 6) + text_bytes("WhisperSpec") + struct.pack("<II", 3, variables)


LIES = {
    "no bytes": b"",
    "a text": b"these are no weights\n" * 9,
    "another version": model_bin(variables_of(whisper_of()), version=5),
    "another kind of model": model_bin(variables_of(whisper_of()), spec="TransformerSpec"),
    "four thousand million variables": _header(2**32 - 1) + text_bytes("a") + struct.pack("<BBI", 0, 4, 2) + b"  ",
    "an array of a terabyte": _header(1) + text_bytes("a") + struct.pack("<BIIBI", 2, 2**20, 2**20, 0, 4) + b"    ",
    "a size that overflows": _header(1) + text_bytes("a") + struct.pack("<BIIBI", 2, 2**16, 2**16, 1, 0),
    "255 dimensions": _header(1) + text_bytes("a") + b"\xff" + bytes(2000),
    "bfloat16": _header(1) + text_bytes("a") + struct.pack("<BBI", 0, 5, 2) + b"  ",
    "a name that is no text": _header(1) + struct.pack("<H", 3) + b"\xff\xfe\0" + bytes(99),
    "a name of no length": _header(1) + struct.pack("<H", 0) + bytes(99),
    "a name twice": model_bin(variables_of(whisper_of()), aliases=(ALIAS, ALIAS)),
    "something behind it": GOOD + b"\0",
    "an alias of nothing": model_bin(variables_of(whisper_of()), aliases=((ALIAS[0], "nothing"),)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies(place: Path, lie: str):
    with pytest.raises(InputError, match=r"not a Whisper in CTranslate2's format|cannot be read"):
        _read(place, LIES[lie])


def _without(name: str) -> dict:
    return {known: value for known, value in variables_of(whisper_of()).items() if known != name}


def _key_bias() -> np.ndarray:
    bias = variables_of(whisper_of())["decoder/layer_1/self_attention/linear_0/bias"].copy()
    bias[8:16] = 0.5
    return bias


OTHERS = {
    "int8 weights": {"encoder/conv1/weight": np.zeros((8, 5, 3), np.int8)},
    "a bias of the key": {"decoder/layer_1/self_attention/linear_0/bias": _key_bias()},
    "a variable too many": {"decoder/layer_0/self_attention/relative_position_keys": np.zeros((3, 3), np.float16)},
    "another activation": {"decoder/activation": np.int8(0)},
    "three heads": {"encoder/num_heads": np.int16(3)},
    "no heads": {"encoder/num_heads": np.int16(0)},
    "minus one head": {"decoder/num_heads": np.int16(-1)},
    "a layer left out": {"encoder/layer_9/ffn/linear_0/bias": np.zeros(32, np.float16)},
    "NaN": {"encoder/layer_norm/gamma": np.full(8, np.nan, np.float16)},
    "infinity": {"encoder/layer_norm/gamma": np.full(8, np.inf, np.float16)},
    "another width": {"encoder/layer_norm/gamma": np.ones(9, np.float16)},
    "an output layer of its own": {"decoder/projection/weight": np.ones((11, 8), np.float16)},
    "another rank": {"decoder/embeddings/weight": np.ones(88, np.float16)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_no_whisper(place: Path, other: str):
    variables = {**variables_of(whisper_of()), **SETTINGS, **OTHERS[other]}
    content = model_bin(variables, aliases=() if ALIAS[0] in variables else (ALIAS,))
    with pytest.raises(InputError, match="not a Whisper in CTranslate2's format"):
        _read(place, content)


def test_a_small_file_does_not_become_a_large_model(place: Path):
    variables = variables_of(whisper_of(n_audio_state=64, n_text_state=64))
    first = "decoder/layer_0/"
    aliases = [(name.replace(first, f"decoder/layer_{n}/"), name) for name in variables for n in range(2, 40)]
    lie = model_bin(variables, aliases=(ALIAS, *(pair for pair in aliases if pair[1].startswith(first))))
    with pytest.raises(InputError, match="more than it is"):
        _read(place, lie)


def test_an_output_layer_may_be_written_out(place: Path):
    variables = variables_of(whisper_of())
    written = _read(place, model_bin({**variables, ALIAS[0]: variables[ALIAS[1]]}, aliases=()))
    assert tensor_digest(written) == tensor_digest(_read(place, model_bin(variables)))


def test_a_variable_is_missing(place: Path):
    for name in variables_of(whisper_of()):
        with pytest.raises(InputError, match="not a Whisper in CTranslate2's format"):
            _read(place, model_bin(_without(name), aliases=() if name == ALIAS[1] else (ALIAS,)))


def test_a_path_that_leads_nowhere(tmp_path: Path):
    for path in (tmp_path / "none.bin", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_ct2(path)


def test_two_conversions_have_one_digest(place: Path):
    digests = {
        tensor_digest(_read(place, model_bin({**variables_of(whisper_of(), dtype), **settings})))
        for dtype in ("float16", "float32")
        for settings in ({}, SETTINGS, {**SETTINGS, "decoder/scale_alibi": np.int8(0)})
    }
    assert len(digests) == 1
    assert tensor_digest(_read(place, model_bin(variables_of(whisper_of(seed=2))))) not in digests
