"""The measures of a load whose streams were planted, on a virtual clock."""

import math
from dataclasses import replace

import numpy as np
import pytest
from earspan.backends.measured.streams.session import FAILED
from earspan.benchmarks.experiment.records import Reference
from earspan.benchmarks.measure.records import INVALID, VALID
from earspan.benchmarks.measure.score import score_load
from earspan.benchmarks.measure.settings import Measurement
from earspan.datasets.recording import Recording
from earspan.speech.metrics.screen import Said
from earspan.speech.streaming.paced import MOST_LATE_S, Failed, Send, Streamed, play_paced

from ...planted_realtime import Planted, Wired, pieces_of
from ...speech.planted import planted_speech
from ...virtual import run_virtually

CHUNK_S, DELAY_S, VAD_S = 0.1, 0.7, 0.2
ASKED = Measurement(target="realtime:ws://127.0.0.1:1/v1")
LETTERS = str.maketrans("0123456789", "abcdefghij")  # scoring takes "w0" for two words


def named(number: int, recording: Recording) -> Recording:
    words = tuple(replace(word, text=word.text.translate(LETTERS)) for word in recording.words or ())
    return replace(recording, id=f"r{number}", words=words, text=recording.text.translate(LETTERS))


RECORDINGS = [named(seed, planted_speech(seed, 20.0, pause_s=0.6)) for seed in range(3)]
REFERENCES = {recording.id: Reference.of(recording) for recording in RECORDINGS}


def play(**how) -> list[Streamed]:
    sessions = [Wired(Planted(one, delay_s=DELAY_S, vad_s=VAD_S, **how)) for one in RECORDINGS]
    return run_virtually(play_paced(RECORDINGS, sessions, [0.0, 0.33, 1.0], CHUNK_S))


@pytest.fixture(scope="module")
def played() -> list[Streamed]:
    return play()


def cut_at(recording, end_s: float) -> float:
    return min(math.ceil((end_s + VAD_S) / CHUNK_S - 1e-6) * CHUNK_S, recording.duration_s)


def test_latencies_are_those_that_were_planted(played):
    found = score_load(played, REFERENCES, ASKED)
    pieces = [(one, piece) for one in RECORDINGS for piece in pieces_of(one.words or ())]
    final_s = [cut_at(one, piece[-1].end_s) + DELAY_S - word.end_s for one, piece in pieces for word in piece]
    waits_s = [cut_at(one, piece[-1].end_s) + DELAY_S - piece[-1].end_s for one, piece in pieces]
    steady_s = [math.ceil(w.end_s / CHUNK_S - 1e-6) * CHUNK_S - w.end_s for _, piece in pieces for w in piece]
    for summary, expected in ((found.word_latency, final_s), (found.ttfs, waits_s), (found.steady_latency, steady_s)):
        assert summary.count == len(expected)
        shares = [summary.p50_s, summary.p95_s, summary.p99_s]
        assert shares == pytest.approx(np.quantile(expected, [0.5, 0.95, 0.99]).tolist(), abs=3e-3)
    assert (found.verdict, found.ended, found.errors, found.erasure, found.stalls) == (VALID, 3, {}, 0.0, 0)
    assert (found.wer, found.wer_ci95) == (0.0, (0.0, 0.0))
    assert found.audio_s == pytest.approx(60.0)


def test_words_that_were_planted_wrong_are_taken_back(played):
    found = score_load(play(wrong=frozenset({0})), REFERENCES, ASKED)
    assert found.wer == 0.0
    assert found.erasure > 0
    assert found.steady_latency.p99_s > score_load(played, REFERENCES, ASKED).steady_latency.p99_s


