"""The speed benchmark's rivals hear the same and say the same; what it says of windows, ratios and bars is right."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from earspan.backends.errors import InputError
from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks.commands import speed
from earspan.benchmarks.speed import costs
from earspan.benchmarks.speed.case import CLOCKS, Case, Figure, Ratio, disjoint, measure_in_turns, windows, words_said
from earspan.benchmarks.speed.ceiling import Ceilings, Floor, encoder_flops, encoder_rates, read_bytes_per_s
from earspan.benchmarks.speed.rivals import (
    PROCESSES,
    bars,
    compare,
    earspan_engine,
    faster_whisper,
    openai_loop,
    parity,
)
from earspan.benchmarks.speed.whisper_cpp import whisper_cpp_loop
from earspan.datasets import open_dataset
from earspan.datasets.recording import Recording, Word
from earspan.speech.asr.hypothesis import Clip, DecodeOptions, DecoderRun, Hypothesis
from earspan.speech.asr.model import Recogniser, load_recogniser
from earspan.speech.metrics.wer import ErrorRate, score_texts

COLD = DecodeOptions(temperatures=(0.0,), max_tokens=12)
FOOD = "apples bread cakes dates eggs figs grapes"  # one a second


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint) -> Recogniser:
    return load_recogniser(str(tiny_checkpoint))


@pytest.fixture(scope="module")
def recording() -> Recording:
    audio = np.random.default_rng(1).normal(0, 0.1, 16_000 * 7).astype(np.float32)
    words = tuple(Word(text, n + 0.1, n + 0.7) for n, text in enumerate(FOOD.split()))
    return Recording("r", audio, " ".join(w.text for w in words), words, "d", None)


@pytest.fixture
def ask():
    """Answer one question of `earspan speed`; gives the exit code."""

    def answer(*argv: object) -> int:
        parser = argparse.ArgumentParser(exit_on_error=False)
        speed.add_speed_arguments(parser)
        return speed.run_speed(parser.parse_args([str(word) for word in argv]))

    return answer


def test_windows_and_what_is_said_in_them(recording):
    clips = windows(recording, 3.0, 0.5)
    assert [len(clip.audio) for clip in clips] == [48_000] * 9
    assert np.array_equal(clips[3].audio, recording.audio[24_000:72_000])
    assert words_said([recording], [clips[0], clips[3]]) == ["apples bread cakes", "cakes dates eggs"]
    other = replace(recording, audio=-recording.audio)
    mixed = disjoint([recording, other], 3.0, 3)
    assert [np.shares_memory(clip.audio, recording.audio) for clip in mixed] == [True, False, True]


def test_openai_whisper_says_the_same(recording, tiny):
    clips = [*windows(recording, 1.0, 2.0), *windows(recording, 1.3, 5.0)]
    assert openai_loop(tiny, COLD)(clips) == earspan_engine(tiny, COLD)(clips)


@pytest.fixture(scope="module")
def chunks() -> list[Clip]:
    talk = next(iter(open_dataset("talks-clean"))).load()
    return [Clip(talk.audio[: 5 * 16_000]), Clip(talk.audio[5 * 16_000 : 10 * 16_000])]


@pytest.mark.weights
def test_faster_whisper_says_the_same(tmp_path, tiny_en, chunks):
    pytest.importorskip("faster_whisper", reason="needs earspan[ct2]")
    options = DecodeOptions(temperatures=(0.0,))
    loop, batches = faster_whisper(tiny_en, tmp_path / "ct2", options) or (None, None)
    assert loop is not None
    assert batches is not None
    ours = earspan_engine(tiny_en, options)(chunks)
    assert loop(chunks) == ours
    assert batches(chunks) == ours


@pytest.mark.weights
def test_whisper_cpp_hears_the_weights_that_it_is_given(tmp_path, tiny_en, chunks):
    pytest.importorskip("pywhispercpp", reason="needs earspan[rivals]")
    options = DecodeOptions(temperatures=(0.0,))
    rival = whisper_cpp_loop(tiny_en, tmp_path / "ggml.bin", options)
    assert rival is not None
    ours = earspan_engine(tiny_en, options)(chunks)
    errors = sum(score_texts(ours, rival(chunks)), ErrorRate.zero())
    assert (errors.rate or 0) < 0.2  # it pads and ends texts in its own way; without its weights nothing would agree


def test_a_ratio_has_the_interval_of_its_logarithm():
    # logarithms 0, 1, 2 (base 2): mean 1, standard error 1 / sqrt(3), times 4.302653, the table's t for 2 degrees
    half = 4.302653 / 3**0.5
    found = Ratio.of([1.0, 2.0, 4.0])
    assert (found.middle, found.least, found.most) == pytest.approx((2.0, 2 * 2**-half, 2 * 2**half))
    assert str(Ratio.of([1.5])) == "1.50 [1.50, 1.50]"


def test_tasks_take_turns_and_each_run_is_timed():
    now, done = 0.0, []

    def task(name: str, took_s: float) -> str:
        nonlocal now
        now += took_s
        done.append(name)
        return f"{name} {len(done)}"

    tasks = {"a": lambda: task("a", 1.0), "b": lambda: task("b", 3.0)}
    found = measure_in_turns(tasks, lambda: now, repeats=2)
    assert done == ["a", "b", "a", "b"]
    assert (found["a"].seconds, found["b"].seconds) == ((1.0, 1.0), (3.0, 3.0))
    assert (found["a"].result, found["b"].middle_s) == ("a 3", 3.0)


def test_the_ceiling_is_the_rivals_time_over_the_encoders_arithmetic(recording, tmp_path: Path, tiny):
    # tiny.en: 4 layers of 12 products of 384 x 384, and attention, at 1500 positions; 2 convolutions
    by_hand = 4 * (24 * 384**2 * 1500 + 4 * 1500**2 * 384) + 2 * 3000 * 240 * 384 + 2 * 1500 * 1152 * 384
    official: Any = SimpleNamespace(dims=DIMENSIONS["tiny.en"])
    assert encoder_flops(official) == pytest.approx(by_hand, rel=0.03)  # norms, GELU, softmax
    assert encoder_flops(official, 3) == pytest.approx(3 * encoder_flops(official))
    case = Case(tiny, [recording], CLOCKS["cpu"], repeats=2)
    ceilings = Ceilings({"fp32": 1e12, "bf16": 2e12}, 1e11)
    rows = list(compare(case, tmp_path, ceilings, (1.0,), 2, COLD, PROCESSES[:3]))
    assert [(row.engine, row.precision) for row in rows] == [
        ("earspan", "fp32"), ("earspan", "bf16"), ("openai-whisper", "fp32")
    ]  # fmt: skip
    assert rows[0].factor == Ratio(1.0, 1.0, 1.0)
    assert [(rows[n].calls, rows[n].equal) for n in (0, 2)] == [(2, 2), (2, 2)]
    for row in rows:
        middle_s = sum(row.seconds) / 2
        assert row.at_most is not None
        assert row.of_ceiling_percent == pytest.approx(100 / row.at_most)
        assert middle_s / row.at_most >= 2 * encoder_flops(tiny) / ceilings.flops[row.precision]
        assert row.calls_per_s == pytest.approx(2 / middle_s)
    rates = list(encoder_rates(case, ceilings))
    assert [(rate.precision, rate.calls) for rate in rates] == [("fp32", 1), ("fp32", 2), ("bf16", 1), ("bf16", 2)]
    for rate in rates:
        assert rate.least_s == pytest.approx(rate.calls * encoder_flops(tiny) / ceilings.flops[rate.precision])
        assert rate.percent_of_peak == pytest.approx(100 * rate.gflops_per_s * 1e9 / ceilings.flops[rate.precision])


def test_the_floor_is_every_encoded_part_and_every_step():
    official: Any = SimpleNamespace(dims=DIMENSIONS["tiny.en"])
    run = DecoderRun(0.0, 30.0, True, 2, 0, (5,) * 20, True, decode_tokens=20)
    once = Floor.of(official, [Hypothesis("", (run,))])
    twice = Floor.of(official, [Hypothesis("", (run, replace(run, encoded=False)))])
    assert once.flops == pytest.approx(encoder_flops(official), rel=0.15)  # and keys and values of the audio
    # the second attempt is not encoded, but reads its own keys and values; the weights are read for both together
    keys_values = 20 * 4 * 2 * 1500 * 384 * 4
    assert twice.read_bytes - once.read_bytes == pytest.approx(keys_values, rel=0.1)
    assert twice.flops - once.flops < 0.15 * once.flops
    ceilings = Ceilings({"fp32": 1e11, "bf16": 2e11}, 1e10)
    assert once.seconds(ceilings, "bf16") == pytest.approx(once.seconds(ceilings, "fp32") / 2)
    assert Floor.of(official, []).seconds(ceilings, "fp32") == 0


def test_memory_is_read_no_faster_than_any_memory_is():
    assert 1e8 < read_bytes_per_s(CLOCKS["wall"]) < 2e12


def test_parity_finds_the_one_text_that_differs(recording, tiny):
    """A planted engine differs in one of its texts; one that says the same is equal in all."""

    def truth(clips):  # what is said in each chunk of 2 s of the 7 s, the last of which is 1 s long
        return words_said([recording], clips)

    def planted(clips):
        texts = truth(clips)
        return [*texts[:2], "eggs milk", *texts[3:]] if len(texts) == 4 else texts

    case = Case(tiny, [recording], repeats=1)
    ours, same, other = parity(case, [2.0], {"ours": truth, "same": truth, "other": planted})
    assert [(row.calls, row.equal, row.equal_percent) for row in (ours, same, other)] == [
        (4, 4, 100.0), (4, 4, 100.0), (4, 3, 75.0),
    ]  # fmt: skip
    assert same.differing == ()
    assert other.differing == (("eggs milk", "eggs figs"),)
    assert (ours.wer_percent, same.wer_points) == (0.0, 0.0)
    assert other.wer_points == other.wer_percent == pytest.approx(100 / 7)  # one of seven words
    ours, other = parity(case, [0.0], {"ours": truth, "other": planted})
    assert (other.calls, other.equal, other.window_s) == (1, 1, 0.0)


def test_parity_with_openai_whisper(recording, tiny):
    engines = {"earspan": earspan_engine(tiny, COLD), "openai-whisper": openai_loop(tiny, COLD)}
    for row in parity(Case(tiny, [recording], repeats=1), [3.0], engines):
        assert (row.calls, row.equal, row.wer_points) == (3, 3, 0.0)


def test_drafts_are_counted_over_streams_of_unlike_lengths(recording, tiny):
    short = replace(recording, audio=-recording.audio[: 16_000 * 4])
    case = Case(tiny, [recording, short], CLOCKS["cpu"])
    [row] = costs.drafts(case, (3.0,), None, DecodeOptions(max_tokens=20))
    assert (row.calls, row.recordings, row.differing_texts) == (9 + 3, 2, 0)
    assert row.factor == pytest.approx(row.passes / row.passes_drafted)
    assert row.passes >= row.passes_drafted >= 1


def test_cost_is_of_one_two_and_four_times_the_audio(recording, tiny, monkeypatch):
    monkeypatch.setattr(costs, "GROWTH_WINDOW_S", 1.0)
    monkeypatch.setattr(costs, "GROWTH_STEP_S", 1.5)
    rows = list(costs.growth(Case(tiny, [recording], CLOCKS["cpu"])))
    assert [(row.times, row.audio_s) for row in rows] == [(1, 1.0), (2, 2.0), (4, 4.0)]


def test_the_bars_say_what_is_missed_and_why():
    def compared(engine: str, precision: str, factor: float, at_most: float = 9.0, window_s: float = 1.0) -> Any:
        return SimpleNamespace(
            model="m", window_s=window_s, engine=engine, precision=precision, calls_per_s=1 / factor,
            factor=Ratio.of([factor]), at_most=at_most,
        )  # fmt: skip

    def drafted(factor: float, differing: int) -> Any:
        return SimpleNamespace(calls=9, window_s=10.0, factor=factor, differing_texts=differing)

    rows = [
        compared("earspan", "fp32", 1.0),
        compared("earspan", "bf16", 0.5),
        compared("openai-whisper", "fp32", 2.0, at_most=2.5),
        compared("faster-whisper", "fp32", 1.3),
        compared("faster-whisper", "int8", 0.8),
        compared("earspan", "fp32", 1.0, window_s=5.0),
        compared("openai-whisper", "fp32", 2.0, window_s=5.0),
    ]
    figures = bars(rows)
    assert [(one.value, one.at_least, one.met) for one in figures] == [
        (2.0, 3.0, False), (1.3, 1.2, True), (1.6, 1.8, False),  # the loop; the best at fp32; the best at any precision
        (2.0, 2.0, True), (2.0, 1.2, True),
    ]  # fmt: skip
    assert [one.why for one in figures if one.why] == ["no engine can: at most 2.5"]
    found = {
        "encoder": [SimpleNamespace(calls=1, precision="bf16", percent_of_peak=74.0)],
        "drafts": [drafted(3.9, 0), drafted(4.1, 1)],
        "cache": [SimpleNamespace(calls=24, window_s=5.0, factor=Ratio.of([150.0]))],
        "memory": [costs.Held(1.0, 9, 2.1), costs.Held(2.0, 18, 1.9)],
    }
    figures = speed.bars(found)
    assert [one.met for one in figures] == [False, False, True, True, False, True, True]
    assert figures[-1] == Figure("memory, 2 h heard", 1.9, "GB", at_most=2.0)
    assert Figure("none", 1.0, "s").met is None


def test_the_command_measures_what_is_asked_for(tmp_path: Path, capsys, monkeypatch, tiny_checkpoint, ask):
    monkeypatch.setattr(costs, "CACHED", ((3, 1.0, 1.0),))
    given = ["--model", tiny_checkpoint, "--clock", "cpu", "--threads", 1, "--repeats", 1, "--out", tmp_path]
    assert ask("costs", "--only", "cache,memory", *given, "--hours", 0.01) == 0
    out, err = capsys.readouterr()
    assert "memory, 0.01 h heard" in out
    assert "passes" not in out
    assert len(err.splitlines()) == 3  # a row of the cache, two of memory
    stored = json.loads((tmp_path / "engine_speed.json").read_text())
    assert list(stored["sections"]) == ["cache", "memory"]
    assert stored["sections"]["cache"][0]["calls"] == 3
    assert stored["settings"]["hours"] == 0.01
    assert [row["calls"] for row in stored["sections"]["memory"]] == [0, 2]


def test_an_unknown_name_is_refused(ask):
    with pytest.raises(InputError, match="unknown section 'cash'; did you mean 'cache'"):
        ask("engine", "--only", "cash")
    with pytest.raises(InputError, match="unknown mode 'hot'"):
        ask("parity", "--modes", "hot")
