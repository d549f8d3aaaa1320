"""What a batch may not change: rounding differences between batches are far below where rows are decoded alone."""

import copy
import functools

import numpy as np
import pytest
import torch
from earspan.speech.asr.decoding import greedy
from earspan.speech.asr.decoding.decoder import Decoder
from earspan.speech.asr.decoding.rules import Rules
from earspan.speech.asr.features import Part
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.asr.torch_engine import Engine
from torch import nn
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

CLOSE = greedy._CLOSE[torch.float32]


def assert_whispers_own(model: Whisper, state: torch.Tensor, text: list[int], audio: torch.Tensor) -> None:
    """`state` gives the logits of whisper's decoder in float64, to an eighth of where rows are decoded alone.

    Random weights that look hard at single frames magnify rounding, on some processors beyond that in whisper's own
    float32 decoder: then no more than there.
    """
    exact = copy.deepcopy(model.decoder).double()
    for module in exact.modules():
        if isinstance(module, nn.LayerNorm):  # whisper's own goes through float32
            module.forward = functools.partial(nn.LayerNorm.forward, module)
    tokens = torch.tensor([text])
    truth = exact(tokens, audio[None].double())[0].double()
    own_error = (model.decoder(tokens, audio[None])[0] - truth).abs().max().item()
    assert own_error < CLOSE / 2
    found = state @ model.decoder.token_embedding.weight.T
    torch.testing.assert_close(found.double(), truth, rtol=0, atol=max(CLOSE / 8, own_error))


@torch.inference_mode()
def test_packed_passes_equal_whispers_own_decoder(tiny_whisper):
    model = tiny_whisper()
    generator = torch.Generator().manual_seed(3)
    features = [torch.randn(positions, 64, generator=generator) for positions in (60, 45, 60)]
    texts = [torch.randint(0, 50_000, (length,), generator=generator).tolist() for length in (11, 7, 16)]
    rows = Decoder(model).begin(features, 20)
    # fed in unequal pieces; the second row leaves after the first pass
    first = rows.advance([texts[0][:2], texts[1], texts[2][:9]])
    assert rows.keep([0, 2]) == [0, 2]
    second = rows.advance([texts[0][2:], texts[2][9:]])
    states = [torch.cat([first[:2], second[:9]]), first[2:9], torch.cat([first[9:], second[9:]])]
    for text, audio, state in zip(texts, features, states, strict=True):
        assert_whispers_own(model, state, text, audio)


@torch.inference_mode()
def test_passes_in_step_equal_whispers_own_decoder(tiny_whisper):
    model = tiny_whisper()
    generator = torch.Generator().manual_seed(5)
    features = [torch.randn(positions, 64, generator=generator) for positions in (50, 60, 40)]
    texts = [torch.randint(0, 50_000, (9,), generator=generator).tolist() for _ in features]
    rows = Decoder(model).begin(features, 9)
    passes = [rows.advance([text[:2] for text in texts]).view(3, 2, -1)]
    passes += [rows.advance([[text[at]] for text in texts])[:, None] for at in range(2, 9)]
    for text, audio, state in zip(texts, features, torch.cat(passes, dim=1), strict=True):
        assert_whispers_own(model, state, text, audio)


@torch.inference_mode()
def test_continuations_side_by_side_do_not_see_each_other(tiny_whisper):
    model = tiny_whisper()
    generator = torch.Generator().manual_seed(4)
    features = [torch.randn(40, 64, generator=generator) for _ in range(2)]
    decoder = Decoder(model)
    rows = decoder.begin(features, 40)
    rows.advance([[1, 2, 3], [4]])
    # the first row: 5, then 6 7 or 8 9 10 or 11; the second: 12, and nothing beside
    states = rows.advance([[5, 6, 7], [12]], [(1, [[8, 9, 10], [11]]), (1, [])])
    ways = [[5, 6, 7], [5, 8, 9, 10], [5, 11]]
    expected = [decoder.begin(features[:1], 9).advance([[1, 2, 3, *way]])[3:] for way in ways]
    side_by_side = torch.cat([expected[0], expected[1][1:], expected[2][1:]])
    torch.testing.assert_close(states[:7], side_by_side, rtol=0, atol=CLOSE / 8)
    # two tokens of the second way are kept, and the row goes on as if only they had been fed
    rows.settle(0, new=7, known=1, start=3, accepted=2)
    rows.settle(1, new=1, known=1, start=1, accepted=0)
    assert rows.lengths == [6, 2]
    after = rows.advance([[13], [13]])
    alone = decoder.begin(features[:1], 9).advance([[1, 2, 3, 5, 8, 9, 13]])[-1]
    torch.testing.assert_close(after[0], alone, rtol=0, atol=CLOSE / 8)
    other = decoder.begin(features[1:], 9).advance([[4, 12, 13]])[-1]
    torch.testing.assert_close(after[1], other, rtol=0, atol=CLOSE / 8)


