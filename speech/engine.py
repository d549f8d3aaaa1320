"""The batched transcription engine, on openai-whisper's modules and weights.

Clips of one length are encoded together; clips of similar lengths are decoded together, over preallocated caches, with
or without drafts; one that is done leaves its batch. A text does not depend on what it was batched with.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from whisper.tokenizer import Tokenizer

from .audio_features import encoded_together, positions_of
from .cache import TranscriptCache
from .decoder import Decoder
from .draft import BRANCHES, SIDE
from .greedy import Text, decode
from .hypothesis import Clip, DecodeOptions, Hypothesis
from .model import Recogniser
from .options import decode_with_options
from .transcriber import WINDOW_LIMIT_S, Progress, Transcriber, prompt_of

__all__ = ["WINDOW_LIMIT_S", "Clip", "DecodeOptions", "Engine", "Hypothesis", "Progress"]

ENGINE_VERSION = "4"  # raise it when the same call may give another text
_BATCH_BYTES = 192 << 20  # 2.7 times as many bytes took 2 to 8 % less time, and more memory
_LEAST_SHARE = 0.75  # of the longest clip of a batch: below it masked keys cost more than a batch of its own


class Engine(Transcriber):
    """Transcribes clips in batches. `batch_bytes`: memory for the keys and values of the calls decoded together."""

    def __init__(
        self,
        recogniser: Recogniser,
        options: DecodeOptions | None = None,
        cache: TranscriptCache | None = None,
        batch_bytes: int = _BATCH_BYTES,
    ) -> None:
        device = recogniser.whisper.device.type
        # kernels of another device, or of another precision, may decide a near tie differently
        where = recogniser.precision if device == "cpu" else f"{recogniser.precision} {device}"
        super().__init__(recogniser, options, cache, f"torch {ENGINE_VERSION} {where}")
        self._batch_bytes = batch_bytes
        self._tokenizer: Tokenizer = recogniser.tokenizer(self.options.language, self.options.task)

    @cached_property
    def _decoder(self) -> Decoder:  # made when first needed: a run whose every transcript is known does not
        with torch.inference_mode(False), torch.no_grad():  # the model's weights stay usable for others
            return Decoder(self.recogniser.whisper)

    @torch.inference_mode()
    def _compute(self, clips: Sequence[Clip]) -> Iterator[dict[int, Hypothesis]]:
        if not self.options.plain and (self.options.language or self.recogniser.whisper.is_multilingual):
            for index, clip in enumerate(clips):
                features = self.features.alone(clip)
                found, passes = decode_with_options(self._decoder, self.recogniser, features, clip, self.options)
                self.decoder_passes += passes
                yield {index: found}
            return
        for batch in self._batches(clips):
            texts = self._decoded([clips[index] for index in batch])
            self.decoder_passes += sum(text.passes for text in texts)
            yield {index: self._hypothesis(text) for index, text in zip(batch, texts, strict=True)}

    def _batches(self, clips: Sequence[Clip]) -> Iterator[list[int]]:
        """Indices of clips that are about as long as each other, the longest first."""
        positions = [positions_of(clip, self.recogniser) for clip in clips]
        capacity = self.recogniser.dims.n_text_ctx
        batch: list[int] = []
        for index in sorted(range(len(clips)), key=lambda index: (-positions[index], len(clips[index].prompt))):
            longest = positions[batch[0]] if batch else 0
            size = self._decoder.bytes_per_row(longest, capacity) * (len(batch) + 1)
            if batch and (size > self._batch_bytes or positions[index] < _LEAST_SHARE * longest):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _decoded(self, clips: list[Clip]) -> list[Text]:
        """Greedy decoding of a batch."""
        dims = self.recogniser.dims
        prompts = [prompt_of(clip, self._tokenizer, dims) for clip in clips]
        most = max(map(len, prompts)) + self.options.max_tokens
        beside = (BRANCHES - 1) * SIDE if any(clip.draft for clip in clips) else 0
        features = self.features.of(clips)
        rows = self._decoder.begin(features, min(dims.n_text_ctx, most) + beside)
        # a clip that was encoded by itself need not be again
        alone = {row: one for row, one in enumerate(features) if encoded_together(len(one)) == 1}

        def referee(row: int, tokens: list[int]) -> int:
            if row not in alone:
                alone[row] = self.features.alone(clips[row])
            fed = torch.tensor([tokens], device=alone[row].device)
            logits = self.recogniser.whisper.decoder(fed, alone[row][None])[0, -1]
            return self._decoder.table.lowest_equal(int(logits.argmax()))

        drafts = [clip.draft for clip in clips]
        return decode(self._decoder, rows, prompts, drafts, self.options.max_tokens, self._tokenizer.eot, referee)

    def _hypothesis(self, text: Text) -> Hypothesis:
        ended = text.produced[-1] == self._tokenizer.eot
        tokens = tuple(text.produced[:-1] if ended else text.produced)
        words = self._tokenizer.decode([token for token in tokens if token < self._tokenizer.eot]).strip()
        mean = text.log_probability / len(text.produced)
        return Hypothesis(
            words, len(text.prompt), len(text.produced) - 1, round(mean, 4), cut_off=not ended, tokens=tokens
        )
