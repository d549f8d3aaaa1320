"""How equal loads differ from batch to batch: the lengths of the calls, and the time that one and the same batch takes.

Lengths: the text tokens of a window scatter around the speech rate as a Poisson number. That is an assumption; under
it, a window of 10 s with 33 tokens on average has 47 in one call of a hundred, and 42 in the longest of eight.
Times: service times are log-normal around the predicted one. A backend's `Timing.jitter` is the excess of the 99th
percentile over it; its device file or `backends.host` says where that figure is from.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_COUNTS = 200  # equally likely numbers that stand for a binomial one: fine enough for one in a hundred
_TAIL = 1e-7  # lengths less likely than this are left out
_NORMAL_P99 = 2.3263478740408408  # 99th percentile of the standard normal distribution


@lru_cache(maxsize=4096)
def longest_of(calls: int, mean: float, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how long the longest of `calls` calls may be, and how likely each length is.

    mean: tokens of one call on average, above 0. most: the limit of a call.
    Both arrays have shape = (lengths,): tokens, rising, and chances, which sum to 1.
    """
    counts = np.arange(most + 1)
    logs = counts * math.log(mean) - mean - np.cumsum(np.log(np.maximum(counts, 1)))
    below = np.cumsum(np.exp(logs)).clip(0, 1) ** calls
    below[-1] = 1.0
    chance = np.diff(below, prepend=0.0)
    kept = chance > _TAIL
    return counts[kept], chance[kept] / chance[kept].sum()


@lru_cache(maxsize=4096)
def spread_count(calls: int, chance: float) -> tuple[int, ...]:
    """Return equally likely numbers of calls that something happens to with this chance each, rising (binomial)."""
    logs = [math.lgamma(calls + 1) - math.lgamma(k + 1) - math.lgamma(calls - k + 1) for k in range(calls + 1)]
    counts = np.arange(calls + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.nan_to_num(counts * np.log(chance), nan=0.0) + np.nan_to_num((calls - counts) * np.log1p(-chance))
    below = np.cumsum(np.exp(np.array(logs) + powers))
    return tuple(int(np.searchsorted(below, (at + 0.5) / _COUNTS * below[-1])) for at in range(_COUNTS))


def sum_of(
    seconds: NDArray[np.float64], chance: NDArray[np.float64], more_s: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times of two parts one after the other, rising, and how likely each is.

    seconds, chance: of the first part, shape = (lengths,). more_s: of the second, equally likely, rising.
    """
    values, times = np.unique(more_s, return_counts=True)
    sums = (seconds[:, None] + values).ravel()
    chances = (chance[:, None] * times / len(more_s)).ravel()
    order = np.argsort(sums)
    return sums[order], chances[order]


def spread_of(jitter: float) -> float:
    """Return the standard deviation of the logarithm of times whose 99th percentile is 1 + jitter of their median."""
    return math.log1p(jitter) / _NORMAL_P99


def quantile_s(seconds: NDArray[np.float64], chance: NDArray[np.float64], jitter: float, quantile: float) -> float:
    """Return a quantile, in seconds, of a mixture of service times.

    seconds: rising, shape = (lengths,). chance: of each, same shape. jitter: the scatter of each, as in `Timing`.
    """
    spread = spread_of(jitter)
    if not spread:
        return float(seconds[int(np.searchsorted(np.cumsum(chance), quantile - 1e-12))])
    logs, low, high = np.log(seconds), math.log(seconds[0]), math.log(seconds[-1]) + 5 * spread
    for _ in range(40):
        middle = (low + high) / 2
        below = sum(
            part * math.erf((middle - log) / (spread * math.sqrt(2)))
            for part, log in zip(chance.tolist(), logs.tolist(), strict=True)
        )
        low, high = (middle, high) if (1 + below) / 2 < quantile else (low, middle)
    return math.exp(high)


def quantile_of_spread(begin_s: NDArray[np.float64], width_s: NDArray[np.float64], quantile: float) -> float:
    """Return one quantile, as `quantiles_of_spread`."""
    return quantiles_of_spread(begin_s, width_s, (quantile,))[quantile]


def quantiles_of_spread(
    begin_s: NDArray[np.float64], width_s: NDArray[np.float64], quantiles: Iterable[float]
) -> dict[float, float]:
    """Return quantiles of even spreads, each over [begin, begin + width] and as heavy as it is wide, by quantile.

    Its distribution function at x is the sum of clip(x - begin, 0, width) over that of all widths; inverted to 1e-9 of
    its range.
    """
    begins, ends = np.sort(begin_s), np.sort(begin_s + width_s)
    to_begin, to_end = (np.concatenate(([0.0], np.cumsum(edges))) for edges in (begins, ends))
    whole = float(width_s.sum())

    def below(x: float) -> float:
        begun, ended = int(np.searchsorted(begins, x, "right")), int(np.searchsorted(ends, x, "right"))
        return ((begun * x - to_begin[begun]) - (ended * x - to_end[ended])) / whole

    def find(quantile: float) -> float:
        low, high = float(begins[0]), float(ends[-1])
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle) < quantile else (low, middle)
        return high

    return {quantile: find(quantile) for quantile in quantiles}
