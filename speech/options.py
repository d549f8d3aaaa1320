"""Whisper's decoding options beyond greedy text: beams, sampling, timestamps, suppression, language detection.

openai-whisper's own `DecodingTask` decides; only its passes run over our caches. One call at a time, so that neither
a beam nor a seed depends on what else is transcribed.
"""

import hashlib
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor
from whisper.decoding import (
    BeamSearchDecoder,
    DecodingOptions,
    DecodingResult,
    DecodingTask,
    Inference,
    MaximumLikelihoodRanker,
)
from whisper.tokenizer import Tokenizer

from ..backends.errors import InputError
from .audio_features import SECONDS_PER_POSITION
from .decoder import Decoder, DecoderRows
from .hypothesis import Clip, DecodeOptions, Hypothesis, Segment
from .model import Recogniser
from .transcriber import prompt_of


def decode_with_options(
    decoder: Decoder, recogniser: Recogniser, features: Tensor, clip: Clip, options: DecodeOptions
) -> tuple[Hypothesis, int]:
    """The transcript of `clip`, encoded as `features`, shape = (positions, state); and how many passes it took.

    Falls back to higher temperatures as `whisper.transcribe` does. Raises `InputError` for options that contradict
    each other.
    """
    if not options.temperatures:
        raise InputError("decoding options: no temperature; expected at least one, for example 0")
    temperature, *higher = options.temperatures
    task, result = _attempt(decoder, recogniser, features, clip, options, temperature)
    passes = task.own_inference.passes
    while higher and _again(result, options):
        temperature = higher.pop(0)
        task, result = _attempt(decoder, recogniser, features, clip, options, temperature)
        passes += task.own_inference.passes
    silent = _silent(result, options)
    tokens = [] if silent else result.tokens
    budget = min(options.max_tokens, decoder.dims.n_text_ctx - len(task.initial_tokens) + 1)
    cut_off = len(result.tokens) >= budget
    text = task.tokenizer.decode([token for token in tokens if token < task.tokenizer.eot]).strip()
    return Hypothesis(
        text,
        prompt_tokens=len(task.initial_tokens),
        decode_tokens=len(result.tokens) - cut_off,
        mean_log_probability=round(result.avg_logprob, 4),
        cut_off=cut_off,
        tokens=tuple(tokens),
        temperature=temperature,
        no_speech_probability=round(result.no_speech_prob, 4),
        language=result.language,
        segments=tuple(_segments(tokens, task.tokenizer, len(features))) if options.timestamps else (),
    ), passes


def _attempt(
    decoder: Decoder, recogniser: Recogniser, features: Tensor, clip: Clip, options: DecodeOptions, temperature: float
) -> tuple["_Task", DecodingResult]:
    try:
        task = _Task(decoder, recogniser, clip, _whispers(options, temperature))
    except ValueError as error:
        raise InputError(f"decoding options: {error}") from error
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(_seed(clip, temperature))  # sampling is seeded by the call itself
        # openai-whisper 20250625 sorts a tensor with numpy, which NumPy 2 warns of
        warnings.filterwarnings("ignore", "__array_wrap__", DeprecationWarning)
        [result] = task.run(features[None])
    return task, result


def _whispers(options: DecodeOptions, temperature: float) -> DecodingOptions:
    """The options of one attempt: beams belong to temperature 0, samples to those above (whisper.transcribe)."""
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


