"""Any Whisper in openai-whisper's format as a folder for CTranslate2 and faster-whisper.

CTranslate2's own converter takes Hugging Face's format only. Here its specification of Whisper is filled from
openai-whisper's modules, and the tokenizer's merges, which tiktoken does not store, are found again from its ranks.
"""

import importlib
import json
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn
from whisper.audio import CHUNK_LENGTH, HOP_LENGTH, N_FFT, SAMPLE_RATE
from whisper.model import MultiHeadAttention, ResidualAttentionBlock
from whisper.tokenizer import Tokenizer, get_tokenizer

from ...backends.errors import InputError, unknown
from .decoding.decoder import cross_attention
from .model import Recogniser

QUANTIZATIONS = ("float32", "int8", "int8_float32", "float16", "int8_float16", "bfloat16")
_READY = "earspan.json"


def ctranslate2() -> ModuleType:
    """Return CTranslate2's library. Raises `InputError` where it is not installed."""
    try:
        return importlib.import_module("ctranslate2")
    except ImportError as error:
        raise InputError("CTranslate2 is not installed; type pip install 'earspan[ct2]'") from error


def ensure_converted(recogniser: Recogniser, quantization: str) -> Path:
    """Return the folder of `recogniser` in CTranslate2's format in the user's cache, made if it is not there."""
    cache = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "earspan" / "ct2"
    folder = cache / f"{recogniser.sha256[:16]}-{quantization}"
    if not (folder / _READY).exists():
        convert(recogniser, folder, quantization)
    return folder


def convert(recogniser: Recogniser, folder: Path, quantization: str) -> None:
    """Write `recogniser` to `folder` for CTranslate2 and faster-whisper. The folder appears whole or not at all.

    Raises `InputError` for an unknown quantization, or a folder that holds something else.
    """
    if quantization not in QUANTIZATIONS:
        raise unknown("quantization", quantization, QUANTIZATIONS)
    if folder.exists() and not (folder / _READY).exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty, and no converted model; type another folder")
    library = ctranslate2()
    model = recogniser.whisper
    # all languages: the same rows as in the checkpoint, whatever is transcribed
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    spec = _specification(recogniser, tokenizer)
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        spec.save(str(draft))
        (draft / "tokenizer.json").write_text(json.dumps(_tokenizer_json(tokenizer), ensure_ascii=False))
        audio = {"feature_size": recogniser.dims.n_mels, "hop_length": HOP_LENGTH, "n_fft": N_FFT}
        audio |= {"sampling_rate": SAMPLE_RATE, "chunk_length": CHUNK_LENGTH}
        (draft / "preprocessor_config.json").write_text(json.dumps(audio))
        made = {"model": recogniser.name, "checkpoint": recogniser.sha256, "ctranslate2": library.__version__}
        (draft / _READY).write_text(json.dumps(made))
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _specification(recogniser: Recogniser, tokenizer: Tokenizer) -> Any:
    dims, model = recogniser.dims, recogniser.whisper
    kinds = importlib.import_module("ctranslate2.specs.whisper_spec")
    spec = kinds.WhisperSpec(dims.n_audio_layer, dims.n_audio_head, dims.n_text_layer, dims.n_text_head)
    encoder, decoder = model.encoder, model.decoder
    for target, source in ((spec.encoder.conv1, encoder.conv1), (spec.encoder.conv2, encoder.conv2)):
        target.weight, target.bias = (_array(tensor) for tensor in source.parameters())
    spec.encoder.position_encodings.encodings = _array(encoder.get_buffer("positional_embedding"))
    _norm(spec.encoder.layer_norm, encoder.ln_post)
    for target, block in zip(spec.encoder.layer, encoder.blocks, strict=True):
        _block(target, block)
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = _array(decoder.token_embedding.weight)
    spec.decoder.position_encodings.encodings = _array(decoder.positional_embedding)
    _norm(spec.decoder.layer_norm, decoder.ln)
    for target, block in zip(spec.decoder.layer, decoder.blocks, strict=True):
        _block(target, block)
        norm, audio = cross_attention(block)
        _norm(target.attention.layer_norm, norm)
        _linear(target.attention.linear[0], audio.query)
        _linear(target.attention.linear[1], audio.key, audio.value)
        _linear(target.attention.linear[2], audio.out)
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    spec.register_vocabulary([names.get(token) or _printable(word) for token, word in _words(tokenizer)])
    spec.config.suppress_ids = list(tokenizer.non_speech_tokens)
    spec.config.suppress_ids_begin = [*tokenizer.encode(" "), tokenizer.eot]
    spec.config.lang_ids = list(tokenizer.all_language_tokens) if model.is_multilingual else []
    spec.config.alignment_heads = model.get_buffer("alignment_heads").to_dense().nonzero().tolist()
    return spec


def _block(target: Any, block: ResidualAttentionBlock) -> None:
    own: MultiHeadAttention = block.attn
    _norm(target.self_attention.layer_norm, block.attn_ln)
    _linear(target.self_attention.linear[0], own.query, own.key, own.value)
    _linear(target.self_attention.linear[1], own.out)
    _norm(target.ffn.layer_norm, block.mlp_ln)
    first, _, second = block.mlp
    _linear(target.ffn.linear_0, first)
    _linear(target.ffn.linear_1, second)


def _norm(target: Any, source: nn.Module) -> None:
    target.gamma, target.beta = (_array(tensor) for tensor in source.parameters())


def _linear(target: Any, *parts: nn.Module) -> None:
    """Return one matrix of several, as CTranslate2 multiplies them; a key projection has no bias."""
    weights = [_array(part.get_parameter("weight")) for part in parts]
    biases = [part._parameters["bias"] for part in parts]
    target.weight = np.concatenate(weights)
    pairs = zip(weights, biases, strict=True)
    target.bias = np.concatenate([np.zeros(len(w), np.float32) if b is None else _array(b) for w, b in pairs])


def _array(tensor: Tensor) -> np.ndarray:
    # a copy: CTranslate2 tells variables that are the same by their content, and changes them in place
    return tensor.detach().float().cpu().numpy().copy()


def _words(tokenizer: Tokenizer) -> Iterator[tuple[int, bytes]]:
    """Return every token with its bytes, in order."""
    for token in range(tokenizer.encoding.n_vocab):
        yield token, tokenizer.encoding.decode_single_token_bytes(token)


def _printable(word: bytes) -> str:
    """Bytes as GPT-2 writes them: the printable ones as themselves, the others from U+0100 on."""
    return "".join(_BYTE_NAMES[byte] for byte in word)


def _byte_names() -> list[str]:
    plain = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


_BYTE_NAMES = _byte_names()


def _tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the tokenizer in the format of Hugging Face's tokenizers, which faster-whisper reads."""
    specials = sorted(tokenizer.special_tokens.items(), key=lambda item: item[1])
    special_ids = {token for _, token in specials}
    ranks = {word: token for token, word in _words(tokenizer) if token not in special_ids}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": token, "content": name, **flags} for name, token in specials],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {
            "type": "BPE",
            "vocab": {_printable(word): token for word, token in ranks.items()},
            "merges": [[_printable(left), _printable(right)] for left, right in _merges(ranks)],
        },
    }


def _merges(ranks: dict[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """Return which two tokens make each longer one: what byte-pair encoding with the earlier ranks leaves of it."""
    for word, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [word[at : at + 1] for at in range(len(word))]
        while len(parts) > 2:
            pairs = [ranks.get(left + right, rank) for left, right in pairwise(parts)]
            if (least := min(pairs)) >= rank:
                break
            at = pairs.index(least)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            yield parts[0], parts[1]
