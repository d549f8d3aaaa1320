"""Features against `whisper.log_mel_spectrogram` as `whisper.transcribe` calls it: with 30 s of silence after them."""

import numpy as np
import pytest
import torch
import whisper
from earspan.speech.asr.mel import log_mel


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("samples", [0, 1, 159, 160, 201, 399, 8_000, 8_001, 16_159, 48_123])
def test_equals_whispers_own_but_for_the_silence_beyond(n_mels: int, samples: int):
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