@torch.inference_mode()
def test_rows_that_leave_make_room_for_the_last(tiny_whisper):
    model = tiny_whisper()
    features = [torch.full((30, 64), float(row)) for row in range(6)]
    rows = Decoder(model).begin(features, 8)
    rows.advance([[row] * (row + 1) for row in range(6)])
    assert rows.keep([1, 3, 4, 5]) == [5, 1, 4, 3]
    assert rows.lengths == [6, 2, 5, 4]
    states = rows.advance([[9], [9], [9], [9]])
    for row, state in zip((5, 1, 4, 3), states, strict=True):
        alone = Decoder(model).begin([features[row]], 8).advance([[row] * (row + 1) + [9]])[-1]
        torch.testing.assert_close(state, alone, rtol=0, atol=CLOSE / 8)


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_near_ties_are_decided_alone(tiny_recogniser, tones, monkeypatch, temperature: float):
    """With rounding noise planted into every batched logit, texts stay those without."""
    recogniser = tiny_recogniser()
    clips = [Clip(tones(2.0, seed)) for seed in range(12)]
    options = DecodeOptions(max_tokens=24, temperatures=(temperature,), continuing=False)
    expected = [h.tokens for h in Engine(recogniser, options).transcribe(clips)]
    choose, noise = Rules.choose, torch.Generator().manual_seed(1)
    asked = []

    def noisy(rules, hidden, score, written, draws):
        return choose(rules, hidden * (1 + 1e-6 * torch.randn(hidden.shape, generator=noise)), score, written, draws)

    monkeypatch.setattr(Rules, "choose", noisy)
    monkeypatch.setattr(greedy, "_CLOSE", {torch.float32: 0.1})  # so that some are asked for
    decide = recogniser.whisper.decoder.forward
    monkeypatch.setattr(recogniser.whisper.decoder, "forward", lambda *a, **k: asked.append(1) or decide(*a, **k))
    assert [h.tokens for h in Engine(recogniser, options).transcribe(clips)] == expected
    assert asked


@torch.inference_mode()
@pytest.mark.parametrize("weights", ["random", pytest.param("tiny.en", marks=pytest.mark.weights)])
def test_the_batch_moves_logits_by_far_less_than_a_near_tie(weights: str, tiny_recogniser, tones, request):
    with torch.inference_mode(False):  # other tests have the same tiny.en, and need its weights as they are
        recogniser = tiny_recogniser() if weights == "random" else request.getfixturevalue("tiny_en")
    engine = Engine(recogniser)
    clips = [Clip(tones(3.0, seed)) for seed in range(9)]
    prompt = list(get_tokenizer(False).encode("the night train was late and nobody said why"))
    features, decoder = engine.features.of([Part(clip) for clip in clips]), engine._decoder
    together = decoder.logits(decoder.begin(features, 20).advance([prompt] * 9))
    alone = torch.cat([decoder.logits(decoder.begin([one], 20).advance([prompt])) for one in features])
    table = recogniser.whisper.decoder.token_embedding.weight
    plain = decoder.begin(features, 20).advance([prompt] * 9) @ table.T
    assert torch.allclose(together, plain, atol=CLOSE / 8)
    moved = float((together - alone).abs().max())
    assert moved < CLOSE / 8  # the limit has to be well above what is seen
    assert np.isfinite(moved)
