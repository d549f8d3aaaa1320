"""The training recipe on a hand-made corpus: its losses, and a resumed run that equals an uninterrupted one."""

import argparse
import dataclasses
import math
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from earspan.backends.errors import InputError
from earspan.speech.model import encode
from earspan.speech.pocket import batches, learner, targets
from earspan.speech.pocket import train as recipe
from earspan.speech.pocket.batches import Draft, Schedule, draw_batch
from earspan.speech.pocket.checkpoint import compact
from earspan.speech.pocket.corpus import load_shard
from earspan.speech.pocket.learner import DIMS, PocketTrainer, alignment_loss, losses
from earspan.speech.pocket.lessons import ECHOES, Preparation, lessons_of_a_listener
from earspan.speech.pocket.targets import IGNORE
from earspan.speech.pocket.vocabulary import LETTERS, N_VOCAB, compact_index, phonemes, tokenizer, used_tokens
from whisper.model import Whisper

SCHEDULE = Schedule(steps=4, warmup=2)


@pytest.mark.usefixtures("small_recipe")
def test_a_decoder_that_learns_alone_hears_every_batch_once(corpus_folder: Path):
    model, corpus, asked = PocketTrainer(), load_shard(corpus_folder, 0), []

    def draw(step: int) -> Draft:
        asked.append(step)
        return draw_batch(corpus, SCHEDULE, step)

    found = list(lessons_of_a_listener(model, Preparation(draw), range(3, 10)))
    assert [lesson.is_new for lesson in found] == [n % ECHOES == 0 for n in range(7)]
    assert asked == [3, 5, 7, 9]
    made = [draw_batch(corpus, SCHEDULE, step).heard() for step in range(3, 10, ECHOES)]
    for number, lesson in enumerate(found):
        batch = next(batch for batch in made if torch.equal(batch.tokens, lesson.batch.tokens))
        with torch.no_grad(), learner.faster_precision():
            heard, _, _ = model.hear(batch.mel)
        torch.testing.assert_close(lesson.features, heard.float(), rtol=2e-3, atol=2e-3)
        assert lesson.features is not None
        assert not lesson.features.requires_grad
        assert lesson.heard_s == pytest.approx(0.0 if number % 2 else batch.mel.shape[0] * batch.mel.shape[2] / 100)


def test_batches_drawn_in_other_processes_are_the_same(corpus_folder: Path):
    corpus = load_shard(corpus_folder, 0)

    def draw(step: int) -> Draft:
        return draw_batch(corpus, Schedule(9, longest_s=2.0, scale=2), step)

    steps = range(2, 9, 2)
    alone, beside = Preparation(draw)(steps), Preparation(draw, processes=2)(steps)
    for number, (one, other) in enumerate(zip(alone, beside, strict=True)):
        assert torch.equal(one.mel, draw(steps[number]).heard().mel)
        assert torch.equal(other.mel, one.mel)
        assert torch.equal(other.tokens, one.tokens)
        assert torch.equal(other.letters.flat, one.letters.flat)


