"""Features: openai-whisper's spectrograms, and what it encodes, side by side to the same sums, each part once."""

import threading

import numpy as np
import pytest
import torch
import whisper
from earspan.speech.asr import features as module
from earspan.speech.asr.attention import Attention
from earspan.speech.asr.encoder import Encoder
from earspan.speech.asr.features import AudioFeatures, Part, frames_of, heard_positions, log_mel
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.torch_engine import Engine

OPTIONS = DecodeOptions(max_tokens=2, temperatures=(0.0,), continuing=False)


def encoded(recogniser, work) -> int:
    """How many parts `work` encodes."""
    seen: list[int] = []
    hook = recogniser.whisper.encoder.ln_post.register_forward_hook(lambda *given: seen.append(len(given[2])))
    work()
    hook.remove()
    return sum(seen)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("samples", [0, 1, 159, 160, 201, 399, 8_000, 8_001, 16_159, 48_123])
def test_a_spectrogram_is_whispers_but_for_the_silence_beyond(n_mels: int, samples: int):
    rng = np.random.default_rng(samples)
    # as loud at its end as anywhere: the frames that see the silence after it matter most there
    audio = torch.from_numpy(rng.uniform(-0.9, 0.9, samples).astype(np.float32))
    frames = samples // 160
    expected = whisper.log_mel_spectrogram(audio, n_mels, padding=480_000)[:, :frames]
    assert expected.shape == (n_mels, frames)
    torch.testing.assert_close(log_mel(audio, n_mels), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("loud_first", [True, False])
def test_the_loudest_moment_sets_the_floor_also_at_the_end(loud_first: bool):
    # A click in the last samples, which only frames beyond the clip see whole, raises the floor of all frames.
    audio = torch.full((16_000,), 1e-5)
    audio[-3:] = 0.9
    audio = audio.flip(0) if loud_first else audio
    expected = whisper.log_mel_spectrogram(audio, padding=480_000)[:, :100]
    torch.testing.assert_close(log_mel(audio), expected, rtol=0, atol=1e-6)
    assert not torch.equal(expected, whisper.log_mel_spectrogram(audio[:-160], padding=480_000)[:, :100])


def test_silence_is_silence():
    audio = torch.zeros(4_000)
    assert torch.equal(log_mel(audio), whisper.log_mel_spectrogram(audio, padding=480_000)[:, :25])


@torch.no_grad()
@pytest.mark.parametrize(("seconds", "seek"), [(0.0, 0), (0.05, 0), (2.0, 0), (2.0, 150), (31.0, 0), (31.0, 2998)])
def test_a_part_is_encoded_as_whisper_encodes_it(tiny_recogniser, tones, seconds: float, seek: int):
    recogniser, clip = tiny_recogniser(), Clip(tones(seconds, 1))
    content = whisper.log_mel_spectrogram(clip.audio, padding=480_000)[:, : frames_of(clip)]
    heard = content[:, seek : seek + 3000]
    [found] = AudioFeatures(recogniser).of([Part(clip, seek)])
    expected = recogniser.whisper.encoder(whisper.pad_or_trim(heard, 3000)[None])[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert heard_positions(Part(clip, seek), recogniser) == max(1, (heard.shape[1] + 1) // 2)


def test_a_model_of_a_shorter_context_hears_no_more(tiny_recogniser, tones):
    recogniser, clip = tiny_recogniser(n_audio_ctx=50), Clip(tones(3.0, 1))
    features = AudioFeatures(recogniser)
    assert features.spectrum(Part(clip)).shape == (1, 80, 100)
    assert heard_positions(Part(clip), recogniser) == 50
    assert torch.equal(
        features.spectrum(Part(clip, 100))[0, :, :100], log_mel(torch.from_numpy(clip.audio))[:, 100:200]
    )
    assert not features.spectrum(Part(clip, 260))[..., 40:].any()  # zeros of the spectrogram, not of the audio


def test_parts_are_encoded_side_by_side_one_on_each_core(monkeypatch: pytest.MonkeyPatch, tiny_recogniser, tones):
    seen: list[tuple[str, int]] = []
    plain = Encoder.__call__

    def watched(*arguments):
        seen.append((threading.current_thread().name, torch.get_num_threads()))
        return plain(*arguments)

    monkeypatch.setattr(Encoder, "__call__", watched)
    recogniser, cores = tiny_recogniser(), torch.get_num_threads()
    parts = [Part(Clip(tones(2.0, seed))) for seed in range(3)]
    try:
        torch.set_num_threads(1)
        alone = AudioFeatures(recogniser).of(parts)
        assert seen == [(threading.current_thread().name, 1)] * 3
        torch.set_num_threads(2)
        seen.clear()
        together = AudioFeatures(recogniser).of(parts)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(cores)
    here = threading.current_thread().name  # where the odd one is encoded, on both cores
    assert [(name == here, threads) for name, threads in seen] == [(False, 1), (False, 1), (True, 2)]
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_attention_hears_what_the_engine_has_encoded(tiny_recogniser, tones):
    recogniser = tiny_recogniser()
    clips = [Clip(tones(seconds, 1)) for seconds in (1.0, 2.0, 2.0, 0.2)]
    engine = Engine(recogniser, OPTIONS)
    assert encoded(recogniser, lambda: engine.transcribe(clips)) == 3
    beside, apart = Attention.beside(engine), Attention(recogniser)
    assert encoded(recogniser, lambda: beside.words(clips, ["a b"] * 4)) == 0
    assert encoded(recogniser, lambda: apart.words(clips, ["a b"] * 4)) == 3
    assert beside.words(clips, ["a b"] * 4) == apart.words(clips, ["a b"] * 4)


def test_the_latest_are_remembered_as_far_as_there_is_room(tiny_recogniser, tones, monkeypatch):
    recogniser = tiny_recogniser()
    parts = [Part(Clip(tones(1.0, seed))) for seed in range(3)] + [Part(Clip(tones(1.0, 0)), 50)]
    features = AudioFeatures(recogniser)
    monkeypatch.setattr(module, "_REMEMBERED_BYTES", 2 * features.of(parts[:1])[0].nbytes)
    assert encoded(recogniser, lambda: features.of(parts[1:3])) == 2
    assert encoded(recogniser, lambda: features.of(parts[1:3])) == 0
    assert encoded(recogniser, lambda: features.of([parts[1], parts[3]])) == 1  # the second is the oldest now
    assert encoded(recogniser, lambda: features.of([parts[3], parts[1]])) == 0
    assert encoded(recogniser, lambda: features.of([parts[2]])) == 1


def test_equal_audio_elsewhere_in_memory_is_the_same_part(tiny_recogniser, tones):
    recogniser, audio = tiny_recogniser(), tones(1.0, 1)
    features = AudioFeatures(recogniser)
    first, second = features.of([Part(Clip(audio)), Part(Clip(np.concatenate([audio, audio])[16_000:]))])
    assert first is second
