"""The search for the most streams: it finds a planted limit, and asks for little."""

import math

from earspan.benchmarks.measure.search import find_most
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_planted_limit_is_found_with_few_questions(limit, most):
    asked = []

    def keeps(streams: int) -> bool:
        asked.append(streams)
        return streams <= limit

    assert find_most(keeps, most) == min(limit, most)
    assert len(asked) == len(set(asked)) <= 2 * math.log2(2 * max(1, min(limit, most))) + 2
    assert max(asked) <= min(most, max(1, 2 * limit))
