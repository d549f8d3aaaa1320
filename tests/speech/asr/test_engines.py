"""`auto`: the engine that is measured to be faster, said by the version that texts are kept under."""

import pytest
import torch
from earspan.speech.asr import engines
from earspan.speech.asr.engines import fastest_engine, make_engine
from earspan.speech.asr.hypothesis import Clip, DecodeOptions
from earspan.speech.weights.precision import hold

ONCE = DecodeOptions(temperatures=(0.0,), max_tokens=4, continuing=False)


def test_the_faster_engine_is_taken_where_that_is_worth_it(tiny_recogniser, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ctranslate2", reason="needs earspan[ct2]")
    for ours_s, theirs_s, expected in ((1.0, 2.0, "torch"), (1.0, 0.95, "torch"), (2.0, 1.0, "ctranslate2")):
        took_s = {"torch": ours_s, "ctranslate2": theirs_s}
        monkeypatch.setattr(engines, "_seconds", lambda engine, audio_s, took=took_s: took[engine.version.split()[0]])
        assert make_engine("auto", tiny_recogniser(), ONCE).version.split()[0] == expected


def test_it_is_measured_on_the_windows_that_are_to_be_heard(tiny_recogniser, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ctranslate2", reason="needs earspan[ct2]")
    # theirs gains at 30 s what it loses at 1 s, twice
    took_s = {("torch", 1.0): 1.0, ("ctranslate2", 1.0): 2.0, ("torch", 30.0): 6.0, ("ctranslate2", 30.0): 4.0}
    monkeypatch.setattr(engines, "_seconds", lambda engine, audio_s: took_s[engine.version.split()[0], audio_s])
    taken = {windows: fastest_engine(tiny_recogniser(), ONCE, windows) for windows in ((1.0,), (30.0,), (30.0, 1.0))}
    assert taken == {(1.0,): "torch", (30.0,): "ct2-float32", (30.0, 1.0): "ct2-float32"}


def test_without_ctranslate2_or_in_bf16_it_is_ours(tiny_recogniser, tiny_whisper, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "_seconds", lambda engine, audio_s: pytest.fail("nothing to choose from"))
    half = engines.Recogniser("half", hold(tiny_whisper(), torch.bfloat16), "0" * 64)
    assert fastest_engine(half) == "torch"
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    assert fastest_engine(tiny_recogniser()) == "torch"


def test_it_hears_what_the_engine_hears(tiny_recogniser, tones):
    found = make_engine("auto", tiny_recogniser(), ONCE)
    again = make_engine(
        fastest := "torch" if found.version.startswith("torch") else "ct2-float32", tiny_recogniser(), ONCE
    )
    clip = Clip(tones(1.0, 1))
    assert found.version == again.version, fastest
    assert found.transcribe([clip])[0].tokens == again.transcribe([clip])[0].tokens
