"""Disjoint chunks: every sample once, every text as it was heard."""

import itertools

from earspan.speech.strategies import Disjoint
from hypothesis import given
from hypothesis import strategies as st

from .spoken import MILLISECONDS, RATE, heard_by, speech, step_through


@given(window_s=MILLISECONDS, duration_ms=st.integers(0, 40_000))
def test_disjoint_hears_every_sample_once(window_s: float, duration_ms: int):
    duration_s = duration_ms / 1000
    calls = list(Disjoint(window_s).fixed_calls(duration_s))
    edges = [0, *(heard_by(call)[1] for call in calls)]
    assert [heard_by(call) for call in calls] == list(itertools.pairwise(edges))
    assert edges[-1] == round(duration_s * RATE)
    assert all(later > earlier for earlier, later in itertools.pairwise(edges))  # no empty call
    assert len(calls) == -(-duration_ms // round(window_s * 1000))


def test_disjoint_commits_what_each_call_heard():
    spoken = speech(1, None)
    assert step_through(Disjoint(4.0), spoken.duration_s, spoken.hear) == [
        spoken.hear(call).split() for call in Disjoint(4.0).fixed_calls(spoken.duration_s)
    ]
