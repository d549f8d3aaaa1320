"""What `gpu_measure` measures beside kernels: the host's work for a call, and how much equal calls scatter."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from whisper.audio import N_SAMPLES, log_mel_spectrogram
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

LAUNCHES = 200
STEPS = 24


def host_work(device: str, dtype: torch.dtype, vocabulary: int) -> Iterator[tuple[str, Callable[[], object], int]]:
    """What the host does for a call, as functions to time, each with how many times it does it.

    log-mel on the processor; audio to the device; the launch of one small kernel, of many; choosing a token and
    waiting for it; text from tokens.
    """
    sound, small = torch.randn(N_SAMPLES), torch.ones(1024, device=device, dtype=dtype)
    logits = torch.randn(1, vocabulary, device=device, dtype=torch.float32)
    tokenizer = get_tokenizer(multilingual=vocabulary >= 51865)
    tokens = list(range(300, 400))
    yield "log-mel of 30 s on the host", lambda: log_mel_spectrogram(sound), 1
    yield "30 s of audio to the device", lambda: sound.to(device), 1

    def launch() -> Tensor:
        for _ in range(LAUNCHES):
            small.add_(1)
        return small

    yield "launch of a kernel", launch, LAUNCHES
    yield "choosing a token and waiting for it", lambda: int(logits.argmax(-1)[0]), 1
    yield "text of 100 tokens", lambda: tokenizer.decode(tokens), 1


def whole_call(model: Whisper, batch: int, device: str, step: Callable[[], object], dtype: torch.dtype) -> object:
    """One call: encoder, prefill and decode steps that each wait for their token, as a server would run it."""
    dims = model.dims
    mel = torch.zeros(batch, dims.n_mels, 2 * dims.n_audio_ctx, device=device, dtype=dtype)
    tokens = torch.zeros(batch, 4, dtype=torch.long, device=device)
    chosen = model.decoder(tokens, model.encoder(mel))[:, -1].argmax(-1)
    for _ in range(STEPS):
        step()
        int(chosen[0])
    return chosen


def scatter(run: Callable[[], object], wait: Callable[[], None], most: int, most_s: float) -> dict[str, Any]:
    """Quantiles of equal runs one after another, up to `most` of them or for `most_s`, after a warm-up; in seconds."""
    seconds, began = [], time.perf_counter()
    for number in range(most + 3):
        start = time.perf_counter()
        run()
        wait()
        now = time.perf_counter()
        if number >= 3:
            seconds.append(now - start)
        if now - began > most_s and len(seconds) >= 3:
            break
    ordered = sorted(seconds)

    def at(quantile: float) -> float:
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    return {
        "runs": len(ordered),
        "p50_s": at(0.5),
        "p95_s": at(0.95),
        "p99_s": at(0.99),
        "excess": at(0.99) / at(0.5) - 1,
    }
