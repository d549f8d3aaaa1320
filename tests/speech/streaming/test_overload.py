"""Every strategy on the virtual clock, under every overload policy: what is kept, and the closed forms of the queue."""

import itertools
from collections.abc import Callable

import pytest
from earspan.backends.errors import InputError
from earspan.speech.strategies import (
    OVERLOADS,
    AlignAtt,
    Disjoint,
    Offline,
    Overlapping,
    Prompted,
    Sequential,
    Sliding,
    Strategy,
    Vad,
)
from earspan.speech.strategies.steps import Steps
from earspan.speech.streaming.clock import Job, no_time, play
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..planted import PerfectAttention, PerfectEngine, loud, planted_speech

MAKERS: dict[str, Callable[[float, float], Strategy]] = {
    "disjoint": lambda window_s, step_s: Disjoint(window_s),
    "overlap": Overlapping,
    "sliding": Sliding,
    "prompted": lambda window_s, step_s: Prompted(window_s),
    "vad": lambda window_s, step_s: Vad(window_s, probabilities=loud),
    "alignatt": AlignAtt,
    "sequential": lambda window_s, step_s: Sequential(window_s),
    "offline": lambda window_s, step_s: Offline(),
}
LAGGING = ("sequential", "offline")
POLICIES = [(name, policy) for name in MAKERS for policy in OVERLOADS if name not in LAGGING or policy == "lag"]


def played(recording, strategy: Strategy, service_s, overload: str = "lag") -> Job:
    engine = PerfectEngine([recording])
    job = Job(recording, strategy, service_s, overload)
    play([job], engine, attention=PerfectAttention(engine))  # type: ignore[arg-type]
    return job


