"""Precisions: what `auto` is, what is refused, and that half precision hears the same and is kept apart."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from earspan.backends.errors import InputError
from earspan.datasets import open_dataset
from earspan.speech.asr.attention import Attention
from earspan.speech.asr.cache import TranscriptCache
from earspan.speech.asr.engines import make_engine
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.torch_engine import Engine
from earspan.speech.weights import precision
from earspan.speech.weights.precision import choose_dtype, hold

OPTIONS = DecodeOptions(max_tokens=12)


def test_auto_is_fp32_on_a_cpu_and_fp16_on_accelerators(monkeypatch: pytest.MonkeyPatch):
    assert choose_dtype("auto", "cpu") == torch.float32
    assert choose_dtype("bf16", "cpu") == torch.bfloat16
    monkeypatch.setattr(precision, "_present", lambda kind: True)
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *sizes, dtype, device: ones(*sizes))
    assert choose_dtype("auto", "cuda:1") == torch.float16
    assert choose_dtype("auto", "mps") == torch.float16
    assert choose_dtype("bf16", "mps") == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("fp61", "cpu", "unknown precision 'fp61'; did you mean 'fp16'"),
        ("fp16", "cpu", "precision fp16: CPUs do not multiply it; type --precision fp32 or bf16"),
        ("auto", "gpu", "unknown device 'gpu'"),
        ("auto", "cuda", "device cuda: this torch finds none here; type --device cpu"),
        ("fp32", "mps", "device mps: this torch finds none here; type --device cpu"),
    ],
)
def test_what_there_is_not(name: str, device: str, message: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError) as raised:
        choose_dtype(name, device)
    assert message in str(raised.value)


def test_a_precision_that_the_device_lacks(monkeypatch: pytest.MonkeyPatch):
    def fail(*sizes: int, dtype: torch.dtype, device: str) -> None:
        raise TypeError("BFloat16 is not supported on MPS")

    monkeypatch.setattr(precision, "_present", lambda kind: True)
    monkeypatch.setattr(torch, "ones", fail)
    with pytest.raises(InputError, match=r"device mps: no bf16 there \(BFloat16 is not supported on MPS\)"):
        choose_dtype("bf16", "mps")


@torch.inference_mode()
def test_holding_weights_in_bf16_is_what_whisper_computes_in_bf16(tiny_whisper):
    mel, tokens = torch.randn(1, 80, 3000).bfloat16(), torch.tensor([[50257, 50362, 7]])
    cast, held = tiny_whisper(), hold(tiny_whisper(), torch.bfloat16)
    assert held.encoder.conv1.weight.dtype == torch.bfloat16
    assert held.encoder.ln_post.weight.dtype == torch.float32
    assert torch.equal(held.encoder(mel), cast.encoder(mel))
    features = held.encoder(mel).float()
    assert held.decoder.token_embedding.weight.dtype == torch.float32  # on a CPU
    assert torch.equal(held.decoder(tokens, features), cast.decoder(tokens, features))


def test_the_fastest_is_what_is_measured(monkeypatch: pytest.MonkeyPatch):
    assert choose_dtype("fastest", "cpu") in (torch.float32, torch.bfloat16)
    for bf16_s, expected in ((0.5, torch.bfloat16), (0.9, torch.float32), (2.0, torch.float32)):
        monkeypatch.setattr(precision, "_seconds", {"fp32": 1.0, "bf16": bf16_s}.__getitem__)
        assert choose_dtype("fastest", "cpu") == expected
    monkeypatch.setattr(precision, "_present", lambda kind: True)
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *sizes, dtype, device: ones(*sizes))
    assert choose_dtype("fastest", "cuda") == torch.float16


@pytest.mark.weights
def test_bf16_is_kept_apart_from_fp32_and_does_not_depend_on_its_batch(tmp_path: Path, tiny_en: Recogniser):
    half = replace(tiny_en, whisper=hold(deepcopy(tiny_en.whisper), torch.bfloat16))
    assert (half.precision, tiny_en.precision) == ("bf16", "fp32")
    audio = next(iter(open_dataset("talks"))).load().audio
    clips = [Clip(audio[start : start + length]) for start, length in ((8_000, 32_000), (48_000, 32_000), (0, 40_000))]
    engine = Engine(half, OPTIONS, TranscriptCache(tmp_path))
    together = engine.transcribe(clips)
    assert all(hypothesis.tokens for hypothesis in together)
    for clip, hypothesis in zip(clips, together, strict=True):
        [alone] = Engine(half, OPTIONS).transcribe([clip])
        assert alone.tokens == hypothesis.tokens
    whole = Engine(tiny_en, OPTIONS, TranscriptCache(tmp_path))
    whole.transcribe(clips)
    assert whole.computed == len(clips)
    again = Engine(half, OPTIONS, TranscriptCache(tmp_path))
    assert again.transcribe(clips) == together
    assert again.computed == 0
    assert Attention(half).words(clips[:1], ["the night"])[0][0].text == "the"


def test_ct2_engines_name_their_own_precision(tiny_whisper):
    half = Recogniser("tiny-random", hold(tiny_whisper(), torch.bfloat16), "0" * 64)
    with pytest.raises(InputError, match="engine ct2-int8: names its own precision; leave --precision bf16 out"):
        make_engine("ct2-int8", half)
