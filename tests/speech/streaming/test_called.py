"""Streams of calls to an endpoint go as the exact clock says that they would, if every call took as long."""

import asyncio
from concurrent.futures import Executor, Future
from types import SimpleNamespace
from typing import Any

import pytest
from earspan.backends.measured.records import EndpointError
from earspan.speech.asr.hypothesis import Clip
from earspan.speech.metrics.screen import read_screens, settle
from earspan.speech.strategies import make_strategy
from earspan.speech.streaming.called import CalledSession
from earspan.speech.streaming.clock import Job, play
from earspan.speech.streaming.paced import Streamed, play_paced

from ...virtual import run_virtually
from ..planted import RATE, PerfectEngine, planted_speech

RECORDING = planted_speech(4, 12.0)
ENGINE: Any = PerfectEngine([RECORDING])


class Delayed(Executor):
    """Gives what a function returns after some time on the clock of the loop."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()

        def finish() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except EndpointError as error:
                future.set_exception(error)

        asyncio.get_running_loop().call_later(self.seconds, finish)
        return future


def stream(strategy, seconds: float, fails_at: int | None = None) -> Streamed:
    asked = []

    def transcribe(audio, prompt, language):
        asked.append(len(audio))
        if len(asked) == fails_at:
            raise EndpointError("here/v1: server error: no; wait", "server error", ())
        warm_up = len(asked) == 1
        return SimpleNamespace(text="" if warm_up else ENGINE.transcribe([Clip(audio, prompt)])[0].text)

    endpoint: Any = SimpleNamespace(transcribe=transcribe, place="here/v1", close=lambda: None)
    session = CalledSession(endpoint, strategy, Delayed(seconds))
    return run_virtually(play_paced([RECORDING], [session], [0.0], 0.1))[0]


@pytest.mark.parametrize(("name", "window_s", "step_s"), [("disjoint", 2.0, None), ("sliding", 4.0, 1.0)])
@pytest.mark.parametrize("seconds", [0.05, 0.7, 2.6])
def test_words_come_as_on_the_exact_clock(name, window_s, step_s, seconds):
    strategy = make_strategy(name, window_s, step_s)
    job = Job(RECORDING, strategy, lambda call, hypothesis: seconds)
    play([job], ENGINE)
    streamed = stream(strategy, seconds)
    final = settle((screen.at_s, screen.final) for screen in read_screens(streamed.said))
    assert [word.text for word in final.words] == [one.text for one in job.emissions]
    assert [word.at_s for word in final.words] == pytest.approx([one.at_s for one in job.emissions], abs=1e-3)
    assert max(streamed.late_s) < 1e-5  # no chunk waits for a call
    assert streamed.ended_at_s == pytest.approx(job.played[-1].finish_at_s, abs=1e-3)


def test_a_call_that_fails_ends_the_stream_and_leaves_what_was_said():
    whole, cut = stream(make_strategy("disjoint", 2.0, None), 0.1), stream(make_strategy("disjoint", 2.0, None), 0.1, 4)
    assert cut.failed
    assert (cut.failed.kind, cut.failed.about) == ("server error", "no; wait")
    assert cut.said == whole.said[: len(cut.said)]
    assert 4.0 < cut.said[-1].at_s < 6.0
    unopened = stream(make_strategy("disjoint", 2.0, None), 0.1, 1)
    assert unopened.failed
    assert unopened.failed.at_s is None


def test_calls_that_are_left_at_the_end_are_waited_for_no_longer_than_patience():
    streamed = stream(make_strategy("sliding", 4.0, 1.0), 20.0)
    assert streamed.failed
    assert streamed.failed.kind == "timeout"
    assert streamed.failed.at_s == pytest.approx(RECORDING.duration_s + 30.0, abs=1e-2)
    assert len(RECORDING.audio) == RECORDING.duration_s * RATE
