"""What rooms and other people do to a microphone's signal: reverberation, noise and babble at a given level.

All functions are pure, take and give float32 mono at 16 kHz, shape = (samples,), and keep the length.
"""

import numpy as np
from scipy.signal import fftconvolve

from ..audio import SAMPLE_RATE

# What lies below is noise to nobody: steep noise has most of its power there, and makes an SNR look worse than it is.
AUDIBLE_HZ = 50.0
FIRST_ECHO_S = 0.002  # the nearest wall is some way off


def room_response(rng: np.random.Generator, rt60_s: float, direct_to_reverberant_db: float) -> np.ndarray:
    """Return an impulse response: the direct sound, then noise that decays by 60 dB in `rt60_s` (Polack's model, 1988).

    The energy of the direct sound over that of the rest is `direct_to_reverberant_db`. shape = (samples,).
    """
    seconds = np.arange(1, int(rt60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60_s)
    tail[: int(FIRST_ECHO_S * SAMPLE_RATE)] = 0
    tail *= np.sqrt(10 ** (-direct_to_reverberant_db / 10) / max(float(tail @ tail), 1e-12))
    return np.concatenate(([1.0], tail)).astype(np.float32)


def reverberate(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return `audio` as heard through `response`, cut to its own length; the direct sound stays where it was."""
    return fftconvolve(audio, response)[: len(audio)].astype(np.float32)


def coloured_noise(rng: np.random.Generator, samples: int, slope: float, lowest_hz: float = 0.0) -> np.ndarray:
    """Return noise whose amplitude falls with frequency as `f ** -slope`: 0 white, 0.5 pink, 1 brown. Unit power.

    It begins at `lowest_hz`: pink noise has as much power in each octave that no one hears as in those that one does.
    """
    spectrum = np.fft.rfft(rng.standard_normal(samples, dtype=np.float32))
    spectrum *= (1 + np.arange(len(spectrum))) ** -slope
    spectrum[np.fft.rfftfreq(samples, 1 / SAMPLE_RATE) < max(lowest_hz, 1e-9)] = 0  # no offset either
    noise = np.fft.irfft(spectrum, samples).astype(np.float32)
    return noise / np.float32(max(float(noise.std()), 1e-9))


def add_at_snr(audio: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Return `audio` with `noise`, shape = (samples,), scaled so that its power lies `snr_db` below that of `audio`."""
    gain = float(audio.std()) / max(float(noise.std()), 1e-9) * 10 ** (-snr_db / 20)
    return audio + np.float32(gain) * noise
