"""What each step of the training recipe hears: crops of recordings, their words, noise and pauses."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from earspan.speech.pocket import batches
from earspan.speech.pocket.batches import Schedule, crop, draw_batch, draw_clip, draw_length_s
from earspan.speech.pocket.corpus import LongRecording, load_shard
from hypothesis import given, settings
from hypothesis import strategies as st


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
        whole = draw_batch(corpus, Schedule(100), step).heard()
        parts = [draw_batch(corpus, Schedule(100), step, worker, 2).heard() for worker in range(2)]
        assert {part.mel.shape[2] for part in parts} == {whole.mel.shape[2]}
        assert 0 <= len(whole.mel) - sum(len(part.mel) for part in parts) <= 1
        assert not torch.equal(parts[0].mel, parts[1].mel)
        again = draw_batch(corpus, Schedule(100), step).heard()
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
