"""Strategies compared, on a run whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from earspan.benchmarks.results.comparison import front
from earspan.benchmarks.results.records import Latency, Row
from earspan.benchmarks.results.score import score
from earspan.speech.metrics.wer import ErrorRate
from hypothesis import given
from hypothesis import strategies as st

from .planted import planted_run


def test_rows_of_a_planted_run():
    results = score(planted_run())
    rows = {(row.backend, row.strategy): row for row in results.rows}
    rows |= {(None, curve.strategy): curve.points[0] for curve in results.curves}
    assert [rows[b, "disjoint"].wer for b in (None, "l4", "t4")] == [0.5] * 3
    assert [rows[b, "sliding"].wer for b in (None, "l4", "t4")] == [0.0] * 3
    assert [rows[b, "sliding"].work.busy for b in (None, "l4", "t4")] == [0.0, 0.25, 1.5]
    assert [rows[b, "sliding"].work.keeps_up for b in (None, "l4", "t4")] == [True, True, False]
    # Words end at 0.5, 1.5, 2.5, 3.5; calls at 2 and 4. The slow one finishes at 5 and 8.
    assert rows[None, "sliding"].latency_p50_s == pytest.approx(1.0)
    assert rows["l4", "sliding"].latency_p50_s == pytest.approx(1.5)
    assert rows["t4", "sliding"].latency_p50_s == pytest.approx(np.median([4.5, 3.5, 5.5, 4.5]))
    # The other clocks: without a queue the second call ends at 7; with all work added at 4 + 6.
    assert rows["t4", "sliding"].latency.no_queue_p50_s == pytest.approx(np.median([4.5, 3.5, 4.5, 3.5]))
    assert rows["t4", "sliding"].latency.summed_p50_s == pytest.approx(np.median([4.5, 3.5, 7.5, 6.5]))
    assert rows["t4", "sliding"].work.last_wait_s == 1.0


def test_audio_after_the_last_call_was_not_heard():
    """Two recordings of 5 s whose last call ends at 4 s."""
    lasting = {s: score(planted_run(duration_s=s)).rows[-1].work for s in (5.0, 4.0)}
    assert [work.unheard_s for work in lasting.values()] == [2.0, 0.0]
    assert [work.busy for work in lasting.values()] == [1.2, 1.5]


def test_what_keeps_a_budget():
    results = score(planted_run())
    comparison = results.comparison
    first = {}
    for candidate in comparison.within:
        first.setdefault((candidate.backend, candidate.budget_s), candidate)
    # Nothing on the slow backend keeps up; on the quick one sliding windows make no error.
    assert {backend for backend, _ in first} == {"l4"}
    assert all(candidate.strategy == "sliding" for candidate in first.values())
    sliding = next(candidate for candidate in comparison.within if candidate.strategy == "sliding")
    assert sliding.against_disjoint.difference == -0.5
    assert sliding.above_best is None
    assert comparison.fronts == {"l4": (("sliding", 2.0),), "t4": ()}
    assert any("t4 keeps no budget" in sentence for sentence in results.summary)
    assert "within 2 to 20 s: sliding at 2 s (0.0 %" in results.summary[0]
    assert {candidate.budget_s for candidate in score(planted_run(2.5)).comparison.within} == {2.5}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]):
    bare = Row("b", "1x1", "s", 2.0, None, 1, None, None, ErrorRate.zero())
    rows = [replace(bare, wer=float(wer), latency=Latency(p95_s=float(at))) for at, wer in points]
    found = [(row.latency_p95_s, row.wer) for row in front(rows)]
    best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert found == sorted(best)
