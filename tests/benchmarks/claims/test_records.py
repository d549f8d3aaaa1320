"""The verdict follows from cases, and from nothing else."""

import pytest
from earspan.benchmarks.claims.ground import AS_MODELLED, ERRORS, judge
from earspan.benchmarks.claims.records import DOES_NOT, HOLDS, HOLDS_WHERE, NOT_SETTLED, NOT_TESTABLE, Case, conclude

YES, NO = Case("a", True, ()), Case("b", False, ())
TURNED, WIDE = Case("c", True, (), turned_by=("GPU slower",)), Case("d", None, (), basis="measured")


@pytest.mark.parametrize(
    ("cases", "verdict"),
    [
        ([YES, YES], HOLDS),
        ([NO, NO], DOES_NOT),
        ([YES, NO], HOLDS_WHERE),
        ([YES, TURNED], HOLDS_WHERE),
        ([TURNED, TURNED], NOT_SETTLED),
        ([NO, TURNED], NOT_SETTLED),
        ([NO, WIDE], NOT_SETTLED),
        ([YES, NO, TURNED, WIDE], HOLDS_WHERE),
        ([], NOT_TESTABLE),
    ],
)
def test_the_verdict_by_hand(cases, verdict):
    assert conclude(cases) == verdict


def test_an_answer_that_a_variation_turns_is_not_settled():
    turning = ERRORS[1]
    case = judge("here", lambda one: one is not turning, [])
    assert (case.holds, case.turned_by, case.settled) == (True, (turning.name,), False)
    assert judge("here", lambda one: False, []).settled
    asked = []
    judge("here", lambda one: asked.append(one.name), [])
    assert asked == [AS_MODELLED.name, *(one.name for one in ERRORS)]
