"""Whisper's encoder for inference: openai-whisper's weights and arithmetic, laid out for a CPU's matrix products.

Queries, keys and values come from one product and are copied so that each head's rows lie together, which attention
reads faster; products on a CPU are oneDNN's, with GELU applied while a block of the result is in cache. In bf16 on a
CPU, products and attention's scores are bf16, residuals, norms and the sums of softmax fp32.

Where the audio has ended, all windows are alike until they attend: what the convolutions give there, and the first
layer's queries, keys and values, are computed once for a model, and what these positions attend to in each other once
for each length. A window that is short of 30 s computes the rest, and the two are put together as the softmax of both.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import AudioEncoder, MultiHeadAttention

Product = Callable[[Tensor, Tensor, Tensor], Tensor]  # of input, weight and bias
After = Literal["none", "gelu"]

_QUERIES = 250  # whose scores in bf16 are computed together: 0.75 MB at 1500 keys, which a core's own cache holds
_FEW = 24  # rows that a packed weight is laid out for
_LEAST_TAIL = 100  # positions after the audio that are worth putting together from parts
_TAILS = 8  # lengths whose positions after the audio are remembered: 2.3 MB each for tiny.en


class Encoder:
    """Encodes spectrograms of any even number of frames, as openai-whisper's encoder does, to rounding."""

    def __init__(self, module: AudioEncoder) -> None:
        self.module, self._blocks = module, list(module.blocks)
        self._fused = [fuse(*projections(block.attn)) for block in self._blocks]
        weight = self._fused[0][0]
        self._dtype, self._on_cpu = weight.dtype, weight.device.type == "cpu"
        # norms and residuals are fp32 there: one rounding for each product is enough
        self._between = torch.float32 if self._on_cpu else self._dtype
        self._plain, self._then_gelu = product_for(weight), product_for(weight, "gelu")
        self._silence: tuple[Tensor, Tensor] | None = None
        self._tails: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, mel: Tensor, heard: int | None = None) -> Tensor:
        """Return the encoder's output, shape = (batch, frames // 2, state); in fp32 on a CPU.

        mel: shape = (batch, n_mels, frames).
        heard: frames after which all are zero, if that is known.
        """
        module = self.module
        positions, first = mel.shape[-1] // 2, mel.shape[-1] // 2
        if heard is not None and self._on_cpu and positions - (heard + 3) // 2 >= _LEAST_TAIL:
            first = (heard + 3) // 2  # of which a kernel of 3 over two kernels of 3 sees no audio
        x = self._stem(mel[..., : 2 * first + 2])[:, :first]
        x = (x + module.get_buffer("positional_embedding")[:first]).to(x.dtype)
        queries, keys, values = self._projected(0, x)
        if first < positions:
            silent, projected = self._silent()
            x = torch.cat([x, silent[None, first:positions].expand(len(x), -1, -1)], 1)
            rest = projected[:, None, :, first:positions].expand(-1, len(x), -1, -1, -1)
            queries, keys, values = (torch.cat(pair, 2) for pair in zip((queries, keys, values), rest, strict=True))
            attended = self._attend_apart(queries, keys, values, first)
        else:
            attended = self._attend(queries, keys, values)
        x = self._after_attention(0, x, attended)
        for layer in range(1, len(self._blocks)):
            x = self._after_attention(layer, x, self._attend(*self._projected(layer, x)))
        return module.ln_post(x)

    def _stem(self, mel: Tensor) -> Tensor:
        """Return what the convolutions make of a spectrogram, shape = (batch, positions, state)."""
        module = self.module
        return F.gelu(module.conv2(F.gelu(module.conv1(mel)))).transpose(1, 2).to(self._between)

    def _projected(self, layer: int, x: Tensor) -> Tensor:
        """Return queries, keys and values, shape = (3, batch, heads, positions, -1)."""
        block = self._blocks[layer]
        normed = block.attn_ln(x).to(self._dtype)
        projected = self._plain(normed.flatten(0, 1), *self._fused[layer]).view(*x.shape[:2], 3, block.attn.n_head, -1)
        return projected.permute(2, 0, 3, 1, 4).contiguous()

    def _after_attention(self, layer: int, x: Tensor, attended: Tensor) -> Tensor:
        """Return the output of a block. attended: shape = (batch * positions, state)."""
        block, shape = self._blocks[layer], x.shape
        x = x.flatten(0, 1)
        x = x + self._plain(attended, *linear_of(block.attn.out))
        normed = block.mlp_ln(x).to(self._dtype)
        x = x + self._plain(self._then_gelu(normed, *linear_of(block.mlp[0])), *linear_of(block.mlp[2]))
        return x.view(shape)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        if self._on_cpu and self._dtype == torch.bfloat16:
            return _attend_in_parts(queries, keys, values)
        return _joined(F.scaled_dot_product_attention(queries, keys, values))

    def _attend_apart(self, queries: Tensor, keys: Tensor, values: Tensor, first: int) -> Tensor:
        """Return attention of all positions, of which those from `first` on are the same in every window."""
        attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        audio, _ = attend(queries[:, :, :first], keys, values)
        after = queries[:, :, first:]
        known = list(self._tails.items())  # several threads encode at once: each leaves whole dictionaries behind
        tail = dict(known).get(first) or attend(after[:1], keys[:1, :, first:], values[:1, :, first:])
        self._tails = dict([*(one for one in known if one[0] != first), (first, tail)][-_TAILS:])
        silence, silence_sum = tail
        speech, speech_sum = attend(after, keys[:, :, :first], values[:, :, :first])
        weight = torch.sigmoid(speech_sum - silence_sum)[..., None].to(speech.dtype)
        return _joined(torch.cat([audio, torch.lerp(silence.expand_as(speech), speech, weight)], 2))

    def _silent(self) -> tuple[Tensor, Tensor]:
        """Return the first layer's input where nothing but silence is near, and its queries, keys and values."""
        if self._silence is None:
            module = self.module
            conv = module.conv1.weight
            [_, middle, *_] = self._stem(conv.new_zeros(1, conv.shape[1], 8))[0]
            x = middle + module.get_buffer("positional_embedding")
            self._silence = x, self._projected(0, x[None])[:, 0]
        return self._silence


