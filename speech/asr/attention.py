"""When each word of a transcript was spoken, by cross-attention: one teacher-forced pass of the decoder over it.

As openai-whisper finds word times: the alignment heads' weights are normalised over the tokens, smoothed by a median
over frames and averaged. Here the frame of a token is the one it attends to most, as AlignAtt asks (no path is fitted
through all tokens), so that a token's time does not depend on the tokens after it more than by that normalisation.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from whisper.model import disable_sdpa
from whisper.tokenizer import Tokenizer

from .cache import Origin, TranscriptCache
from .decoding.transcribe import prompt_of
from .features import SECONDS_PER_POSITION, AudioFeatures, Part, heard_positions
from .hypothesis import Clip, DecodeOptions, Hypothesis
from .model import Recogniser
from .transcriber import Transcriber

_VERSION = 2
_MEDIAN = 7  # frames: openai-whisper's medfilt_width
_REWIND_S = 4.0  # SimulWhisper gives a step up that jumps back more than 200 frames
_TOGETHER = 8  # clips

Head = tuple[int, int]  # decoder layer, head


@dataclass(frozen=True, slots=True)
class AttendedWord:
    """A word, the latest moment that one of its tokens attends to, in seconds of the clip, and its tokens."""

    text: str
    at_s: float
    tokens: int


def alignment_heads(recogniser: Recogniser) -> list[Head]:
    """Return the heads that follow the audio, as openai-whisper names them.

    For official models these were chosen by OpenAI; for any other checkpoint they are all heads of the later layers.
    """
    indices = recogniser.whisper.get_buffer("alignment_heads").indices().T.tolist()
    return [(int(layer), int(head)) for layer, head in indices]


class Attention:
    """Finds word times. Computed once for equal clips and texts, and with a `cache` once for all runs."""

    def __init__(
        self,
        recogniser: Recogniser,
        options: DecodeOptions | None = None,
        cache: TranscriptCache | None = None,
        heads: Sequence[Head] | None = None,
        features: AudioFeatures | None = None,
    ) -> None:
        self._recogniser, self._cache, self._options = recogniser, cache, options or DecodeOptions()
        self._given_heads, self._features = heads, features or AudioFeatures(recogniser)
        self._origin = Origin(recogniser.name, recogniser.sha256, f"attention {_VERSION}")

    @classmethod
    def beside(cls, engine: Transcriber) -> "Attention":
        """Return the attention of an engine's recogniser, with its cache: what both hear is encoded once."""
        return cls(engine.recogniser, engine.options, engine.cache, features=engine.features)

    @cached_property
    def _heads(self) -> list[Head]:
        return list(self._given_heads or alignment_heads(self._recogniser))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self._recogniser.tokenizer(self._options.language, self._options.task)

    @cached_property
    def _key_prefix(self) -> bytes:
        model = self._recogniser
        precision = [] if model.arithmetic == "fp32" else [model.arithmetic]
        return json.dumps(["attention", _VERSION, model.digest or model.sha256, self._heads, *precision]).encode()

    def words(self, clips: Sequence[Clip], texts: Sequence[str]) -> list[tuple[AttendedWord, ...]]:
        """Return the words of each clip's text, with the moments they attend to; its prefix is read before them."""
        keys = [self._key(clip, text) for clip, text in zip(clips, texts, strict=True)]
        missing = {key: (clip, text) for key, clip, text in zip(keys, clips, texts, strict=True) if text.strip()}
        known: dict[str, tuple[AttendedWord, ...]] = {key: () for key in keys if key not in missing}
        if self._cache:
            for key, stored in self._cache.get(missing).items():
                known[key] = tuple(AttendedWord(*word) for word in stored)
                del missing[key]
        waiting = list(missing)
        for start in range(0, len(waiting), _TOGETHER):
            batch = waiting[start : start + _TOGETHER]
            found = dict(zip(batch, self._attend([missing[key] for key in batch]), strict=True))
            known.update(found)
            if self._cache:
                rows = {k: [[w.text, w.at_s, w.tokens] for w in words] for k, words in found.items()}
                self._cache.put(rows, self._origin)
        return [known[key] for key in keys]

    def _key(self, clip: Clip, text: str) -> str:
        digest = hashlib.sha256(self._key_prefix)
        digest.update(f"\0{clip.prefix}\0{text}\0".encode())
        digest.update(np.ascontiguousarray(clip.audio, np.float32).tobytes())
        return digest.hexdigest()

    def _attend(self, pairs: Sequence[tuple[Clip, str]]) -> list[tuple[AttendedWord, ...]]:
        pieces = [[(word, self._tokenizer.encode(" " + word)) for word in text.split()] for _, text in pairs]
        dims = self._recogniser.dims
        before = [prompt_of((), clip.prefix, self._tokenizer, dims, timestamps=False)[0] for clip, _ in pairs]
        tokens = [
            [*first, *(token for _, piece in words for token in piece)][: dims.n_text_ctx]
            for first, words in zip(before, pieces, strict=True)
        ]
        weights = self.weights([clip for clip, _ in pairs], tokens)
        found = []
        for (clip, _), first, words, rows in zip(pairs, before, pieces, weights, strict=True):
            frames = most_attended(rows[..., : self._heard(clip)])
            at, attended = len(first) - 1, []  # the row that predicts a token attends to its sound
            for word, piece in words:
                latest = max(frames[at : at + len(piece)], default=frames[-1])
                attended.append(AttendedWord(word, round((latest + 0.5) * SECONDS_PER_POSITION, 3), len(piece)))
                at += len(piece)
            found.append(tuple(attended))
        return found

    @torch.inference_mode()
    def weights(self, clips: Sequence[Clip], tokens: Sequence[list[int]]) -> list[Tensor]:
        """Return attention of the heads for each clip, shape = (heads, tokens, positions), before any smoothing.

        Row `i` is the attention with which token `i + 1` is predicted.
        """
        model = self._recogniser.whisper
        features = torch.stack(self._features.of([Part(clip) for clip in clips]))
        longest = max(map(len, tokens))
        # Later tokens do not change what earlier ones attend to: any filling will do.
        rows = torch.tensor([row + [self._tokenizer.eot] * (longest - len(row)) for row in tokens], device=model.device)
        scores: dict[int, Tensor] = {}
        hooks = [
            model.decoder.get_submodule(f"blocks.{layer}.cross_attn").register_forward_hook(_keep(scores, layer))
            for layer in {layer for layer, _ in self._heads}
        ]
        try:
            with disable_sdpa():
                model.decoder(rows, features)
        finally:
            for hook in hooks:
                hook.remove()
        together = torch.stack([scores[layer][:, head] for layer, head in self._heads], dim=1)
        return [
            one[:, : len(row), : self._heard(clip)].softmax(-1)
            for one, row, clip in zip(together, tokens, clips, strict=True)
        ]

    def _heard(self, clip: Clip) -> int:
        return heard_positions(Part(clip), self._recogniser)


