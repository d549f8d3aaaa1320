"""The transcription engine: many calls at once through openai-whisper's modules, greedy, each computed only once.

Equal calls (same audio, prompt, options, checkpoint) have one transcript: asked for twice, they are computed once,
and with a `TranscriptCache` once for all runs.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from whisper.audio import SAMPLE_RATE
from whisper.tokenizer import Tokenizer, get_tokenizer

from ..backends.errors import InputError
from .cache import TranscriptCache
from .mel import log_mel, pad_or_trim
from .model import Recogniser, encode

ENGINE_VERSION = "1"  # raise it when the same call may give another text
WINDOW_LIMIT_S = 30.0
_SHORTEST_S = 0.5  # shorter audio is padded to this: below it a convolution sees mostly edges
_SAMPLES_PER_POSITION = 320  # one encoder position: two 10 ms mel frames

Progress = Callable[[int, int], None]  # calls done, calls in all


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a transcript is decoded. Greedy, no timestamps; no token is suppressed.

    openai-whisper's `decode` suppresses non-speech symbols by default; here a model's output is taken as it is.
    """

    language: str = "en"
    task: str = "transcribe"
    max_tokens: int = 224  # openai-whisper's sample_len: half of the text context


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What one call hears: `audio` float32 at 16 kHz, shape = (samples,), at most 30 s.

    `prompt` is earlier text; `prefix` is the beginning of this audio's text, which the decoder goes on from.
    """

    audio: np.ndarray
    prompt: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The transcript of one call, with the token counts that its workload had.

    `decode_tokens` counts the decode steps after the prefill, which yields the first token: the text tokens, as the
    last step yields the end mark. `cut_off` tells that `max_tokens` ended the text.
    """

    text: str
    prompt_tokens: int
    decode_tokens: int
    mean_log_probability: float
    cut_off: bool