def _attend_in_parts(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return attention by products in bf16, softmax summed in fp32: a third faster here than PyTorch's own."""
    batch, heads, positions, size = queries.shape
    queries = queries * size**-0.5
    attended = queries.new_empty(batch, positions, heads, size)
    for clip in range(batch):
        for head in range(heads):
            key, value = keys[clip, head].T, values[clip, head]
            for start in range(0, positions, _QUERIES):
                part = slice(start, start + _QUERIES)
                scores = torch.mm(queries[clip, head, part], key)
                attended[clip, part, head] = torch.mm(scores.softmax(-1), value)
    return attended.view(batch * positions, heads * size)


def _joined(attended: Tensor) -> Tensor:
    """Return attention with the heads of a position beside each other, shape = (batch * positions, state)."""
    return attended.transpose(1, 2).flatten(2).flatten(0, 1)


def fuse(*layers: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return linear layers of the same input as one: weight and bias. The layers' own weights become parts of it."""
    weight = torch.cat([layer.weight.detach() for layer in layers])
    no_bias = torch.zeros_like(weight[: len(weight) // len(layers), 0])
    bias = torch.cat([no_bias if layer.bias is None else layer.bias.detach() for layer in layers])
    for layer, view in zip(layers, weight.chunk(len(layers)), strict=True):
        layer.weight.data = view  # no second copy in memory
    return weight, bias


def projections(attention: MultiHeadAttention) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    """Return the layers that make queries, keys and values."""
    return attention.query, attention.key, attention.value


def linear_of(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a linear layer."""
    return layer.get_parameter("weight"), layer.get_parameter("bias")


def product_for(weight: Tensor, after: After = "none") -> Product:
    """Return the fastest product with weights like this one, of hundreds of rows or fewer than 16."""
    if weight.device.type == "cpu" and _has_onednn(weight.dtype):
        # the operator behind torch.compile's linear layers; on the CPU tried, 8 % faster than F.linear's MKL
        return lambda x, weight, bias: torch.ops.mkldnn._linear_pointwise(x, weight, bias, after, [], "none")
    return F.linear if after == "none" else lambda x, weight, bias: F.gelu(F.linear(x, weight, bias))


def pack_for_few(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the product of few rows with a large `weight`: on a CPU with a second copy, in the order it is read in."""
    if weight.device.type != "cpu" or not _has_onednn(weight.dtype):
        return lambda x: F.linear(x, weight)
    # 24 rows with 51,864 of 384 numbers, two cores: 7 ms, without the copy 12, F.linear's MKL 26
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _FEW)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "none")


def _has_onednn(dtype: torch.dtype) -> bool:
    operators = "_linear_pointwise", "_reorder_linear_weight"
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in operators):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
