"""What one call of Whisper computes: its operations in order, in closed form.

tests/backends/workload/trace.py records the same list from the openai-whisper modules, operation by operation.
Every size in it is affine in the decode step, so one operation at the mean step sums up exactly.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from ..errors import InputError
from .builder import OpBuilder, mel_ops
from .models import Dimensions
from .op import HOP, ITEM_BYTES, LONGEST_S, SAMPLE_RATE, Number, Op

PHASES = ("mel", "encode", "prefill", "decode")
PADDINGS = ("full", "fit")


@dataclass(frozen=True, slots=True)
class Workload:
    """One batch of calls.

    dims: dimensions of the model.
    batch: number of calls, all of the same length.
    audio_s: seconds of audio of each call.
    padding: "full" pads the audio to the whole encoder context (30 s), as openai-whisper does; "fit" encodes only the
        audio's own frames (100 per second, rounded up to even; two make one encoder position).
    prompt_tokens: length of the initial token sequence with special tokens; 0 becomes that of `dims` (2 or 4).
    decode_tokens: decode steps after the prefill. As many text tokens are emitted, since the prefill yields the first
        one and the last step yields end-of-text.
    dtype: of activations, "fp16" or "fp32".
    weight_dtype: how weights are stored, by default as `dtype`; also "int8" (weights only), "w8a8" (products of int8
        weights with activations made int8), "fp8" (likewise), and "bf16" where numbers are 16 bits.
    pass_tokens: tokens that each decode step takes in; more than 1 where it also checks tokens of a draft. A step
        counts as adding one of them to the caches (see `backends.workload.drafting`).
    decoder_weights: how the decoder's weights are stored, by default as `weight_dtype`.
    beam: texts that compete for each call in beam search, which share keys and values of the audio; 1 is greedy.
    Raises `InputError` for values that make no sense.
    """

    dims: Dimensions
    batch: int = 1
    audio_s: float = LONGEST_S
    padding: str = "full"
    prompt_tokens: int = 0
    decode_tokens: int = 0
    dtype: str = "fp16"
    weight_dtype: str = ""
    pass_tokens: int = 1
    decoder_weights: str = ""
    beam: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", Dimensions.of(self.dims))
        object.__setattr__(self, "prompt_tokens", self.prompt_tokens or self.dims.prompt_tokens)
        object.__setattr__(self, "weight_dtype", self.weight_dtype or self.dtype)
        longest_s = self.dims.n_audio_ctx * 2 * HOP / SAMPLE_RATE
        _expect(self.batch >= 1, "batch", self.batch, "at least 1")
        _expect(
            0 < self.audio_s <= longest_s,
            "audio",
            f"{self.audio_s} s",
            f"more than 0 and at most {longest_s:g} s",
        )
        _expect(self.padding in PADDINGS, "padding", self.padding, "full or fit")
        _expect(self.dtype in ("fp16", "fp32"), "dtype", self.dtype, "fp16 or fp32")
        for stored in (self.weight_dtype, self.decoder_weight_dtype):
            _expect(stored in ITEM_BYTES, "weight dtype", stored, "fp16, bf16, fp32, int8, w8a8 or fp8")
        _expect(self.beam >= 1, "beam", self.beam, "at least 1")
        _expect(self.prompt_tokens >= 1, "prompt tokens", self.prompt_tokens, "at least 1")
        _expect(self.decode_tokens >= 0, "decode tokens", self.decode_tokens, "0 or more")
        _expect(self.pass_tokens >= 1, "tokens per decode step", self.pass_tokens, "at least 1")
        checked = self.pass_tokens - 1 if self.decode_tokens else 0
        total, context = self.prompt_tokens + self.decode_tokens + checked, self.dims.n_text_ctx
        _expect(total <= context, "prompt and decode tokens", total, f"at most {context} together")

    @property
    def affine(self) -> bool:
        """Whether the sizes of every operation are affine in the number of calls of the batch, and in that of steps."""
        return True

    @property
    def decoder_weight_dtype(self) -> str:
        """How the weights of the decoder are stored."""
        return self.decoder_weights or self.weight_dtype

    @property
    def frames(self) -> int:
        """Mel frames that the encoder takes in: an even number, 100 per second."""
        if self.padding == "full":
            return 2 * self.dims.n_audio_ctx
        # rounding to microframes first: 0.3 s * 100 is a hair above 30 in binary
        return 2 * math.ceil(round(self.audio_s * SAMPLE_RATE / HOP, 6) / 2)

    @property
    def positions(self) -> int:
        """Positions of the encoder: 50 per second."""
        return self.frames // 2

    @property
    def samples(self) -> int:
        """Audio samples of each call that are turned into mel frames."""
        return self.frames * HOP

    @property
    def weights_bytes(self) -> int:
        """Bytes of all parameters as they are stored; those of layer norms are fp32, in which Whisper computes them."""
        d, total = self.dims, 0
        for parameters, norms, stored in (
            (d.encoder_parameters, 2 * d.n_audio_state * (2 * d.n_audio_layer + 1), self.weight_dtype),
            (d.decoder_parameters, 2 * d.n_text_state * (3 * d.n_text_layer + 1), self.decoder_weight_dtype),
        ):
            total += (parameters - norms) * ITEM_BYTES[stored] + norms * 4
        return total

    @property
    def kv_bytes(self) -> int:
        """Bytes of cached keys and values, of text and audio, of *one* stream at the end of the call."""
        keys = self.positions + self.beam * (self.prompt_tokens + self.decode_tokens)
        return 2 * self.dims.n_text_layer * keys * self.dims.n_text_state * ITEM_BYTES[self.dtype]

    def ops(self) -> tuple[Op, ...]:
        """Return the operations of the call with their counts: one entry for each place in a layer.

        The sums over them are exact, and the list is as long for one layer and step as for many.
        """
        return _before_decode(replace(self, decode_tokens=0)) + self.decode_ops()

    def decode_ops(self) -> tuple[Op, ...]:
        """Return the part of `ops()` that depends on the number of decode steps."""
        return _decode(self)

    def key_runs(self, quantum: int) -> tuple[tuple[int, int], ...]:
        """Return the decode steps as (keys attended to, rounded up to `quantum`; how many steps in a row)."""
        first, last, runs = self.prompt_tokens + 1, self.prompt_tokens + self.decode_tokens, []
        while first <= last:
            edge = math.ceil(first / quantum) * quantum
            runs.append((min(edge, self.dims.n_text_ctx), min(edge, last) - first + 1))
            first = edge + 1
        return tuple(runs)

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """Return the operations of one decode step that attends to `keys` tokens, at least 2."""
        before = min(keys - 1, self.dims.n_text_ctx - self.pass_tokens)
        return replace(self, prompt_tokens=before, decode_tokens=1).decode_ops()

    def each_op(self) -> Iterator[Op]:
        """Yield every operation of the call, one by one, in the order in which the modules run them."""
        for block, repeats in chain(_encode_and_prefill(self), _each_step(self)):
            for _ in range(repeats):
                yield from block


def _expect(holds: bool, what: str, given: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{what} is {given}; expected {expected}")


Segments = Iterator[tuple[list[Op], int]]


def _merge(segments: Segments) -> tuple[Op, ...]:
    return tuple(
        op if repeats == 1 else replace(op, count=repeats) for block, repeats in segments for op in block if repeats
    )


@lru_cache(maxsize=4096)
def _before_decode(work: Workload) -> tuple[Op, ...]:
    return _merge(_encode_and_prefill(work))


@lru_cache(maxsize=4096)
def _decode(work: Workload) -> tuple[Op, ...]:
    return _merge(_mean_steps(work))


def _encode_and_prefill(work: Workload) -> Segments:
    """Yield blocks of operations, each with how often it runs in a row."""
    dims, rows, prompt = work.dims, work.positions, work.prompt_tokens
    encoder = OpBuilder("encode", work, dims.n_audio_state, dims.n_audio_head)
    yield mel_ops(work), 1
    yield encoder.stem(dims.n_mels), 1
    yield encoder.self_attention(rows, rows) + encoder.mlp(rows), dims.n_audio_layer
    yield encoder.norm(rows), 1

    prefill = OpBuilder("prefill", work, dims.n_text_state, dims.n_text_head)
    attention = prefill.self_attention(prompt, prompt) + prefill.cross_attention(prompt, project=True)
    yield prefill.embed(prompt), 1
    yield attention + prefill.mlp(prompt), dims.n_text_layer
    yield prefill.norm(prompt) + prefill.logits(prompt), 1


def _each_step(work: Workload) -> Segments:
    for step in range(1, work.decode_tokens + 1):
        yield from _steps(work, work.prompt_tokens + step, 1)


def _mean_steps(work: Workload) -> Segments:
    yield from _steps(work, work.prompt_tokens + (work.decode_tokens + 1) / 2, work.decode_tokens)


def _steps(work: Workload, keys: Number, times: int) -> Segments:
    """Yield the blocks of a decode step, done `times` times.

    keys: tokens that its first token attends to, itself among them; those that the step checks are added.
    """
    decode = OpBuilder("decode", work, work.dims.n_text_state, work.dims.n_text_head, work.beam)
    fed = work.pass_tokens
    attention = decode.self_attention(fed, keys + fed - 1, cached=keys - 1) + decode.cross_attention(fed, project=False)
    yield decode.embed(fed), times
    yield attention + decode.mlp(fed), times * work.dims.n_text_layer
    yield decode.norm(fed) + decode.logits(fed), times
