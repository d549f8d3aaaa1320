"""What the recipe's decoder reads and is to write: transcripts between marks, phrases said again, errors."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from earspan.speech.pocket import batches, targets
from earspan.speech.pocket.batches import Schedule, draw_batch, draw_clip
from earspan.speech.pocket.corpus import load_shard
from earspan.speech.pocket.targets import IGNORE, NO_SPAN, Clip, spoil, stutter, with_own_errors, write_out
from earspan.speech.pocket.vocabulary import LETTERS, compact_index, phonemes_of, tokenizer, used_tokens
from hypothesis import given
from hypothesis import strategies as st


def test_targets_are_the_text_between_its_marks(corpus_folder: Path, monkeypatch: pytest.MonkeyPatch):
    corpus = load_shard(corpus_folder, 0)
    clips: list[batches.Clip] = []

    def remember(*arguments):
        clips.append(draw_clip(*arguments))
        return clips[-1]

    monkeypatch.setattr(batches, "draw_clip", remember)
    monkeypatch.setattr(targets, "STUTTER_SHARE", 0.0)
    batch = draw_batch(corpus, Schedule(steps=4, warmup=2, longest_s=4.0), step=2).heard()
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
    rows = list(zip(range(given_tokens + length), written, spans, itertools.repeat(1.0)))
    found = stutter(np.random.default_rng(seed), rows, given_tokens)
    assert found[:given_tokens] == rows[:given_tokens]
    more = len(found) - len(rows)
    assert 1 <= more <= targets.LONGEST_PASSAGE
    begin = next(n for n, (row, later) in enumerate(zip([*rows, None], found, strict=False)) if row != later)
    again = found[begin : begin + more]
    assert [*found[:begin], *found[begin + more :]] == rows
    ends = [n for n, row in enumerate(again) if row == rows[begin - 1]]
    assert ends[-1] == more - 1
    assert all(end % (ends[0] + 1) == ends[0] for end in ends)  # each time as long as the first
    for n, (read, token, span, _) in enumerate(again):
        if n not in ends:
            assert read < begin
            assert token == IGNORE
            assert span == NO_SPAN


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.0, 0.15), (0.5, 0.45, 0.65), (1.0, 1.0, 1.0)])
def test_what_is_said_again_is_often_the_end(share: float, low: float, high: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(targets, "AT_THE_END_SHARE", share)
    rows = [(n, n + 1, (float(n), n + 0.5), 1.0) for n in range(30)]
    found = [stutter(np.random.default_rng(seed), rows, 1) for seed in range(400)]
    assert low <= np.mean([row[-1] == rows[-1] and row.count(rows[-1]) > 1 for row in found]) <= high
    assert max(row.count(rows[-1]) for row in found) > (20 if share else 1)


@pytest.mark.parametrize(
    ("words", "rest"),
    [([], (0.0, 2.0)), ([("See", 0.2, 0.5), ("the", 0.6, 0.9)], (0.9, 2.0)), ([("the", 1.6, 2.3)], (2.0, 2.0))],
    ids=["silence", "a pause", "a word cut off"],
)
def test_the_end_mark_is_led_to_what_is_left_after_the_last_word(words: list, rest: tuple[float, float]):
    clip = Clip(np.zeros(32_000, np.float32), words, [])
    for seed in range(20):  # with and without a stutter
        _, written, spans, _ = write_out(np.random.default_rng(seed), clip, 1)
        assert written[-1] == compact_index()[tokenizer().eot]
        torch.testing.assert_close(spans[-1], torch.tensor(rest))


def test_a_word_that_sounds_like_another_counts_more():
    said = ["I", "see", "them", "Two.", "Cats"]
    clip = Clip(np.zeros(80_000, np.float32), [(word, float(n), n + 0.8) for n, word in enumerate(said)], ["We", "see"])
    ids = compact_index()
    alike = {int(ids[token]) for word in ("I", "see", "Two.") for token in tokenizer().encode(" " + word)}
    for seed in range(20):  # with and without a prompt and a stutter
        _, written, spans, weights = write_out(np.random.default_rng(seed), clip, 2)
        is_alike = torch.tensor([int(token) in alike for token in written])
        expected = torch.where(is_alike & (spans[:, 1] >= 0), targets.HOMOPHONE_WEIGHT, 1.0)
        torch.testing.assert_close(weights, expected)


def test_few_tokens_are_spoilt_and_no_marks():
    ids = torch.arange(len(used_tokens())).repeat(400, 1)
    spoilt = spoil(np.random.default_rng(1), ids) != ids
    assert spoilt.float().mean().item() == pytest.approx(targets.SPOILT_TOKEN_SHARE, rel=0.05)
    assert not spoilt[:, -4:].any()  # the start and the end of a transcript and such
    assert spoilt[:, :1024].any(0).float().mean().item() > 0.9


def test_some_tokens_are_what_the_decoder_wrote_there_and_marks_stay():
    """It writes 7 after every token but at the fifth, where it would stop; the first three it did not have to write."""
    marks = compact_index()[list(tokenizer().special_tokens.values())]
    tokens = torch.arange(100, 120).repeat(2000, 1)
    tokens[:, -1] = marks[0]
    written = torch.full_like(tokens, 7)
    written[:, 5] = compact_index()[tokenizer().eot]
    known = torch.arange(20) >= 3
    found = with_own_errors(np.random.default_rng(1), tokens, torch.where(known, tokens + 1, IGNORE), written)
    own = (found != tokens).float().mean(0)
    assert found[found != tokens].unique().tolist() == [7]
    can_be = torch.tensor([4 <= n < 19 and n != 6 for n in range(20)])
    assert not own[~can_be].any()
    torch.testing.assert_close(own[can_be], torch.full((14,), targets.OWN_TOKEN_SHARE), atol=0.05, rtol=0)
