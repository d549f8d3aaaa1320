"""Planted calls whose times are known, and the whole of it on random weights."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured.here import Setting, here_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks.calibration.here import validate as under_test
from earspan.benchmarks.calibration.here.profile import HerePlan, measure_here
from earspan.benchmarks.calibration.here.validate import (
    PHASES,
    Compared,
    ValidationPlan,
    predict,
    validate_here,
    waits_of,
)
from earspan.benchmarks.commands.cli import main
from earspan.speech.asr.engines import DECODINGS
from earspan.speech.asr.hypothesis import DecoderRun
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.torch_engine import Engine

from ....backends.measured.planted import encode_s, mel_s, planted_profile, prefill_s, step_s, written
from ....tiny import tiny_whisper
from .test_ceilings import planted


def run_of(steps: int) -> DecoderRun:
    return DecoderRun(0.0, 5.0, True, 20, 0, (1,) * steps, True, steps)


def test_calls_that_end_leave_the_others_to_go_on(tmp_path):
    backend = here_backend(str(written(planted_profile(), tmp_path / "planted.json")))
    found = predict(backend, DIMENSIONS["tiny.en"], [run_of(5), run_of(0), run_of(3), run_of(5)], 5.0)
    steps = [step_s(3, 20 + step) for step in (1, 2, 3)] + [step_s(2, 20 + step) for step in (4, 5)]
    expected = {"mel": 4 * mel_s(5.0), "encode": encode_s(4), "prefill": prefill_s(4, 20), "decode": sum(steps)}
    assert found == pytest.approx(expected | {"all": sum(expected.values())})


def test_each_call_waits_for_the_one_before():
    assert waits_of([1.0, 2.0, 3.0, 9.0], [1.5, 1.0, 1.0, 0.5]) == [1.5, 1.5, 1.5, 0.5]


def test_ratios_are_of_one_round_each_so_that_a_change_of_speed_cancels():
    slow = [dict.fromkeys(PHASES, factor * 2.0) for factor in (1.0, 3.0, 1.0)]
    ceilings = [dict.fromkeys(PHASES, factor * 1.6) for factor in (1.0, 3.0, 1.0)]
    row = Compared(5.0, 1, (3,), tuple(slow), tuple(ceilings), dict.fromkeys(PHASES, 4.0))
    assert row.ratio("all") == pytest.approx(1.25)
    assert row.profile_ratio("all") == pytest.approx(0.5)
    assert (row.verdict, Compared(5.0, 1, (3,), (), (), {}, ("too short",)).verdict) == ("VALID", "INVALID")


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Let random weights be opened in place of any others; their profile is made."""
    recogniser = Recogniser("tiny-random", tiny_whisper(), "0" * 64)
    short = replace(DECODINGS["greedy"], max_tokens=5)  # random weights write to the end
    monkeypatch.setattr(under_test, "open_engine", lambda model, setting, options=None: Engine(recogniser, short))
    monkeypatch.setattr(
        "earspan.benchmarks.calibration.here.profile.open_engine", lambda model, setting: Engine(recogniser)
    )
    monkeypatch.setattr(under_test, "CLOCK_S", 7.0)
    monkeypatch.setattr(under_test, "Pieces", lambda vocabulary: SimpleNamespace(measure=planted))
    profile = measure_here(HerePlan("tiny-random", Setting(threads=1), batches=(1, 2), rounds=1, calls=1))
    path = written(profile, tmp_path / "random.json")
    monkeypatch.setattr(under_test, "here_backend", lambda name: here_backend(str(path)))
    return SimpleNamespace(plan={"setting": Setting(threads=1), "windows_s": (1.0, 2.0), "streams": (1, 2)})


def test_every_setting_is_measured_in_every_round_and_simulated_by_its_ceilings(opened):
    found = validate_here(ValidationPlan("tiny-random", **opened.plan, rounds=2))
    assert [(row.window_s, row.streams) for row in found.rows] == [(1.0, 1), (1.0, 2), (2.0, 1), (2.0, 2)]
    assert len(found.ceilings) == 2
    for row in found.rows:
        for one in row.measured:
            assert set(one) == set(PHASES)
            assert sum(one[phase] for phase in PHASES[:-1]) == pytest.approx(one["all"])
        assert all(row.ratio(phase) > 0 and row.profile_ratio(phase) > 0 for phase in PHASES)
        assert any("too few queries: 2 of 7" in reason for reason in row.reasons)
    assert found.verdict == "INVALID"
    # a call each second from the first whole window on
    assert len(found.clock.measured) == len(found.clock.predicted) >= 3
    assert found.clock.ratio > 0


def test_the_command_prints_the_verdict_and_keeps_all_values(opened, capsys, tmp_path):
    out = tmp_path / "found.json"
    given = ["--windows", "1", "--streams", "1", "--rounds", "1", "--threads", "1", "--out", str(out)]
    assert main(["validate-here", "--simulated", "l4", *given]) == 1
    told = capsys.readouterr().out
    assert "verdict: INVALID" in told
    assert "too few queries: 1 of 7" in told
    record = json.loads(out.read_text())
    assert record["simulated"] == "l4"
    assert len(record["rows"][0]["measured"]) == 1


@pytest.mark.parametrize("wrong", [{"windows_s": ()}, {"windows_s": (31.0,)}, {"streams": (0,)}, {"simulated": "l5"}])
def test_what_cannot_be_compared_is_refused(wrong):
    with pytest.raises(InputError):
        ValidationPlan(**wrong)
