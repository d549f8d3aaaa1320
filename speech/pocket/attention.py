"""Attention for training on a processor: whole matrices, and gradients written out.

The backward pass of PyTorch 2.11's `scaled_dot_product_attention` takes half of a training step at 30 s. Matrices of
all scores fit into memory at these sizes, and bfloat16 products of them take 0.5 to 0.65 of the time (`LOG.md`).
Where nothing learns, its forward pass is the faster one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx
from whisper.model import MultiHeadAttention, Whisper


class _Attention(torch.autograd.Function):
    """softmax(q k^T + mask) v for scaled queries; all shape = (batch, heads, positions, width) but for the mask's."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        scores = q @ k.transpose(-1, -2)
        weights = torch.softmax(scores if mask is None else scores + mask.to(scores.dtype), -1)
        ctx.save_for_backward(q, k, v, weights)
        return weights @ v

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        q, k, v, weights = ctx.saved_tensors
        of_scores = torch.ops.aten._softmax_backward_data(gradient @ v.transpose(-1, -2), weights, -1, weights.dtype)
        of_v = weights.transpose(-1, -2) @ gradient
        return of_scores @ k, of_scores.transpose(-1, -2) @ q, of_v, None


def use_whole_matrices(model: Whisper) -> None:
    """Let openai-whisper's model attend through `_Attention` from now on. Results agree to rounding."""
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            module.qkv_attention = _replacement(module.n_head)  # pyright: ignore


def _replacement(heads: int):
    def qkv_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        scale = (q.shape[-1] // heads) ** -0.5
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q * scale, k, v))
        mask = mask[: q.shape[2], : q.shape[2]] if mask is not None else None
        if mask is None and not torch.is_grad_enabled():
            return F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2).flatten(2), None
        return _Attention.apply(q, k, v, mask).transpose(1, 2).flatten(2), None  # pyright: ignore

    return qkv_attention
