"""Real tiny.en: whatever source it came from, it is what OpenAI published, as far as others can bear witness."""

import base64
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from earspan.speech.asr.model import load_recogniser
from earspan.speech.weights import sources
from earspan.speech.weights.ct2_whisper import read_ct2

pytestmark = pytest.mark.weights


def _heads(recogniser) -> list[list[int]]:
    return recogniser.whisper.get_buffer("alignment_heads").to_dense().nonzero().tolist()


def test_it_loads_as_openai_whisper_loads_it(real_weights):
    found = real_weights("tiny.en")
    recogniser = load_recogniser("tiny.en")
    assert (recogniser.name, recogniser.source, recogniser.sha256) == ("tiny.en", found.source, found.sha256)
    assert recogniser.digest == sources.digests()["tiny.en"]
    theirs = whisper.load_model(str(found.path), device="cpu")
    assert recogniser.dims == theirs.dims
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(recogniser.whisper.state_dict()[name], tensor)


def test_it_has_the_official_alignment_heads_under_any_name(real_weights, tmp_path: Path):
    found = real_weights("tiny.en")
    # openai/whisper, whisper/__init__.py, `_ALIGNMENT_HEADS`
    dump = np.frombuffer(gzip.decompress(base64.b85decode("ABzY8J1N>@0{>%R00Bk>$p{7v037`oCl~+#00")), bool)
    official = np.argwhere(dump.reshape(4, 6)).tolist()
    assert official != [[layer, head] for layer in (2, 3) for head in range(6)]  # what a path alone would get
    assert _heads(load_recogniser("tiny.en")) == official
    shutil.copy(found.path, tmp_path / "mine.pt")
    mine = load_recogniser(str(tmp_path / "mine.pt"))
    assert (mine.name, mine.source, _heads(mine)) == ("mine", "file", official)
    if found.ct2 is not None:  # what the converter took from Hugging Face
        assert json.loads((found.ct2 / "config.json").read_text())["alignment_heads"] == official


def test_both_formats_hold_the_same(real_weights):
    found = real_weights("tiny.en")
    if found.ct2 is None:
        pytest.skip(f"{found.source} has no CTranslate2 folder")
    content = torch.load(found.path, weights_only=True)
    ct2 = read_ct2(found.ct2 / "model.bin")
    assert content["dims"] == ct2.dims.to_dict()
    assert all(torch.equal(content["model_state_dict"][name], tensor) for name, tensor in ct2.tensors.items())
    assert {tensor.dtype for tensor in content["model_state_dict"].values()} == {torch.float16}