def test_texts_that_are_wrong_at_the_end_are_errors_of_all_the_same_recording(played):
    silent, first = replace(played[0], said=(), stream=3), next(iter(RECORDINGS[0].words or ()))
    found = score_load([*played, silent], REFERENCES, ASKED)
    words = [len(one.text.split()) for one in RECORDINGS]
    assert found.wer == pytest.approx(words[0] / (sum(words) + words[0]))
    assert found.wer_ci95 is not None  # over three recordings, not four streams
    assert found.stalls == 1
    assert found.longest_stall_s == pytest.approx(silent.ended_at_s - first.end_s, abs=1e-3)


def test_a_stream_that_failed_is_counted_and_not_scored(played):
    cut = replace(played[0], said=played[0].said[:3], ended_at_s=None, failed=Failed("closed", "planted", 3.0))
    found = score_load([cut, *played[1:]], REFERENCES, ASKED)
    assert (found.streams, found.ended, found.errors, found.wer) == (3, 2, {"closed": 1}, 0.0)
    assert len(found.failures) == 1
    assert "planted" in found.failures[0]


def test_what_a_server_repeats_is_a_line_with_its_count(played):
    said = [Said(float(at), FAILED, "", "server error: planted") for at in range(3)]
    found = score_load([replace(played[0], said=(*said, *played[0].said)), *played[1:]], REFERENCES, ASKED)
    assert (found.errors, found.ended, len(found.failures)) == ({"server error": 3}, 3, 1)
    assert "3 times" in found.failures[0]


@pytest.mark.parametrize(("late_s", "verdict"), [(MOST_LATE_S - 1e-3, VALID), (MOST_LATE_S + 1e-3, INVALID)])
def test_a_chunk_that_we_send_late_makes_the_load_invalid_and_no_other(played, late_s, verdict):
    sends = list(played[0].sends)
    at_s = sends[7].due_s + late_s
    sends[7] = Send(sends[7].due_s, at_s, at_s)
    held = Send(sends[20].due_s, sends[20].due_s, sends[20].due_s + 0.5)  # the server's doing
    sends[20:23] = [
        held,
        Send(sends[21].due_s, held.free_s, held.free_s),
        Send(sends[22].due_s, held.free_s, held.free_s),
    ]
    found = score_load([replace(played[0], sends=tuple(sends)), *played[1:]], REFERENCES, ASKED)
    assert found.verdict == verdict
    assert bool(found.reason) == (verdict == INVALID)
    assert found.late_max_s == pytest.approx(late_s, abs=1e-5)
    assert found.held_max_s == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("slo_on", ["word", "steady", "ttfs"])
def test_a_promise_is_kept_or_broken_by_the_measure_it_is_of(played, slo_on):
    found = score_load(played, REFERENCES, ASKED)
    p95_s = {"word": found.word_latency, "steady": found.steady_latency, "ttfs": found.ttfs}[slo_on].p95_s
    for slo_s, kept in ((p95_s + 1e-6, True), (p95_s - 1e-6, False)):
        judged = score_load(played, REFERENCES, replace(ASKED, slo_s=slo_s, slo_on=slo_on))
        assert judged.keeps_slo is kept
        assert bool(judged.broken_by) is not kept


def test_what_breaks_a_promise_whatever_the_latency(played):
    asked = replace(ASKED, slo_s=100.0)
    failed = replace(played[0], failed=Failed("timeout", "planted", 3.0))
    late = replace(played[0], sends=(Send(0.1, 0.5, 0.5), *played[0].sends[1:]))
    unheard = [replace(one, said=()) for one in played]
    untimed = {name: replace(one, words=None) for name, one in REFERENCES.items()}
    assert score_load(played, REFERENCES, asked).keeps_slo
    assert not score_load([failed, *played[1:]], REFERENCES, asked).keeps_slo
    assert not score_load([late, *played[1:]], REFERENCES, asked).keeps_slo
    assert not score_load(unheard, REFERENCES, asked).keeps_slo
    assert not score_load(played, untimed, asked).keeps_slo
    assert score_load(played, untimed, ASKED).wer == 0.0
