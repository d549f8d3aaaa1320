"""Planted measurements, good and bad ones."""

import math

import pytest
from earspan.benchmarks.calibration.here.verdict import judge, least_queries, spread_of
from hypothesis import given
from hypothesis import strategies as st

STEADY = (1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0)


def test_a_long_steady_measurement_on_a_quiet_machine_is_valid():
    assert judge(STEADY, rates=(200.0, 201.0, 199.0), busy=(0.01, 0.0)) == ()


@pytest.mark.parametrize(
    ("seconds", "more", "says"),
    [
        (STEADY[:6], {}, "too few queries: 6 of 7"),
        ((), {}, "too few queries: 0 of 7"),
        (tuple(second / 10 for second in STEADY), {}, "too short: 0.7 s of 2 s"),
        ((1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0), {}, "unstable"),
        (STEADY, {"rates": (200.0, 70.0, 150.0, 200.0, 80.0)}, "the machine changed its speed"),
        (STEADY, {"busy": (0.4, 0.0)}, "other programs took 40%"),
        (STEADY, {"busy": (0.0, 0.06)}, "other machines on this processor took 6%"),
    ],
)
def test_what_is_wrong_with_a_measurement_is_the_one_reason(seconds, more, says):
    reasons = judge(seconds, **more)
    assert any(says in reason for reason in reasons)
    assert len(reasons) == (2 if not seconds else 1)


@given(percentile=st.floats(0.05, 0.999), confidence=st.floats(0.05, 0.999))
def test_the_least_number_of_queries_is_the_first_that_is_enough(percentile, confidence):
    enough = least_queries(percentile, confidence)
    assert percentile**enough <= (1 - confidence) * (1 + 1e-9)
    assert enough == 1 or percentile ** (enough - 1) > (1 - confidence) * (1 - 1e-9)


def test_the_published_sample_size_for_99_percent_of_99_percent():
    # Wilks (1941), one-sided: 459 samples cover 99 % of a population with 99 % confidence
    assert least_queries(0.99, 0.99) == 459
    assert least_queries() == 7


@given(st.lists(st.floats(0.1, 10), min_size=3), st.floats(0.01, 100))
def test_spread_has_no_unit_and_is_none_where_all_values_are_equal(values, factor):
    assert math.isclose(spread_of([factor * value for value in values]), spread_of(values), rel_tol=1e-6, abs_tol=1e-9)
    assert spread_of([values[0]] * 5) == 0
