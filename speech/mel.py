"""Whisper's log-mel spectrogram for a batch of equally long clips, each scaled by its own maximum."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, mel_filters


def log_mel(audio: Tensor, n_mels: int = 80) -> Tensor:
    """Log-mel spectrogram of `audio`, shape = (batch, samples), float32 at 16 kHz.

    Returns shape = (batch, n_mels, samples // 160). Equal, clip by clip, to `whisper.log_mel_spectrogram`; that
    function scales a whole batch by the batch's loudest bin, so a clip's features would depend on its neighbours.
    """
    spectrum = torch.stft(audio, N_FFT, HOP_LENGTH, window=_window(audio.device), return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    decades = torch.clamp(mel_filters(audio.device, n_mels) @ power, min=1e-10).log10()
    floor = decades.amax(dim=(1, 2), keepdim=True) - 8.0
    return (torch.maximum(decades, floor) + 4.0) / 4.0


@cache
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(N_FFT, device=device)


def pad_or_trim(audio: Tensor, samples: int) -> Tensor:
    """`audio`, shape = (..., n), with zeros appended or the end cut off: shape = (..., samples)."""
    return F.pad(audio, (0, max(0, samples - audio.shape[-1])))[..., :samples]
