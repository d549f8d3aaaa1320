"""What the openai-whisper modules really compute: a record of one call, taken on PyTorch's meta device.

No weights and no arithmetic are needed: every operation is dispatched with its true shapes and recorded.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from earspan.backends.workload.models import Dimensions
from earspan.backends.workload.op import Op
from earspan.backends.workload.workload import Workload
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from whisper.audio import log_mel_spectrogram
from whisper.model import AudioEncoder, LayerNorm, ModelDimensions, TextDecoder, Whisper

aten = torch.ops.aten

_DTYPES = {torch.float16: "fp16", torch.float32: "fp32", torch.complex64: "fp32", torch.int64: "int64"}

# These only change how memory is read, make constants, or (clone) copy what attention returns, because the
# meta device's attention lays it out by head, which CUDA's fused attention does not.
_FREE = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.t.default,
    aten.transpose.int,
    aten.transpose_.default,
    aten.permute.default,
    aten.expand.default,
    aten.slice.Tensor,
    aten.alias.default,
    aten.as_strided.default,
    aten.detach.default,
    aten.clone.default,
    aten.lift_fresh.default,
    aten.empty.memory_format,
    aten.zeros.default,
    aten.hann_window.default,
}
_POINTWISE = {
    aten.mul.Tensor: "elementwise",
    aten.abs.default: "elementwise",
    aten.pow.Tensor_Scalar: "elementwise",
    aten.clamp.default: "elementwise",
    aten.log10.default: "elementwise",
    aten.sub.Tensor: "elementwise",
    aten.maximum.default: "elementwise",
    aten.div.Tensor: "elementwise",
    aten.add.Tensor: "add",
    aten.max.default: "reduce",
    aten.gelu.default: "gelu",
    aten.cat.default: "cat",
    aten.reflection_pad1d.default: "pad",
    aten._fft_r2c.default: "fft",
    aten._softmax.default: "softmax",
}


class MetaWhisper(Whisper):
    """openai-whisper's own encoder and decoder on the meta device; only the alignment heads are left out."""

    def __init__(self, dims: Dimensions):
        nn.Module.__init__(self)
        self.dims = ModelDimensions(**dims.to_dict())
        with torch.device("meta"):
            self.encoder = AudioEncoder(
                dims.n_mels, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer
            )
            self.decoder = TextDecoder(
                dims.n_vocab, dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer
            )


def trace(work: Workload) -> list[Op]:
    """Every operation of one batch of calls, in order, as the openai-whisper modules run it.

    Log-mel spectrogram, encoder, one decoder pass over the prompt, then one pass per decode step with the KV
    cache of `Whisper.install_kv_cache_hooks`. Weights are held in `work.dtype`, layer norms in fp32 (as
    whisper's LayerNorm computes). "fit" padding is an encoder built with the shorter context. A dispatched
    operation that is not known here raises `NotImplementedError`: nothing is left out silently.
    """
    if work.weight_dtype != work.dtype:
        raise NotImplementedError(f"openai-whisper has no {work.weight_dtype} weights to trace")
    dtype = torch.float16 if work.dtype == "fp16" else torch.float32
    model = MetaWhisper(replace(work.dims, n_audio_ctx=work.positions)).to(dtype)
    for module in model.modules():
        if isinstance(module, LayerNorm):
            module.float()
    recorder = _Recorder()

    def tokens(n: int) -> Tensor:
        return torch.zeros(work.batch, n, dtype=torch.long, device="meta")

    with torch.no_grad(), recorder, _FusedAttention(recorder):
        mel = log_mel_spectrogram(torch.empty(work.batch, work.samples, device="meta"), work.dims.n_mels)
        recorder.phase = "encode"
        # the cast to half precision happens where the mel is made; it is part of no module
        audio_features = model.encoder(torch.empty(mel.shape, dtype=dtype, device="meta"))
        recorder.phase = "prefill"
        kv_cache, hooks = model.install_kv_cache_hooks()
        model.decoder(tokens(work.prompt_tokens), audio_features, kv_cache=kv_cache)
        recorder.phase = "decode"
        own = [projection for block in model.decoder.blocks for projection in (block.attn.key, block.attn.value)]
        for kept in range(work.prompt_tokens + 1, work.prompt_tokens + work.decode_tokens + 1):
            model.decoder(tokens(work.pass_tokens), audio_features, kv_cache=kv_cache)
            for projection in own:  # of the tokens that a step checks, those that are rejected leave the caches
                kv_cache[projection] = kv_cache[projection][:, :kept]
        for hook in hooks:
            hook.remove()
    return recorder.ops


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.phase = "mel"
        self.inside_attention = False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self.inside_attention and func not in _FREE:
            self.record(func, args, out)
        return out

    def record(self, func: Any, args: tuple, out: Any) -> None:
        if func is aten._to_copy.default:
            if args[0].dtype != out.dtype:  # else a constant that moves to the device
                self.add("cast", out.shape, out.dtype, [args[0]], [], [out])
        elif func in _POINTWISE:
            reads = args[0] if func is aten.cat.default else [a for a in args if isinstance(a, Tensor)]
            self.add(_POINTWISE[func], out.shape, out.dtype, reads, [], [out])
        elif func in _MATRIX:
            _MATRIX[func](self, args, out)
        else:
            raise NotImplementedError(f"the trace does not know {func}, dispatched in {self.phase}")

    def add(self, kind: str, shape: Any, dtype: Any, reads: Any, weights: Any, writes: Any, flops: int = 0) -> None:
        weight, read, write = (sum(map(_bytes, tensors)) for tensors in (weights, reads, writes))
        self.ops.append(Op(kind, self.phase, tuple(shape), _DTYPES[dtype], flops, weight, read, write))


