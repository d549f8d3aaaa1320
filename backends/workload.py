"""What one call of Whisper computes: its operations in order, in closed form.

The list equals what `backends.trace.trace` records from the openai-whisper modules, operation by operation.
Every size in it is affine in the decode step, so one operation at the mean step sums up exactly.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from .errors import InputError
from .models import Dimensions

SAMPLE_RATE, HOP, N_FFT = (
    16_000,
    160,
    400,
)  # whisper.audio: samples per second, per mel frame, per Fourier window
ITEM_BYTES = {"fp32": 4, "fp16": 2, "int8": 1, "fp8": 1}
PHASES = ("mel", "encode", "prefill", "decode")
PADDINGS = ("full", "fit")

Number = int | float
Shape = tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """One operation, `count` times; sizes are those of one of them.

    shape by kind: conv1d (batch, in, out, kernel, out positions); matmul and logits ([batch,] m, n, k);
    attention, which is fused, (batch, heads, queries, keys, head size); embedding (tokens, rows of the table,
    width); every other kind: the shape of its output. A mean over decode steps may have half a key.
    flops: 2 per multiply-add of convolutions, matmuls and attention, as torch.utils.flop_counter; else 0.
    weight_bytes: parameters; read_bytes: activations and cached keys and values; write_bytes: the output.
    """

    kind: str
    phase: str
    shape: Shape
    dtype: str
    flops: Number
    weight_bytes: Number
    read_bytes: Number
    write_bytes: Number
    count: int = 1

    @property
    def bytes(self) -> Number:
        """Bytes moved by one of them if nothing stays on the chip."""
        return self.weight_bytes + self.read_bytes + self.write_bytes


@dataclass(frozen=True, slots=True)
class Workload:
    """One batch of calls.

    dims: of the model. batch: calls in the batch, all of the same length. audio_s: seconds of audio per call.
    padding: "full" pads audio to the whole encoder context (30 s), as openai-whisper does; "fit" encodes only
    the audio's own frames (100 per second, rounded up to even; two make one encoder position).
    prompt_tokens: initial token sequence with special tokens; default that of `dims` (2 or 4).
    decode_tokens: decode steps after the prefill = text tokens emitted, since the prefill yields the first
    one and the last step yields end-of-text. dtype: "fp16" or "fp32".
    weight_dtype: how weights are stored, default `dtype`; also "int8" and "fp8".
    pass_tokens: tokens that each decode step feeds: more than 1 where it also checks tokens of a draft; then a step
    is counted as adding one of them to the caches (see `backends.drafting`).
    """

    dims: Dimensions
    batch: int = 1
    audio_s: float = 30.0
    padding: str = "full"
    prompt_tokens: int = 0
    decode_tokens: int = 0
    dtype: str = "fp16"
    weight_dtype: str = ""
    pass_tokens: int = 1

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
        _expect(self.weight_dtype in ITEM_BYTES, "weight dtype", self.weight_dtype, "fp16, fp32, int8 or fp8")
        _expect(self.prompt_tokens >= 1, "prompt tokens", self.prompt_tokens, "at least 1")
        _expect(self.decode_tokens >= 0, "decode tokens", self.decode_tokens, "0 or more")
        _expect(self.pass_tokens >= 1, "tokens per decode step", self.pass_tokens, "at least 1")
        checked = self.pass_tokens - 1 if self.decode_tokens else 0
        total, context = self.prompt_tokens + self.decode_tokens + checked, self.dims.n_text_ctx
        _expect(total <= context, "prompt and decode tokens", total, f"at most {context} together")

    @property
    def frames(self) -> int:
        """Mel frames given to the encoder: even, 100 per second."""
        if self.padding == "full":
            return 2 * self.dims.n_audio_ctx
        # rounding to microframes first: 0.3 s * 100 is a hair above 30 in binary
        return 2 * math.ceil(round(self.audio_s * SAMPLE_RATE / HOP, 6) / 2)

    @property
    def positions(self) -> int:
        """Encoder positions: 50 per second."""
        return self.frames // 2

    @property
    def samples(self) -> int:
        """Audio samples per call that are turned into mel frames."""
        return self.frames * HOP

    @property
    def weights_bytes(self) -> int:
        """Bytes of all parameters as stored; layer norms stay in fp32, as Whisper computes them in it."""
        d = self.dims
        norms = 2 * d.n_audio_state * (2 * d.n_audio_layer + 1) + 2 * d.n_text_state * (3 * d.n_text_layer + 1)
        return (d.parameters - norms) * ITEM_BYTES[self.weight_dtype] + norms * 4

    @property
    def kv_bytes(self) -> int:
        """Bytes of cached keys and values, self and cross, of *one* stream at the end of the call."""
        keys = self.positions + self.prompt_tokens + self.decode_tokens
        return 2 * self.dims.n_text_layer * keys * self.dims.n_text_state * ITEM_BYTES[self.dtype]

    def ops(self) -> tuple[Op, ...]:
        """The operations with counts: an entry per place in a layer; exact sums; O(1) in layers and steps."""
        return _before_decode(replace(self, decode_tokens=0)) + self.decode_ops()

    def decode_ops(self) -> tuple[Op, ...]:
        """The part of `ops()` that depends on the number of decode steps."""
        return _decode(self)

    def key_runs(self, quantum: int) -> tuple[tuple[int, int], ...]:
        """Decode steps as (keys attended to, rounded up to `quantum`; how many steps in a row)."""
        first, last, runs = self.prompt_tokens + 1, self.prompt_tokens + self.decode_tokens, []
        while first <= last:
            edge = math.ceil(first / quantum) * quantum
            runs.append((min(edge, self.dims.n_text_ctx), min(edge, last) - first + 1))
            first = edge + 1
        return tuple(runs)

    def step_ops(self, keys: int) -> tuple[Op, ...]:
        """The operations of one decode step that attends to `keys` tokens, at least 2."""
        before = min(keys - 1, self.dims.n_text_ctx - self.pass_tokens)
        return replace(self, prompt_tokens=before, decode_tokens=1).decode_ops()

    def each_op(self) -> Iterator[Op]:
        """Every operation of the call, one by one, in the order in which the modules run them."""
        for block, repeats in chain(_encode_and_prefill(self), _each_step(self)):
            for _ in range(repeats):
                yield from block


def _expect(holds: bool, what: str, given: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{what} is {given}; expected {expected}")


Segments = Iterator[tuple[list[Op], int]]


def _merged(segments: Segments) -> tuple[Op, ...]:
    return tuple(
        op if repeats == 1 else replace(op, count=repeats) for block, repeats in segments for op in block if repeats
    )


@lru_cache(maxsize=4096)
def _before_decode(work: Workload) -> tuple[Op, ...]:
    return _merged(_encode_and_prefill(work))


@lru_cache(maxsize=4096)
def _decode(work: Workload) -> tuple[Op, ...]:
    return _merged(_mean_steps(work))


def _encode_and_prefill(work: Workload) -> Segments:
    """Blocks of operations, each with how often it runs in a row."""
    dims, rows, prompt = work.dims, work.positions, work.prompt_tokens
    encoder = _Builder("encode", work, dims.n_audio_state, dims.n_audio_head)
    yield _mel(work), 1
    yield encoder.stem(dims.n_mels), 1
    yield encoder.self_attention(rows, rows) + encoder.mlp(rows), dims.n_audio_layer
    yield encoder.norm(rows), 1

    prefill = _Builder("prefill", work, dims.n_text_state, dims.n_text_head)
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
    """A decode step that attends to `keys` tokens, its first among them, and to those it checks, `times` over."""
    decode = _Builder("decode", work, work.dims.n_text_state, work.dims.n_text_head)
    fed = work.pass_tokens
    attention = decode.self_attention(fed, keys + fed - 1, cached=keys - 1) + decode.cross_attention(fed, project=False)
    yield decode.embed(fed), times
    yield attention + decode.mlp(fed), times * work.dims.n_text_layer
    yield decode.norm(fed) + decode.logits(fed), times


def _mel(work: Workload) -> list[Op]:
    """whisper.audio.log_mel_spectrogram in fp32 on the device; it drops the last of frames + 1 columns."""
    batch, bins, n_mels = work.batch, N_FFT // 2 + 1, work.dims.n_mels
    audio, padded, frames = batch * work.samples * 4, batch * (work.samples + N_FFT) * 4, work.frames
    windows, power, mel = (
        batch * (frames + 1) * N_FFT * 4,
        batch * bins * frames * 4,
        batch * n_mels * frames * 4,
    )

    def op(kind: str, shape: Shape, read: int, write: int, flops: int = 0, weights: int = 0) -> Op:
        return Op(kind, "mel", shape, "fp32", flops, weights, read, write)

    out = (batch, n_mels, frames)
    pointwise = op("elementwise", out, mel, mel)
    return [
        op("pad", (1, batch, work.samples + N_FFT), audio, padded),
        op("elementwise", (batch, frames + 1, N_FFT), padded + N_FFT * 4, windows),
        op("fft", (batch, frames + 1, bins), windows, batch * (frames + 1) * bins * 8),
        op("elementwise", (batch, bins, frames), 2 * power, power),  # magnitude of complex numbers
        op("elementwise", (batch, bins, frames), power, power),
        op(
            "matmul",
            (batch, n_mels, frames, bins),
            power,
            mel,
            2 * batch * n_mels * frames * bins,
            n_mels * bins * 4,
        ),
        pointwise,
        pointwise,
        op("reduce", (), mel, 4),
        op("elementwise", (), 4, 4),
        op("elementwise", out, mel + 4, mel),
        op("add", out, mel, mel),
        pointwise,
    ]


@dataclass(frozen=True, slots=True)
class _Builder:
    """Pieces of Whisper's modules for one phase; `rows` below are positions or tokens per call."""

    phase: str
    work: Workload
    width: int
    heads: int

    def op(self, kind: str, shape: Shape, read: Number, write: Number, flops: Number = 0, weights: Number = 0) -> Op:
        return Op(kind, self.phase, shape, self.work.dtype, flops, weights, read, write)

    @property
    def item(self) -> int:
        return ITEM_BYTES[self.work.dtype]

    @property
    def weight_item(self) -> int:
        return ITEM_BYTES[self.work.weight_dtype]

    def size(self, rows: Number, width: int = 0) -> Number:
        return self.work.batch * rows * (width or self.width) * self.item

    def cast(self, shape: Shape, dtype: str) -> list[Op]:
        if self.work.dtype == "fp32":
            return []
        n = math.prod(shape)
        read, write = (2, 4) if dtype == "fp32" else (4, 2)
        return [Op("cast", self.phase, shape, dtype, 0, 0, n * read, n * write)]

    def norm(self, rows: int) -> list[Op]:
        shape = (self.work.batch, rows, self.width)
        n = math.prod(shape) * 4
        # whisper.model.LayerNorm computes in fp32; it also writes mean and deviation of each row
        norm = Op(
            "layer_norm",
            self.phase,
            shape,
            "fp32",
            0,
            2 * self.width * 4,
            n,
            n + 2 * 4 * self.work.batch * rows,
        )
        return [*self.cast(shape, "fp32"), norm, *self.cast(shape, "fp16")]

    def linear(self, rows: int, inputs: int, outputs: int, *, bias: bool = True, kind: str = "matmul") -> Op:
        m, weights = self.work.batch * rows, (inputs + bias) * outputs * self.weight_item
        shape, flops = (m, outputs, inputs), 2 * m * outputs * inputs
        return self.op(kind, shape, self.size(rows, inputs), self.size(rows, outputs), flops, weights)

    def add(self, rows: int, other: Number) -> Op:
        return self.op("add", (self.work.batch, rows, self.width), self.size(rows) + other, self.size(rows))

    def gelu(self, shape: Shape) -> Op:
        n = math.prod(shape) * self.item
        return self.op("gelu", shape, n, n)

    def conv(self, channels: int, rows_in: int, rows_out: int) -> list[Op]:
        batch, d = self.work.batch, self.width
        flops, weights = 2 * batch * channels * d * 3 * rows_out, (3 * channels + 1) * d * self.weight_item
        read, shape = self.size(rows_in, channels), (batch, channels, d, 3, rows_out)
        return [
            self.op("conv1d", shape, read, self.size(rows_out), flops, weights),
            self.gelu((batch, d, rows_out)),
        ]

    def stem(self, n_mels: int) -> list[Op]:
        rows, frames = self.work.positions, self.work.frames
        position = self.add(rows, rows * self.width * self.item)
        return [*self.conv(n_mels, frames, frames), *self.conv(self.width, frames, rows), position]

    def attend(self, queries: int, keys: Number) -> Op:
        batch, head = self.work.batch, self.width // self.heads
        read, flops = self.size(queries) + 2 * self.size(keys), 4 * batch * queries * keys * self.width
        return self.op("attention", (batch, self.heads, queries, keys, head), read, self.size(queries), flops)

    def self_attention(self, rows: int, keys: Number, cached: Number = 0) -> list[Op]:
        d, kv_size = self.width, self.size(keys)
        append = [self.op("cat", (self.work.batch, keys, d), kv_size, kv_size)] if cached else []
        project = [
            self.linear(rows, d, d),
            self.linear(rows, d, d, bias=False),
            *append,
            self.linear(rows, d, d),
        ]
        attend = [*append, self.attend(rows, keys), self.linear(rows, d, d), self.add(rows, self.size(rows))]
        return [*self.norm(rows), *project, *attend]

    def cross_attention(self, rows: int, *, project: bool) -> list[Op]:
        d, keys = self.width, self.work.positions
        # keys and values of the audio are computed at the first decoder pass and kept
        keys_values = [self.linear(keys, d, d, bias=False), self.linear(keys, d, d)] if project else []
        attend = [self.attend(rows, keys), self.linear(rows, d, d), self.add(rows, self.size(rows))]
        return [*self.norm(rows), self.linear(rows, d, d), *keys_values, *attend]

    def mlp(self, rows: int) -> list[Op]:
        d = self.width
        hidden = self.gelu((self.work.batch, rows, 4 * d))
        linears = [self.linear(rows, d, 4 * d), hidden, self.linear(rows, 4 * d, d)]
        return [*self.norm(rows), *linears, self.add(rows, self.size(rows))]

    def embed(self, rows: int) -> list[Op]:
        tokens, d = self.work.batch * rows, self.width
        # tokens are int64; only the rows in use are read from the table
        shape, weights = (tokens, self.work.dims.n_vocab, d), tokens * d * self.weight_item
        lookup = self.op("embedding", shape, tokens * 8, self.size(rows), weights=weights)
        return [lookup, self.add(rows, rows * d * self.item)]

    def logits(self, rows: int) -> list[Op]:
        vocab = self.work.dims.n_vocab
        # all prefill positions get logits, over the whole vocabulary, then a copy in fp32
        project = self.linear(rows, self.width, vocab, bias=False, kind="logits")
        return [project, *self.cast((self.work.batch, rows, vocab), "fp32")]
