"""The batched transcription engine, on openai-whisper's modules and weights.

Each call is heard as `whisper.transcribe` hears it (`decoding.transcribe`). What several calls ask for next is encoded
on all cores and decoded together, over preallocated caches, with or without drafts; whoever is done leaves its batch.
A text does not depend on what it was batched with.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from .cache import TranscriptCache
from .decoding.beams import search
from .decoding.decoder import Decoder
from .decoding.draft import BRANCHES, SIDE
from .decoding.greedy import Text, decode
from .decoding.rules import Rules
from .decoding.transcribe import Attempt, Outcome
from .features import Part
from .hypothesis import Clip, DecodeOptions
from .model import Recogniser
from .transcriber import Transcriber

ENGINE_VERSION = "5"  # raise it when the same call may give another text
_BATCH_BYTES = 512 << 20  # for keys and values: 25 attempts of tiny.en, 10 of base


class Engine(Transcriber):
    """Transcribes clips in batches. `batch_bytes`: memory for the keys and values of the attempts decoded together."""

    def __init__(
        self,
        recogniser: Recogniser,
        options: DecodeOptions | None = None,
        cache: TranscriptCache | None = None,
        batch_bytes: int = _BATCH_BYTES,
    ) -> None:
        super().__init__(recogniser, options, cache, f"torch {ENGINE_VERSION} {recogniser.arithmetic}")
        self._batch_bytes = batch_bytes
        self._rules: dict[bool, Rules] = {}

    @cached_property
    def _decoder(self) -> Decoder:  # made when first needed: a run whose every transcript is known does not
        with torch.inference_mode(False), torch.no_grad():  # the model's weights stay usable for others
            return Decoder(self.recogniser.whisper)

    def batch_size(self) -> int:
        dims = self.recogniser.dims
        return max(1, self._batch_bytes // self._decoder.bytes_per_row(dims.n_audio_ctx, dims.n_text_ctx))

    def forget_keys(self) -> None:
        """Let go of keys and values of audio: what is decoded next computes its own."""
        if "_decoder" in vars(self):
            self._decoder.forget()

    def encode(self, attempts: Sequence[Attempt]) -> list[Tensor]:
        """Return the encoder's output for each attempt. A step of its own, so that it can be timed."""
        return self.features.of([attempt.part for attempt in attempts])

    @torch.inference_mode()
    def decode(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        features = self.encode(attempts)
        sought = {
            index: search(self._decoder, self.recogniser, features[index], attempt, self.options)
            for index, attempt in enumerate(attempts)
            if self.options.searches and attempt.part.clip.mode != "text"
        }
        plain = [index for index in range(len(attempts)) if index not in sought]
        for timestamps in (True, False):
            alike = [index for index in plain if attempts[index].timestamps is timestamps]
            if alike:
                texts = self._decoded(
                    [attempts[index] for index in alike], [features[index] for index in alike], timestamps
                )
                sought |= {index: self._outcome(text) for index, text in zip(alike, texts, strict=True)}
        return [sought[index] for index in range(len(attempts))]

    def _decoded(self, attempts: Sequence[Attempt], features: Sequence[Tensor], timestamps: bool) -> list[Text]:
        """Decode a batch of attempts with one candidate each."""
        dims, beginnings = self.recogniser.dims, [attempt.beginning for attempt in attempts]
        most = max(len(one.prompt) for one in beginnings) + self.options.max_tokens
        beside = (BRANCHES - 1) * SIDE if any(one.drafts for one in beginnings) else 0
        rows = self._decoder.begin(features, min(dims.n_text_ctx, most) + beside)

        def alone(row: int, tokens: list[int]) -> Tensor:
            fed = torch.tensor([tokens], device=features[row].device)
            return self.recogniser.whisper.decoder(fed, features[row][None])[0, -1].float()

        if timestamps not in self._rules:
            suppression = self.options.suppress_tokens, self.options.suppress_blank
            self._rules[timestamps] = Rules(self._tokenizer, timestamps, *suppression)
        return decode(self._decoder, rows, beginnings, self.options.max_tokens, self._rules[timestamps], alone)

    def _outcome(self, text: Text) -> Outcome:
        ended = text.produced[-1] == self._tokenizer.eot
        tokens = tuple(text.produced[:-1] if ended else text.produced)
        steps = len(text.produced) - 1
        return Outcome(tokens, ended, text.log_probability, text.no_speech_probability, steps, text.passes)

    @torch.inference_mode()
    def detect_language(self, clip: Clip) -> str:
        tokenizer = self._tokenizer
        [features] = self.features.of([Part(clip)])
        sot = torch.full((1, 1), tokenizer.sot, device=features.device)
        logits = self.recogniser.whisper.decoder(sot, features[None])[0, 0]
        codes = dict(zip(tokenizer.all_language_tokens, tokenizer.all_language_codes, strict=True))
        self.decoder_passes += 1
        return codes[max(codes, key=lambda token: float(logits[token]))]
