"""The encoder's output for clips of any length, each distinct audio once. Those of the last clips are remembered.

Engine and cross-attention ask for the same audio one after the other where a strategy wants word times.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import torch
from torch import Tensor
from whisper.audio import SAMPLE_RATE

from .encoder import Encoder
from .hypothesis import Clip
from .mel import log_mel, pad_or_trim
from .model import Recogniser

SAMPLES_PER_POSITION = 320  # one encoder position: two 10 ms mel frames
SECONDS_PER_POSITION = SAMPLES_PER_POSITION / SAMPLE_RATE
_SHORTEST_S = 0.5  # shorter audio is padded to this: below it a convolution sees mostly edges
_ENCODED_TOGETHER_S = 30.0  # seconds of audio: larger encoder batches leave the processor's caches
_REMEMBERED_BYTES = 24 << 20  # 10 windows of 30 s of tiny.en: what eight live streams call at once


def positions_of(clip: Clip, recogniser: Recogniser) -> int:
    """Encoder positions that a clip takes: all 1500 where the model pads."""
    limit = recogniser.dims.n_audio_ctx
    if recogniser.pads:
        return limit
    least = int(_SHORTEST_S * SAMPLE_RATE) // SAMPLES_PER_POSITION
    return min(limit, max(least, -(-len(clip.audio) // SAMPLES_PER_POSITION)))


def encoded_together(positions: int) -> int:
    """How many clips of so many encoder positions are encoded as one batch."""
    return max(1, int(_ENCODED_TOGETHER_S * SAMPLE_RATE / (positions * SAMPLES_PER_POSITION)))


class AudioFeatures:
    """The encoder's output for clips. Not safe for several threads."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._remembered: dict[bytes, Tensor] = {}

    @cached_property
    def _encoder(self) -> Encoder:  # made when first needed: a run whose every transcript is known does not
        with torch.inference_mode(False), torch.no_grad():  # the model's weights stay usable for others
            return Encoder(self._recogniser.whisper.encoder)

    @torch.inference_mode()
    def of(self, clips: Sequence[Clip]) -> list[Tensor]:
        """The encoder's output for each clip, shape = (positions, state); the same tensor for the same audio."""
        names = [hashlib.sha256(clip.audio.tobytes()).digest() for clip in clips]
        features = {name: self._remembered[name] for name in names if name in self._remembered}
        audio = {name: clip for name, clip in zip(names, clips, strict=True) if name not in features}
        alike: dict[int, list[bytes]] = {}
        for name, clip in audio.items():
            alike.setdefault(positions_of(clip, self._recogniser), []).append(name)
        for positions, contents in alike.items():
            samples, size = positions * SAMPLES_PER_POSITION, encoded_together(positions)
            parts = [contents[start : start + size] for start in range(0, len(contents), size)]
            together = self._side_by_side([[audio[name] for name in part] for part in parts], samples)
            for part, encoded in zip(parts, together, strict=True):
                features.update(zip(part, encoded, strict=True))
        self._remember(features)
        return [features[name] for name in names]

    @torch.inference_mode()
    def alone(self, clip: Clip) -> Tensor:
        """The encoder's output for one clip, to the last bit that of a batch of its own; shape = (positions, state)."""
        samples = positions_of(clip, self._recogniser) * SAMPLES_PER_POSITION
        return self._encode(self._encoder, [clip], samples)[0]

    def _remember(self, features: dict[bytes, Tensor]) -> None:
        """Keep `features`, and of those from before as many of the latest as there is room for."""
        for name in features:
            self._remembered.pop(name, None)
        self._remembered.update(features)
        while sum(one.nbytes for one in self._remembered.values()) > _REMEMBERED_BYTES:
            del self._remembered[next(iter(self._remembered))]

    def _side_by_side(self, parts: Sequence[Sequence[Clip]], samples: int) -> Iterator[Tensor]:
        """The encoder's output for each part: on a CPU, where there are enough of them, one on each core.

        A product this small gains less from a second core than a second part does; the sums are the same.
        """
        cores, encoder = torch.get_num_threads(), self._encoder  # made here, not by several threads at once
        if self._recogniser.whisper.device.type != "cpu" or not 1 < cores <= len(parts):
            yield from (self._encode(encoder, part, samples) for part in parts)
            return

        def alone(part: Sequence[Clip]) -> Tensor:
            with torch.inference_mode():  # of this thread
                return self._encode(encoder, part, samples)

        try:
            with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield from pool.map(alone, parts)
        finally:
            torch.set_num_threads(cores)  # what threads to come begin with

    def _encode(self, encoder: Encoder, clips: Sequence[Clip], samples: int) -> Tensor:
        model = self._recogniser.whisper
        audio = torch.stack([pad_or_trim(torch.from_numpy(clip.audio), samples) for clip in clips]).to(model.device)
        return encoder(log_mel(audio, model.dims.n_mels).to(self._recogniser.dtype))