def _seed(clip: Clip, temperature: float) -> int:
    digest = hashlib.sha256(clip.audio.tobytes() + f"\0{clip.prompt}\0{temperature!r}{clip.prefix}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _again(result: DecodingResult, options: DecodeOptions) -> bool:
    """Whether the next temperature is tried: the rule of `whisper.transcribe`."""
    longest, least = options.compression_ratio_threshold, options.log_probability_threshold
    repetitive = longest is not None and result.compression_ratio > longest
    improbable = least is not None and result.avg_logprob < least
    silence = options.no_speech_threshold is not None and result.no_speech_prob > options.no_speech_threshold
    return (repetitive or improbable) and not (silence and improbable)


def _silent(result: DecodingResult, options: DecodeOptions) -> bool:
    """Whether there is no text: the rule of `whisper.transcribe`."""
    if options.no_speech_threshold is None or result.no_speech_prob <= options.no_speech_threshold:
        return False
    least = options.log_probability_threshold
    return least is None or result.avg_logprob <= least


def _segments(tokens: list[int], tokenizer: Tokenizer, positions: int) -> Iterator[Segment]:
    """Text between timestamps. What has no timestamp after it lasts to the end of the audio."""
    start_s, words = 0.0, []
    for token in [*tokens, tokenizer.timestamp_begin + positions]:
        if token < tokenizer.timestamp_begin:
            words.append(token)
            continue
        at_s = (token - tokenizer.timestamp_begin) * SECONDS_PER_POSITION
        if text := tokenizer.decode([word for word in words if word < tokenizer.eot]).strip():
            yield Segment(round(start_s, 2), round(at_s, 2), text)
        start_s, words = at_s, []


class _Inference(Inference):
    """openai-whisper's view of our caches: all tokens so far go in, only the new ones are computed."""

    def __init__(self, decoder: Decoder, capacity: int) -> None:
        self.passes = 0
        self._decoder, self._capacity = decoder, capacity
        self._rows: DecoderRows | None = None

    def logits(self, tokens: Tensor, audio_features: Tensor) -> Tensor:
        """Logits of the tokens that are new, shape = (rows, new tokens, vocabulary)."""
        if self._rows is None:
            self._rows = self._decoder.begin([audio_features[0]] * len(tokens), self._capacity)
        new = tokens[:, self._rows.lengths[0] :]
        hidden = self._rows.advance(new.tolist()).unflatten(0, new.shape)
        self.passes += 1
        table = self._decoder.module.token_embedding.weight
        return (hidden @ table.T).float()

    def rearrange_kv_cache(self, source_indices: list[int]) -> None:
        """Row `i` goes on from what row `source_indices[i]` was."""
        if self._rows is not None and source_indices != list(range(len(source_indices))):
            self._rows.select(source_indices)

    def cleanup_caching(self) -> None:
        """Free the caches."""
        self._rows = None


class _Ranker(MaximumLikelihoodRanker):
    """openai-whisper's choice among candidates, with an empty text as long as one token: it divides by the length."""

    def rank(self, tokens: list[list[Tensor]], sum_logprobs: list[list[float]]) -> list[int]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Which candidate of each audio is the best."""
        counted = [[text if len(text) else text.new_zeros(1) for text in texts] for texts in tokens]
        return [int(best) for best in super().rank(counted, sum_logprobs)]


class _Task(DecodingTask):
    """openai-whisper's decoding of audio that is already encoded, of any length, over our caches."""

    def __init__(self, decoder: Decoder, recogniser: Recogniser, clip: Clip, options: DecodingOptions) -> None:
        self._recogniser, self._clip = recogniser, clip
        super().__init__(recogniser.whisper, options)
        capacity = min(self.n_ctx, len(self.initial_tokens) + self.sample_len)
        self.sequence_ranker = _Ranker(options.length_penalty)
        self.inference = self.own_inference = _Inference(decoder, capacity)
        if isinstance(self.decoder, BeamSearchDecoder):
            self.decoder.inference = self.inference

    def _get_initial_tokens(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # by the recogniser's tokenizer: openai-whisper would write earlier text with all of its own tokens
        tokenizer = self._recogniser.tokenizer(self.options.language, self.options.task)
        return tuple(prompt_of(self._clip, tokenizer, self._recogniser.dims, self.sot_sequence))

    def _get_audio_features(self, mel: Tensor) -> Tensor:
        return mel

    def _detect_language(self, audio_features: Tensor, tokens: Tensor) -> tuple[list[str], None]:
        language = self.options.language
        if language is None and self.model.is_multilingual:
            # whisper.decoding.detect_language, which takes 30 s only
            sot = torch.full((1, 1), self.tokenizer.sot, device=audio_features.device)
            logits = self.model.decoder(sot, audio_features)[0, 0]
            codes = dict(zip(self.tokenizer.all_language_tokens, self.tokenizer.all_language_codes, strict=True))
            token = max(codes, key=lambda token: float(logits[token]))
            tokens[:, self.sot_index + 1] = token
            language = codes[token]
        return [language or "en"], None
