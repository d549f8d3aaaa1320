"""Features against `whisper.log_mel_spectrogram`, one clip at a time."""

import numpy as np
import pytest
import torch
import whisper
from earspan.speech.mel import log_mel, pad_or_trim


@pytest.mark.parametrize("n_mels", [80, 128])
def test_equals_whispers_own_clip_by_clip(n_mels: int):
    # One clip 40 dB below the other, one silent: scaled together they would come out differently.
    rng = np.random.default_rng(1)
    audio = torch.from_numpy(rng.standard_normal((3, 16_000), dtype=np.float32))
    audio *= torch.tensor([[0.5], [0.005], [0.0]])
    features = log_mel(audio, n_mels)
    assert features.shape == (3, n_mels, 100)
    for clip, expected in zip(features, audio, strict=True):
        torch.testing.assert_close(clip, whisper.log_mel_spectrogram(expected, n_mels))
    assert not torch.allclose(features, whisper.log_mel_spectrogram(audio, n_mels), atol=0.1)


@pytest.mark.parametrize("samples", [8_000, 8_001, 16_159, 480_000])
def test_one_frame_for_each_full_hop(samples: int):
    assert log_mel(torch.zeros(1, samples)).shape == (1, 80, samples // 160)


@pytest.mark.parametrize("length", [0, 3, 5, 9])
def test_pad_or_trim_keeps_the_start(length: int):
    audio = torch.arange(1.0, 2 * length + 1).reshape(2, length)
    expected = np.array([[*row, 0, 0, 0, 0, 0][:5] for row in audio.tolist()])
    np.testing.assert_array_equal(pad_or_trim(audio, 5).numpy(), expected)
    if length:
        np.testing.assert_array_equal(pad_or_trim(audio, 5), whisper.pad_or_trim(audio, 5))
