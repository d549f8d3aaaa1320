"""Captions come at absolute deadlines on an injected clock; nobody sleeps, and nothing drifts."""

from collections.abc import Callable

import numpy as np
import pytest
from earspan.datasets.recording import Recording
from earspan.speech.asr.hypothesis import Hypothesis
from earspan.speech.strategies import Disjoint, Sliding
from earspan.speech.streaming.clock import Job, play
from earspan.speech.streaming.realtime import Caption, Here, WallClock, replay
from hypothesis import given, settings
from hypothesis import strategies as st


class Planted:
    """A wall clock that only moves when it is waited for, or when the engine works."""

    def __init__(self) -> None:
        self.at_s = 100.0  # any fixed moment
        self.waited_for: list[float] = []

    def now_s(self) -> float:
        return self.at_s

    def sleep_until(self, at_s: float) -> None:
        self.waited_for.append(at_s)
        self.at_s = max(self.at_s, at_s)


class Working:
    """An engine that takes wall time for every clip, and says when it was asked."""

    def __init__(self, wall: Planted, takes_s: Callable[[int], float]) -> None:
        self.wall, self.takes_s = wall, takes_s
        self.asked_at_s: list[float] = []

    def transcribe(self, clips, progress=None) -> list[Hypothesis]:
        del progress
        for _ in clips:
            self.asked_at_s.append(self.wall.now_s() - 100)
            self.wall.at_s += self.takes_s(len(self.asked_at_s))
        return [Hypothesis("same words again") for _ in clips]


def silence(duration_s: float) -> Recording:
    return Recording("r", np.zeros(round(duration_s * 16_000), np.float32), "", None, "planted", None)


def heard_here(duration_s: float, strategy, takes_s: Callable[[int], float]) -> tuple[Job, Working, list[Caption]]:
    wall, captions = Planted(), []
    live = Here(strategy, wall, captions.append)
    job, engine = Job(silence(duration_s), live, live.service_s), Working(wall, takes_s)
    play([job], engine)  # type: ignore[arg-type]
    return job, engine, captions


def test_a_machine_that_keeps_up_hears_each_call_when_it_has_been_spoken():
    job, engine, captions = heard_here(3.0, Disjoint(1.0), lambda n: 0.25)
    assert engine.asked_at_s == [1.0, 2.0, 3.0]
    assert [caption.shown_at_s for caption in captions] == [1.25, 2.25, 3.25]
    assert [caption.committed for caption in captions] == [("same", "words", "again")] * 3
    assert job.backlog_s == 0


def test_a_machine_that_is_slow_falls_behind_as_the_virtual_clock_says():
    takes_s = {1: 0.5, 2: 2.0, 3: 0.25, 4: 0.25}
    job, engine, _ = heard_here(4.0, Disjoint(1.0), lambda n: takes_s[n])
    assert engine.asked_at_s == [1.0, 2.0, 4.0, 4.25]
    assert [p.start_at_s for p in job.played] == pytest.approx([1.0, 2.0, 4.0, 4.25])
    assert [p.finish_at_s for p in job.played] == pytest.approx([1.5, 4.0, 4.25, 4.5])
    assert job.backlog_s == pytest.approx(1.0)


def test_what_a_strategy_does_ahead_is_no_time_of_the_recording():
    wall, captions = Planted(), list[Caption]()

    class Judging(Disjoint):
        def run(self, audio: np.ndarray, overload: str = "lag"):
            wall.at_s += 6
            return (yield from super().run(audio, overload))

    live = Here(Judging(1.0), wall, captions.append)
    job = Job(silence(3.0), live, live.service_s)
    play([job], Working(wall, lambda n: 0.25))  # type: ignore[arg-type]
    assert [caption.shown_at_s for caption in captions] == [1.25, 2.25, 3.25]
    assert job.backlog_s == 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 3), min_size=12, max_size=12))
def test_the_measured_clock_equals_a_simulated_one_that_takes_as_long(takes_s: list[float]):
    job, _, captions = heard_here(6.0, Sliding(2.0, 0.5), lambda n: takes_s[n - 1])
    costs = iter(takes_s)
    simulated = Job(silence(6.0), Sliding(2.0, 0.5), lambda call, hypothesis: next(costs))
    wall = Planted()
    play([simulated], Working(wall, lambda n: 0.0))  # type: ignore[arg-type]
    assert [p.finish_at_s for p in job.played] == pytest.approx([p.finish_at_s for p in simulated.played])
    assert [caption.committed for caption in captions] == [p.committed for p in simulated.played]
    replayed: list[Caption] = []
    replay(simulated.played, wall, replayed.append)
    assert [c.shown_at_s for c in replayed] == pytest.approx([c.shown_at_s for c in captions])
    assert [c.interim for c in replayed] == [c.interim for c in captions]


def test_deadlines_are_absolute_so_that_a_late_caption_does_not_delay_the_next():
    job = Job(silence(4.0), Disjoint(1.0), lambda call, hypothesis: 0.5)
    wall = Planted()
    play([job], Working(wall, lambda n: 0.0))  # type: ignore[arg-type]
    captions: list[Caption] = []

    def show(caption: Caption) -> None:
        captions.append(caption)
        wall.at_s += 1.75 if len(captions) == 1 else 0.0  # a terminal that stalls once

    replay(job.played, wall, show)
    assert [caption.due_at_s for caption in captions] == [1.5, 2.5, 3.5, 4.5]
    assert [caption.shown_at_s for caption in captions] == [1.5, 3.25, 3.5, 4.5]
    assert wall.waited_for == [101.5, 102.5, 103.5, 104.5]


def test_interim_words_are_those_the_next_call_may_change():
    _, _, captions = heard_here(3.0, Sliding(3.0, 1.0), lambda n: 0.0)
    assert [(c.committed, c.interim) for c in captions] == [
        ((), ("same", "words", "again")),
        (("same", "words", "again"), ()),
        ((), ()),
    ]


def test_this_machines_clock_does_not_wait_for_what_has_passed():
    clock = WallClock()
    before_s = clock.now_s()
    clock.sleep_until(before_s - 3600)
    assert clock.now_s() >= before_s


def test_nothing_to_play():
    job, engine, captions = heard_here(0.0, Disjoint(1.0), lambda n: 1.0)
    assert (job.played, engine.asked_at_s, captions) == ([], [], [])
    replay([], Planted(), captions.append)
    assert captions == []