def _keep(store: dict[int, Tensor], layer: int) -> Any:
    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        store[layer] = output[1].float().cpu()

    return hook


def most_attended(weights: Tensor) -> list[int]:
    """Return the frame that each token attends to most, given `weights`, shape = (heads, tokens, positions)."""
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    normal = (weights - mean) / deviation.clamp_min(1e-6)
    if weights.shape[-1] > _MEDIAN // 2:
        padded = torch.nn.functional.pad(normal, (_MEDIAN // 2, _MEDIAN // 2), mode="reflect")
        normal = padded.unfold(-1, _MEDIAN, 1).median(-1).values
    return normal.mean(0).argmax(-1).tolist()


def stop_at_margin(
    hypothesis: Hypothesis, words: Sequence[AttendedWord], length_s: float, margin_s: float
) -> tuple[Hypothesis, tuple[AttendedWord, ...]]:
    """Return what is left of a hypothesis whose decoding stops at the first word that attends to the last `margin_s`.

    It stops, too, where the attention jumps back by more than 4 s. A margin of 0 stops at nothing. The decode steps
    that were made are those of the words left and the one that found the stop.
    """
    if not margin_s:
        return hypothesis, tuple(words)
    latest_s, kept = 0.0, 0
    for word in words:
        if word.at_s > length_s - margin_s or word.at_s < latest_s - _REWIND_S:
            break
        latest_s, kept = max(latest_s, word.at_s), kept + 1
    if kept == len(words):
        return hypothesis, tuple(words)
    left = tuple(words[:kept])
    [run] = hypothesis.runs  # whoever stops a text hears it in one pass
    steps = min(run.decode_tokens, sum(word.tokens for word in left) + 1)
    made = replace(run, tokens=run.tokens[:steps], decode_tokens=steps, ended=False)
    text = " ".join(word.text for word in left)
    return replace(hypothesis, text=text, runs=(made,), tokens=made.tokens, stopped=True), left
