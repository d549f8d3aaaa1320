"""How long the calls of a batch are, and so how long the batch lasts: as long as its longest call.

The text tokens of a window scatter around the speech rate, as a Poisson number: an assumption, under which a window of
10 s with 33 tokens in the mean has 47 in one call of a hundred, and 42 in the longest of eight.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .jitter import spread_of

_TAIL = 1e-7  # lengths with less chance than this are left out


@lru_cache(maxsize=4096)
def longest_of(calls: int, mean: float, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Tokens of the longest of `calls` calls, at most `most`, and the chance of each; both of shape = (lengths,)."""
    counts = np.arange(most + 1)
    logs = counts * math.log(mean) - mean - np.cumsum(np.log(np.maximum(counts, 1))) if mean else np.log(counts == 0)
    below = np.cumsum(np.exp(logs)).clip(0, 1) ** calls
    below[-1] = 1.0
    chance = np.diff(below, prepend=0.0)
    kept = chance > _TAIL
    return counts[kept], chance[kept] / chance[kept].sum()


def mean_longest(calls: int, mean: float, most: int) -> float:
    """Tokens of the longest of `calls` calls, in the mean."""
    tokens, chance = longest_of(calls, mean, most)
    return float(tokens @ chance)


def quantile_s(seconds: NDArray[np.float64], chance: NDArray[np.float64], jitter: float, quantile: float) -> float:
    """A quantile of rising times with these chances, each scattered as `jitter` says (see `backends.jitter`)."""
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
