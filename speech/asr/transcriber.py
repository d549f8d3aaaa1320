"""What every transcription engine has in common: calls that are equal are computed once, and kept.

Equal calls (same audio, prompt, options, checkpoint, engine) have one transcript: asked for twice, they are computed
once, and with a `TranscriptCache` once for all runs.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Protocol, cast

import numpy as np
from whisper.audio import SAMPLE_RATE
from whisper.tokenizer import Tokenizer

from ...backends.errors import InputError
from ...datasets.audio import put_aside
from .cache import Origin, TranscriptCache
from .decoding.transcribe import Attempt, Listening, Outcome
from .features import AudioFeatures
from .hypothesis import Clip, DecodeOptions, Hypothesis
from .model import Recogniser

_BLOCK = SAMPLE_RATE // 2  # samples hashed together; steps of sliding windows are mostly multiples of it
_BLOCK_BYTES = _BLOCK * 4

Progress = Callable[[int, int], None]  # calls done, calls in all


class Hearing(Protocol):
    """What streams are played with: a Whisper here, or something elsewhere that says how long it took.

    version: what hears, with all that may change a text.
    computed: how many calls it heard, those that were remembered not counted.
    """

    version: str
    computed: int

    @property
    def timestamp_begin(self) -> int:
        """Return the token of the timestamp 0.00; tokens below it are text."""
        ...

    def transcribe(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Hypothesis]:
        """Return the transcripts of `clips`, in their order, each distinct one heard once."""
        ...


class Transcriber(ABC):
    """Transcribes clips as `whisper.transcribe` hears them; a subclass says what decoding gives. Not thread-safe.

    recogniser: the Whisper that is heard with.
    options: how calls are decoded.
    cache: where transcripts are kept between runs, if anywhere.
    version: the engine with all that may change a text; part of what a transcript is kept under.
    features: spectrograms and the output of openai-whisper's encoder, which cross-attention reads too.
    computed: how many calls went through the model.
    decoder_passes: how many passes of the decoder these took, each call's counted by itself.

    docs/adding-an-engine.md shows a subclass.
    """

    def __init__(
        self, recogniser: Recogniser, options: DecodeOptions | None, cache: TranscriptCache | None, version: str
    ) -> None:
        self.recogniser, self.version = recogniser, version
        self.options = options or DecodeOptions()
        check_options(self.options)
        self.computed = 0
        self.decoder_passes = 0
        self.cache = cache
        self.features = AudioFeatures(recogniser)
        self._tokenizer: Tokenizer = recogniser.tokenizer(self.options.language or "en", self.options.task)
        self._known: dict[str, Hypothesis] = {}
        settings = json.dumps(asdict(self.options), sort_keys=True)
        self._origin = Origin(recogniser.name, recogniser.sha256, version)
        # two sources of one Whisper give the same texts
        weights = recogniser.digest or recogniser.sha256
        self._key_prefix = json.dumps([version, weights, settings]).encode()

    @property
    def timestamp_begin(self) -> int:
        """Return the token of the timestamp 0.00."""
        return self._tokenizer.timestamp_begin

    @abstractmethod
    def batch_size(self) -> int:
        """Return how many attempts `decode` is given at most."""

    @abstractmethod
    def decode(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        """Return what decoding gives for each of `attempts`, in their order."""

    @abstractmethod
    def detect_language(self, clip: Clip) -> str:
        """Return the code of the language that is spoken in the first 30 s."""

    def forget(self) -> None:
        """Let go of the transcripts in memory, where they are kept elsewhere: there may be a million of them."""
        if self.cache and not self.cache.full:
            self._known.clear()

    def forget_keys(self) -> None:  # noqa: B027  an engine that keeps none has nothing to let go of
        """Let go of what is kept of the audio for decoding it again: what is decoded next is as if never decoded."""

    def take_said(self) -> list[str]:
        """Return what a user should know of where transcripts are kept, a sentence each, each once."""
        return self.cache.take_said() if self.cache else []

    def transcribe(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Hypothesis]:
        """Return the transcripts of `clips`, in their order; those that are known are not computed.

        progress: is told how many of the new ones are done, and how many there are.
        """
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
        self.forget_keys()
        return [self._known[key] for key in keys]

    def begin_anew(self) -> None:
        """Forget all that was heard, so that it is computed again, as measuring needs it; a cache is left as it is."""
        self._known.clear()
        self.features.forget()
        self.forget_keys()

    def _compute(self, clips: Sequence[Clip]) -> Iterator[dict[int, Hypothesis]]:
        """Return the hypotheses of `clips` by index, as they are done: in each round, what the clips ask for next."""
        together = self.batch_size() if clips else 0
        waiting = sorted(range(len(clips)), key=lambda index: (-len(clips[index].audio), len(clips[index].prompt)))
        begun: list[tuple[int, Listening]] = []  # they come first: what they have encoded is not kept for long
        while waiting or begun:
            batch, begun = begun[:together], begun[together:]
            while waiting and len(batch) < together:
                index = waiting.pop(0)
                batch.append((index, self._listening(clips[index])))
            asked = [(one, one.attempt) for _, one in batch if one.attempt]
            for (one, _), outcome in zip(asked, self.decode([attempt for _, attempt in asked]), strict=True):
                one.take(outcome)
                self.decoder_passes += outcome.passes
            put_aside(clips[index].audio for index, _ in batch)
            done = {index: one.hypothesis() for index, one in batch if not one.attempt}
            begun += [(index, one) for index, one in batch if one.attempt]
            if done:
                yield done

    def _listening(self, clip: Clip) -> Listening:
        tokenizer = self._tokenizer
        if self.options.language is None and self.recogniser.whisper.is_multilingual:
            tokenizer = self.recogniser.tokenizer(self.detect_language(clip), self.options.task)
        return Listening(clip, tokenizer, self.options, self.recogniser.dims)

    def _key(self, clip: Clip, hashes: dict[int, bytes]) -> str:
        digest = hashlib.sha256(self._key_prefix)
        digest.update(b"\0" + json.dumps([clip.mode, clip.prompt, clip.prefix]).encode() + b"\0")
        digest.update(audio_digest(clip.audio, hashes))
        return digest.hexdigest()


def require_whisper(engine: Hearing) -> Transcriber:
    """Return the engine. Raises `InputError` unless it is a Whisper on this machine, which can be looked into."""
    if not hasattr(engine, "recogniser"):
        raise InputError(
            f"{engine.version}: word times need a Whisper on this machine, to look into; type another --strategy, "
            "for example disjoint or sliding"
        )
    return cast(Transcriber, engine)


def check_options(options: DecodeOptions) -> None:
    """Raise `InputError` for options that contradict each other."""
    if not options.temperatures:
        raise InputError("decoding options: no temperature; expected at least one, for example 0")
    if min(options.temperatures) < 0:
        raise InputError(f"decoding options: temperature {min(options.temperatures):g}; expected 0 or more")


def audio_digest(audio: np.ndarray, known: dict[int, bytes]) -> bytes:
    """Return a hash of `audio`, float32, that takes windows which overlap in memory little more time than one of them.

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
