"""The encoder for inference against openai-whisper's modules: any context, any precision, with and without oneDNN."""

import pytest
import torch
from earspan.speech.asr import encoder as module
from earspan.speech.asr.encoder import Encoder
from earspan.speech.weights.precision import hold
from torch.utils.flop_counter import FlopCounterMode


@torch.inference_mode()
@pytest.mark.parametrize("positions", [25, 617, 1500])
@pytest.mark.parametrize("onednn", [True, False])
def test_equals_the_modules_to_rounding(positions: int, onednn: bool, tiny_whisper, monkeypatch: pytest.MonkeyPatch):
    if not onednn:
        monkeypatch.setattr(module, "_has_onednn", lambda dtype: False)
    whole = tiny_whisper(n_audio_ctx=positions).encoder
    mel = torch.randn(2, 80, 2 * positions, generator=torch.Generator().manual_seed(positions))
    expected = whole(mel)
    torch.testing.assert_close(Encoder(whole)(mel), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(whole(mel), expected)  # the modules still work, on the weights made one


@torch.inference_mode()
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_is_known_after_the_audio_changes_nothing(precision: torch.dtype, tiny_whisper):
    """Lengths whose ends fall on every place of the convolutions' steps, one of them twice, and whole windows."""
    half = hold(tiny_whisper(), precision).encoder
    encoder, whole = Encoder(half), Encoder(half)
    generator = torch.Generator().manual_seed(1)
    for heard in (0, 1, 500, 501, 502, 500, 2797, 3000):
        mel = torch.zeros(1, 80, 3000, dtype=precision)
        mel[..., :heard] = torch.randn(80, heard, generator=generator).to(precision)
        atol = 1e-4 if precision == torch.float32 else 0.05
        torch.testing.assert_close(encoder(mel, heard), whole(mel), rtol=0, atol=atol)
        assert torch.equal(encoder(mel, heard), encoder(mel, heard))
    two = torch.zeros(2, 80, 3000, dtype=precision)
    two[..., :700] = torch.randn(2, 80, 700, generator=generator).to(precision)
    for one, found in zip(two, encoder(two, 700), strict=True):
        torch.testing.assert_close(
            found, encoder(one[None], 700)[0], rtol=0, atol=1e-4 if precision.itemsize == 4 else 0.05
        )


@torch.inference_mode()
def test_the_positions_after_the_audio_cost_no_attention_among_themselves(tiny_whisper):
    encoder = Encoder(tiny_whisper().encoder)
    mel = torch.zeros(1, 80, 3000)
    encoder(mel, 500)  # of this length, all that does not depend on the audio is now known
    with FlopCounterMode(display=False) as known:
        encoder(mel, 500)
    with FlopCounterMode(display=False) as whole:
        encoder(mel)
    assert known.get_total_flops() < 0.9 * whole.get_total_flops()


@torch.inference_mode()
def test_lengths_are_forgotten_in_turn(tiny_whisper):
    encoder = Encoder(tiny_whisper().encoder)
    for heard in range(100, 140, 2):
        encoder(torch.zeros(1, 80, 3000), heard)
    assert len(encoder._tails) == module._TAILS


@torch.inference_mode()
def test_in_bf16_on_a_cpu_it_is_nearer_to_fp32_than_whisper_in_bf16(tiny_whisper):
    full, half = tiny_whisper(n_audio_ctx=100).encoder, hold(tiny_whisper(n_audio_ctx=100), torch.bfloat16).encoder
    mel = torch.randn(1, 80, 200, generator=torch.Generator().manual_seed(1))
    found, theirs, expected = Encoder(half)(mel.bfloat16()), half(mel.bfloat16()), full(mel)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < (theirs - expected).abs().mean()