class Engine:
    """Transcribes clips in batches. Not safe for several threads."""

    def __init__(
        self,
        recogniser: Recogniser,
        options: DecodeOptions | None = None,
        cache: TranscriptCache | None = None,
        batch_audio_s: float = 240.0,
    ) -> None:
        self.recogniser = recogniser
        self.options = options or DecodeOptions()
        self._cache = cache
        self._batch_audio_s = batch_audio_s
        model = recogniser.whisper
        self._tokenizer: Tokenizer = get_tokenizer(
            model.is_multilingual,
            num_languages=model.num_languages,
            language=self.options.language if model.is_multilingual else None,
            task=self.options.task if model.is_multilingual else None,
        )
        self._known: dict[str, Hypothesis] = {}
        self._key_prefix = json.dumps(
            [ENGINE_VERSION, recogniser.sha256, recogniser.pads, asdict(self.options)], sort_keys=True
        ).encode()
        self.computed = 0  # calls that went through the model, for the run's statistics

    def transcribe(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Hypothesis]:
        """The transcripts of `clips`, in their order. `progress` is told how many of the new ones are done.

        Raises `InputError`, before anything is computed, for a clip that is longer than the model hears.
        """
        for clip in clips:
            self._check_length(clip)
        keys = [self._key(clip) for clip in clips]
        missing = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in self._known}
        if self._cache and missing:
            for key, stored in self._cache.get(missing).items():
                self._known[key] = Hypothesis(**stored)
                del missing[key]
        done = 0
        for batch in self._batches(missing):
            texts = self._transcribe_batch([missing[key] for key in batch])
            found = dict(zip(batch, texts, strict=True))
            self._known.update(found)
            if self._cache:
                self._cache.put({key: asdict(hypothesis) for key, hypothesis in found.items()})
            done += len(batch)
            self.computed += len(batch)
            if progress:
                progress(done, len(missing))
        return [self._known[key] for key in keys]

    def _key(self, clip: Clip) -> str:
        digest = hashlib.sha256(self._key_prefix)
        digest.update(b"\0" + clip.prompt.encode() + b"\0")
        if clip.prefix:
            digest.update(b"prefix\0" + clip.prefix.encode() + b"\0")
        digest.update(np.ascontiguousarray(clip.audio, np.float32).tobytes())
        return digest.hexdigest()

    def _check_length(self, clip: Clip) -> None:
        limit = self.recogniser.dims.n_audio_ctx * _SAMPLES_PER_POSITION
        if len(clip.audio) > limit + 1:  # window edges are rounded to samples, each by itself
            raise InputError(
                f"a call of {len(clip.audio) / SAMPLE_RATE:g} s; {self.recogniser.name} hears at most "
                f"{limit / SAMPLE_RATE:g} s at once; give a shorter window"
            )

    def _positions(self, clip: Clip) -> int:
        """Encoder positions this clip takes: all 1500 where the model pads."""
        limit = self.recogniser.dims.n_audio_ctx
        if self.recogniser.pads:
            return limit
        least = int(_SHORTEST_S * SAMPLE_RATE) // _SAMPLES_PER_POSITION
        return min(limit, max(least, -(-len(clip.audio) // _SAMPLES_PER_POSITION)))

    def _prompt_tokens(self, clip: Clip) -> list[int]:
        tokens = list(self._tokenizer.sot_sequence_including_notimestamps)
        # As openai-whisper does: at most half the text context of previous text, after its own mark.
        room = self.recogniser.dims.n_text_ctx // 2 - 1
        if clip.prefix:
            tokens += self._tokenizer.encode(" " + clip.prefix)[-(room - len(tokens)) :]
        if not clip.prompt:
            return tokens
        earlier = self._tokenizer.encode(" " + clip.prompt.strip())[-room:]
        return [self._tokenizer.sot_prev, *earlier, *tokens]

    def _batches(self, clips: dict[str, Clip]) -> Iterable[list[str]]:
        """Keys of equally long clips with equally long prompts: such a batch needs no padding or masking."""
        alike: dict[tuple[int, int], list[str]] = {}
        for key, clip in clips.items():
            alike.setdefault((self._positions(clip), len(self._prompt_tokens(clip))), []).append(key)
        for (positions, _), keys in sorted(alike.items()):
            audio_s = positions * _SAMPLES_PER_POSITION / SAMPLE_RATE
            size = max(1, int(self._batch_audio_s / audio_s))
            for start in range(0, len(keys), size):
                yield keys[start : start + size]

    @torch.inference_mode()
    def _transcribe_batch(self, clips: list[Clip]) -> list[Hypothesis]:
        model = self.recogniser.whisper
        samples = self._positions(clips[0]) * _SAMPLES_PER_POSITION
        audio = torch.stack([pad_or_trim(torch.from_numpy(clip.audio), samples) for clip in clips]).to(model.device)
        features = encode(model.encoder, log_mel(audio, model.dims.n_mels))
        prompts = torch.tensor([self._prompt_tokens(clip) for clip in clips], device=model.device)
        tokens, log_probabilities = self._greedy(features, prompts)
        return [
            self._hypothesis(row, float(total), prompts.shape[1])
            for row, total in zip(tokens, log_probabilities, strict=True)
        ]

    def _hypothesis(self, tokens: list[int], total_log_probability: float, prompt_tokens: int) -> Hypothesis:
        ended = tokens[-1] == self._tokenizer.eot
        text = self._tokenizer.decode([t for t in tokens if t < self._tokenizer.eot]).strip()
        mean = total_log_probability / len(tokens)
        return Hypothesis(text, prompt_tokens, len(tokens) - 1, round(mean, 4), cut_off=not ended)

    def _greedy(self, features: Tensor, prompts: Tensor) -> tuple[list[list[int]], Tensor]:
        """Greedy decoding of a batch. `features` shape = (batch, positions, state), `prompts` shape = (batch, tokens).

        Returns the tokens of each row, ending with end-of-text unless cut off, and the sums of their log-probabilities.
        """
        model, end = self.recogniser.whisper, self._tokenizer.eot
        # The last token needs no position of its own, as nothing is decoded after it.
        budget = min(self.options.max_tokens, model.dims.n_text_ctx - prompts.shape[1] + 1)
        produced: list[list[int]] = [[] for _ in features]
        totals = torch.zeros(len(features))
        active = torch.arange(len(features))
        cache, hooks = model.install_kv_cache_hooks()
        try:
            latest = prompts
            for _ in range(budget):
                logits = model.decoder(latest, features, kv_cache=cache)[:, -1]
                best = logits.argmax(-1)
                totals[active] += logits.log_softmax(-1).gather(1, best[:, None])[:, 0].cpu()
                for row, token in zip(active.tolist(), best.tolist(), strict=True):
                    produced[row].append(token)
                going = best != end
                if not going.any():
                    break
                if not going.all():  # rows that are done leave the batch
                    active, best, features = active[going.cpu()], best[going], features[going]
                    for module in cache:
                        cache[module] = cache[module][going]
                latest = best[:, None]
        finally:
            for hook in hooks:
                hook.remove()
        return produced, totals
