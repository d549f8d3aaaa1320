"""The operations of Whisper's modules, piece by piece: `backends.workload.workload` puts them together to a call."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from .models import Dimensions
from .op import ITEM_BYTES, N_FFT, Number, Op, Shape


class Sized(Protocol):
    """The fields of a workload on which the sizes of operations depend."""

    @property
    def dims(self) -> Dimensions: ...
    @property
    def batch(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def weight_dtype(self) -> str: ...
    @property
    def decoder_weight_dtype(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def positions(self) -> int: ...
    @property
    def samples(self) -> int: ...


def mel_ops(work: Sized) -> list[Op]:
    """Return the operations of whisper.audio.log_mel_spectrogram, in fp32; it drops the last of frames + 1 columns."""
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
class OpBuilder:
    """Makes the operations of Whisper's modules in one phase.

    width, heads: of the layers. beams: texts of each call. In the methods `rows` are positions of the encoder, or
    tokens of each text.
    """

    phase: str
    work: Sized
    width: int
    heads: int
    beams: int = 1

    @property
    def batch(self) -> int:
        return self.work.batch * self.beams

    def op(self, kind: str, shape: Shape, read: Number, write: Number, flops: Number = 0, weights: Number = 0) -> Op:
        return Op(kind, self.phase, shape, self.work.dtype, flops, weights, read, write)

    @property
    def item(self) -> int:
        return ITEM_BYTES[self.work.dtype]

    @property
    def weight_dtype(self) -> str:
        return self.work.weight_dtype if self.phase == "encode" else self.work.decoder_weight_dtype

    @property
    def weight_item(self) -> int:
        return ITEM_BYTES[self.weight_dtype]

    def size(self, rows: Number, width: int = 0) -> Number:
        return self.batch * rows * (width or self.width) * self.item

    def cast(self, shape: Shape, dtype: str) -> list[Op]:
        if self.work.dtype == "fp32":
            return []
        n = math.prod(shape)
        read, write = (2, 4) if dtype == "fp32" else (4, 2)
        return [Op("cast", self.phase, shape, dtype, 0, 0, n * read, n * write)]

    def norm(self, rows: int) -> list[Op]:
        shape = (self.batch, rows, self.width)
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
            n + 2 * 4 * self.batch * rows,
        )
        return [*self.cast(shape, "fp32"), norm, *self.cast(shape, "fp16")]

    def linear(self, rows: int, inputs: int, outputs: int, *, bias: bool = True, kind: str = "matmul") -> Op:
        m, weights = self.batch * rows, (inputs + bias) * outputs * self.weight_item
        shape, flops = (m, outputs, inputs), 2 * m * outputs * inputs
        op = self.op(kind, shape, self.size(rows, inputs), self.size(rows, outputs), flops, weights)
        narrow = self.weight_item < self.item
        return replace(op, weights=self.weight_dtype) if narrow else op

    def add(self, rows: int, other: Number) -> Op:
        return self.op("add", (self.batch, rows, self.width), self.size(rows) + other, self.size(rows))

    def gelu(self, shape: Shape) -> Op:
        n = math.prod(shape) * self.item
        return self.op("gelu", shape, n, n)

    def conv(self, channels: int, rows_in: int, rows_out: int) -> list[Op]:
        batch, d = self.batch, self.width
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
        batch, head = self.batch, self.width // self.heads
        read, flops = self.size(queries) + 2 * self.size(keys), 4 * batch * queries * keys * self.width
        return self.op("attention", (batch, self.heads, queries, keys, head), read, self.size(queries), flops)

    def attend_together(self, queries: int, keys: Number) -> Op:
        """Attention in which all texts of a call are queries to the same keys and values, those of the audio."""
        return replace(self, beams=1).attend(queries * self.beams, keys)

    def self_attention(self, rows: int, keys: Number, cached: Number = 0) -> list[Op]:
        d, kv_size = self.width, self.size(keys)
        append = [self.op("cat", (self.batch, keys, d), kv_size, kv_size)] if cached else []
        project = [
            self.linear(rows, d, d),
            self.linear(rows, d, d, bias=False),
            *append,
            self.linear(rows, d, d),
        ]
        # where texts compete, each step copies the caches of those that go on
        kept = self.op("reorder", (2, self.batch, keys, d), 2 * kv_size, 2 * kv_size)
        reorder = [kept] if cached and self.beams > 1 else []
        attend = [*append, self.attend(rows, keys), self.linear(rows, d, d), self.add(rows, self.size(rows))]
        return [*self.norm(rows), *reorder, *project, *attend]

    def cross_attention(self, rows: int, *, project: bool) -> list[Op]:
        d, keys = self.width, self.work.positions
        # keys and values of the audio are computed at the first decoder pass and kept
        keys_values = [self.linear(keys, d, d, bias=False), self.linear(keys, d, d)] if project else []
        attend = [self.attend_together(rows, keys), self.linear(rows, d, d), self.add(rows, self.size(rows))]
        return [*self.norm(rows), self.linear(rows, d, d), *keys_values, *attend]

    def mlp(self, rows: int) -> list[Op]:
        d = self.width
        hidden = self.gelu((self.batch, rows, 4 * d))
        linears = [self.linear(rows, d, 4 * d), hidden, self.linear(rows, 4 * d, d)]
        return [*self.norm(rows), *linears, self.add(rows, self.size(rows))]

    def embed(self, rows: int) -> list[Op]:
        tokens, d = self.batch * rows, self.width
        # tokens are int64; only the rows in use are read from the table
        shape, weights = (tokens, self.work.dims.n_vocab, d), tokens * d * self.weight_item
        lookup = self.op("embedding", shape, tokens * 8, self.size(rows), weights=weights)
        return [lookup, self.add(rows, rows * d * self.item)]

    def logits(self, rows: int) -> list[Op]:
        vocab = self.work.dims.n_vocab
        # all prefill positions get logits, over the whole vocabulary, then a copy in fp32
        project = self.linear(rows, self.width, vocab, bias=False, kind="logits")
        return [project, *self.cast((self.batch, rows, vocab), "fp32")]
