"""The speed benchmark's rivals hear the same and say the same; what it says of windows, ratios and bars is right."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks import engine_costs, engine_drafts, engine_speed
from earspan.benchmarks.engine_ceiling import encoder_flops
from earspan.benchmarks.engine_compare import compare
from earspan.benchmarks.engine_windows import CLOCKS, Ratio, disjoint, said, windows
from earspan.benchmarks.rivals import faster_whisper_loop, openai_loop
from earspan.datasets import open_dataset
from earspan.datasets.recording import Recording, Word
from earspan.speech.asr.model import Recogniser, load_recogniser
from earspan.speech.asr.torch_engine import Clip, DecodeOptions, Engine

COLD = DecodeOptions(temperatures=(0.0,), max_tokens=12)


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint) -> Recogniser:
    return load_recogniser(str(tiny_checkpoint))


@pytest.fixture(scope="module")
def recording() -> Recording:
    audio = np.random.default_rng(1).normal(0, 0.1, 16_000 * 7).astype(np.float32)
    words = tuple(Word(f"w{n}", n + 0.1, n + 0.7) for n in range(7))
    return Recording("r", audio, " ".join(w.text for w in words), words, "d", None)


def test_windows_and_what_is_said_in_them(recording):
    clips = windows(recording, 3.0, 0.5)
    assert [len(clip.audio) for clip in clips] == [48_000] * 9
    assert np.array_equal(clips[3].audio, recording.audio[24_000:72_000])
    assert said([recording], [clips[0], clips[3]]) == ["w0 w1 w2", "w2 w3 w4"]
    other = replace(recording, audio=-recording.audio)
    mixed = disjoint([recording, other], 3.0, 3)
    assert [np.shares_memory(clip.audio, recording.audio) for clip in mixed] == [True, False, True]


def test_openai_whisper_says_the_same(recording, tiny):
    clips = [*windows(recording, 1.0, 2.0), *windows(recording, 1.3, 5.0)]
    expected = [h.text for h in Engine(tiny, COLD).transcribe(clips)]
    assert openai_loop(tiny, COLD)(clips) == expected


@pytest.mark.weights
def test_faster_whisper_says_the_same(tmp_path, tiny_en):
    pytest.importorskip("faster_whisper", reason="needs earspan[ct2]")
    talk = next(iter(open_dataset("talks-clean"))).load()
    clips = [Clip(talk.audio[: 5 * 16_000]), Clip(talk.audio[5 * 16_000 : 10 * 16_000])]
    options = DecodeOptions(temperatures=(0.0,))
    rival = faster_whisper_loop(tiny_en, tmp_path / "ct2", options)
    assert rival is not None
    assert rival(clips) == [h.text for h in Engine(tiny_en, options).transcribe(clips)]


def test_a_ratio_is_the_median_with_its_range():
    assert Ratio.of([3.0, 1.0, 2.0]) == Ratio(2.0, 1.0, 3.0)
    assert str(Ratio.of([1.5])) == "1.50 [1.50, 1.50]"


def test_the_ceiling_is_the_rivals_time_over_the_encoders_arithmetic(recording, tmp_path: Path, monkeypatch, tiny):
    # tiny.en: 4 layers of 12 products of 384 x 384, and attention, at 1500 positions; 2 convolutions
    by_hand = 4 * (24 * 384**2 * 1500 + 4 * 1500**2 * 384) + 2 * 3000 * 240 * 384 + 2 * 1500 * 1152 * 384
    official: Any = SimpleNamespace(dims=DIMENSIONS["tiny.en"])
    assert encoder_flops(official) == pytest.approx(by_hand, rel=0.03)  # norms, GELU, softmax
    assert encoder_flops(official, 3) == pytest.approx(3 * encoder_flops(official))
    monkeypatch.setattr("earspan.benchmarks.engine_compare.faster_whisper_loop", lambda *given: None)
    said_so: list[str] = []
    rows = list(compare(tiny, [recording], tmp_path, 1e12, CLOCKS["cpu"], 2, 2, said_so.append, (1.0,), COLD))
    assert [row["engine"] for row in rows] == ["earspan", "openai-whisper"]
    assert rows[0]["factor"] == Ratio(1.0, 1.0, 1.0)
    assert [row["equal"] for row in rows] == [2, 2]
    for row in rows:
        assert len(row["seconds"]) == 2
        middle = sum(row["seconds"]) / 2
        assert row["at_most"] == pytest.approx(middle / (2 * encoder_flops(tiny) / 1e12))
    assert len(said_so) == 2


def test_drafts_are_counted_over_streams_of_unlike_lengths(recording, tiny):
    short = replace(recording, audio=-recording.audio[: 16_000 * 4])
    [row] = engine_drafts.drafts(tiny, [recording, short], CLOCKS["cpu"], (3.0,), None, max_tokens=20)
    assert (row["calls"], row["recordings"], row["differing_texts"]) == (9 + 3, 2, 0)
    assert row["factor"] == pytest.approx(row["passes"] / row["passes_drafted"])
    assert row["passes"] >= row["passes_drafted"] >= 1


def test_the_bars_say_what_is_missed_and_why():
    compared = {"model": "m", "window_s": 1.0, "engine": "openai-whisper", "bar": 5.0}
    found = {
        "compare": [
            {**compared, "factor": Ratio.of([6.0]), "at_most": 8.0},
            {**compared, "factor": Ratio.of([1.2]), "at_most": 1.4},
            {**compared, "factor": Ratio.of([1.2]), "at_most": 9.0},
            {**compared, "engine": "earspan", "bar": None, "factor": Ratio.of([1.0]), "at_most": 9.0},
        ],
        "drafts": [
            {"model": "m", "calls": 9, "window_s": 10.0, "factor": 3.9, "differing_texts": 0},
            {"model": "m", "calls": 9, "window_s": 15.0, "factor": 4.1, "differing_texts": 1},
        ],
        "cache": [{"calls": 24, "window_s": 5.0, "factor": Ratio.of([150.0, 99.0, 98.0])}],
        "memory": [{"peak_bytes": 1.9e9, "heard_s": 7200.0}],
    }
    assert [verdict for _, _, verdict in engine_speed.verdicts(found)] == [
        "met", "MISSED; no engine can: at most 1.4", "MISSED", "MISSED", "met", "MISSED", "MISSED", "met",
    ]  # fmt: skip
    assert list(engine_speed.verdicts(found))[-1][0] == "memory, 2 h heard: 2 GB"


def test_the_command_measures_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch, tiny_checkpoint
):
    monkeypatch.setattr(engine_costs, "CACHED", ((3, 1.0, 1.0),))
    given = [
        "--model",
        str(tiny_checkpoint),
        "--only",
        "cache,memory",
        "--clock",
        "cpu",
        "--threads",
        "1",
        "--repeats",
        "1",
    ]
    assert engine_speed.main([*given, "--hours", "0.01", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "Memory, the recording" in out
    assert "memory, 0.01 h heard: 2 GB" in out
    assert "Drafts" not in out
    assert "s] Cache" in err
    stored = json.loads((tmp_path / "engine_speed.json").read_text())
    assert list(stored["sections"]) == ["cache", "memory"]
    assert stored["sections"]["cache"][0]["calls"] == 3
    assert len(stored["sections"]["cache"][0]["again_s"]) == 3
    memory = stored["sections"]["memory"]
    assert [row["calls"] for row in memory] == [0, 2]
    with pytest.raises(SystemExit):
        engine_speed.main(["--only", "cash"])
    assert "unknown section 'cash'; did you mean 'cache'" in capsys.readouterr().err
