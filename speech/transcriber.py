"""What every transcription engine has in common: calls that are equal are computed once, and kept.

Equal calls (same audio, prompt, options, checkpoint, engine) have one transcript: asked for twice, they are computed
once, and with a `TranscriptCache` once for all runs.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
from whisper.audio import SAMPLE_RATE
from whisper.model import ModelDimensions
from whisper.tokenizer import Tokenizer

from ..backends.errors import InputError
from ..backends.models import Dimensions
from .audio_features import SAMPLES_PER_POSITION, AudioFeatures
from .cache import Origin, TranscriptCache
from .hypothesis import Clip, DecodeOptions, Hypothesis
from .model import Recogniser

WINDOW_LIMIT_S = 30.0
_BLOCK = SAMPLE_RATE // 2  # samples hashed together; steps of sliding windows are mostly multiples of it
_BLOCK_BYTES = _BLOCK * 4

Progress = Callable[[int, int], None]  # calls done, calls in all


class Transcriber(ABC):
    """Transcribes clips. Not safe for several threads.

    cache: where transcripts are kept between runs, if anywhere.
    computed: calls that went through the model. decoder_passes: passes of the decoder that these took, each call's
    counted by itself. features: those of openai-whisper's encoder, which cross-attention reads too.
    """

    def __init__(
        self, recogniser: Recogniser, options: DecodeOptions | None, cache: TranscriptCache | None, version: str
    ) -> None:
        self.recogniser = recogniser
        self.options = options or DecodeOptions()
        self.computed = 0
        self.decoder_passes = 0
        self.cache = cache
        self.features = AudioFeatures(recogniser)
        self._known: dict[str, Hypothesis] = {}
        settings = json.dumps(asdict(self.options), sort_keys=True)
        self._origin = Origin(recogniser.name, recogniser.sha256, version)
        self._key_prefix = json.dumps([version, recogniser.sha256, recogniser.pads, settings]).encode()

    @abstractmethod
    def _compute(self, clips: Sequence[Clip]) -> Iterator[dict[int, Hypothesis]]:
        """The hypotheses of `clips` by index, batch by batch."""

    def transcribe(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Hypothesis]:
        """The transcripts of `clips`, in their order. `progress` is told how many of the new ones are done.

        Raises `InputError`, before anything is computed, for a clip that is longer than the model hears.
        """
        for clip in clips:
            self._check_length(clip)
        hashes: dict[int, bytes] = {}
        keys = [self._key(clip, hashes) for clip in clips]
        missing = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in self._known}
        if self.cache and missing:
            for key, stored in self.cache.get(missing).items():
                self._known[key] = Hypothesis.from_dict(stored)
                del missing[key]
        names, done = list(missing), 0
        for batch in self._compute(list(missing.values())):
            found = {names[index]: hypothesis for index, hypothesis in batch.items()}
            self._known.update(found)
            if self.cache:
                self.cache.put({key: hypothesis.to_dict() for key, hypothesis in found.items()}, self._origin)
            done += len(found)
            self.computed += len(found)
            if progress:
                progress(done, len(missing))
        return [self._known[key] for key in keys]

    def _key(self, clip: Clip, hashes: dict[int, bytes]) -> str:
        digest = hashlib.sha256(self._key_prefix)
        digest.update(b"\0" + clip.prompt.encode() + b"\0")
        if clip.prefix:
            digest.update(b"prefix\0" + clip.prefix.encode() + b"\0")
        digest.update(audio_digest(clip.audio, hashes))
        return digest.hexdigest()

    def _check_length(self, clip: Clip) -> None:
        limit = self.recogniser.dims.n_audio_ctx * SAMPLES_PER_POSITION
        if len(clip.audio) > limit + 1:  # window edges are rounded to samples, each by itself
            raise InputError(
                f"a call of {len(clip.audio) / SAMPLE_RATE:g} s; {self.recogniser.name} hears at most "
                f"{limit / SAMPLE_RATE:g} s at once; give a shorter window"
            )


def prompt_of(
    clip: Clip, tokenizer: Tokenizer, dims: ModelDimensions | Dimensions, start: Sequence[int] | None = None
) -> list[int]:
    """The tokens that a text begins with. `start`: its marks; by default those of a text without timestamps."""
    tokens = list(start or tokenizer.sot_sequence_including_notimestamps)
    # As openai-whisper does: previous text after its own mark, at most half the text context of it.
    room = dims.n_text_ctx // 2 - 1
    if clip.prefix:
        tokens += tokenizer.encode(" " + clip.prefix)[-(room - len(tokens)) :]
    if not clip.prompt:
        return tokens
    earlier = tokenizer.encode(" " + clip.prompt.strip())[-room:]
    return [tokenizer.sot_prev, *earlier, *tokens]


def audio_digest(audio: np.ndarray, known: dict[int, bytes]) -> bytes:
    """A hash of `audio`, float32, that takes windows which overlap in memory little more time than one of them.

    `known` holds hashes of blocks by address: use it as long as the audio is neither changed nor freed.
    """
    samples = np.ascontiguousarray(audio, np.float32)
    if samples is not audio:  # a copy, whose address will be used again
        known = {}
    view, start = samples.data.cast("B") if len(samples) else memoryview(b""), samples.ctypes.data
    parts = [len(samples).to_bytes(8, "little")]
    whole = len(view) // _BLOCK_BYTES * _BLOCK_BYTES
    for offset in range(0, whole, _BLOCK_BYTES):
        block = known.get(start + offset)
        if block is None:
            block = known[start + offset] = hashlib.sha256(view[offset : offset + _BLOCK_BYTES]).digest()
        parts.append(block)
    parts.append(bytes(view[whole:]))
    return hashlib.sha256(b"".join(parts)).digest()
