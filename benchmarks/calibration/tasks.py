"""What is measured on a GPU, as functions to time: phases of openai-whisper's own modules, kernels, the host's work."""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from whisper.audio import N_SAMPLES, log_mel_spectrogram
from whisper.model import ModelDimensions, MultiHeadAttention, Whisper
from whisper.tokenizer import get_tokenizer

from ...backends.workload.models import Dimensions

Task = Callable[[], object]
PROMPT = 4
LAUNCHES = 200
STEPS = 24


def make_model(dims: Dimensions, positions: int, device: str) -> Whisper:
    """Return a Whisper with random weights and so many encoder positions; on a GPU in half precision."""
    with torch.device(device):
        model = Whisper(ModelDimensions(**dims.to_dict() | {"n_audio_ctx": positions})).eval()
    return halve_weights(model) if device == "cuda" else model


def halve_weights(model: Whisper) -> Whisper:
    """Return the same model with weights in fp16, but for layer norms, which Whisper computes in fp32."""
    for module in model.modules():
        if not isinstance(module, nn.LayerNorm):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.half()
    return model


def capture_graph(run: Task) -> Task:
    """Return the same work as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def list_phases(
    model: Whisper, batch: int, positions: int, device: str, dtype: torch.dtype
) -> Generator[tuple[str, Task], None, None]:
    """Yield encoder, prefill, and a decode step with all keys and values cached, until the generator goes on."""
    dims = model.dims
    mel = torch.randn(batch, dims.n_mels, 2 * positions, device=device, dtype=dtype)
    audio = torch.randn(batch, positions, dims.n_audio_state, device=device, dtype=dtype)
    tokens = torch.zeros(batch, PROMPT, dtype=torch.long, device=device)
    yield "encode", lambda: model.encoder(mel)
    yield "prefill", lambda: model.decoder(tokens, audio)
    cache, hooks = _static_cache(model, batch, positions, device, dtype)
    try:
        yield "decode", lambda: model.decoder(tokens[:, :1], audio, kv_cache=cache)
    finally:
        for hook in hooks:
            hook.remove()


def _static_cache(model: Whisper, batch: int, positions: int, device: str, dtype: torch.dtype) -> tuple[Any, list[Any]]:
    """Return a cache of fixed size, as graphs need it, and its hooks.

    It has PROMPT keys for self-attention, all positions for cross-attention. Whisper asks for key and value by
    projection; the one token's own projection is run and then replaced by the cache.
    """
    cache: dict[Any, Tensor] = {}
    hooks = []
    for block in model.decoder.blocks:
        for attention, length in ((block.attn, PROMPT), (block.cross_attn, positions)):
            if not isinstance(attention, MultiHeadAttention):
                continue
            for projection in (attention.key, attention.value):
                fixed = torch.randn(batch, length, model.dims.n_text_state, device=device, dtype=dtype)
                cache[projection] = fixed
                if attention is block.attn:
                    hooks.append(projection.register_forward_hook(lambda _m, _i, _o, fixed=fixed: fixed))
    return cache, hooks


def list_kernels(
    dims: Dimensions, batch: int, positions: int, device: str, dtype: torch.dtype
) -> Iterator[tuple[str, Task]]:
    """Yield the kernels of one layer: matmuls of encoder, decoder, logits; convolution, attention, norm, GELU."""

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, dtype=dtype)

    width, heads = dims.n_text_state, dims.n_text_head
    for m in (batch * positions, batch):
        for n, k in ((width, width), (4 * width, width), (width, 4 * width)):
            x, weight = random(m, k), random(n, k)
            yield f"matmul {m}x{n}x{k}", lambda x=x, weight=weight: functional.linear(x, weight)
    x, weight = random(batch, width), random(dims.n_vocab, width)
    yield f"logits {batch}x{dims.n_vocab}x{width}", lambda: functional.linear(x, weight)
    sound, taps = random(batch, dims.n_mels, 2 * positions), random(width, dims.n_mels, 3)
    yield f"conv1d {batch}x{dims.n_mels}x{2 * positions}", lambda: functional.conv1d(sound, taps, padding=1)
    keys = random(batch, heads, positions, 64)
    for queries in (positions, 1):
        query = random(batch, heads, queries, 64)
        name = f"attention {batch}x{heads}x{queries}x{positions}x64"
        yield name, lambda query=query: functional.scaled_dot_product_attention(query, keys, keys)
    rows = random(batch, positions, width)
    yield f"layer_norm {batch}x{positions}x{width}", lambda: functional.layer_norm(rows, (width,))
    yield f"gelu {batch}x{positions}x{width}", lambda: functional.gelu(rows)


def list_host_work(device: str, dtype: torch.dtype, vocabulary: int) -> Iterator[tuple[str, Task, int]]:
    """Yield what the host does for a call, each with how many times the function does it.

    log-mel on the processor; audio to the device; the launch of one small kernel, of many; choosing a token and
    waiting for it; text from tokens.
    """
    sound, small = torch.randn(N_SAMPLES), torch.ones(1024, device=device, dtype=dtype)
    logits = torch.randn(1, vocabulary, device=device, dtype=torch.float32)
    tokenizer = get_tokenizer(multilingual=vocabulary >= 51865)
    tokens = list(range(300, 400))

    def launch() -> None:
        for _ in range(LAUNCHES):
            small.add_(1)

    yield "log-mel of 30 s on the host", lambda: log_mel_spectrogram(sound), 1
    yield "30 s of audio to the device", lambda: sound.to(device), 1
    yield "launch of a kernel", launch, LAUNCHES
    yield "choosing a token and waiting for it", lambda: int(logits.argmax(-1)[0]), 1
    yield "text of 100 tokens", lambda: tokenizer.decode(tokens), 1


def run_call(model: Whisper, batch: int, device: str, step: Task, dtype: torch.dtype) -> None:
    """Run one call: encoder, prefill and decode steps that each wait for their token, as a server would run it."""
    dims = model.dims
    mel = torch.zeros(batch, dims.n_mels, 2 * dims.n_audio_ctx, device=device, dtype=dtype)
    tokens = torch.zeros(batch, PROMPT, dtype=torch.long, device=device)
    chosen = model.decoder(tokens, model.encoder(mel))[:, -1].argmax(-1)
    for _ in range(STEPS):
        step()
        int(chosen[0])
