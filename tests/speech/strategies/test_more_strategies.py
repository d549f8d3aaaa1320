"""The strategies beyond `disjoint` and `sliding`: with perfect recognisers, and their parts with planted answers."""

import sys
import types

import pytest
from earspan.backends.errors import InputError
from earspan.datasets.recording import Word
from earspan.speech.asr.hypothesis import Clip, DraftText, Hypothesis
from earspan.speech.strategies import (
    AlignAtt,
    Call,
    Disjoint,
    Offline,
    Overlapping,
    Prompted,
    Sequential,
    make_strategy,
    step_of,
    strategy_names,
)
from earspan.speech.strategies.alignatt import words_before
from earspan.speech.strategies.overlapping import merge
from earspan.speech.strategies.prompted import last_words, loops
from earspan.speech.streaming.clock import Job, no_time, play
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..planted import PerfectAttention, PerfectEngine, planted_speech, played, recording_of

# ---- a perfect recogniser loses nothing to them ----------------------------------------------------------------


@settings(max_examples=30)
@given(seed=st.integers(0, 999), step_ms=st.integers(300, 2_000), overlap_ms=st.integers(3_000, 5_000))
def test_overlapping_chunks_give_the_text_back(seed: int, step_ms: int, overlap_ms: int):
    recording = planted_speech(seed, 25.0)  # the overlap holds at least three whole words wherever it is cut
    job = played(recording, Overlapping((step_ms + overlap_ms) / 1000, step_ms / 1000))
    assert job.text == recording.text


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


@settings(max_examples=30)
@given(seed=st.integers(0, 999), window_ms=st.integers(1_100, 30_000))  # a pause and a word fit into the window
def test_sequential_and_offline_give_the_text_back(seed: int, window_ms: int):
    recording = planted_speech(seed, 60.0, pause_s=0.4)
    assert played(recording, Sequential(window_ms / 1000)).text == recording.text
    [whole] = played(recording, Offline()).played
    assert (" ".join(whole.committed), whole.arrival_at_s, whole.call.mode) == (recording.text, 60.0, "window")


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


# ---- overlap ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later", "shared", "expected"),
    [
        ("", "a b c", 0, ("", "a b c")),
        ("x a b c d", "a b c d e", 4, ("x a b", "c d e")),
        ("a b c gar", "bage b c d", 3, ("a b", "c d")),  # cut words at both seams
        ("a b c d", "a b X d e", 4, ("a b", "X d e")),
        ("A, b.", "a b c", 2, ("A,", "b c")),
        ("p q r s", "t u v w x", 4, ("p q", "u v w x")),  # nothing in common: of three whole words two and one
        ("p q", "t u", 2, ("p", "t u")),
        ("p", "t u", 1, ("p", "t u")),  # no whole word is in both
        ("p q", "", 2, ("p", "")),
        ("", "", 0, ("", "")),
    ],
)
def test_planted_merges(earlier: str, later: str, shared: int, expected: tuple[str, str]):
    left, right = merge([], earlier.split(), later.split(), shared)
    assert (" ".join(left), " ".join(right)) == expected


def test_what_was_shown_is_not_shown_again():
    # Where steps are much shorter than the overlap, most of it has been shown already.
    assert merge(["a", "b", "c"], ["d"], ["a", "b", "c", "d", "e"], 4) == ([], ["d", "e"])


def test_overlapping_steps_are_two_thirds_of_the_window_unless_told():
    assert make_strategy("overlap", 6.0, None) == Overlapping(6.0, pytest.approx(4.0))  # type: ignore[arg-type]
    calls = list(Overlapping(6.0, 4.0).fixed_calls(11.0))
    assert [(call.start_s, call.end_s) for call in calls] == [(0, 4), (2, 8), (6, 11)]
    with pytest.raises(InputError, match="overlap: a step of 7 s is not within"):
        make_strategy("overlap", 6.0, 7.0)


# ---- prompted --------------------------------------------------------------------------------------------------


class LoopingEngine:
    """Repeats itself wherever there is a prompt that holds `trigger`."""

    def __init__(self, trigger: str) -> None:
        self.trigger, self.asked = trigger, list[Clip]()

    def transcribe(self, clips, progress=None) -> list[Hypothesis]:
        self.asked += clips
        said = ["over and " * 30 if self.trigger in clip.prompt else f"part {len(self.asked)}" for clip in clips]
        return [Hypothesis(text) for text in said]


def test_each_piece_is_prompted_with_the_text_before():
    engine = LoopingEngine("never")
    job = Job(planted_speech(0, 6.0), Prompted(2.0), no_time)
    play([job], engine)  # type: ignore[arg-type]
    assert [clip.prompt for clip in engine.asked] == ["", "part 1", "part 1 part 2"]
    assert job.text == "part 1 part 2 part 3"


