"""The training recipe on a hand-made corpus: crops, targets, and a resumed run that equals an uninterrupted one."""

import argparse
import dataclasses
import itertools
import json
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
from earspan.speech.pocket.batches import (
    Schedule,
    augment,
    crop,
    draw_clip,
    draw_length_s,
    make_batch,
)
from earspan.speech.pocket.checkpoint import compact
from earspan.speech.pocket.corpus import LongRecording, load_shard
from earspan.speech.pocket.learner import DIMS, PocketTrainer, alignment_loss, losses
from earspan.speech.pocket.lessons import ECHOES, lessons_of_a_listener
from earspan.speech.pocket.targets import IGNORE, NO_SPAN, Clip, spoil, stutter, write_out
from earspan.speech.pocket.vocabulary import (
    LETTERS,
    N_VOCAB,
    compact_index,
    phonemes,
    phonemes_of,
    tokenizer,
    used_tokens,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.model import Whisper

SCHEDULE = Schedule(steps=4, warmup=2)


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One shard of two recordings of noise, 8 s and 5 s, with a word in every half second."""
    folder = tmp_path_factory.mktemp("corpus")
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
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same recipe with a smaller model and two crops a step."""
    sizes = {
        f"n_{part}_{what}": n for part in ("audio", "text") for what, n in (("state", 32), ("head", 2), ("layer", 1))
    }
    for module in (batches, learner, recipe):
        monkeypatch.setattr(module, "DIMS", dataclasses.replace(batches.DIMS, **sizes))
    monkeypatch.setattr(batches, "BATCH_S", dict.fromkeys(batches.PARTS, 3.0))


def ramp(words: list[tuple[str, float, float]], seconds: float = 4.0) -> LongRecording:
    return LongRecording(np.arange(round(seconds * 1000), dtype=np.int16).repeat(16), "ramp", words)


@pytest.mark.parametrize(
    ("start_s", "length_s", "expected"),
    [
        (0.0, 4.0, "one two three"),
        (0.4, 1.2, "one"),
        (0.88, 3.0, "one two three"),  # 62 % of "one" can be heard
        (0.92, 3.0, "two three"),  # 58 %
        (0.0, 2.62, "one two"),  # 62 % of "two"
        (0.0, 2.58, "one"),
        (1.25, 0.5, ""),
        (2.2, 0.55, ""),  # cut on both sides
        (2.2, 0.65, "two"),
    ],
)
def test_a_crop_keeps_the_words_of_which_enough_can_be_heard(start_s: float, length_s: float, expected: str):
    recording = ramp([("one", 0.5, 1.5), ("two", 2.0, 3.0), ("three", 3.2, 3.6)])
    audio, words = crop(recording, start_s, length_s)
    assert " ".join(word for word, _, _ in words) == expected
    whole = {word: times for word, *times in recording.words}
    assert all([begin_s + start_s, end_s + start_s] == pytest.approx(whole[word]) for word, begin_s, end_s in words)
    assert abs(len(audio) - length_s * 16_000) <= 1
    assert audio.dtype == np.float32
    first = int(start_s * 16_000)
    heard = (recording.audio[first : first + len(audio)] / 32768).astype(np.float32)
    np.testing.assert_array_equal(audio[: len(heard)], heard)
    assert not audio[len(heard) :].any()


def test_a_crop_beyond_the_end_is_padded_with_silence():
    audio, words = crop(ramp([("one", 0.1, 0.4)], seconds=1.0), 0.0, 2.0)
    assert words == [("one", 0.1, 0.4)]
    assert audio.shape == (32_000,)
    assert audio[16_000 - 1] != 0
    assert not audio[16_000:].any()


@pytest.mark.parametrize("steps", [10, 9000])
def test_the_learning_rate_rises_to_its_peak_and_ends_at_rest(steps: int):
    schedule = Schedule(steps, warmup=5)
    rates = [schedule.rate(step) for step in range(steps + 1)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0.7 * schedule.peak_rate <= max(rates) <= schedule.peak_rate
    assert rates[0] == pytest.approx(schedule.peak_rate / schedule.warmup)
    assert rates[-1] == 0


@pytest.mark.parametrize("part", batches.PARTS)
def test_crop_lengths_stay_within_the_schedule(part: str):
    schedule = Schedule(100, part, shortest_s=1.0, longest_s=9.0)
    lengths_s = [draw_length_s(np.random.default_rng(seed), schedule) for seed in range(400)]
    assert 0.99 <= min(lengths_s) < 1.5
    assert max(lengths_s) == pytest.approx(9.0)
    longest = np.mean(np.array(lengths_s) > 8.99)
    assert longest == pytest.approx(batches.LONGEST_SHARE[part], abs=0.1)
    assert all(length_s / 0.02 == pytest.approx(round(length_s / 0.02)) for length_s in lengths_s)


def test_workers_share_the_length_and_divide_the_audio(corpus_folder: Path):
    corpus = load_shard(corpus_folder, 0)
    for step in range(3):
        whole = make_batch(corpus, Schedule(100), step)
        parts = [make_batch(corpus, Schedule(100), step, worker, 2) for worker in range(2)]
        assert {part.mel.shape[2] for part in parts} == {whole.mel.shape[2]}
        assert 0 <= len(whole.mel) - sum(len(part.mel) for part in parts) <= 1
        assert not torch.equal(parts[0].mel, parts[1].mel)
        again = make_batch(corpus, Schedule(100), step)
        assert torch.equal(again.mel, whole.mel)
        assert torch.equal(again.targets, whole.targets)
        seconds = whole.mel.shape[0] * whole.mel.shape[2] / 100
        assert seconds == pytest.approx(batches.BATCH_S["all"], rel=0.2) or len(whole.mel) == batches.MOST_CROPS


def test_a_clip_without_speech_has_no_text(corpus_folder: Path):
    rng, corpus = np.random.default_rng(1), load_shard(corpus_folder, 0)
    clips = [draw_clip(rng, corpus, 1.5) for _ in range(300)]
    assert {clip.audio.shape for clip in clips} == {(24_000,)}
    silent = [clip for clip in clips if not clip.audio.any()]
    assert 1 <= len(silent) <= 40
    assert not any(clip.words or clip.before for clip in silent)


def test_noise_alone_has_no_text(monkeypatch: pytest.MonkeyPatch, corpus_folder: Path):
    monkeypatch.setattr(batches, "NO_SPEECH_SHARE", 1.0)
    rng, corpus = np.random.default_rng(1), load_shard(corpus_folder, 0)
    clips = [draw_clip(rng, corpus, 1.5) for _ in range(100)]
    assert not any(clip.words or clip.before for clip in clips)
    assert 0.1 < np.mean([not clip.audio.any() for clip in clips]) < 0.5
    levels = [float(clip.audio.std()) for clip in clips if clip.audio.any()]
    assert 1e-5 < min(levels) < 1e-3 < 0.05 < max(levels) < 0.3


@given(seed=st.integers(0, 999), seconds=st.floats(0.7, 8))
@settings(max_examples=40, deadline=None)
def test_words_are_where_the_clip_sounds(seed: int, seconds: float):
    """One loud word of 0.2 s a second, each a level of its own: the clip says which words it holds, and where."""
    words = [(f"w{n}", n + 0.4, n + 0.6) for n in range(20)]
    audio = np.zeros(20 * 16_000, np.int16)
    for n in range(20):
        audio[round((n + 0.4) * 16_000) : round((n + 0.6) * 16_000)] = 1000 * (n + 1)
    clip = draw_clip(np.random.default_rng(seed), [LongRecording(audio, "v", words)], seconds)
    assert len(clip.audio) == round(seconds * 16_000)
    for text, start_s, end_s in clip.words:
        middle = (max(0.0, start_s) + min(seconds, end_s)) / 2
        assert clip.audio[int(middle * 16_000)] * 32768 == pytest.approx(1000 * (int(text[1:]) + 1))
    if clip.words and clip.before:
        assert int(clip.before[-1][1:]) < int(clip.words[0][0][1:])


def test_a_passage_told_again_begins_within_the_one_before(monkeypatch: pytest.MonkeyPatch):
    """Eight recordings with words of their own: two runs of one recording's words, and many said twice."""
    monkeypatch.setattr(batches, "NO_SPEECH_SHARE", 0.0)
    monkeypatch.setattr(batches, "PAUSE_SHARE", 1.0)
    monkeypatch.setattr(batches, "TOLD_AGAIN_SHARE", 1.0)
    sound = np.ones(60 * 16_000, np.int16)
    corpus = [LongRecording(sound, "v", [(f"{r} {n}", n + 0.1, n + 0.9) for n in range(60)]) for r in range(8)]
    rng, repeated = np.random.default_rng(1), 0
    for _ in range(100):
        said = [tuple(map(int, word.split())) for word, _, _ in draw_clip(rng, corpus, 12.0).words]
        assert len({recording for recording, _ in said}) == 1
        numbers = [number for _, number in said]
        breaks = [n for n, (one, two) in enumerate(itertools.pairwise(numbers), 1) if two != one + 1]
        assert len(breaks) <= 1
        if breaks:
            first, second = numbers[: breaks[0]], numbers[breaks[0] :]
            assert first[0] <= second[0] <= first[-1] + 1
            repeated += second[0] <= first[-1]
    assert repeated > 50


def test_talkers_of_babble_are_about_as_loud_as_each_other():
    """One in a low band and one, 40 dB louder, in a high one: of three to six in all, five at most are the other."""
    rng = np.random.default_rng(1)
    bins = np.fft.rfftfreq(64_000, 1 / 16_000)
    spectra = rng.standard_normal(len(bins)) + 1j * rng.standard_normal(len(bins))
    bands = [(bins > 500) & (bins < 1500), (bins > 3000) & (bins < 4000)]
    low, high = (np.fft.irfft(spectra * band, 64_000) for band in bands)
    corpus = [
        LongRecording((peak * sound / np.abs(sound).max()).astype(np.int16), "v", [])
        for peak, sound in ((300, low), (30_000, high))
    ]
    ratios_db = []
    for _ in range(50):
        power = np.abs(np.fft.rfft(batches._babble(rng, corpus, 32_000))) ** 2
        heard = np.fft.rfftfreq(32_000, 1 / 16_000)
        one, other = power[heard < 2000].sum(), power[heard > 2500].sum()
        if min(one, other) > 1e-3 * max(one, other):  # both speak
            ratios_db.append(10 * math.log10(one / other))
    assert len(ratios_db) > 25
    assert max(map(abs, ratios_db)) < 6 + 10 * math.log10(5) + 1


@pytest.mark.parametrize(("share", "hard"), [(0.0, 0.0), (0.6, 0.8), (0.9, 1.0)])
def test_crops_of_hard_voices_are_noisy_more_often(monkeypatch: pytest.MonkeyPatch, share: float, hard: float):
    """Each voice is one level all along, so the level tells which voice was given which share."""
    monkeypatch.setattr(batches, "NO_SPEECH_SHARE", 0.0)
    monkeypatch.setattr(batches, "PAUSE_SHARE", 0.0)
    voices = {"flite:slt": 1000, "flite:rms": 2000, "flite:awb": 3000, "espeak:en-us+m1": 4000}
    corpus = [LongRecording(np.full(160_000, level, np.int16), voice, []) for voice, level in voices.items()]
    given_to: dict[int, float] = {}

    def remember(rng: np.random.Generator, audio: np.ndarray, noise_share: float, _corpus: list[LongRecording]):
        given_to[round(float(audio[len(audio) // 2]) * 32768)] = noise_share
        return audio

    monkeypatch.setattr(batches, "augment", remember)
    make_batch(corpus, Schedule(100, shortest_s=2.0, longest_s=2.0, noise_share=share), step=1)
    assert given_to == pytest.approx({1000: hard, 2000: hard, 3000: share, 4000: share})


@pytest.mark.parametrize(("kind", "low_db", "high_db"), [("noise", 3, 42), ("babble", 1, 20), ("room", 0, 42)])
def test_what_is_added_is_as_loud_as_stated(monkeypatch: pytest.MonkeyPatch, kind: str, low_db: float, high_db: float):
    """A tone at one frequency; all that lies elsewhere was added."""
    rng = np.random.default_rng(1)
    monkeypatch.setattr(batches, "DISTURBANCES", {kind: 1.0})
    tone = (0.1 * np.sin(np.arange(32_000) * 0.3)).astype(np.float32)
    noise = LongRecording((3000 * rng.standard_normal(64_000)).astype(np.int16), "noise", [])
    ratios_db = []
    for _ in range(60):
        noisy = augment(rng, tone, 1.0, [noise])
        assert noisy.dtype == np.float32
        assert noisy.shape == tone.shape
        spectrum = np.abs(np.fft.rfft(noisy * np.hanning(len(noisy)))) ** 2
        peak = int(spectrum.argmax())
        signal = spectrum[peak - 5 : peak + 6].sum()
        ratios_db.append(10 * math.log10(signal / (spectrum.sum() - signal)))
    assert low_db < min(ratios_db)
    assert max(ratios_db) < high_db
    assert max(ratios_db) - min(ratios_db) > 12

    # With a share of none, the tone and its echo of one sample are all there is: gain and tilt.
    alone = augment(rng, tone, 0.0)[1:]
    _, left, _, _ = np.linalg.lstsq(np.stack([tone[1:], tone[:-1]], axis=1), alone, rcond=None)
    assert left < 1e-6 * (alone @ alone)


def test_targets_are_the_text_between_its_marks(corpus_folder: Path, monkeypatch: pytest.MonkeyPatch):
    corpus = load_shard(corpus_folder, 0)
    clips: list[batches.Clip] = []

    def remember(*arguments):
        clips.append(draw_clip(*arguments))
        return clips[-1]

    monkeypatch.setattr(batches, "draw_clip", remember)
    monkeypatch.setattr(targets, "STUTTER_SHARE", 0.0)
    batch = make_batch(corpus, dataclasses.replace(SCHEDULE, longest_s=4.0), step=2)
    assert any(clip.words for clip in clips)
    specials, ids = tokenizer(), [*used_tokens(), -1]
    assert batch.mel.shape[:2] == (len(clips), 80)
    letters = batch.letters.flat.split(batch.letters.counts.tolist())
    spoken = batch.phonemes.flat.split(batch.phonemes.counts.tolist())
    prompted = 0
    for clip, fed, target, spelled, sounds in zip(clips, batch.tokens, batch.targets, letters, spoken, strict=True):
        text = " ".join(word for word, _, _ in clip.words)
        known = [ids[row] for row in target.tolist() if row != IGNORE]
        assert specials.decode(known[:-1]).strip() == text
        assert known[-1] == specials.eot
        first = int((target != IGNORE).nonzero()[0])  # where the first word of the text is predicted
        read = [ids[row] for row in fed.tolist()]
        assert read[first - 1 : first + 1] == [specials.sot, specials.no_timestamps]
        if first > 1:
            prompted += 1
            assert read[0] == specials.sot_prev
            earlier = specials.encode(" " + " ".join(clip.before))[-(first - 2) :]
            assert read[1 : first - 1] == earlier
        assert read[first + 1 : first + len(known)] == known[:-1]
        assert "".join(LETTERS[n - 1] for n in spelled) == "".join(c for c in text.lower() if c not in ".,?")
        assert sounds.tolist() == phonemes_of(text.split())
    assert 0 < prompted < len(clips)


@given(seed=st.integers(0, 9999), given_tokens=st.integers(1, 4), length=st.integers(1, 60))
def test_after_a_stutter_the_text_goes_on(seed: int, given_tokens: int, length: int):
    """Token `n` is followed by token `n + 1`: whatever is read again is not to be written again."""
    spans = [NO_SPAN] * (given_tokens - 1) + [(float(n), n + 0.5) for n in range(length + 1)]
    written = [IGNORE] * (given_tokens - 1) + list(range(given_tokens, given_tokens + length + 1))
    rows = list(zip(range(given_tokens + length), written, spans, strict=True))
    found = stutter(np.random.default_rng(seed), rows, given_tokens)
    assert found[:given_tokens] == rows[:given_tokens]
    more = len(found) - len(rows)
    assert 1 <= more <= max(targets.LONGEST_PHRASE * targets.MOST_STUTTERS, targets.LONGEST_PASSAGE)
    begin = next(n for n, (row, later) in enumerate(zip([*rows, None], found, strict=False)) if row != later)
    again = found[begin : begin + more]
    assert [*found[:begin], *found[begin + more :]] == rows
    for read, token, span in again[:-1]:
        assert read < begin
        assert token == IGNORE
        assert span == NO_SPAN
    assert again[-1] == rows[begin - 1]


@pytest.mark.parametrize(
    ("words", "rest"),
    [([], (0.0, 2.0)), ([("See", 0.2, 0.5), ("the", 0.6, 0.9)], (0.9, 2.0)), ([("the", 1.6, 2.3)], (2.0, 2.0))],
    ids=["silence", "a pause", "a word cut off"],
)
def test_the_end_mark_is_led_to_what_is_left_after_the_last_word(words: list, rest: tuple[float, float]):
    clip = Clip(np.zeros(32_000, np.float32), words, [])
    for seed in range(20):  # with and without a stutter
        _, written, spans = write_out(np.random.default_rng(seed), clip, 1)
        assert written[-1] == compact_index()[tokenizer().eot]
        torch.testing.assert_close(spans[-1], torch.tensor(rest))


def test_few_tokens_are_spoilt_and_no_marks():
    ids = torch.arange(len(used_tokens())).repeat(200, 1)
    spoilt = spoil(np.random.default_rng(1), ids) != ids
    assert spoilt.float().mean().item() == pytest.approx(targets.SPOILT_TOKEN_SHARE, rel=0.05)
    assert not spoilt[:, -4:].any()  # the start and the end of a transcript and such
    assert spoilt[:, :1024].any(0).float().mean().item() > 0.9


@pytest.mark.usefixtures("small")
def test_a_decoder_that_learns_alone_hears_every_batch_once(corpus_folder: Path):
    model, corpus, asked = PocketTrainer(), load_shard(corpus_folder, 0), []

    def prepare(step: int) -> batches.Batch:
        asked.append(step)
        return make_batch(corpus, SCHEDULE, step)

    found = list(lessons_of_a_listener(model, prepare, range(3, 10)))
    assert [lesson.is_new for lesson in found] == [n % ECHOES == 0 for n in range(7)]
    assert set(asked) == {3, 5, 7, 9, 11}  # the last one was prepared in vain
    made = [make_batch(corpus, SCHEDULE, step) for step in range(3, 10, ECHOES)]
    for number, lesson in enumerate(found):
        batch = next(batch for batch in made if torch.equal(batch.tokens, lesson.batch.tokens))
        with torch.no_grad(), learner.faster_precision():
            heard, _, _ = model.hear(batch.mel)
        torch.testing.assert_close(lesson.features, heard.float(), rtol=2e-3, atol=2e-3)
        assert lesson.features is not None
        assert not lesson.features.requires_grad
        assert lesson.heard_s == pytest.approx(0.0 if number % 2 else batch.mel.shape[0] * batch.mel.shape[2] / 100)


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


@pytest.mark.usefixtures("small")
def test_the_loss_falls_on_a_batch_that_is_seen_again(corpus_folder: Path):
    torch.manual_seed(1)
    model = PocketTrainer()
    batch = make_batch(load_shard(corpus_folder, 0), SCHEDULE, step=0)
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--corpus", "nowhere", "--shards", "3"], "nowhere lacks 3 of 3 shards; make them first: python -m"),
        (["--corpus", "{corpus}", "--shards", "2"], "lacks 1 of 2 shards"),
        (["--corpus", "{corpus}", "--shards", "1", "--initial", "no.pt"], "--initial no.pt: no such file"),
        (["--workers", "0"], "--workers: 0: expected 1 or more"),
        (["--steps", "many"], "--steps: many: expected 1 or more"),
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
        corpus=tmp_path, out=tmp_path, shards=1, initial=None,
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


@pytest.mark.usefixtures("small")
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


@pytest.mark.usefixtures("small")
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


@pytest.mark.usefixtures("small")
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


@pytest.mark.usefixtures("small")
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


@pytest.mark.usefixtures("small")
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
