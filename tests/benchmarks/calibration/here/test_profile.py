"""A planted engine is measured: what its phases take is known."""

import time
from types import SimpleNamespace

import pytest
from earspan.backends.errors import InputError
from earspan.backends.measured.here import Setting
from earspan.backends.measured.profile import PHASES, Point, check_profile
from earspan.benchmarks.calibration.here import neighbours, profile
from earspan.benchmarks.calibration.here.neighbours import Neighbours
from earspan.benchmarks.calibration.here.profile import Bench, HerePlan, doubts, measure_here
from earspan.benchmarks.calibration.here.stopwatch import attach
from earspan.speech.asr.ct2_engine import Ct2Engine
from earspan.speech.asr.model import Recogniser
from earspan.speech.asr.torch_engine import Engine

from ....tiny import tiny_whisper


class Ticking:
    """An engine each of whose steps takes a known time of a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.features = SimpleNamespace(spectrum=self._spectrum)

    def clock(self) -> float:
        return self.now_s

    def _spectrum(self, part: object) -> None:
        self.now_s += 0.5

    def encode(self, attempts: list[object]) -> None:
        for one in attempts:
            self.features.spectrum(one)
        self.now_s += 2.0

    def decode(self, attempts: list[object]) -> None:
        self.encode(attempts)
        self.now_s += 4.0


def test_a_stopwatch_tells_phases_apart_that_call_each_other():
    engine = Ticking()
    watch = attach(engine, engine.clock)
    engine.decode([1, 2, 3])
    assert (watch.mel_s, watch.encode_s, watch.write_s, watch.seconds) == (1.5, 2.0, 4.0, 7.5)
    watch.reset()
    engine.encode([1])
    assert (watch.mel_s, watch.encode_s, watch.write_s) == (0.5, 2.0, 0.0)


def test_an_engine_whose_encoder_is_no_step_of_its_own_is_refused():
    with pytest.raises(InputError, match="type --backend here"):
        attach(SimpleNamespace(features=SimpleNamespace(spectrum=None), decode=None))


@pytest.fixture
def recogniser():
    return Recogniser("tiny-random", tiny_whisper(), "0" * 64)


@pytest.fixture
def opened(recogniser, monkeypatch):
    """Let the engine of random weights be opened in place of any other."""
    monkeypatch.setattr(profile, "open_engine", lambda model, setting: Engine(recogniser))


def test_every_phase_is_measured_with_every_batch_and_length(opened):
    told: list[str] = []
    plan = HerePlan("tiny-random", Setting(threads=1), batches=(1, 3), rounds=2, calls=3)
    profile = measure_here(plan, told.append)
    check_profile(profile, "measured")
    assert len(told) == 3  # a round of warming up, and two
    assert {point.phase for point in profile.points} == set(PHASES)
    assert all(len(point.seconds) == 2 for point in profile.points)
    assert {point.batch for point in profile.of_phase("encode")} == {1, 3}
    assert {point.length for point in profile.of_phase("prefill")} == {1, 64, 224, 416}
    assert len(profile.calls) == 3
    assert profile.machine.cores >= 1


def test_measuring_ends_with_its_budget_but_not_before_three_rounds(opened):
    plan = HerePlan("tiny-random", Setting(threads=1), batches=(1,), rounds=9, calls=1, budget_s=1e-9)
    assert {len(point.seconds) for point in measure_here(plan).points} == {3}


@pytest.mark.parametrize("kind", [Engine, Ct2Engine])
def test_all_steps_are_made_and_nothing_is_known_from_before(kind, recogniser, tmp_path, monkeypatch):
    if kind is Ct2Engine:
        pytest.importorskip("ctranslate2")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bench = Bench.of(kind(recogniser))
    heard = [bench.attempt(30.0, bench.prompts[0]) for _ in range(2)]
    assert bench.run(heard, 1).encode_s > 0
    for prompt in bench.prompts:
        attempts = [bench.attempt(30.0, prompt, prompt.index(bench.prompts[0][0])) for _ in range(2)]
        bench.engine.options = profile.replace(bench.engine.options, max_tokens=9)
        assert [len(outcome.tokens) for outcome in bench.engine.decode(attempts)] == [9, 9]


def test_encoding_apart_changes_no_text(recogniser, tmp_path, monkeypatch):
    """CTranslate2 writes the same from what it has encoded itself and from what it is given encoded."""
    pytest.importorskip("ctranslate2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engine = Ct2Engine(recogniser)
    bench = Bench.of(engine)
    attempts = [bench.attempt(audio_s, bench.prompts[0]) for audio_s in (3.0, 7.0)]
    apart = [outcome.tokens for outcome in engine.decode(attempts)]
    spectra = profile.torch.cat([engine.features.spectrum(attempt.part) for attempt in attempts]).numpy()
    monkeypatch.setattr(engine, "encode", lambda attempts: engine._library.StorageView.from_array(spectra))
    assert [outcome.tokens for outcome in engine.decode(attempts)] == apart


def test_values_that_lie_apart_are_doubted():
    steady = [Point("mel", 1, 1.0, (1.0, 1.01, 0.99)), Point("encode", 1, 1500.0, (2.0, 2.0, 2.0))]
    assert list(doubts(steady)) == []
    (told,) = doubts([*steady, Point("encode", 4, 1500.0, (1.0, 2.0, 1.0))])
    assert told.startswith("encode: 1 points unstable")
    assert "batch 4" in told


def test_neighbours_are_what_others_used_and_not_what_we_did(monkeypatch):
    monkeypatch.setattr(neighbours.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(neighbours, "_own_s", iter((10.0, 14.0)).__next__)
    monkeypatch.setattr(neighbours, "_ticks", iter(((100.0, 1.0), (107.0, 2.0))).__next__)
    monkeypatch.setattr(neighbours, "time", SimpleNamespace(monotonic=iter((0.0, 5.0)).__next__))
    assert Neighbours().parts() == pytest.approx((0.3, 0.1))  # of 2 cores x 5 s: 7 s less 4 of our own; 1 s elsewhere


def test_a_busy_machine_is_warned_of(monkeypatch):
    monkeypatch.setattr(Neighbours, "parts", lambda self: (0.3, 0.01))
    (told,) = Neighbours().warnings()
    assert "other programs took 30 %" in told.replace("%", " %")
    monkeypatch.setattr(Neighbours, "parts", lambda self: None)
    assert Neighbours().warnings() == ()


@pytest.mark.parametrize(
    "wrong", [{"batches": ()}, {"rounds": 0}, {"budget_s": 0.0}, {"setting": Setting(threads=999)}]
)
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(InputError):
        HerePlan("tiny.en", **wrong)


def test_the_time_of_a_call_is_that_of_the_engine(opened, recogniser):
    bench = Bench.of(Engine(recogniser))
    bench.call()
    start = time.perf_counter()
    assert 0 < bench.call() <= time.perf_counter() - start