def test_a_greater_scale_is_more_of_the_same_length(corpus_folder: Path):
    corpus = load_shard(corpus_folder, 0)
    for step in range(4):
        one, four = (draw_batch(corpus, Schedule(9, longest_s=4.0, scale=scale), step) for scale in (1, 4))
        assert len(four.audio) == 4 * len(one.audio)
        assert four.audio.shape[1] == one.audio.shape[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.usefixtures("small_recipe")
def test_a_gpu_finds_the_losses_of_the_processor(corpus_folder: Path):
    """Of a batch that nothing random happens to, to the three digits of bfloat16."""
    torch.manual_seed(1)
    model = PocketTrainer()
    draft = draw_batch(load_shard(corpus_folder, 0), dataclasses.replace(SCHEDULE, noise_share=0.0), step=0)
    mine = losses(model, draft.heard()).values
    gpu = torch.device("cuda")
    on_gpu = PocketTrainer(gpu)
    on_gpu.load_state_dict(model.state_dict())
    found = losses(on_gpu, draft.heard(gpu)).values
    torch.testing.assert_close(found.cpu(), mine, rtol=0.02, atol=0.02)


@torch.inference_mode()
def test_the_shared_row_counts_once_for_every_token_it_stands_for():
    torch.manual_seed(1)
    model = PocketTrainer().eval()
    mel, tokens = torch.randn(1, 80, 100), torch.tensor([[0, 1, 2]])
    features, letter_logits, phoneme_logits = model.hear(mel)
    compact_logits = model.write(tokens, features)
    assert compact_logits.shape == (1, 3, len(used_tokens()) + 1)
    assert letter_logits.shape == (1, 50, len(LETTERS) + 1)
    assert phoneme_logits.shape == (1, 50, len(phonemes()) + 1)
    raw = compact_logits - model.get_buffer("log_multiplicity")
    full = torch.cat([raw[..., :-1], raw[..., -1:].expand(-1, -1, N_VOCAB - len(used_tokens()))], dim=-1)
    expected = full.log_softmax(-1)[..., : len(used_tokens())]
    torch.testing.assert_close(compact_logits.log_softmax(-1)[..., :-1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("small_recipe")
def test_the_loss_falls_on_a_batch_that_is_seen_again(corpus_folder: Path):
    torch.manual_seed(1)
    model = PocketTrainer()
    batch = draw_batch(load_shard(corpus_folder, 0), SCHEDULE, step=0).heard()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    token_losses = []
    for _ in range(4):
        found = losses(model, batch)
        assert 0 <= found.right <= 1
        assert min(found.letters, found.phonemes, found.alignment) >= 0
        assert found.total.item() == pytest.approx(sum(found.values[:4]))
        optimizer.zero_grad()
        found.total.backward()
        optimizer.step()
        token_losses.append(found.token.item())
    assert token_losses[-1] < token_losses[0] - 0.5


def test_alignment_loss_is_the_log_of_the_attention_on_the_right_frames():
    width = DIMS.n_text_state // DIMS.n_text_head
    keys = torch.zeros(1, 200, DIMS.n_text_state)  # 4 s
    queries = torch.zeros(1, 3, DIMS.n_text_state)
    spans_s = torch.tensor([[[1.0, 2.0], [-1.0, -1.0], [3.0, 3.5]]])
    # Even attention: frames 47 to 103 and 147 to 178 of 200 lie within 0.06 s of the two words.
    even = -(math.log(57 / 200) + math.log(32 / 200)) / 2
    assert alignment_loss(queries, keys, spans_s).item() == pytest.approx(even, rel=1e-4)
    keys[0, 75, 0] = keys[0, 160, 1] = 100.0
    queries[0, 0, 0] = queries[0, 2, 1] = 100.0  # each asks for a frame inside its word
    assert alignment_loss(queries, keys, spans_s).item() == pytest.approx(0, abs=1e-4)
    other_heads = torch.randn(1, 3, DIMS.n_text_state)
    other_heads[..., :width] = queries[..., :width]
    assert torch.equal(alignment_loss(other_heads, keys, spans_s), alignment_loss(queries, keys, spans_s))
    no_words = torch.full((1, 3, 2), -1.0)
    assert alignment_loss(queries, keys, no_words).item() == 0


@pytest.mark.usefixtures("small_recipe")
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_loss_is_that_of_what_is_read(share: float, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The truth with none of its own tokens, and with all of them what it writes after the truth."""
    torch.manual_seed(1)
    monkeypatch.setattr(targets, "OWN_TOKEN_SHARE", share)
    model = PocketTrainer().eval()
    model.get_buffer("log_multiplicity").zero_()  # it would write nothing but the row of all other tokens
    batch = draw_batch(load_shard(corpus_folder, 0), SCHEDULE, step=0).heard()
    with torch.no_grad(), learner.faster_precision():
        features, _, _ = model.hear(batch.mel)
        written = model.write(batch.tokens, features).argmax(-1)
    marks = compact_index()[list(tokenizer().special_tokens.values())]
    read = batch.tokens.clone()
    if share:
        own = (batch.targets != IGNORE)[:, :-1] & ~torch.isin(read[:, 1:], marks) & ~torch.isin(written[:, :-1], marks)
        assert own.any()
        read[:, 1:][own] = written[:, :-1][own]
    found = losses(model, batch, rng=np.random.default_rng(1))
    expected = losses(model, dataclasses.replace(batch, tokens=read))
    assert found.values == pytest.approx(expected.values)


@pytest.mark.usefixtures("small_recipe")
@pytest.mark.parametrize(("layers", "later"), [(1, [0]), (2, [1]), (3, [2]), (4, [2, 3])])
def test_later_layers_are_led_to_the_word_to_be_written(
    layers: int, later: list[int], corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(learner, "DIMS", dataclasses.replace(learner.DIMS, n_text_layer=layers))
    batch = draw_batch(load_shard(corpus_folder, 0), SCHEDULE, step=0).heard()
    led: dict[int, torch.Tensor] = {}
    model = PocketTrainer()

    def remember(queries: torch.Tensor, _keys: torch.Tensor, spans_s: torch.Tensor) -> torch.Tensor:
        layer = next(n for n, kept in model.queries.items() if kept is queries)
        led[layer] = spans_s
        return torch.tensor(1.0)

    monkeypatch.setattr(learner, "alignment_loss", remember)
    assert losses(model, batch).alignment == 2 - (layers == 1)  # each of the two groups counts once
    assert sorted(led) == list(range(layers))
    for layer, spans_s in led.items():
        if layer in later:
            assert torch.equal(spans_s, batch.spans_s)
        else:
            assert torch.equal(spans_s[:, 1:], batch.spans_s[:, :-1])
            assert (spans_s[:, 0] < 0).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--corpus", "nowhere", "--shards", "3"], "nowhere lacks 3 of 3 shards; make them first: python -m"),
        (["--corpus", "{corpus}", "--shards", "2"], "lacks 1 of 2 shards"),
        (["--corpus", "{corpus}", "--shards", "1", "--initial", "no.pt"], "--initial no.pt: no such file"),
        (["--workers", "0"], "--workers: 0: expected 1 or more"),
        (["--steps", "many"], "--steps: many: expected 1 or more"),
        (["--crops", "9..3"], "--crops: 9..3: expected two lengths within 0.1 to 30 s"),
        (["--crops", "5"], "--crops: 5: expected two lengths"),
        (["--corpus", "{corpus}", "--shards", "1", "--initial", __file__], f"{__file__}: no checkpoint; expected"),
        pytest.param(
            ["--corpus", "{corpus}", "--shards", "1", "--gpu"],
            "--gpu: PyTorch finds none here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here"),
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(arguments, said, corpus_folder: Path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train", *(argument.format(corpus=corpus_folder) for argument in arguments)])
    with pytest.raises(SystemExit) as stop:
        recipe.main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_worker_begun_with_nohup_ends_with_its_parent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """PyTorch sends workers SIGINT when their parent dies; nohup has children ignore it. Two trainings, one folder."""

    def trains(*given, **options):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(recipe, "train", trains)
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(torch.distributed, name, lambda *given, **options: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    options = argparse.Namespace(
        crops=(1.0, 2.0), steps=1, part="all", noise=0.0, peak_rate=1e-3, warmup=1, seed=1,
        corpus=tmp_path, out=tmp_path, shards=1, initial=None, scale=1,
    )  # fmt: skip
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt):
            recipe._work(0, 1, 0, options)
    finally:
        signal.signal(signal.SIGINT, before)


class Interrupted(Exception):
    pass


def _interrupt_after(calls: int) -> Callable:
    def counted(*given):
        nonlocal calls
        if calls == 0:
            raise Interrupted
        calls -= 1
        return losses(*given)

    return counted


@pytest.mark.usefixtures("small_recipe")
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = recipe.train(corpus_folder, tmp_path / "whole", SCHEDULE, shards=1)
    assert "going on" not in capsys.readouterr().out

    # Stopped in step 3 of 4: step 2 was saved, what came after it is done again.
    monkeypatch.setattr(recipe, "losses", _interrupt_after(3))
    with pytest.raises(Interrupted):
        recipe.train(corpus_folder, tmp_path / "parts", SCHEDULE, shards=1, save_every=2)
    monkeypatch.setattr(recipe, "losses", losses)
    parts = recipe.train(corpus_folder, tmp_path / "parts", SCHEDULE, shards=1, save_every=2)
    assert "going on from step 2" in capsys.readouterr().out

    expected, found = (torch.load(path, weights_only=True) for path in (whole, parts))
    assert found["step"] == expected["step"] == 4
    assert found["heard_s"] == expected["heard_s"] > 0
    assert found["dims"] == expected["dims"]
    for name, tensor in expected["model"].items():
        torch.testing.assert_close(found["model"][name], tensor, rtol=0, atol=0)
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.usefixtures("small_recipe")
def test_a_training_begins_with_the_weights_of_another_matched_by_token(tmp_path: Path):
    torch.manual_seed(1)
    earlier, model = PocketTrainer(), PocketTrainer()
    table = "whisper.decoder.token_embedding.weight"
    weights = earlier.state_dict()
    fewer, unused = used_tokens()[10:], weights[table][-1]
    state = {
        "model": {**weights, table: weights[table][10:]},
        "token_ids": torch.tensor(fewer),
        "heard_s": 5.0,
    }
    torch.save(state, tmp_path / "training.pt")
    assert recipe.begin_with(model, tmp_path / "training.pt") == 5.0
    rows = model.state_dict()[table]
    assert torch.equal(rows[10:], weights[table][10:])
    assert torch.equal(rows[:10], unused.expand(10, -1))
    for name, tensor in model.state_dict().items():
        assert name == table or torch.equal(tensor, weights[name])

    # A checkpoint for the repository has half precision. Without CTC heads in it, those of the new training stay.
    whisper = {n.removeprefix("whisper."): t for n, t in weights.items() if n.startswith("whisper.")}
    for head in ({}, earlier.letters.state_dict()):
        torch.save(
            compact(dataclasses.asdict(batches.DIMS), whisper, used_tokens(), {"letters": head}),
            tmp_path / "pocket.pt",
        )
        model = PocketTrainer()
        expected = head.get("weight", model.letters.weight).clone()
        assert recipe.begin_with(model, tmp_path / "pocket.pt") == 0.0
        torch.testing.assert_close(model.letters.weight.detach(), expected.detach(), rtol=1e-3, atol=1e-6)
        for name, tensor in model.whisper.state_dict().items():
            torch.testing.assert_close(tensor, whisper[name], rtol=1e-3, atol=1e-6)


@pytest.mark.usefixtures("small_recipe")
def test_new_blocks_change_nothing_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(1)
    earlier = PocketTrainer().eval()
    state = {"model": earlier.state_dict(), "token_ids": torch.tensor(used_tokens())}
    torch.save(state, tmp_path / "training.pt")
    deeper = dataclasses.replace(learner.DIMS, n_audio_layer=3, n_text_layer=2)
    monkeypatch.setattr(learner, "DIMS", deeper)
    monkeypatch.setattr(learner, "PHONEME_LAYER", 0)
    model = PocketTrainer().eval()
    recipe.begin_with(model, tmp_path / "training.pt")
    mel, tokens = torch.randn(2, 80, 100), torch.tensor([[0, 1, 2], [3, 4, 5]])
    for mine, theirs in zip(model.hear(mel), earlier.hear(mel), strict=True):
        torch.testing.assert_close(mine, theirs)
    features, *_ = model.hear(mel)
    torch.testing.assert_close(model.write(tokens, features), earlier.write(tokens, features))


@pytest.mark.usefixtures("small_recipe")
def test_weights_of_another_shape_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    state = {"model": PocketTrainer().state_dict(), "token_ids": torch.tensor(used_tokens())}
    torch.save(state, tmp_path / "training.pt")
    monkeypatch.setattr(learner, "DIMS", dataclasses.replace(learner.DIMS, n_audio_state=64))
    with pytest.raises(InputError, match=r"has shape \(.*32.*\); expected \(.*64"):
        recipe.begin_with(PocketTrainer(), tmp_path / "training.pt")


def test_whole_matrices_attend_as_openai_whisper_does():
    torch.manual_seed(1)
    mine = PocketTrainer().whisper
    plain = Whisper(dataclasses.replace(DIMS, n_vocab=len(used_tokens()) + 1))
    plain.load_state_dict(mine.state_dict())
    mel, tokens = torch.randn(2, 80, 200), torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    found, expected = (model.decoder(tokens, encode(model.encoder, mel)) for model in (mine, plain))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    direction = torch.randn_like(found)
    (found * direction).sum().backward()
    (expected * direction).sum().backward()
    for a, b in zip(mine.parameters(), plain.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-3 * float(b.grad.abs().max() + 1e-3))


@pytest.mark.usefixtures("small_recipe")
@pytest.mark.parametrize(
    ("part", "learning"),
    [("encoder", ("whisper.encoder.", "letters.", "phonemes.")), ("decoder", ("whisper.decoder.",))],
)
def test_one_part_alone_can_be_trained_on(corpus_folder: Path, tmp_path: Path, part: str, learning: tuple[str, ...]):
    first = recipe.train(corpus_folder, tmp_path / "both", dataclasses.replace(SCHEDULE, steps=2), shards=1)
    alone = dataclasses.replace(SCHEDULE, steps=2, part=part)
    second = recipe.train(corpus_folder, tmp_path / part, alone, shards=1, initial=first)
    before, after = (torch.load(path, weights_only=True)["model"] for path in (first, second))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert all(name.startswith(learning) for name in changed)
    assert {prefix for prefix in learning for name in changed if name.startswith(prefix)} == set(learning)