def _bytes(tensor: Tensor) -> int:
    # an expanded or overlapping view reads each stored element once
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _conv(recorder: _Recorder, args: tuple, out: Tensor) -> None:
    x, weight, bias = args[:3]
    batch, outputs, rows = out.shape
    flops = 2 * out.numel() * weight.shape[1] * weight.shape[2]
    shape = (batch, weight.shape[1], outputs, weight.shape[2], rows)
    recorder.add("conv1d", shape, out.dtype, [x], [weight, bias], [out], flops)


def _matmul(recorder: _Recorder, args: tuple, out: Tensor) -> None:
    *bias, x, weight = args
    (m, k), n = x.shape, weight.shape[1]
    # the only product that widens to the vocabulary is the last one
    kind = "logits" if out.dtype.is_floating_point and not bias and n > 4 * k else "matmul"
    recorder.add(kind, (m, n, k), out.dtype, [x], [weight, *bias], [out], 2 * m * n * k)


def _batched_matmul(recorder: _Recorder, args: tuple, out: Tensor) -> None:
    left, right = args
    shape = (*left.shape[:2], right.shape[2], left.shape[2])
    # the mel filter bank, the same for the whole batch, is the left factor
    recorder.add("matmul", shape, out.dtype, [right], [left], [out], 2 * math.prod(shape))


def _norm(recorder: _Recorder, args: tuple, out: Any) -> None:
    x, _, weight, bias, _ = args
    recorder.add("layer_norm", x.shape, x.dtype, [x], [weight, bias], out)


def _embed(recorder: _Recorder, args: tuple, out: Tensor) -> None:
    table, ids = args[:2]
    recorder.add("embedding", (ids.numel(), *table.shape), out.dtype, [ids], [out], [out])


_MATRIX: dict[Any, Callable[[_Recorder, tuple, Any], None]] = {
    aten.convolution.default: _conv,
    aten.addmm.default: _matmul,
    aten.mm.default: _matmul,
    aten.bmm.default: _batched_matmul,
    aten.native_layer_norm.default: _norm,
    aten.embedding.default: _embed,
}


class _FusedAttention(TorchFunctionMode):
    """Records scaled_dot_product_attention as the one fused kernel that it is on a GPU.

    On the meta device it falls apart into matmuls and a softmax; those are hidden.
    """

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is not nn.functional.scaled_dot_product_attention:
            return func(*args, **kwargs)
        self.recorder.inside_attention = True
        out = func(*args, **kwargs)
        self.recorder.inside_attention = False
        q, k, v = args
        batch, heads, queries, head = q.shape
        shape = (batch, heads, queries, k.shape[2], head)
        # the causal mask of the prompt is not taken off, as in torch's own FLOP counter
        self.recorder.add("attention", shape, q.dtype, [q, k, v], [], [out], 4 * math.prod(shape))
        return out
