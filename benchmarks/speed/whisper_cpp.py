"""whisper.cpp beside the engine: any Whisper in openai-whisper's format as a ggml file, and a loop over windows.

The file's layout is that of whisper.cpp's own converter (models/convert-pt-to-ggml.py), which is a script.
"""

import importlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor
from whisper.audio import mel_filters
from whisper.tokenizer import get_tokenizer

from ...speech.asr.hypothesis import Clip, DecodeOptions
from ...speech.asr.model import Recogniser

_MAGIC = 0x67676D6C  # "ggml"
_FULL, _HALF = 0, 1  # ggml's types of numbers: fp32 and fp16
_SHORTEST = 16_000 + 160  # samples: of a second, whisper.cpp hears nothing


def write_ggml(recogniser: Recogniser, path: Path) -> None:
    """Write a Whisper for whisper.cpp: its matrices in fp16, as its convolutions take no other, all else in fp32."""
    dims, model = recogniser.dims, recogniser.whisper
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    filters = mel_filters("cpu", dims.n_mels)
    with path.open("wb") as file:
        _integers(file, _MAGIC, dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head)
        _integers(file, dims.n_audio_layer, dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer)
        _integers(file, dims.n_mels, _HALF, *filters.shape)
        file.write(filters.numpy().astype("<f4").tobytes())
        _integers(file, tokenizer.eot)  # whisper.cpp names the special tokens itself
        for token in range(tokenizer.eot):
            word = tokenizer.encoding.decode_single_token_bytes(token)
            _integers(file, len(word))
            file.write(word)
        for name, tensor in model.state_dict().items():
            _tensor(file, name, tensor)


def _tensor(file: BinaryIO, name: str, tensor: Tensor) -> None:
    values = tensor.detach().float().cpu().numpy()
    if name.endswith(("conv1.bias", "conv2.bias")):
        values = values[:, None]
    full = values.ndim < 2 or values.shape[1] == 1 or name.endswith("positional_embedding")
    kind = _FULL if full else _HALF
    label = name.encode()
    _integers(file, values.ndim, len(label), kind, *reversed(values.shape))
    file.write(label + values.astype("<f2" if kind == _HALF else "<f4").tobytes())


def _integers(file: BinaryIO, *numbers: int) -> None:
    file.write(struct.pack(f"<{len(numbers)}i", *numbers))


def whisper_cpp_loop(
    recogniser: Recogniser, path: Path, options: DecodeOptions
) -> Callable[[Sequence[Clip]], list[str]] | None:
    """Return whisper.cpp's `transcribe`, one chunk after another, or None where pywhispercpp is not installed.

    path: where its weights are put. Its beams and fallback are set as openai-whisper's; its own measure of a text that
    repeats itself, the entropy of its tokens, stays as it is.
    """
    try:
        library = importlib.import_module("pywhispercpp.model")
    except ImportError:
        return None
    write_ggml(recogniser, path)
    model = library.Model(
        str(path),
        redirect_whispercpp_logs_to=None,
        n_threads=torch.get_num_threads(),
        language="en",
        print_progress=False,
        print_realtime=False,
        no_context=True,
        greedy={"best_of": 1},
        temperature=0.0,
        temperature_inc=0.2 if len(options.temperatures) > 1 else 0.0,
        logprob_thold=-1.0,
        no_speech_thold=0.6,
        suppress_nst=True,
    )

    def one(clip: Clip) -> str:
        audio = np.pad(clip.audio, (0, max(0, _SHORTEST - len(clip.audio))))
        return " ".join(segment.text.strip() for segment in model.transcribe(audio)).strip()

    return lambda clips: [one(clip) for clip in clips]
