"""A Whisper with random weights: real modules, a real tokenizer, text that means nothing."""

from dataclasses import asdict
from pathlib import Path

import torch
from whisper.model import ModelDimensions, Whisper

ENGLISH, MULTILINGUAL = 51_864, 51_865
END_OF_TEXT = {ENGLISH: 50_256, MULTILINGUAL: 50_257}


def tiny_whisper(n_vocab: int = ENGLISH, n_audio_ctx: int = 1500, n_mels: int = 80, n_text_ctx: int = 448) -> Whisper:
    """A Whisper of the given sizes; the same sizes give the same weights."""
    torch.manual_seed(5)
    model = Whisper(
        ModelDimensions(
            n_mels=n_mels, n_audio_ctx=n_audio_ctx, n_audio_state=64, n_audio_head=2, n_audio_layer=2,
            n_vocab=n_vocab, n_text_ctx=n_text_ctx, n_text_state=64, n_text_head=2, n_text_layer=2,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        # Positions count for more than the last token, which would otherwise be repeated.
        torch.nn.init.normal_(model.decoder.positional_embedding)
        model.decoder.token_embedding.weight *= 0.3
        for block in model.decoder.blocks:  # look hard at single frames, so that the text depends on the audio
            cross = block.cross_attn
            assert cross is not None
            cross.query.weight *= 8
            cross.key.weight *= 8
            cross.out.weight *= 8
        model.decoder.token_embedding.weight[END_OF_TEXT[n_vocab]] *= 3  # so that texts end, each at its own length
    return model


def saved(model: Whisper, path: Path) -> Path:
    """`path`, where the model now is in openai-whisper's format."""
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, path)
    return path
