"""Log-mel spectrograms and the encoder's output for parts of clips, each distinct one once; the last are remembered.

A part is what `whisper.transcribe` encodes at once: up to 30 s from one frame on. Frames that are missing to 30 s are
zeros of the spectrogram, as there. Engine and cross-attention ask for the same audio one after the other where a
strategy wants word times.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, SAMPLE_RATE, mel_filters

from .encoder import Encoder
from .hypothesis import Clip
from .model import Recogniser

FRAMES_PER_POSITION = 2  # mel frames of 10 ms that make one encoder position
SECONDS_PER_FRAME = HOP_LENGTH / SAMPLE_RATE
SECONDS_PER_POSITION = FRAMES_PER_POSITION * SECONDS_PER_FRAME
_Name = TypeVar("_Name")
_SILENCE_AFTER = 2 * N_FFT  # samples: all that a frame of the audio can see, and the frames that see some of it
_REMEMBERED_BYTES = 64 << 20  # 27 parts for tiny.en: what many live streams call at once; as much of spectrograms


def log_mel(audio: Tensor, n_mels: int = 80) -> Tensor:
    """Return Whisper's log-mel spectrogram of `audio` with silence after it, shape = (n_mels, samples // 160).

    audio: float32 at 16 kHz, shape = (samples,).

    Equal to the first frames of `whisper.log_mel_spectrogram(audio, padding=480000)`: the frames of silence beyond,
    which `whisper.transcribe` cuts off, are not computed.
    """
    frames, window = len(audio) // HOP_LENGTH, torch.hann_window(N_FFT, device=audio.device)
    spectrum = torch.stft(F.pad(audio, (0, _SILENCE_AFTER)), N_FFT, HOP_LENGTH, window=window, return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    decades = torch.clamp(mel_filters(audio.device, n_mels) @ power, min=1e-10).log10()
    floored = torch.maximum(decades, decades.max() - 8.0)
    return ((floored + 4.0) / 4.0)[:, :frames]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Up to 30 s of a clip, from mel frame `seek` on."""

    clip: Clip
    seek: int = 0


def frames_of(clip: Clip) -> int:
    """Return how many mel frames of 10 ms a clip has."""
    return len(clip.audio) // HOP_LENGTH


def heard_positions(part: Part, recogniser: Recogniser) -> int:
    """Return how many encoder positions hold audio of the part, at least 1; padding may follow."""
    frames = min(frames_of(part.clip) - part.seek, FRAMES_PER_POSITION * recogniser.dims.n_audio_ctx)
    return max(1, -(-frames // FRAMES_PER_POSITION))


class AudioFeatures:
    """The encoder's output for parts of clips. Not safe for several threads."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._remembered: dict[tuple[bytes, int], Tensor] = {}
        self._spectra: dict[bytes, Tensor] = {}

    @cached_property
    def _encoder(self) -> Encoder:  # made when first needed: a run whose every transcript is known does not
        with torch.inference_mode(False), torch.no_grad():  # the model's weights stay usable for others
            return Encoder(self._recogniser.whisper.encoder)

    def forget(self) -> None:
        """Forget all that is remembered."""
        self._remembered.clear()
        self._spectra.clear()

    @torch.inference_mode()
    def of(self, parts: Sequence[Part]) -> list[Tensor]:
        """Return the encoder's output for each part, shape = (positions, state); the same tensor for the same audio."""
        names = [(_digest(part.clip), part.seek) for part in parts]
        features = {name: self._remembered[name] for name in names if name in self._remembered}
        missing = {name: part for name, part in zip(names, parts, strict=True) if name not in features}
        spectra = [(self.spectrum(part, name[0]), frames_of(part.clip) - part.seek) for name, part in missing.items()]
        features.update(zip(missing, self._side_by_side(spectra), strict=True))
        _remember(self._remembered, features)
        return [features[name] for name in names]

    def spectrum(self, part: Part, name: bytes | None = None) -> Tensor:
        """Return the spectrogram of a part, shape = (1, n_mels, frames), zeros where the clip has ended.

        name: the SHA-256 of its audio, if that is known.
        """
        name = name or _digest(part.clip)
        if name not in self._spectra:
            audio = torch.from_numpy(part.clip.audio).to(self._recogniser.whisper.device)
            _remember(self._spectra, {name: log_mel(audio, self._recogniser.dims.n_mels)})
        frames = FRAMES_PER_POSITION * self._recogniser.dims.n_audio_ctx
        heard = self._spectra[name][:, part.seek : part.seek + frames]
        return F.pad(heard, (0, frames - heard.shape[-1]))[None].to(self._recogniser.dtype)

    def _side_by_side(self, spectra: Sequence[tuple[Tensor, int]]) -> Iterator[Tensor]:
        """Return the encoder's output for each part, by itself: so it does not depend on what else is encoded.

        spectra: of each part, with how many frames hold audio.

        On a CPU, where there are enough of them, one on each core: a product this small gains less from a second core
        than a second part does. The last ones, where they would leave half of the cores idle, have all cores in turn.
        """
        cores, encoder = torch.get_num_threads(), self._encoder  # made here, not by several threads at once
        beside = 0
        if self._recogniser.whisper.device.type == "cpu" and 1 < cores <= len(spectra):
            last = len(spectra) % cores
            beside = len(spectra) - (last if last <= cores // 2 else 0)

        def alone(given: tuple[Tensor, int]) -> Tensor:
            with torch.inference_mode():  # of this thread
                return encoder(*given)[0]

        if beside:
            try:
                with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    yield from pool.map(alone, spectra[:beside])
            finally:
                torch.set_num_threads(cores)  # what threads to come begin with
        yield from (encoder(*given)[0] for given in spectra[beside:])


def _digest(clip: Clip) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(clip.audio).data).digest()


def _remember(store: dict[_Name, Tensor], new: dict[_Name, Tensor]) -> None:
    """Put `new` into `store`, and keep of those from before as many of the latest as there is room for."""
    for name in new:
        store.pop(name, None)
    store.update(new)
    while len(store) > len(new) and sum(one.nbytes for one in store.values()) > _REMEMBERED_BYTES:
        del store[next(iter(store))]