def test_a_loop_is_heard_again_without_prompt_at_its_cost():
    engine = LoopingEngine("part 2")
    job = Job(planted_speech(0, 8.0), Prompted(2.0), lambda call, hypothesis: 0.5)
    play([job], engine)  # type: ignore[arg-type]
    assert [clip.prompt for clip in engine.asked] == ["", "part 1", "part 1 part 2", "", "part 4"]
    assert job.text == "part 1 part 2 part 4 part 5"
    assert [(p.call.end_s, p.finish_at_s) for p in job.played] == [(2, 2.5), (4, 4.5), (6, 6.5), (6, 7.0), (8, 8.5)]


def test_what_was_said_before_dropped_audio_is_no_prompt():
    engine = LoopingEngine("never")
    job = Job(planted_speech(0, 8.0), Prompted(1.0), lambda call, hypothesis: 5.0 if call.end_s < 2 else 0.1, "drop")
    play([job], engine)  # type: ignore[arg-type]
    assert [(p.call.start_s, clip.prompt) for p, clip in zip(job.played, engine.asked, strict=True)] == [
        (0, ""), (6, ""), (7, "part 2"),
    ]  # fmt: skip


def test_what_loops():
    assert loops("I see. " * 20)
    assert not loops("")
    assert not loops("The harbour was quiet, and only the clock of the town hall could be heard.")


@given(st.text("ab ", max_size=60), st.integers(0, 30))
def test_last_words_are_whole_and_fit(text: str, characters: int):
    kept = last_words(text, characters)
    words = text.split()
    assert kept.split() == words[len(words) - len(kept.split()) :]
    assert len(kept) <= characters
    more = words[len(words) - len(kept.split()) - 1 :]
    assert len(kept.split()) == len(words) or len(" ".join(more)) > characters


# ---- sequential ------------------------------------------------------------------------------------------------


def test_sequential_goes_on_where_whisper_would_with_the_text_before():
    words = tuple(Word(f"w{n}", n * 1.0, n * 1.0 + 0.7) for n in range(20))
    job = played(recording_of(words, 20.0), Sequential(8.4))
    assert [(p.call.start_s, p.call.end_s, p.call.mode) for p in job.played] == [
        (0.0, 8.4, "segment"),
        (pytest.approx(7.7), pytest.approx(16.1), "segment"),
        (pytest.approx(15.7), 20.0, "window"),
    ]  # fmt: skip
    assert [p.call.prompt for p in job.played] == [
        "", " ".join(f"w{n}" for n in range(8)), " ".join(f"w{n}" for n in range(16)),
    ]  # fmt: skip
    assert job.text == " ".join(word.text for word in words)


def test_sequential_goes_on_though_nothing_was_heard_and_keeps_a_prompt_of_bounded_length():
    asked = []

    class Stuck(PerfectEngine):
        def transcribe(self, clips, progress=None) -> list[Hypothesis]:
            asked.extend(clips)
            return [Hypothesis("word " * 100, heard_s=0.0) for _ in clips]

    recording = recording_of((), 0.01)
    play([Job(recording, Sequential(0.004), no_time)], Stuck([recording]))  # type: ignore[arg-type]
    assert 2 < len(asked) <= 0.01 * 32_000  # at least half a sample each time
    assert max(len(clip.prompt) for clip in asked) == 800


# ---- alignatt --------------------------------------------------------------------------------------------------


@given(times=st.lists(st.integers(0, 9), max_size=12), cut=st.integers(0, 9))
def test_a_cut_contradicts_as_few_word_times_as_can_be(times: list[int], cut: int):
    def wrong(kept: int) -> int:
        return sum(t > cut for t in times[:kept]) + sum(t <= cut for t in times[kept:])

    found = words_before(cut, times)
    assert wrong(found) == min(wrong(kept) for kept in range(len(times) + 1))
    if times == sorted(times):
        assert found == sum(t <= cut for t in times)


# ---- registry --------------------------------------------------------------------------------------------------


def test_every_registered_strategy_can_be_made_and_says_what_it_does():
    for name, line in strategy_names().items():
        assert 20 < len(line) < 120, name
        strategy = make_strategy(name, 6.0, step_of(name, 1.0))
        assert all(isinstance(call, Call) for call in strategy.fixed_calls(10.0))


def test_an_own_strategy(monkeypatch):
    class Mine(Disjoint):
        """every piece twice as long"""

        @classmethod
        def of(cls, window_s, step_s):
            return cls(2 * window_s)

    module = types.ModuleType("my_strategies")
    module.Mine, module.nothing = Mine, object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_strategies", module)
    assert make_strategy("my_strategies:Mine", 2.0, None).window_s == 4.0  # type: ignore[attr-defined]
    for name, message in {
        "my_strategies:Yours": "has no attribute 'Yours'; expected package.module:Class",
        "no_such_module_at_all:X": "No module named 'no_such_module_at_all'",
        "my_strategies:nothing": "has no of and no run and no fixed_calls",
        ":": "expected package.module:Class",
        ".relative:X": "expected package.module:Class",
    }.items():
        with pytest.raises(InputError, match=message):
            make_strategy(name, 2.0, None)
