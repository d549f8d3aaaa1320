"""Text without sound: what a page holds, and the loss of a decoder that guesses it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from earspan.speech.pocket import reading, targets
from earspan.speech.pocket import train as recipe
from earspan.speech.pocket.batches import Schedule
from earspan.speech.pocket.learner import PocketTrainer
from earspan.speech.pocket.natural import words_of
from earspan.speech.pocket.reading import LENGTH, draw_page, reading_loss
from earspan.speech.pocket.text import homophones
from earspan.speech.pocket.vocabulary import N_VOCAB, tokenizer, used_tokens


@pytest.fixture(autouse=True)
def _of_the_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sentences need no text to be installed."""
    monkeypatch.setattr(reading, "NATURAL_SHARE", 0.0)


def test_a_page_is_text_after_the_marks_of_a_transcript():
    tokens, weights = draw_page((5, 1), 3)
    assert tokens.shape == weights.shape == (3, LENGTH + 2)
    assert torch.equal(tokens, draw_page((5, 1), 3)[0])
    assert not torch.equal(tokens, draw_page((5, 2), 3)[0])
    special = tokenizer()
    for row, counts in zip(tokens, weights, strict=True):
        ids = [used_tokens()[index] for index in row]
        assert ids[:2] == [special.sot, special.no_timestamps]
        assert counts[:2].tolist() == [0, 0]
        # By the text, written word by word: each of a word's tokens counts as the word does.
        text = special.decode(ids[2:])
        expected = [
            targets.HOMOPHONE_WEIGHT if homophones().intersection(words_of(word)) else 1.0
            for word in text.split()
            for _ in special.encode(" " + word)
        ]
        assert text[0] == " "
        whole = len(expected) - 4  # the last word may be cut
        assert counts[2 : 2 + whole].tolist() == expected[:whole]
        assert {1.0, targets.HOMOPHONE_WEIGHT} == set(expected)


@pytest.mark.usefixtures("small_recipe")
def test_a_decoder_that_knows_nothing_guesses_among_all_tokens():
    model = PocketTrainer()
    torch.nn.init.zeros_(model.whisper.decoder.token_embedding.weight)
    assert reading_loss(model, *draw_page((1,), 2)).item() == pytest.approx(math.log(N_VOCAB), rel=1e-3)


@pytest.mark.usefixtures("small_recipe")
def test_what_counts_is_guessed_from_what_stands_before_it():
    torch.manual_seed(2)
    model = PocketTrainer()
    tokens = torch.randint(0, 1000, (2, 9))
    weights = torch.zeros(2, 9)
    weights[0, 4], weights[1, 7] = 1.0, 3.0
    found = reading_loss(model, tokens, weights).item()
    silent = torch.zeros(1, 1, 32)
    expected = [
        -model.write(tokens[row : row + 1, :at], silent)[0, -1].log_softmax(-1)[tokens[row, at]].item()
        for row, at in ((0, 4), (1, 7))
    ]
    assert found == pytest.approx((expected[0] + 3 * expected[1]) / 4, rel=0.01)


@pytest.mark.usefixtures("small_recipe")
def test_the_decoder_alone_learns_from_what_is_read():
    model = PocketTrainer()
    reading_loss(model, *draw_page((1,), 2)).backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learning
    assert all(name.startswith("whisper.decoder.") for name in learning)


@pytest.mark.usefixtures("small_recipe")
def test_who_reads_while_training_guesses_better_than_who_only_hears(corpus_folder: Path, tmp_path: Path):
    schedule = Schedule(steps=60, warmup=2, peak_rate=1e-2, part="decoder", seed=3)
    losses = []
    for weight in (0.0, 1.0):
        folder = tmp_path / str(weight)
        checkpoint = recipe.train(corpus_folder, folder, replace(schedule, reading=weight), shards=1)
        model = PocketTrainer()
        model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
        with torch.no_grad():
            losses.append(reading_loss(model, *draw_page((99,), 4)).item())
    assert losses[1] < losses[0] - 0.5
