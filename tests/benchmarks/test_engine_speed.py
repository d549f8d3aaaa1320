"""The speed benchmark's rivals hear the same and say the same; what it says of windows is right."""

from dataclasses import replace

import numpy as np
import pytest
from earspan.benchmarks import engine_speed
from earspan.benchmarks.rivals import faster_whisper_batches, openai_loop
from earspan.datasets.recording import Recording, Word
from earspan.speech.engine import Clip, DecodeOptions, Engine
from earspan.speech.model import load_recogniser


@pytest.fixture(scope="module")
def recording() -> Recording:
    audio = np.random.default_rng(1).normal(0, 0.1, 16_000 * 7).astype(np.float32)
    words = tuple(Word(f"w{n}", n + 0.1, n + 0.7) for n in range(7))
    return Recording("r", audio, " ".join(w.text for w in words), words, "d", None)


def test_windows_and_what_is_said_in_them(recording):
    clips = engine_speed.windows(recording, 3.0, 0.5)
    assert [len(clip.audio) for clip in clips] == [48_000] * 9
    assert np.array_equal(clips[3].audio, recording.audio[24_000:72_000])
    assert engine_speed.said([recording], [clips[0], clips[3]]) == ["w0 w1 w2", "w2 w3 w4"]
    other = replace(recording, audio=-recording.audio)
    mixed = engine_speed.disjoint([recording, other], 3.0, 3)
    assert [np.shares_memory(clip.audio, recording.audio) for clip in mixed] == [True, False, True]


def test_openai_whisper_says_the_same(recording):
    pocket = load_recogniser("pocket")
    clips = [*engine_speed.windows(recording, 1.0, 2.0), *engine_speed.windows(recording, 1.3, 5.0)]
    expected = [h.text for h in Engine(pocket, DecodeOptions(max_tokens=12)).transcribe(clips)]
    assert openai_loop(pocket, 12, padded=False)(clips) == expected
    padded = replace(pocket, pads=True)
    expected = [h.text for h in Engine(padded, DecodeOptions(max_tokens=12)).transcribe(clips[:2])]
    assert openai_loop(pocket, 12, padded=True)(clips[:2]) == expected


def test_faster_whisper_says_the_same_where_it_pads_nothing(tmp_path, tones):
    # it pads features with zeros, where openai-whisper pads audio with silence
    pytest.importorskip("faster_whisper", reason="needs earspan[ct2]")
    pocket = replace(load_recogniser("pocket"), pads=True)
    clips = [Clip(tones(30.0, 1))]
    rival = faster_whisper_batches(pocket, tmp_path / "ct2", 12)
    assert rival is not None
    assert rival(clips) == [h.text for h in Engine(pocket, DecodeOptions(max_tokens=12)).transcribe(clips)]
