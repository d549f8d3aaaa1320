"""AlignAtt with perfect attention: nothing is lost, and words come before the margin."""

import numpy as np
from earspan.datasets.recording import Word
from earspan.speech.asr.hypothesis import DraftText
from earspan.speech.strategies import AlignAtt, Heard
from earspan.speech.strategies.alignatt import loop_start, words_before
from earspan.speech.streaming.clock import Job, no_time, play
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..planted import PerfectAttention, PerfectEngine, planted_speech, played, recording_of


@settings(max_examples=30)
@given(seed=st.integers(0, 999), step_ms=st.integers(200, 2_000), more_ms=st.integers(0, 5_000))
def test_alignatt_gives_the_text_back(seed: int, step_ms: int, more_ms: int):
    recording = planted_speech(seed, 25.0)
    # A word is heard whole and left by the margin, at a step's distance, before it leaves the window.
    strategy = AlignAtt((2 * step_ms + more_ms) / 1000 + 0.5 + 2 * 0.6, step_ms / 1000)
    job = played(recording, strategy)
    assert job.text == recording.text
    for call in job.played[:-1]:
        words = {w.text: w for w in recording.words or ()}
        assert all((words[w].start_s + words[w].end_s) / 2 <= call.call.end_s - 0.5 for w in call.committed)


@settings(max_examples=60)
@example(seed=0, window_ms=2_000, step_share=1.0)  # as chunks that do not overlap
@given(seed=st.integers(0, 999), window_ms=st.integers(600, 4_000), step_share=st.floats(0.3, 1))
def test_alignatt_loses_no_word_that_is_whole_within_a_step(seed: int, window_ms: int, step_share: float):
    recording, window_s = planted_speech(seed, 25.0), window_ms / 1000
    step_s = round(window_s * step_share, 3)
    heard = played(recording, AlignAtt(window_s, step_s)).text.split()
    assert heard == sorted(set(heard), key=lambda word: int(word[1:]))
    whole = {w.text for w in recording.words or () if w.start_s // step_s == (w.end_s + 1e-3) // step_s}
    assert whole <= set(heard)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    window_ms=st.integers(2_200, 8_000),
    cost=st.floats(1, 12),
    overload=st.sampled_from(["lag", "grow", "coalesce"]),
)
def test_alignatt_gives_the_text_back_where_calls_grow(seed: int, window_ms: int, cost: float, overload: str):
    recording = planted_speech(seed, 30.0)  # a step of 1 s, the margin and a word fit into the window
    job = played(recording, AlignAtt(window_ms / 1000, 1.0), overload, lambda call, hypothesis: cost)
    assert job.text == recording.text


def test_alignatt_decodes_on_from_what_its_window_holds():
    words = tuple(Word(f"w{n}", n * 1.0 + 0.1, n * 1.0 + 0.5) for n in range(8))
    job = played(recording_of(words, 8.0), AlignAtt(4.0, 2.0))
    assert [(p.call.start_s, p.call.end_s, p.call.prefix, p.call.margin_s) for p in job.played] == [
        (0, 2, "", 0.5), (0, 4, "w0 w1", 0.5), (2, 6, "w2 w3", 0.5), (4, 8, "w4 w5", 0.0),
    ]  # fmt: skip
    assert [p.committed for p in job.played] == [("w0", "w1"), ("w2", "w3"), ("w4", "w5"), ("w6", "w7")]
    assert [p.hypothesis.decode_tokens for p in job.played] == [2, 2, 2, 2]
    assert {p.call.mode for p in job.played} == {"text"}


def test_a_draft_checks_no_token_beyond_where_the_decoding_stopped():
    """A word of one token each half second; without a draft, as in the first call, each pass makes one token."""

    recording = recording_of(tuple(Word(f"w{n}", n * 0.5, n * 0.5 + 0.4) for n in range(16)), 8.0)
    engine = PerfectEngine([recording])
    job = Job(recording, AlignAtt(6.0, 2.0), no_time)
    play([job], engine, attention=PerfectAttention(engine), draft=True)  # type: ignore[arg-type]
    first, second, *_ = (played.hypothesis for played in job.played)
    assert (first.tokens, first.text, first.decode_tokens) == ((0, 1, 2, 3), "w0 w1 w2", 4)
    assert first.runs[0].proposals == (0, 0, 0, 0)
    assert engine.asked[1].draft == (DraftText((0, 1, 2, 3)),)
    assert len(second.runs[0].proposals) <= len(second.tokens) == len(second.text.split()) + 1


@given(times=st.lists(st.integers(0, 9), max_size=12), cut=st.integers(0, 9))
def test_a_cut_contradicts_as_few_word_times_as_can_be(times: list[int], cut: int):
    def wrong(kept: int) -> int:
        return sum(t > cut for t in times[:kept]) + sum(t <= cut for t in times[kept:])

    found = words_before(cut, times)
    assert wrong(found) == min(wrong(kept) for kept in range(len(times) + 1))
    if times == sorted(times):
        assert found == sum(t <= cut for t in times)


def test_a_loop_is_not_shown_and_does_not_feed_itself():
    # what is heard in each call, at which second each word is; the third call loops, and the fourth hears from anew
    answers = [("one two", (0.5, 1.0)), ("three four", (2.2, 2.8)), ("five you you you you", (3.5, 4.0, 4.1, 4.2, 4.3)),
               ("six seven", (4.2, 5.0)), (". .", (6.0, 6.1))]  # fmt: skip
    strategy = AlignAtt(30.0, 2.0).run(np.zeros(10 * 16_000, np.float32))
    call, calls, shown = next(strategy), [], []
    for text, times in answers:
        heard = Heard(text, call.end_s, word_times_s=times)
        calls.append(call)
        call = next_or_none(strategy, heard)
        shown.append(heard.committed)
    assert shown == [["one", "two"], ["three", "four"], ["five"], ["six", "seven"], []]
    assert [(one.start_s, one.prefix) for one in calls] == [
        (0.0, ""), (0.0, "one two"), (0.0, "one two three four"), (3.5, ""), (3.5, "six seven"),
    ]  # fmt: skip


def next_or_none(strategy, heard):
    try:
        return strategy.send(heard)
    except StopIteration:
        return None


@given(
    st.lists(st.sampled_from("abcdefghijklmnop"), max_size=30, unique=True),
    st.integers(1, 8),
    st.integers(4, 10),
    st.integers(0, 7),
)
def test_a_planted_loop_is_found_where_it_begins(before: list[str], length: int, times: int, more: int):
    phrase = [f"w{n}" for n in range(length)]
    assert loop_start(before + times * phrase + phrase[: min(more, length)]) == len(before)
    assert loop_start(before + 2 * phrase) is None
    assert loop_start(before + times * phrase + ["on"]) is None  # who goes on repeats for emphasis
    assert loop_start(before) is None
