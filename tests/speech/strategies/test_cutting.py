"""What planner and servers take a strategy to be, beside what it does when it is played."""

import numpy as np
import pytest
from earspan.backends.scatter import quantile_of_spread
from earspan.backends.workload.cutting import CUTTINGS, own_step_s, pieces_of
from earspan.backends.workload.pieces import VAD
from earspan.benchmarks.results.accuracy import REFERENCE_CURVE
from earspan.benchmarks.results.curves import read_curve
from earspan.speech.strategies import STEPPING, make_strategy, strategy_names
from hypothesis import given
from hypothesis import strategies as st

from ..planted import planted_speech, played

LONG_S = 400.0
EVEN = [(name, step_s) for name, step_s in (("disjoint", None), ("overlap", None), ("prompted", None), ("sliding", 1.0),
                                            ("alignatt", 1.0))]  # fmt: skip


def test_every_strategy_but_offline_is_planned():
    assert set(CUTTINGS) == set(strategy_names()) - {"offline"}
    assert set(STEPPING) == {name for name in CUTTINGS if own_step_s(name, 10.0) is None}


@pytest.mark.parametrize("window_s", [3.0, 9.0])
@pytest.mark.parametrize(("name", "step_s"), EVEN)
def test_calls_of_even_strategies_are_those_that_are_played(name: str, step_s: float | None, window_s: float):
    (piece,) = pieces_of(name, window_s, step_s)
    calls = [one.call for one in played(planted_speech(1, LONG_S), make_strategy(name, window_s, step_s)).played]
    inner = calls[round(window_s) + 2 : -2]
    gaps = np.diff([call.arrival_at_s for call in inner])
    assert gaps == pytest.approx(piece.gap_s)
    if name != "alignatt":  # which is told the text of the rest
        assert [call.end_s - call.start_s for call in inner] == pytest.approx([piece.heard_s] * len(inner))


@pytest.mark.parametrize("name", ["disjoint", "overlap", "sliding"])
def test_words_are_shown_as_late_as_they_are_when_played(name: str):
    window_s, step_s = 9.0, 1.0 if name == "sliding" else None
    recording = planted_speech(2, LONG_S)
    job = played(recording, make_strategy(name, window_s, step_s))
    shown = {word: one.finish_at_s for one in job.played for word in one.committed}
    late = [shown[w.text] - w.end_s for w in recording.words or () if w.text in shown and 20 < w.end_s < LONG_S - 20]
    (piece,) = pieces_of(name, window_s, step_s)
    for quantile in (0.25, 0.5, 0.9):
        planned = quantile_of_spread(np.array([piece.wait_s]), np.array([piece.shown_s]), quantile)
        assert np.quantile(late, quantile) == pytest.approx(planned, abs=0.5 if name != "sliding" else 0.2)


def test_pieces_of_vad_are_those_of_the_reference_curve():
    known = {
        point.window_s: point.pieces
        for series in read_curve(REFERENCE_CURVE)
        if (series.strategy, series.head_s) == ("vad", None)
        for point in series.points
    }
    assert {window_s: known[window_s] for window_s in VAD} == VAD
    # none grows to more than 15 s, so longer windows are cut alike
    assert known[30.0] == VAD[15.0]


@given(st.sampled_from(sorted(CUTTINGS)), st.floats(0.2, 30.0), st.floats(0.05, 1.0))
def test_what_is_shown_is_what_comes(name: str, window_s: float, part: float):
    pieces = pieces_of(name, window_s, part * window_s if name in STEPPING else None)
    gaps, shown = (sum(getattr(one, field) for one in pieces) for field in ("gap_s", "shown_s"))
    # every second of speech is shown once; what `vad` does not hear is silence
    assert shown == pytest.approx(gaps, rel=0.02 if name == "vad" else 1e-9)
    assert all(0 <= one.wait_s <= window_s + 1 and 0 < one.heard_s <= window_s + 1e-9 for one in pieces)
