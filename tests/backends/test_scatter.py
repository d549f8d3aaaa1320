import numpy as np
import pytest
from earspan.backends.scatter import longest_of, quantile_s, spread_of
from scipy.stats import poisson


@pytest.mark.parametrize(("calls", "mean"), [(1, 33.0), (8, 33.0), (100, 3.0)])
def test_lengths_are_those_of_a_poisson_distribution(calls, mean):
    tokens, chance = longest_of(calls, mean, 224)
    assert np.cumsum(chance) == pytest.approx(poisson.cdf(tokens, mean) ** calls, abs=1e-4)


def test_the_longest_call_is_never_longer_than_the_limit():
    tokens, chance = longest_of(64, 90.0, 100)
    assert tokens[-1] == 100
    assert chance.sum() == pytest.approx(1)


@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.5])
def test_a_quantile_of_scattered_times_is_that_of_drawn_ones(jitter):
    seconds, chance = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.3, 0.2])
    rng = np.random.default_rng(5)
    drawn = rng.choice(seconds, 200_000, p=chance) * np.exp(spread_of(jitter) * rng.standard_normal(200_000))
    for quantile in (0.25, 0.6, 0.99):
        assert quantile_s(seconds, chance, jitter, quantile) == pytest.approx(np.quantile(drawn, quantile), rel=0.02)


def test_jitter_is_the_excess_of_the_99th_percentile():
    assert quantile_s(np.array([2.0]), np.array([1.0]), 0.2, 0.99) == pytest.approx(2.4)
