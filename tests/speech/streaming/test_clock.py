"""The virtual clock against the closed form of a queue with constant arrivals and constant service (D/D/1)."""

import itertools
from collections.abc import Generator

import numpy as np
import pytest
from earspan.datasets.recording import Recording
from earspan.speech.asr.hypothesis import Clip, DecodeOptions, DraftText, Hypothesis
from earspan.speech.asr.torch_engine import Engine
from earspan.speech.metrics.calls import CallRecord
from earspan.speech.strategies import Call, Disjoint, Heard, Sliding, Strategy
from earspan.speech.streaming.clock import Emission, Job, play
from hypothesis import given, settings
from hypothesis import strategies as st

from ..planted import heard_as


class PlantedEngine:
    """In place of an `Engine`: the text of a clip tells its samples' first value, its length, and its prompt."""

    timestamp_begin = 1_000_000

    def __init__(self) -> None:
        self.asked: list[Clip] = []

    def transcribe(self, clips, progress=None) -> list[Hypothesis]:
        self.asked += clips
        return [
            heard_as(
                f"at{clip.audio[0]:g} for{len(clip.audio)}{clip.prompt}",
                tokens=(int(clip.audio[0]), 7),
                decode_tokens=len(clip.audio),
                heard_s=len(clip.audio) / 32_000,
            )
            for clip in clips
        ]


def counting(duration_s: float, name: str = "r") -> Recording:
    """A recording whose samples are numbered, so that a clip shows where it was cut."""
    audio = np.arange(round(duration_s * 16_000), dtype=np.float32)
    return Recording(name, audio, "", None, "planted", None)


def played(duration_s: float, strategy, service_s) -> Job:
    job = Job(counting(duration_s), strategy, service_s)
    play([job], PlantedEngine())  # type: ignore[arg-type]
    return job


@given(step=st.integers(1, 40), cost=st.integers(0, 80), calls=st.integers(1, 30))
def test_constant_service_gives_the_closed_form(step: int, cost: int, calls: int):
    # Quarter seconds, which a float holds exactly: so the clock has to be exact too.
    h, c = step / 4, cost / 4
    job = played(calls * h, Disjoint(h), lambda call, hypothesis: c)
    assert len(job.played) == calls
    for number, call in enumerate(job.played, start=1):
        assert call.arrival_at_s == number * h
        # Each call waits for the c - h that every call before it was late, if it was.
        assert call.start_at_s == number * h + (number - 1) * max(0.0, c - h)
        assert call.finish_at_s == call.start_at_s + c
    assert job.backlog_s == (calls - 1) * max(0.0, c - h)


def test_a_slow_call_delays_the_ones_behind_it_until_the_queue_is_empty():
    cost_s = {1.0: 0.5, 2.0: 3.0, 3.0: 0.5, 4.0: 0.5, 5.0: 0.25, 6.0: 0.25, 7.0: 0.25}
    job = played(7.0, Disjoint(1.0), lambda call, hypothesis: cost_s[call.end_s])
    assert [p.start_at_s for p in job.played] == [1.0, 2.0, 5.0, 5.5, 6.0, 6.25, 7.0]
    assert [p.finish_at_s for p in job.played] == [1.5, 5.0, 5.5, 6.0, 6.25, 6.5, 7.25]
    assert job.backlog_s == 2.0


@given(costs=st.lists(st.floats(0, 5), min_size=1, max_size=20), step_s=st.sampled_from([0.25, 0.7, 1.0]))
def test_words_come_neither_before_their_call_has_ended_nor_out_of_order(costs: list[float], step_s: float):
    cost = itertools.cycle(costs)
    job = played(9.0, Sliding(2.1, step_s), lambda call, hypothesis: next(cost))
    times = [emission.at_s for emission in job.emissions]
    assert times == sorted(times)
    for earlier, later in itertools.pairwise(job.played):
        assert (
            later.start_at_s >= earlier.finish_at_s >= earlier.start_at_s >= earlier.arrival_at_s == earlier.call.end_s
        )


def test_the_record_of_a_call_is_what_was_played():
    job = played(3.0, Disjoint(2.0), lambda call, hypothesis: 1 / 3)
    assert [one.record() for one in job.played] == [
        CallRecord(0.0, 2.0, 2.0, 2.0, 2.333333, 2, 32_000, 1, 1, 0.0, False, "at0 for32000", ("at0", "for32000"), ()),
        CallRecord(
            2.0, 3.0, 3.0, 3.0, 3.333333, 2, 16_000, 1, 1, 0.0, False, "at32000 for16000", ("at32000", "for16000"), ()
        ),
    ]


def test_no_service_time_shows_words_as_they_end():
    job = played(5.0, Disjoint(2.0), lambda call, hypothesis: 0.0)
    assert list(job.emissions) == [
        Emission("at0", 2.0), Emission("for32000", 2.0),
        Emission("at32000", 4.0), Emission("for32000", 4.0),
        Emission("at64000", 5.0), Emission("for16000", 5.0),
    ]  # fmt: skip
    assert job.text == "at0 for32000 at32000 for32000 at64000 for16000"
    assert job.backlog_s == 0


def test_the_service_time_is_asked_with_the_call_and_what_it_gave():
    asked: list[tuple[Call, Hypothesis]] = []

    def service_s(call: Call, hypothesis: Hypothesis) -> float:
        asked.append((call, hypothesis))
        return hypothesis.decode_tokens / 16_000

    job = played(3.0, Disjoint(2.0), service_s)
    assert [(call.start_s, call.end_s, h.decode_tokens) for call, h in asked] == [(0, 2, 32_000), (2, 3, 16_000)]
    assert [(p.call, p.hypothesis) for p in job.played] == asked
    assert [p.finish_at_s for p in job.played] == [4.0, 5.0]


