"""Streams at the pace of speech, on a virtual clock: every time is known."""

import asyncio
import math

import pytest
from earspan.backends.measured.streams.session import FINAL, StreamError
from earspan.datasets.recording import Recording, Word
from earspan.speech.metrics.screen import read_screens, settle
from earspan.speech.streaming.paced import Streamed, play_paced

from ...planted_realtime import LONGER_S, Planted, Wired, pieces_of
from ...virtual import VirtualLoop, run_virtually
from ..planted import planted_speech, recording_of

CHUNK_S = 0.1


def play(recording: Recording, *sessions, delays_s=None) -> list[Streamed]:
    return run_virtually(play_paced([recording] * len(sessions), sessions, delays_s or [0.0] * len(sessions), CHUNK_S))


def chunk_with(at_s: float) -> float:
    """When the chunk is sent that brings the audio up to that moment."""
    return math.ceil(at_s / CHUNK_S - 1e-6) * CHUNK_S


@pytest.fixture(scope="module")
def recording() -> Recording:
    return planted_speech(3, 8.0, pause_s=0.6)


def test_every_chunk_is_sent_at_its_deadline_whenever_the_stream_begins(recording):
    played = play(recording, *(Wired(Planted(recording)) for _ in range(3)), delays_s=[0.0, 0.37, 1.9])
    for one in played:
        assert [send.due_s for send in one.sends] == pytest.approx([CHUNK_S * k for k in range(1, 81)])
        assert max(map(abs, one.late_s)) < 1e-5
        assert one.failed is None
    assert [one.begin_at_s for one in played] == [0.0, 0.37, 1.9]


def test_final_words_come_when_they_were_planted(recording):
    planted = Planted(recording, delay_s=0.7, vad_s=0.2)
    (one,) = play(recording, Wired(planted))
    pieces = pieces_of(recording.words or ())
    final = settle((screen.at_s, screen.final) for screen in read_screens(one.said))
    assert [word.text for word in final.words] == recording.text.split()
    expected = [min(chunk_with(piece[-1].end_s + 0.2), recording.duration_s) + 0.7 for piece in pieces for _ in piece]
    assert [word.at_s for word in final.words] == pytest.approx(expected, abs=2e-3)
    assert one.ended_at_s == pytest.approx(expected[-1], abs=5e-3)


def test_words_are_shown_when_they_are_spoken_and_planted_mistakes_are_taken_back(recording):
    words = recording.words or ()
    (right,) = play(recording, Wired(Planted(recording)))
    (wrong,) = play(recording, Wired(Planted(recording, delay_s=0.55, wrong=frozenset({2}))))
    shown = settle((screen.at_s, screen.shown) for screen in read_screens(right.said))
    assert [word.at_s for word in shown.words] == pytest.approx([chunk_with(w.end_s) for w in words], abs=2e-3)
    assert shown.erased == 0
    again = settle((screen.at_s, screen.shown) for screen in read_screens(wrong.said))
    final_at_s = chunk_with(pieces_of(words)[0][-1].end_s + 0.2) + 0.55
    shown_before = [word for word in words if chunk_with(word.end_s) < final_at_s]
    assert again.erased == len(shown_before) - 2  # the wrong one, and what stands after it


def test_our_own_lateness_is_told_apart_from_the_servers(recording):
    class Slow(Wired):
        async def send(self, frame):
            if self.server.heard_s == pytest.approx(1.0):
                await asyncio.sleep(0.35)  # the server takes no more for a while
            await super().send(frame)

    class Busy(Wired):
        async def send(self, frame):
            await super().send(frame)
            loop = asyncio.get_running_loop()
            if self.server.heard_s == pytest.approx(1.0) and isinstance(loop, VirtualLoop):
                loop.call_later(0.05, loop.hold, 0.13)

    (slow,) = play(recording, Slow(Planted(recording)))
    assert max(slow.late_s) < 1e-5
    assert slow.held_s == pytest.approx(0.35)
    (busy,) = play(recording, Busy(Planted(recording)))
    assert max(busy.late_s) == pytest.approx(0.08, abs=1e-3)
    assert sum(late_s > 1e-3 for late_s in busy.late_s) == 1  # those after it are on time again
    assert busy.held_s < 1e-5


def test_a_stream_that_fails_leaves_the_others_alone(recording):
    class Refusing(Wired):
        async def open(self, told):
            raise StreamError("refused", "no")

    sessions = Wired(Planted(recording), fails_at_s=2.0), Wired(Planted(recording)), Refusing(Planted(recording))
    cut, whole, refused = play(recording, *sessions)
    assert (cut.failed.kind, refused.failed.kind, whole.failed) == ("closed", "refused", None)
    assert cut.failed.at_s == pytest.approx(2.1)
    assert refused.failed.at_s is None
    assert cut.said == tuple(said for said in whole.said if said.at_s < 2.1)
    assert [said for said in whole.said if said.kind == FINAL]


def test_the_last_chunk_is_due_when_its_audio_ends():
    recording = recording_of((Word("a", 0.0, 0.1), Word("b", 0.1 + LONGER_S, 0.5)), 0.55)
    (one,) = play(recording, Wired(Planted(recording)))
    assert one.sends[-1].due_s == pytest.approx(0.55)
