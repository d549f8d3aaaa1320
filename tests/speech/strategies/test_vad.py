"""Cutting at pauses: planted voices, a perfect recogniser, and what a cut may know."""

import itertools
import sys

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.datasets.recording import Word
from earspan.speech.metrics.lagging import aware, unaware
from earspan.speech.metrics.latency import emitted
from earspan.speech.strategies import Vad, vad
from earspan.speech.strategies.vad import silero, voice_pieces
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..planted import loud, planted_speech, played, recording_of


@settings(max_examples=30)
@given(seed=st.integers(0, 999), window_ms=st.integers(8_000, 30_000))
def test_vad_gives_the_text_back_where_there_are_pauses(seed: int, window_ms: int):
    recording = planted_speech(seed, 40.0, pause_s=0.8)
    job = played(recording, Vad(window_ms / 1000, probabilities=loud))
    if all(p.arrival_at_s == p.call.end_s for p in job.played):  # no piece grew to the window
        assert job.text == recording.text
    assert all(p.call.end_s - p.call.start_s <= window_ms / 1000 + 1e-9 for p in job.played)


def frames(*runs: tuple[float, int]) -> list[float]:
    return [probability for probability, count in runs for _ in range(count)]


def test_planted_voice():
    f = 0.032
    pieces = voice_pieces(frames((0.0, 20), (0.9, 30), (0.1, 10), (0.0, 30), (0.8, 20), (0.0, 5)), 115 * f, 9.0, 0.3)
    # 0.4 s (12 frames) before speech; 9 frames (0.3 s) after it; the second ends with the recording.
    assert [(round(p.start_s / f), round(p.end_s / f), round(p.known_at_s / f)) for p in pieces] == [
        (8, 59, 59), (78, 115, 115),
    ]  # fmt: skip


def test_long_speech_is_cut_where_it_sounds_least_like_speech():
    f = 0.032
    pieces = voice_pieces(frames((0.9, 80), (0.5, 1), (0.9, 60)), 141 * f, 100 * f, 0.3)
    # The window is full after 100 frames; the quietest of the last 50 was number 80.
    assert [(round(p.start_s / f), round(p.end_s / f), round(p.known_at_s / f)) for p in pieces] == [
        (0, 81, 100), (81, 141, 141),
    ]  # fmt: skip


@given(
    runs=st.lists(st.tuples(st.sampled_from([0.0, 0.9]), st.integers(1, 120)), max_size=12),
    window_s=st.floats(1, 8),
)
@example(runs=[(0.9, 86), (0.0, 120)], window_s=3.0)  # the window fills in the pause after speech
def test_no_piece_is_silence(runs: list[tuple[float, int]], window_s: float):
    heard = np.array(frames(*runs))
    pieces = voice_pieces(heard, len(heard) * 0.032, window_s, 0.3)
    inside = [slice(round(piece.start_s / 0.032), round(piece.end_s / 0.032)) for piece in pieces]
    assert all(heard[place].any() for place in inside)
    outside = heard.copy()
    for place in inside:
        outside[place] = 0
    assert not outside.any() or max(len(run) for run in np.split(outside, np.flatnonzero(outside == 0))) <= 4  # clicks


def test_infinitely_fast_hardware_waits_for_the_cut():
    job = played(planted_speech(4, 40.0, pause_s=0.02), Vad(5.0, probabilities=loud))
    assert any(p.arrival_at_s > p.call.end_s for p in job.played)
    shown = emitted([p.record() for p in job.played])
    assert [unaware(word) for word in shown] == pytest.approx([aware(word) for word in shown])


def test_a_click_is_no_speech():
    assert voice_pieces(frames((0.0, 30), (0.9, 2), (0.0, 60)), 92 * 0.032, 5.0, 0.3) == []
    assert voice_pieces([], 0.0, 5.0, 0.3) == []


@given(
    probabilities=st.lists(st.floats(0, 1), max_size=300),
    window_s=st.floats(0.2, 8),
    cut=st.integers(0, 300),
)
def test_cuts_need_no_future(probabilities: list[float], window_s: float, cut: int):
    """The pieces known by some moment are those of the recording that ends there."""
    whole = voice_pieces(probabilities, len(probabilities) * 0.032, window_s, 0.3)
    now = min(cut, len(probabilities))
    so_far = voice_pieces(probabilities[:now], now * 0.032, window_s, 0.3)
    known = [piece for piece in whole if piece.known_at_s <= (now - 0.5) * 0.032]
    assert so_far[: len(known)] == known
    for earlier, later in itertools.pairwise(whole):
        assert earlier.start_s < earlier.end_s <= later.start_s
        assert earlier.known_at_s <= later.known_at_s


def test_waiting_pieces_are_joined_or_dropped():
    words = tuple(Word(f"w{n}", n * 1.0, n * 1.0 + 0.5) for n in range(10))
    recording, strategy = recording_of(words, 10.0), Vad(4.0, probabilities=loud)

    def calls(overload: str) -> list[tuple[str, ...]]:
        return [p.committed for p in played(recording, strategy, overload, lambda call, h: 3.5).played]

    assert calls("lag") == [(f"w{n}",) for n in range(10)]
    assert calls("coalesce")[:2] == [("w0",), ("w1", "w2", "w3")]
    assert calls("coalesce") == calls("grow")
    assert calls("drop") == [("w0",), ("w4",), ("w8",), ("w9",)][: len(calls("drop"))]


def test_silero_hears_speech_and_silence():
    pytest.importorskip("silero_vad", reason="needs Silero VAD: pip install 'earspan[vad]'")
    from earspan.datasets import open_dataset

    entry = next(iter(open_dataset("talks")))
    recording = entry.load()
    speech = recording.audio[: 5 * 16_000]
    audio = np.concatenate([np.zeros(32_000, np.float32), speech, np.zeros(32_000, np.float32)])
    found = silero(audio)
    assert found.shape == (-(-len(audio) // 512),)
    assert found[: 32_000 // 512].max() < 0.5
    assert np.mean(found[32_000 // 512 + 5 : 112_000 // 512] > 0.5) > 0.7
    assert np.array_equal(found, vad._judge(audio))  # nothing is left from the call before


def test_without_silero_the_error_tells_what_to_install(monkeypatch):
    vad._silero_model.cache_clear()
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(InputError, match=r"Silero VAD is not installed; type pip install 'earspan\[vad\]'"):
        silero(np.zeros(600, np.float32))
    vad._silero_model.cache_clear()
