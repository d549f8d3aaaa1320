"""Drafts: whatever is proposed, the text is that of plain greedy decoding, in as many passes as predicted."""

from collections.abc import Sequence

import pytest
from earspan.speech.asr.decoding.draft import SIDE, Draft, add_proposals, count_accepted, proposals, shift_timestamps
from earspan.speech.asr.hypothesis import Clip, DecodeOptions, DraftText, Hypothesis
from earspan.speech.asr.torch_engine import Engine
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

TEXTS = st.lists(st.integers(0, 4), max_size=40)
END = 99


def _decode(draft: Sequence[Sequence[int]], text: Sequence[int]) -> tuple[list[int], int]:
    """Decoding against an oracle that knows the text: what is produced, and in how many passes."""
    following, produced, passes = Draft(draft), [], 0
    while not produced or produced[-1] != END:
        branches = following.proposal(len(text) - len(produced) - 1)
        assert all(branches)
        accepted = [count_accepted(branch, text[len(produced) :]) for branch in branches] or [0]
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


def test_shifted_texts_are_those_of_who_began_later():
    begin = 100
    assert shift_timestamps((100, 7, 150, 150, 8, 170), 20, begin) == (100, 7, 130, 130, 8, 150)
    assert shift_timestamps((100, 7, 105), 6, begin) == (100, 7, 100)  # not before its own beginning
    assert shift_timestamps((103, 7), -4, begin) == (107, 7)  # begun earlier: its times are higher
    assert shift_timestamps((1600, 7, 1700), 0, begin) == (1600, 7, 1600)  # there is no timestamp after 30 s


@pytest.fixture(scope="module")
def heard(tiny_recogniser, tones):
    """A random model's sliding windows, heard without drafts: recogniser, clips, options, hypotheses."""
    recogniser, audio = tiny_recogniser(), tones(38.0, 7)
    clips = [Clip(audio[start : start + 48_000]) for start in range(0, 2 * 16_000, 8_000)]
    clips += [Clip(clips[0].audio[:40_001], "said before"), Clip(clips[1].audio, mode="text", prefix="and")]
    clips += [Clip(audio), Clip(audio[16_000:])]  # heard in several parts
    options = DecodeOptions(temperatures=(0.0, 0.7), log_probability_threshold=-3.1)  # some are decoded again
    return recogniser, clips, options, Engine(recogniser, options).transcribe(clips)


def _without_rounding(found: Hypothesis) -> tuple[object, ...]:
    return found.text, found.tokens, found.segments, found.runs, found.heard_s


def _predicted(hypothesis: Hypothesis, drafts: Sequence[DraftText], begin: int) -> int:
    """Passes of the decoder; sampled texts take one for each token."""
    runs = add_proposals(hypothesis, drafts, begin).runs
    return sum(len(run.proposals) if run.temperature == 0 else run.decode_tokens + 1 for run in runs)


@settings(max_examples=2, deadline=None, phases=[Phase.generate])  # to shrink would take minutes
@given(data=st.data())
def test_random_drafts_on_random_weights_change_nothing(heard, data):
    recogniser, clips, options, plain = heard
    engine = Engine(recogniser, options, batch_bytes=data.draw(st.sampled_from([1, 16 << 20, 1 << 30])))
    drafted, predicted = [], 0
    for clip, hypothesis in zip(clips, plain, strict=True):
        tokens = list(hypothesis.tokens)
        for _ in range(data.draw(st.integers(0, 3))):  # a few edits, anywhere
            place = data.draw(st.integers(0, len(tokens)))
            tokens[place : place + data.draw(st.integers(0, 2))] = data.draw(
                st.lists(st.integers(0, 51_863), max_size=2)
            )
        others = data.draw(st.lists(st.sampled_from([h.tokens for h in plain]), max_size=3))
        drafts = tuple(DraftText(tuple(one), data.draw(st.integers(-60, 60))) for one in (tokens, *others))
        drafted.append(Clip(clip.audio, clip.prompt, clip.prefix, drafts, clip.mode))
        predicted += _predicted(hypothesis, drafts, engine.timestamp_begin)
    found = engine.transcribe(drafted)
    assert list(map(_without_rounding, found)) == list(map(_without_rounding, plain))
    assert engine.decoder_passes == predicted


def test_its_own_text_as_a_draft_takes_one_pass_a_part(heard):
    recogniser, clips, options, plain = heard
    engine = Engine(recogniser, options)
    chosen = [(clip, one) for clip, one in zip(clips, plain, strict=True) if len(one.runs) == 1]
    own = [
        Clip(clip.audio, clip.prompt, clip.prefix, (DraftText(one.runs[0].tokens),), clip.mode) for clip, one in chosen
    ]
    assert [h.tokens for h in engine.transcribe(own)] == [one.tokens for _, one in chosen]
    assert engine.decoder_passes == len(chosen)  # a perfect draft: the first pass decodes it all
    assert engine.transcribe([clip for clip, _ in chosen]) == engine.transcribe(
        own
    )  # a draft makes no other call of it
    assert engine.computed == len(chosen)


def test_only_texts_that_are_chosen_are_drafted(heard):
    _, _, _, plain = heard
    hypothesis = next(one for one in plain if any(run.temperature for run in one.runs))
    for run in add_proposals(hypothesis, (DraftText((5, 6)),), 50_363).runs:
        assert bool(run.proposals) == (run.temperature == 0)
