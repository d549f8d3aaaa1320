"""Encoding: side by side to the same sums, each audio once, and once more only where a clip must be alone."""

import threading

import numpy as np
import pytest
import torch
from earspan.speech import audio_features as module
from earspan.speech.attention import Attention
from earspan.speech.audio_features import AudioFeatures
from earspan.speech.engine import Clip, DecodeOptions, Engine
from whisper.audio import SAMPLE_RATE


def encoded(recogniser, work) -> int:
    """How many clips `work` encodes."""
    seen: list[int] = []
    hook = recogniser.whisper.encoder.ln_post.register_forward_hook(lambda *given: seen.append(len(given[2])))
    work()
    hook.remove()
    return sum(seen)


def test_clips_are_encoded_side_by_side_one_on_each_core(monkeypatch: pytest.MonkeyPatch, tiny_recogniser):
    seen: list[tuple[str, int]] = []
    plain = AudioFeatures._encode

    def watched(*arguments):
        seen.append((threading.current_thread().name, torch.get_num_threads()))
        return plain(*arguments)

    monkeypatch.setattr(AudioFeatures, "_encode", watched)
    recogniser, rng, cores = tiny_recogniser(pads=True), np.random.default_rng(3), torch.get_num_threads()
    clips = [Clip((0.1 * rng.standard_normal(20 * SAMPLE_RATE)).astype(np.float32)) for _ in range(3)]
    try:
        torch.set_num_threads(1)
        alone = AudioFeatures(recogniser).of(clips)
        assert seen == [(threading.current_thread().name, 1)] * 3
        torch.set_num_threads(2)
        seen.clear()
        together = AudioFeatures(recogniser).of(clips)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(cores)
    assert threading.current_thread().name not in {name for name, _ in seen}
    assert [threads for _, threads in seen] == [1] * 3
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_attention_hears_what_the_engine_has_encoded(tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    clips = [Clip(tones(seconds, 1)) for seconds in (1.0, 2.0, 2.0, 0.2)]
    engine = Engine(recogniser, DecodeOptions(max_tokens=2))
    assert encoded(recogniser, lambda: engine.transcribe(clips)) == 3
    beside, apart = Attention.beside(engine), Attention(recogniser)
    assert encoded(recogniser, lambda: beside.words(clips, ["a b"] * 4)) == 0
    assert encoded(recogniser, lambda: apart.words(clips, ["a b"] * 4)) == 3
    assert beside.words(clips, ["a b"] * 4) == apart.words(clips, ["a b"] * 4)


def test_the_latest_are_remembered_as_far_as_there_is_room(tiny_recogniser, tones, monkeypatch):
    recogniser = tiny_recogniser()
    clips = [Clip(tones(1.0, seed)) for seed in range(4)]
    features = AudioFeatures(recogniser)
    monkeypatch.setattr(module, "_REMEMBERED_BYTES", 2 * features.of(clips[:1])[0].nbytes)
    assert encoded(recogniser, lambda: features.of(clips[1:3])) == 2
    assert encoded(recogniser, lambda: features.of(clips[1:3])) == 0
    assert encoded(recogniser, lambda: features.of([clips[1], clips[3]])) == 1  # the second is the oldest now
    assert encoded(recogniser, lambda: features.of([clips[3], clips[1]])) == 0
    assert encoded(recogniser, lambda: features.of([clips[2]])) == 1


def test_alone_is_to_the_last_bit_a_batch_of_its_own(tiny_recogniser, tones):
    clips = [Clip(tones(1.3, seed)) for seed in range(9)]
    expected = [AudioFeatures(tiny_recogniser()).of([clip])[0] for clip in clips]
    features = AudioFeatures(tiny_recogniser())
    features.of(clips)  # what is remembered now was encoded together
    assert all(torch.equal(features.alone(clip), one) for clip, one in zip(clips, expected, strict=True))