@pytest.mark.parametrize(("name", "overload"), POLICIES)
@settings(max_examples=25)
@given(
    duration_ms=st.integers(0, 25_000),
    window_ms=st.integers(300, 9_000),
    share=st.floats(0.2, 1.0),
    costs=st.lists(st.floats(0, 6), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
@example(duration_ms=13_883, window_ms=1_277, share=1.0, costs=[0.0], seed=91)  # seeks of half a sample
def test_nothing_is_lost_taken_back_or_shown_early(name, overload, duration_ms, window_ms, share, costs, seed):
    recording = planted_speech(seed, duration_ms / 1000)
    window_s = window_ms / 1000
    cost = itertools.cycle(costs)
    job = played(recording, MAKERS[name](window_s, window_s * share), lambda call, hypothesis: next(cost), overload)
    calls = [p.call for p in job.played]

    # Samples: each is in some call unless it is silence to `vad`, or dropped; and what is missing is said.
    heard = [False] * len(recording.audio)
    for call in calls:
        first, last = round(call.start_s * 16_000), round(call.end_s * 16_000)
        heard[first:last] = [True] * (last - first)
    missing = heard.count(False)
    assert missing == pytest.approx(job.unheard_s * 16_000, abs=len(calls) + 1)
    if name == "vad" and overload != "drop":
        # A word may be too short to be taken for speech.
        lost = [w for w in recording.words or () if not all(heard[round(w.start_s * 16e3) : round(w.end_s * 16e3)])]
        assert sum(w.end_s - w.start_s for w in lost) <= 0.25 * (len(lost) + 1)
    elif overload != "drop":
        assert missing == 0
    longest_s = 30.0 if overload in ("coalesce", "grow") and name in ("disjoint", "prompted", "overlap") else window_s
    longest_s = recording.duration_s if name == "offline" else longest_s
    assert all(0 <= call.start_s < call.end_s <= recording.duration_s + 1e-9 for call in calls)
    assert all(call.end_s - call.start_s <= longest_s + 1e-6 for call in calls)

    # Times: in order, none before its call has ended.
    times = [emission.at_s for emission in job.emissions]
    assert times == sorted(times)
    for earlier, later in itertools.pairwise(job.played):
        assert later.start_at_s >= earlier.finish_at_s
    assert all(p.finish_at_s >= p.start_at_s >= p.arrival_at_s >= p.call.end_s for p in job.played)

    # Words: those that were spoken, each once, in order; so nothing that was shown is contradicted later.
    order = [int(word[1:]) for word in job.text.split()]
    if name != "overlap":
        assert order == sorted(set(order))


@pytest.mark.parametrize(("name", "overload"), POLICIES)
@settings(max_examples=15)
@given(window_ms=st.integers(300, 9_000), share=st.floats(0.2, 1.0), seed=st.integers(0, 99))
def test_unlimited_speed_is_the_unaware_clock(name: str, overload: str, window_ms: int, share: float, seed: int):
    recording, window_s = planted_speech(seed, 18.3), window_ms / 1000
    strategy = MAKERS[name](window_s, window_s * share)
    unaware = played(recording, strategy, no_time)
    assert played(recording, strategy, lambda call, hypothesis: 0.0, overload).played == unaware.played
    assert all(p.finish_at_s == p.arrival_at_s for p in unaware.played)
    assert unaware.backlog_s == 0


@pytest.mark.parametrize(("name", "overload"), POLICIES)
def test_a_run_is_the_same_every_time(name: str, overload: str):
    recording = planted_speech(3, 20.0)
    first, second = (
        played(recording, MAKERS[name](4.0, 1.5), lambda call, h: 0.4 + 0.3 * h.decode_tokens, overload).played
        for _ in range(2)
    )
    assert repr(first) == repr(second)
    assert first


# ---- closed forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["overlap", "sliding", "alignatt"])
@given(step=st.integers(1, 12), cost=st.integers(0, 40), calls=st.integers(1, 20))
def test_lag_is_the_queue_with_constant_arrivals_and_service(name: str, step: int, cost: int, calls: int):
    h, c = step / 4, cost / 4  # quarter seconds, which a float holds exactly
    job = played(planted_speech(0, calls * h), MAKERS[name](2 * h, h), lambda call, hypothesis: c)
    for number, call in enumerate(job.played, start=1):
        assert call.arrival_at_s == number * h
        assert call.start_at_s == number * h + (number - 1) * max(0.0, c - h)
        assert call.finish_at_s == call.start_at_s + c
    assert job.backlog_s == (calls - 1) * max(0.0, c - h)


@given(step=st.integers(1, 8), over=st.integers(0, 20), cycles=st.integers(1, 8))
def test_growing_calls_settle_at_the_service_time(step: int, over: int, cycles: int):
    h, c = step / 4, (step + over) / 4
    job = played(planted_speech(0, h + cycles * c), Disjoint(h), lambda call, hypothesis: c, "grow")
    # The first call hears one step; each after it hears what was spoken while the one before was served, at once.
    assert [p.call.end_s for p in job.played] == [h + n * c for n in range(cycles + 1)]
    assert job.backlog_s == 0
    assert [p.finish_at_s for p in job.played] == [h + (n + 1) * c for n in range(cycles + 1)]


@given(step=st.integers(1, 8), multiple=st.integers(1, 5), cycles=st.integers(1, 8))
def test_coalesced_steps_settle_at_as_many_as_a_call_takes(step: int, multiple: int, cycles: int):
    h, c = step / 4, multiple * step / 4
    job = played(planted_speech(0, h + cycles * c), Disjoint(h), lambda call, hypothesis: c, "coalesce")
    assert [p.call.end_s for p in job.played] == [h + n * c for n in range(cycles + 1)]
    assert job.backlog_s == 0


def test_coalescing_leaves_the_step_that_is_not_whole():
    job = played(planted_speech(0, 10.0), Disjoint(1.0), lambda call, hypothesis: 2.5, "coalesce")
    # Ready at 3.5: steps 2 and 3 are whole. Ready at 6.0 and 8.5 likewise. At the end the rest is taken, too.
    assert [p.call.end_s for p in job.played] == [1, 3, 6, 8, 10]
    assert [p.start_at_s for p in job.played] == [1, 3.5, 6, 8.5, 11]


@given(step=st.integers(1, 8), multiple=st.integers(3, 6), cycles=st.integers(1, 6))
def test_dropping_hears_one_step_of_every_service_time_and_step(step: int, multiple: int, cycles: int):
    h, c = step / 4, multiple * step / 4
    job = played(planted_speech(0, cycles * (h + c)), Disjoint(h), lambda call, hypothesis: c, "drop")
    assert [(p.call.start_s, p.call.end_s) for p in job.played] == [
        (n * (h + c), n * (h + c) + h) for n in range(cycles)
    ]
    assert job.backlog_s == 0
    assert job.unheard_s == cycles * c


def test_two_steps_that_wait_are_not_dropped_but_three_are():
    costs = iter([3.0, 0.0, 0.0, 4.5, 0.0, 0.0, 0.0])
    job = played(planted_speech(0, 12.0), Disjoint(1.0), lambda call, hypothesis: next(costs, 0.0), "drop")
    # Ready at 4.0 with 1 to 4 waiting: dropped. Calls to 5, 6, 7 are served at once but for the last: ready at 11.5.
    assert [(p.call.start_s, p.call.end_s) for p in job.played] == [
        (0, 1), (4, 5), (5, 6), (6, 7), (11.5, 12),
    ]  # fmt: skip
    assert job.unheard_s == 3 + 4.5


@given(
    step=st.integers(1, 40),
    duration=st.integers(0, 400),
    ready=st.lists(st.integers(0, 60), max_size=60),
    overload=st.sampled_from(list(OVERLOADS)),
)
def test_pieces_cover_the_recording(step: int, duration: int, ready: list[int], overload: str):
    steps, at, ready_at, late = Steps(step / 16, duration / 16, overload), 0.0, 0.0, iter(ready)
    while piece := steps.next(ready_at):
        assert piece.start_s == at or (piece.gap and overload == "drop" and piece.start_s > at)
        assert piece.end_s - piece.start_s >= step / 16 or piece.end_s == duration / 16
        assert piece.end_s <= max(piece.start_s + step / 16, ready_at)
        at = piece.end_s
        ready_at = max(ready_at, at) + next(late, 0) / 16
    assert at == duration / 16 or (overload == "drop" and ready_at >= duration / 16)


def test_an_unknown_policy():
    with pytest.raises(InputError, match="unknown overload policy 'lags'; did you mean 'lag'"):
        list(Disjoint(1.0).run(planted_speech(0, 3.0).audio, "lags"))
    for lagging in (Sequential(5.0), Offline()):
        with pytest.raises(InputError, match="no overload policy but lag; got drop"):
            next(lagging.run(planted_speech(0, 3.0).audio, "drop"))
    with pytest.raises(InputError, match="unknown overload policy"):
        next(Vad(5.0, probabilities=loud).run(planted_speech(0, 3.0).audio, "lags"))
