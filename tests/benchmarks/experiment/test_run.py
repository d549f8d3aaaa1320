"""The pipeline on planted words: what is cut is lost, clocks are exact, and equal calls are heard once."""

from dataclasses import replace
from typing import Any

import pytest
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.span import span
from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks.experiment import presets
from earspan.benchmarks.experiment.experiment import Experiment
from earspan.benchmarks.experiment.progress import Silence
from earspan.benchmarks.experiment.run import Session, run
from earspan.benchmarks.experiment.settings import spread
from earspan.benchmarks.experiment.source import Source
from earspan.benchmarks.results.score import score
from hypothesis import given
from hypothesis import strategies as st

from ...speech.planted import PerfectEngine, planted_speech

RECORDINGS = [planted_speech(seed, 21.0) for seed in (1, 2, 3)]
RECORDINGS = [replace(recording, id=f"r{number}") for number, recording in enumerate(RECORDINGS)]


@pytest.fixture
def engine() -> PerfectEngine:
    """Hears every word that is whole within a window."""
    return PerfectEngine(RECORDINGS)


def played(experiment: Experiment, engine: Any, **more):
    return Session.open(experiment, engine, Source.of(experiment, RECORDINGS)).play(Silence(), **more)


def cut_words(window_s: float | None) -> int:
    """How many words a chunk of this length ends within."""
    assert window_s
    cuts = [window_s * number for number in range(1, 100)]
    return sum(word.start_s < cut < word.end_s for r in RECORDINGS for word in r.words or () for cut in cuts)


def test_disjoint_chunks_lose_the_words_that_they_cut(engine):
    experiment = Experiment(windows_s={"disjoint": (2.0, 5.0, 10.0)}, normaliser="none")
    [curve] = score(played(experiment, engine)).curves
    words = sum(len(recording.words or ()) for recording in RECORDINGS)
    for point in curve.points:
        assert point.errors.deletions == cut_words(point.window_s) > 0
        assert (point.errors.substitutions, point.errors.insertions, point.errors.ref_words) == (0, 0, words)
        assert point.boundary_errors.places[0].errors.errors == cut_words(point.window_s)


def test_a_backend_hears_its_span_on_its_own_clock(engine):
    experiment = Experiment(backends=("l4", "groq-v1x1"), loads=("8x1", "1x1"), windows_s=(2.0,), normaliser="none")
    stored = played(experiment, engine)
    expected = span(get_backend("l4"), DIMENSIONS["large-v3"], streams=8, step_s=1.0)
    results = score(stored)
    heard, nothing = results.played
    # Its span is rounded down to a window that is heard anyway, so that one curve serves all backends and loads.
    assert (heard.span_s, heard.window_s) == (expected.span_s, 2.0)
    assert (nothing.span_s, nothing.plan.limited_by, nothing.work) == (None, "capacity", None)
    assert [point.window_s for point in results.curves[0].points] == [2.0]
    for track in stored.tracks:
        free_s = 0.0
        for call in track.calls:
            assert call.arrival_at_s == call.end_s
            assert call.start_at_s == pytest.approx(max(call.arrival_at_s, free_s), abs=1e-5)
            assert (call.finish_at_s > call.start_at_s) == (track.backend is not None)
            free_s = call.finish_at_s


def test_backends_in_one_window_hear_the_same_calls_once(engine):
    experiment = Experiment(backends=("h100", "h200"), window_s=3.0, strategy="disjoint")
    stored = played(experiment, engine)
    calls = sum(len(track.calls) for track in stored.tracks)
    assert len(engine.asked) == calls / 2
    a, b = (
        [call.text for track in stored.tracks if track.backend == name for call in track.calls]
        for name in ("h100", "h200")
    )
    assert a == b


def test_what_there_is_can_be_kept_after_each_window(engine):
    kept = []
    final = played(Experiment(windows_s={"disjoint": (2.0, 5.0, 10.0)}), engine, after=kept.append)
    assert [len({track.window_s for track in part.tracks}) for part in kept] == [1, 2, 3]
    # The ends come first, so that the shape of a curve is known early.
    assert [track.window_s for track in kept[1].tracks[:: len(RECORDINGS)]] == [10.0, 2.0]
    assert kept[-1].tracks == final.tracks


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"strategy": "slide"}, "did you mean 'sliding'"),
        ({"backends": ("h1000",)}, "did you mean 'h100'"),
        ({"normaliser": "whispr"}, "did you mean 'whisper'"),
        ({"overload": "lags"}, "did you mean 'lag'"),
        ({"timed_as": "large-v4"}, "did you mean 'large-v"),
        ({"windows_s": {"sliding": (2.0,)}, "step_s": 3.0}, "shorter than --step 3"),
        ({"backends": ("t4",), "loads": ("999x1",)}, "t4 sustains no window here"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_heard(engine, changes, expected):
    with pytest.raises(InputError, match=expected):
        played(Experiment(**changes), engine)
    assert engine.asked == []


@given(st.lists(st.integers(), unique=True, max_size=20).map(sorted))
def test_spreading_keeps_every_value_and_begins_with_the_ends(values: list[int]):
    order = spread(values)
    assert sorted(order) == values
    assert order[:2] == [*reversed(values[:1] + values[-1:])][: len(values)]


def test_presets_are_experiments_that_can_be_run(engine):
    for name in ("BENCH", "STRATEGIES", "STUDY", "EVALUATE", "CURVE"):
        preset = getattr(presets, name)
        windows = {strategy: own for strategy, own in preset.grid.items() if strategy != "vad"}
        session = Session.open(replace(preset, windows_s=windows), engine, Source.of(preset, RECORDINGS))
        assert session.settings


def test_a_run_needs_a_folder_that_can_be_written(tmp_path, engine):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="is a file; type another folder"):
        run(Experiment(), tmp_path / "taken", engine=engine)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(("recordings", "clean", "noisy"), [(1, 1, 0), (3, 2, 1), (4, 2, 2), (15, 8, 7), (None, 8, 8)])
def test_the_first_recordings_are_those_of_each_dataset_in_turn(recordings: int | None, clean: int, noisy: int):
    names = ("talks-clean", "talks-noisy")
    whole = [[unit.id for unit in Source.open(Experiment(dataset=name)).units] for name in names]
    assert list(map(len, whole)) == [8, 8]
    units = Source.open(Experiment(dataset=names, recordings=recordings)).units
    wanted = zip(names, whole, (clean, noisy), strict=True)
    assert [unit.id for unit in units] == [f"{name}:{one}" for name, own, count in wanted for one in own[:count]]
    assert [unit.id for unit in Source.open(Experiment(dataset=names[0], recordings=3)).units] == whole[0][:3]
