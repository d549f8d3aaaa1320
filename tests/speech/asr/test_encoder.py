"""The encoder for inference against openai-whisper's modules: any context, any precision, with and without oneDNN."""

import pytest
import torch
from earspan.speech.asr import encoder as module
from earspan.speech.asr.encoder import Encoder
from earspan.speech.weights.precision import hold


@torch.inference_mode()
@pytest.mark.parametrize("positions", [25, 617, 1500])
@pytest.mark.parametrize("onednn", [True, False])
def test_equals_the_modules_to_rounding(positions: int, onednn: bool, tiny_whisper, monkeypatch: pytest.MonkeyPatch):
    if not onednn:
        monkeypatch.setattr(module, "_has_onednn", lambda: False)
    whole = tiny_whisper(n_audio_ctx=positions).encoder
    mel = torch.randn(2, 80, 2 * positions, generator=torch.Generator().manual_seed(positions))
    expected = whole(mel)
    torch.testing.assert_close(Encoder(whole)(mel), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(whole(mel), expected)  # the modules still work, on the weights made one


@torch.inference_mode()
def test_in_bf16_it_is_whisper_in_bf16(tiny_whisper):
    half = hold(tiny_whisper(n_audio_ctx=100), torch.bfloat16).encoder
    mel = torch.randn(1, 80, 200, generator=torch.Generator().manual_seed(1)).bfloat16()
    found = Encoder(half)(mel)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, half(mel), rtol=0, atol=0.1)
