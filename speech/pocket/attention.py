"""Self-attention for training on a processor: whole matrices, and gradients written out.

The backward pass of PyTorch 2.11's `scaled_dot_product_attention` takes half of a training step at 30 s. Matrices of
all scores fit into memory at these sizes, and bfloat16 products of them take 0.5 to 0.65 of the time (`LOG.md`).
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class _Attention(torch.autograd.Function):
    """softmax(q k^T) v for already scaled queries; all shape = (batch, heads, positions, width)."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = torch.softmax(q @ k.transpose(-1, -2), -1)
        ctx.save_for_backward(q, k, v, weights)
        return weights @ v

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        q, k, v, weights = ctx.saved_tensors
        of_scores = torch.ops.aten._softmax_backward_data(gradient @ v.transpose(-1, -2), weights, -1, weights.dtype)
        of_v = weights.transpose(-1, -2) @ gradient
        return of_scores @ k, of_scores.transpose(-1, -2) @ q, of_v


def use_whole_matrices(encoder: nn.Module) -> None:
    """Let openai-whisper's encoder attend through `_Attention` from now on. Results agree to rounding."""
    for block in encoder.get_submodule("blocks").children():
        attention = block.get_submodule("attn")
        attention.qkv_attention = _replacement(int(attention.n_head))  # pyright: ignore


def _replacement(heads: int):
    def qkv_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        scale = (q.shape[-1] // heads) ** -0.5
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q * scale, k, v))
        return _Attention.apply(q, k, v).transpose(1, 2).flatten(2), None  # pyright: ignore

    return qkv_attention
