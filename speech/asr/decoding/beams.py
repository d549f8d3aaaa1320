"""Beam search and best-of-n sampling: openai-whisper's own `DecodingTask`, with its passes over our caches.

One attempt at a time, so that neither a beam nor a sample depends on what else is transcribed.
"""

import warnings

import torch
from torch import Tensor
from whisper.decoding import (
    BeamSearchDecoder,
    DecodingOptions,
    DecodingTask,
    Inference,
    MaximumLikelihoodRanker,
)

from ....backends.errors import InputError
from ..hypothesis import DecodeOptions
from ..model import Recogniser
from .decoder import Decoder, DecoderRows
from .transcribe import Attempt, Outcome


def search(
    decoder: Decoder, recogniser: Recogniser, features: Tensor, attempt: Attempt, options: DecodeOptions
) -> Outcome:
    """Return what openai-whisper's beam search or best-of-n sampling gives for a part, encoded as `features`.

    features: shape = (positions, state). Raises `InputError` for options that contradict each other.
    """
    beginning = attempt.beginning
    try:
        task = _Task(decoder, recogniser, beginning.prompt, _whispers(options, beginning.temperature))
    except ValueError as error:
        raise InputError(f"decoding options: {error}") from error
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(beginning.seed)
        # openai-whisper 20250625 sorts a tensor with numpy, which NumPy 2 warns of
        warnings.filterwarnings("ignore", "__array_wrap__", DeprecationWarning)
        [result] = task.run(features[None])
    budget = min(options.max_tokens, decoder.dims.n_text_ctx - len(task.initial_tokens) + 1)
    return Outcome(
        tuple(result.tokens),
        ended=len(result.tokens) < budget,
        log_probability=result.avg_logprob * (len(result.tokens) + 1),
        no_speech_probability=result.no_speech_prob,
        decode_tokens=task.own_inference.passes - 1,
        passes=task.own_inference.passes,
        candidates=task.n_group,
    )


def _whispers(options: DecodeOptions, temperature: float) -> DecodingOptions:
    """Return the options of one attempt: beams belong to temperature 0, samples to those above (whisper.transcribe)."""
    sampling = temperature > 0
    return DecodingOptions(
        task=options.task,
        language=options.language,
        temperature=temperature,
        sample_len=options.max_tokens,
        best_of=options.best_of if sampling else None,
        beam_size=None if sampling else options.beam_size,
        patience=None if sampling else options.patience,
        length_penalty=options.length_penalty,
        suppress_tokens=options.suppress_tokens,
        suppress_blank=options.suppress_blank,
        without_timestamps=not options.timestamps,
        fp16=False,
    )


class _Inference(Inference):
    """openai-whisper's view of our caches: all tokens so far go in, only the new ones are computed."""

    def __init__(self, decoder: Decoder, capacity: int) -> None:
        self.passes = 0
        self._decoder, self._capacity = decoder, capacity
        self._rows: DecoderRows | None = None

    def logits(self, tokens: Tensor, audio_features: Tensor) -> Tensor:
        """Return logits of the tokens that are new, shape = (rows, new tokens, vocabulary)."""
        if self._rows is None:
            self._rows = self._decoder.begin([audio_features[0]] * len(tokens), self._capacity)
        new = tokens[:, self._rows.lengths[0] :]
        states = self._rows.advance(new.tolist())
        self.passes += 1
        return self._decoder.logits(states).unflatten(0, new.shape)

    def rearrange_kv_cache(self, source_indices: list[int]) -> None:
        """Let row `i` go on from what row `source_indices[i]` was."""
        if self._rows is not None and source_indices != list(range(len(source_indices))):
            self._rows.select(source_indices)

    def cleanup_caching(self) -> None:
        """Free the caches."""
        self._rows = None


class _Ranker(MaximumLikelihoodRanker):
    """openai-whisper's choice among candidates, with an empty text as long as one token: it divides by the length."""

    def rank(self, tokens: list[list[Tensor]], sum_logprobs: list[list[float]]) -> list[int]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return which candidate of each audio is the best."""
        counted = [[text if len(text) else text.new_zeros(1) for text in texts] for texts in tokens]
        return [int(best) for best in super().rank(counted, sum_logprobs)]


class _Task(DecodingTask):
    """openai-whisper's decoding of audio that is already encoded, after given tokens, over our caches."""

    def __init__(self, decoder: Decoder, recogniser: Recogniser, prompt: list[int], options: DecodingOptions) -> None:
        self._prompt = prompt
        super().__init__(recogniser.whisper, options)
        capacity = min(self.n_ctx, len(self.initial_tokens) + self.sample_len)
        self.sequence_ranker = _Ranker(options.length_penalty)
        self.inference = self.own_inference = _Inference(decoder, capacity)
        if isinstance(self.decoder, BeamSearchDecoder):
            self.decoder.inference = self.inference

    def _get_initial_tokens(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return tuple(self._prompt)

    def _get_audio_features(self, mel: Tensor) -> Tensor:
        return mel

    def _detect_language(self, audio_features: Tensor, tokens: Tensor) -> tuple[list[str], None]:
        return [self.options.language or "en"], None  # it is in the prompt
