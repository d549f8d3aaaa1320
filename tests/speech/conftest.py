"""Small Whispers with random weights, real modules and tokenizers, and what the training recipe needs to be tried."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from earspan.speech.model import Recogniser
from earspan.speech.pocket import batches, learner, train
from whisper.model import ModelDimensions, Whisper

ENGLISH, MULTILINGUAL = 51_864, 51_865
END_OF_TEXT = {ENGLISH: 50_256, MULTILINGUAL: 50_257}

TinyWhisper = Callable[..., Whisper]
TinyRecogniser = Callable[..., Recogniser]


def _tiny_whisper(n_vocab: int = ENGLISH, n_audio_ctx: int = 1500, n_mels: int = 80, n_text_ctx: int = 448) -> Whisper:
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


@pytest.fixture(scope="session")
def tiny_whisper() -> TinyWhisper:
    """Makes a Whisper of the given sizes; the same sizes give the same weights."""
    return _tiny_whisper


@pytest.fixture(scope="session")
def tiny_recogniser() -> TinyRecogniser:
    """Makes a recogniser: `tiny_recogniser(pads=False, n_vocab=...)`."""

    def make(pads: bool = False, **sizes: int) -> Recogniser:
        return Recogniser("tiny-random", _tiny_whisper(**sizes), "0" * 64, pads)

    return make


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One shard of two recordings of noise, 8 s and 5 s, with a word in every half second."""
    folder = tmp_path_factory.mktemp("recipe")
    rng = np.random.default_rng(2)
    records, start = [], 0
    for seconds, words in (
        (8, "The storm took seven boats and no one in the city knew why then."),
        (5, "I see the sea."),
    ):
        timed = [(word, 0.5 * n + 0.1, 0.5 * n + 0.5) for n, word in enumerate(words.split())]
        records.append({"start": start, "samples": seconds * 16_000, "voice": "noise", "words": timed})
        start += seconds * 16_000
    np.save(folder / "shard-0000.npy", (3000 * rng.standard_normal(start)).astype(np.int16))
    (folder / "shard-0000.json").write_text(json.dumps(records))
    return folder


@pytest.fixture
def small_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same recipe with a smaller model and two crops a step."""
    sizes = {
        f"n_{part}_{what}": n for part in ("audio", "text") for what, n in (("state", 32), ("head", 2), ("layer", 1))
    }
    for module in (batches, learner, train):
        monkeypatch.setattr(module, "DIMS", dataclasses.replace(batches.DIMS, **sizes))
    monkeypatch.setattr(batches, "BATCH_S", dict.fromkeys(batches.PARTS, 3.0))
