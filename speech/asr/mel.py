"""Whisper's log-mel spectrogram of a call, as `whisper.transcribe` makes it of a file."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, mel_filters

_SILENCE_AFTER = 2 * N_FFT  # samples: all that a frame of the audio can see, and the frames that see some of it


def log_mel(audio: Tensor, n_mels: int = 80) -> Tensor:
    """Log-mel spectrogram of `audio`, shape = (samples,), float32 at 16 kHz, with silence after it.

    Returns shape = (n_mels, samples // 160). Equal to the first frames of
    `whisper.log_mel_spectrogram(audio, padding=480000)`: the frames of silence beyond, which `transcribe` cuts off, are
    not computed.
    """
    frames = len(audio) // HOP_LENGTH
    window = _window(audio.device)
    spectrum = torch.stft(F.pad(audio, (0, _SILENCE_AFTER)), N_FFT, HOP_LENGTH, window=window, return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    decades = torch.clamp(mel_filters(audio.device, n_mels) @ power, min=1e-10).log10()
    floored = torch.maximum(decades, decades.max() - 8.0)
    return ((floored + 4.0) / 4.0)[:, :frames]


@cache
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(N_FFT, device=device)
