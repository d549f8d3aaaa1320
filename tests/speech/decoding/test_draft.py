"""Drafts: whatever is proposed, the text is that of plain greedy decoding, in as many passes as predicted."""

from collections.abc import Sequence

import pytest
from earspan.speech.draft import SIDE, Draft, accepted_of, proposals
from earspan.speech.engine import Clip, DecodeOptions, Engine
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = st.lists(st.integers(0, 4), max_size=40)
END = 99


def _decode(draft: Sequence[Sequence[int]], text: Sequence[int]) -> tuple[list[int], int]:
    """Decoding against an oracle that knows the text: what is produced, and in how many passes."""
    following, produced, passes = Draft(draft), [], 0
    while not produced or produced[-1] != END:
        branches = following.proposal(len(text) - len(produced) - 1)
        assert all(branches)
        accepted = [accepted_of(branch, text[len(produced) :]) for branch in branches] or [0]
        best = max(range(len(accepted)), key=accepted.__getitem__)
        produced += text[len(produced) : len(produced) + accepted[best] + 1]
        following.follow(produced, best, accepted[best])
        passes += 1
    return produced, passes


@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_every_pass_produces_and_any_draft_gives_the_text(draft: list[list[int]], text: list[int]):
    text = [*text, END]
    produced, passes = _decode(draft, text)
    assert produced == text
    assert 1 <= passes <= len(text)
    assert len(proposals(draft, text)) == passes


@given(st.lists(st.integers(), unique=True, min_size=30, max_size=30), st.integers(0, 29), st.integers(0, 29))
def test_a_perfect_draft_takes_one_pass_and_every_edit_one_or_two_more(words: list[int], cut: int, changed: int):
    text = [*words, 10**30]
    assert proposals([words], text) == (30 + 2 * SIDE,)  # beside the whole draft, it without its first words
    assert proposals((), text) == (0,) * 31
    assert len(proposals([words], [*words[:cut], 10**31, *words[cut:], 10**30])) <= 3  # inserted
    assert len(proposals([words], [*words[:cut], *words[cut + 1 :], 10**30])) <= 2  # deleted
    assert len(proposals([words], [*words[:changed], 10**31, *words[changed + 1 :], 10**30])) <= 2  # substituted
    # a window that moved on: the head is gone, the tail is new
    assert len(proposals([words], [*words[cut:], 10**31, 10**32, 10**30])) <= 2 + 2


def test_a_recogniser_that_wavers_is_followed_into_older_texts():
    words = list(range(30))
    other = [*words[:10], 41, 42, 43, *words[11:]]  # three tokens where the newest text has one
    text = [*other, END + 1]
    assert len(proposals([words], text)) == 5  # each of the three by itself
    assert len(proposals([words, other], text)) == 2
    # a text that ends early goes on in an older one, but not on the word of a single token
    assert len(proposals([words[:20], words], [*words, END + 1])) == 2
    assert proposals([[3], words], [3, 8, 9, END + 1]) == (1, 0, 20)


def test_several_continuations_are_checked_side_by_side():
    words = list(range(SIDE))
    assert len(proposals([words], [*words[2:], END + 1])) == 1  # two words have left the window
    assert len(proposals([words], [*words[3:], END + 1])) == 2


def test_a_budget_bounds_what_is_proposed():
    assert proposals([range(10)], range(5), budget=5) == (12,)  # three of four tokens
    assert proposals([range(10)], [0], budget=1) == (0,)


@pytest.fixture(scope="module")
def heard(tiny_recogniser, tones):
    """A random model's sliding windows, decoded plainly: recogniser, clips, hypotheses."""
    recogniser, audio = tiny_recogniser(), tones(9.0, 7)
    clips = [Clip(audio[start : start + 48_000]) for start in range(0, 9 * 16_000 - 48_000, 8_000)]
    clips += [Clip(clip.audio[:40_001], "said before") for clip in clips[:4]]
    options = DecodeOptions(max_tokens=40)
    return recogniser, clips, options, Engine(recogniser, options).transcribe(clips)


@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_random_drafts_on_random_weights_change_nothing(heard, data):
    recogniser, clips, options, plain = heard
    engine = Engine(recogniser, options, batch_bytes=data.draw(st.sampled_from([1, 4 << 20, 1 << 30])))
    drafted, predicted = [], 0
    for clip, hypothesis in zip(clips, plain, strict=True):
        tokens = list(hypothesis.tokens)
        for _ in range(data.draw(st.integers(0, 3))):  # a few edits, anywhere
            place = data.draw(st.integers(0, len(tokens)))
            tokens[place : place + data.draw(st.integers(0, 2))] = data.draw(
                st.lists(st.integers(0, 50_000), max_size=2)
            )
        others = data.draw(st.lists(st.sampled_from([h.tokens for h in plain]), max_size=3))
        drafted.append(Clip(clip.audio, clip.prompt, draft=(tuple(tokens), *others)))
        produced = hypothesis.tokens if hypothesis.cut_off else (*hypothesis.tokens, 50_256)
        predicted += len(proposals([tokens, *others], produced, options.max_tokens))
    found = engine.transcribe(drafted)
    assert [(h.text, h.tokens, h.cut_off) for h in found] == [(h.text, h.tokens, h.cut_off) for h in plain]
    assert engine.decoder_passes == predicted


def test_the_window_before_as_a_draft_saves_passes(heard):
    recogniser, clips, options, plain = heard
    engine = Engine(recogniser, options)
    own = [
        Clip(clip.audio, clip.prompt, draft=(hypothesis.tokens,)) for clip, hypothesis in zip(clips, plain, strict=True)
    ]
    assert [h.tokens for h in engine.transcribe(own)] == [h.tokens for h in plain]
    assert engine.decoder_passes == len(clips)  # a perfect draft: the prefill decodes it all
    assert engine.transcribe(clips) == engine.transcribe(own)  # a draft makes no other call of it
    assert engine.computed == len(clips)
