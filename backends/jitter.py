"""How service times scatter: a log-normal distribution around the predicted time.

A device's figure `jitter` is the excess of the 99th percentile over the predicted time; the planner keeps to it. The
figure says in its file where it is from.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .timing import Timing

_NORMAL_P99 = 2.3263478740408408  # 99th percentile of the standard normal distribution


def spread_of(jitter: float) -> float:
    """Standard deviation of the logarithm of service times whose 99th percentile is 1 + jitter of their median."""
    return math.log1p(jitter) / _NORMAL_P99


def service_times(timing: Timing, count: int, seed: int) -> NDArray[np.float64]:
    """`count` service times in seconds, shape = (count,): median `timing.seconds`, 99th percentile `timing.p99_s`.

    None is below the ceiling. Equal seeds give equal times; 0 jitter gives the predicted time itself.
    """
    if count < 0:
        raise InputError(f"{count} service times asked for; expected 0 or more")
    drawn = timing.seconds * np.exp(spread_of(timing.jitter) * np.random.default_rng(seed).standard_normal(count))
    return np.maximum(drawn, timing.ceiling_s)
