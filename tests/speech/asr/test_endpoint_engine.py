"""Endpoints as engines, asked by a planted one that counts."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured.records import Answer, Attempt, Piece
from earspan.speech.asr.endpoint_engine import EndpointEngine
from earspan.speech.asr.hypothesis import Clip
from earspan.speech.strategies import make_strategy
from earspan.speech.streaming.clock import Job, play
from earspan.speech.streaming.service import measured_time

from ..planted import planted_speech


@dataclass
class PlantedEndpoint:
    """Says how long audio is and after what prompt, and takes a tenth of that; fails at audio of `fails_at` samples."""

    concurrency: int = 1
    fails_at: int = -1
    asked: list[int] = field(default_factory=list)
    model: str = "planted"
    name: str = "planted at nowhere"
    place: str = "nowhere"

    def key(self, audio, prompt, language):
        return f"{len(audio)} {prompt} {language}"

    def transcribe(self, audio, prompt, language):
        self.asked.append(len(audio))
        if len(audio) == self.fails_at:
            raise InputError("it broke")
        seconds = len(audio) / 16000
        text = f"{prompt} {len(audio)}".strip()
        attempts = (Attempt("rate limit", 429, 5.0), Attempt("ok", 200, seconds / 10, 7.0, "rate limit"))
        times = {"audio_s": seconds, "wall_s": 12 + seconds / 10, "attempts": attempts, "asked_at": "now"}
        pieces = (Piece(0.0, seconds, text),)
        return Answer(text=text, segments=pieces, sent_bytes=1, received_bytes=2, **times)

    def close(self):
        self.asked.append(-1)


@dataclass
class Kept:
    answers: dict[str, Answer] = field(default_factory=dict)

    def get(self, key: str) -> Answer | None:
        return self.answers.get(key)

    def put(self, key: str, answer: Answer) -> None:
        self.answers[key] = answer


def clip(samples: int, **more) -> Clip:
    return Clip(np.zeros(samples, np.float32), **more)


def test_text_and_time_are_those_of_the_endpoint_without_its_rate_limits():
    [found] = EndpointEngine(PlantedEndpoint(), "en").transcribe([clip(32000, prompt="before")])
    assert (found.text, found.measured_s, found.heard_s) == ("before 32000", pytest.approx(0.2), 2.0)
    assert [(one.start_s, one.end_s, one.text) for one in found.segments] == [(0.0, 2.0, "before 32000")]
    assert not found.cut_off


@pytest.mark.parametrize("concurrency", [1, 3])
def test_equal_questions_are_asked_once_and_answers_kept_are_not_asked_again(concurrency):
    endpoint, kept = PlantedEndpoint(concurrency), Kept()
    engine = EndpointEngine(endpoint, "en", kept)
    told: list[tuple[int, int]] = []
    texts = [one.text for one in engine.transcribe([clip(n) for n in (5, 6, 5, 7)], lambda *at: told.append(at))]
    assert texts == ["5", "6", "5", "7"]
    assert (sorted(endpoint.asked), engine.computed, told) == ([5, 6, 7], 3, [(1, 3), (2, 3), (3, 3)])
    again = EndpointEngine(endpoint, "en", kept)
    assert [one.text for one in again.transcribe([clip(6), clip(8)])] == ["6", "8"]
    assert (sorted(endpoint.asked), again.computed) == ([5, 6, 7, 8], 1)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_was_answered_before_a_failure_is_kept_and_said_to_be(concurrency):
    endpoint, kept = PlantedEndpoint(concurrency, fails_at=7), Kept()
    with pytest.raises(InputError, match="it broke; the answers so far are kept"):
        EndpointEngine(endpoint, "en", kept).transcribe([clip(n) for n in (5, 6, 7, 8)])
    assert {"5  en", "6  en"} <= kept.answers.keys()
    asked_before = set(endpoint.asked) - {7}
    endpoint.asked, endpoint.fails_at = [], -1
    EndpointEngine(endpoint, "en", kept).transcribe([clip(n) for n in (5, 6, 7, 8)])
    assert set(endpoint.asked) == {5, 6, 7, 8} - asked_before


@pytest.mark.parametrize("strategy", ["alignatt", "sequential"])
def test_strategies_that_look_inside_are_one_line(strategy):
    recording = planted_speech(1, 9.0)
    job = Job(recording, make_strategy(strategy, 5.0, 1.0 if strategy == "alignatt" else None), measured_time)
    with pytest.raises(InputError, match="another --strategy"):
        play([job], EndpointEngine(PlantedEndpoint(), "en"))


def test_calls_are_played_on_the_clock_with_the_times_that_they_took():
    recording = planted_speech(1, 9.0)
    job = Job(recording, make_strategy("disjoint", 2.0, None), measured_time)
    play([job], EndpointEngine(PlantedEndpoint(), "en"))
    assert len(job.played) > 2
    for one in job.played:
        audio_s = one.call.end_s - one.call.start_s
        assert one.finish_at_s - one.start_at_s == pytest.approx(audio_s / 10, abs=1e-4)
