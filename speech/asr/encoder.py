"""Whisper's encoder for inference: openai-whisper's weights and arithmetic, laid out for a CPU's matrix products.

Queries, keys and values come from one product and are copied so that each head's rows lie together, which attention
reads faster; products in fp32 on a CPU are oneDNN's, with GELU applied while a block of the result is in cache.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import AudioEncoder, MultiHeadAttention

Product = Callable[[Tensor, Tensor, Tensor], Tensor]  # of input, weight and bias
After = Literal["none", "gelu"]


class Encoder:
    """Encodes spectrograms of any even number of frames, as openai-whisper's encoder does, to rounding."""

    def __init__(self, module: AudioEncoder) -> None:
        self.module = module
        self._fused = [fuse(*projections(block.attn)) for block in module.blocks]
        weight = self._fused[0][0]
        self._plain, self._then_gelu = product_for(weight), product_for(weight, "gelu")

    def __call__(self, mel: Tensor) -> Tensor:
        """Return the encoder's output, shape = (batch, frames // 2, state).

        mel: shape = (batch, n_mels, frames).
        """
        module, plain = self.module, self._plain
        x = F.gelu(module.conv2(F.gelu(module.conv1(mel)))).transpose(1, 2)
        x = (x + module.get_buffer("positional_embedding")[: x.shape[1]]).to(mel.dtype)
        batch, positions, state = x.shape
        x = x.flatten(0, 1)
        for block, (weight, bias) in zip(module.blocks, self._fused, strict=True):
            projected = plain(block.attn_ln(x), weight, bias).view(batch, positions, 3, block.attn.n_head, -1)
            query, key, value = projected.permute(2, 0, 3, 1, 4).contiguous()
            attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(-1, state)
            x = x + plain(attended, *linear_of(block.attn.out))
            x = x + plain(self._then_gelu(block.mlp_ln(x), *linear_of(block.mlp[0])), *linear_of(block.mlp[2]))
        return module.ln_post(x.view(batch, positions, state))


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
    """Return the fastest product with weights like this one, of many rows: for few, oneDNN's preparation costs more."""
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_onednn():
        # the operator behind torch.compile's linear layers; on the CPU tried, 8 % faster than F.linear's MKL
        return lambda x, weight, bias: torch.ops.mkldnn._linear_pointwise(x, weight, bias, after, [], "none")
    return F.linear if after == "none" else lambda x, weight, bias: F.gelu(F.linear(x, weight, bias))


def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