@pytest.mark.parametrize("strategy", [Disjoint(1.0), Sliding(2.0, 1.0)])
def test_a_recording_without_audio_makes_no_calls(strategy):
    jobs = [Job(counting(d), strategy, lambda call, hypothesis: 0.0) for d in (0.0, 2.5)]
    engine = PlantedEngine()
    play(jobs, engine)  # type: ignore[arg-type]
    assert (jobs[0].played, jobs[0].text, list(jobs[0].emissions), jobs[0].backlog_s) == ([], "", [], 0)
    assert len(jobs[1].played) == 3
    play([], engine)  # type: ignore[arg-type]


class Prompting(Strategy):
    """Calls that depend on what was heard: each is prompted with the text before, and there are no fixed ones."""

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        heard = yield Call(0.0, 1.0)
        heard.commit(["first"])
        assert heard.ready_at_s == 1.5
        heard = yield Call(1.0, 2.0, f"<{heard.text}>")
        heard.commit([heard.text])
        heard.commit(["last"])


def test_a_strategy_may_build_on_what_it_heard():
    job = played(2.0, Prompting(), lambda call, hypothesis: 0.5)
    assert job.text == "first at16000 for16000<at0 for16000> last"
    assert [p.committed for p in job.played] == [("first",), ("at16000 for16000<at0 for16000>", "last")]


def test_a_strategy_is_told_where_whisper_would_go_on():
    told = []

    class Telling(Prompting):
        def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
            for start_s in (0.0, 1.5):
                heard = yield Call(start_s, start_s + 1.0)
                told.append(heard.heard_to_s)

    played(3.0, Telling(), lambda call, hypothesis: 0.0)
    assert told == [0.5, 2.0]  # half of what was given, says the planted engine


def test_drafts_are_the_calls_before_with_their_distance():
    class Stepping(Prompting):
        def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
            for step in range(7):
                yield Call(step * 0.5, step * 0.5 + 2, mode="segment")

    engine, job = PlantedEngine(), Job(counting(9.0), Stepping(), lambda call, hypothesis: 0.0)
    play([job], engine, draft=True)  # type: ignore[arg-type]
    assert engine.asked[0].draft == ()
    first, second = DraftText((0, 7), 50), DraftText((8_000, 7), 25)  # begun 1 s and 0.5 s before the third
    assert engine.asked[2].draft == (second, first)
    assert [len(clip.draft) for clip in engine.asked] == [0, 1, 2, 3, 4, 4, 4]
    assert {clip.mode for clip in engine.asked} == {"segment"}
    # without a draft each pass yields a token: two, and the end mark; the second text differs in its first token
    assert [played.hypothesis.runs[0].proposals for played in job.played[:2]] == [(0, 0, 0), (3, 3)]


def test_equal_calls_are_asked_for_once_over_all_jobs():
    recordings = [counting(4.0, "a"), counting(4.0, "b")]
    engine = PlantedEngine()
    jobs = [
        Job(recording, strategy, lambda call, hypothesis, c=c: c)
        for recording in recordings
        for strategy in (Disjoint(2.0), Sliding(2.0, 2.0), Sliding(2.0, 1.0), Prompting())
        for c in (0.5, 0.5)
    ]
    play(jobs, engine)  # type: ignore[arg-type]
    # Of each recording: 0-1 (also the prompting one's), 0-2, 1-3, 2-4, and 1-2 with its prompt.
    assert len(engine.asked) == 2 * 5


def test_the_real_engine_computes_equal_audio_once(tiny_recogniser, tones):
    audio = tones(4.0, 1)
    recordings = [Recording(name, audio.copy(), "", None, "planted", None) for name in "ab"]
    jobs = [
        Job(recording, strategy, lambda call, hypothesis, c=c: c)
        for recording in recordings
        for strategy in (Disjoint(2.0), Sliding(2.0, 1.0))
        for c in (0.0, 3.0)
    ]
    engine = Engine(tiny_recogniser(), DecodeOptions(max_tokens=5, temperatures=(0.0,)))
    told: list[tuple[int, int]] = []
    play(jobs, engine, lambda done, total: told.append((done, total)))
    assert engine.computed == 4  # 0-1, 0-2, 1-3, 2-4
    assert told[-1] == (4, 4)
    for strategy in (0, 2):  # neither the backend nor the recording's name changes the text
        assert {jobs[index].text for index in (strategy, strategy + 1, strategy + 4, strategy + 5)} == {
            jobs[strategy].text
        }
        assert jobs[strategy].text
    # Time passes differently for the same calls.
    assert [jobs[0].backlog_s, jobs[1].backlog_s] == [0, 1.0]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(4)))
def test_jobs_do_not_depend_on_each_other(order: list[int]):
    def make(number: int) -> Job:
        strategy = Sliding(2.0, 0.5) if number % 2 else Disjoint(1.0 + number)
        return Job(counting(5.0 + number), strategy, lambda call, hypothesis: 0.3 * number)

    alone = [make(number) for number in range(4)]
    for job in alone:
        play([job], PlantedEngine())  # type: ignore[arg-type]
    together = [make(number) for number in order]
    play(together, PlantedEngine())  # type: ignore[arg-type]
    for job, number in zip(together, order, strict=True):
        assert job.played == alone[number].played
