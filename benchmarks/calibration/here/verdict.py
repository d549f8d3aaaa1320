"""Whether a measurement may stand for anything: VALID, or INVALID with the reasons, in the manner of MLPerf's LoadGen.

LoadGen (mlcommons/inference, loadgen/early_stopping.cc and results.cc) asks for a least number of queries, a least
duration, and as many queries as a percentile needs to be claimed with 99 % confidence. Here medians are claimed.
"""

import math
import statistics
from collections.abc import Sequence

CONFIDENCE = 0.99  # of LoadGen's early stopping
LEAST_S = 2.0  # of all queries of one setting; LoadGen's is 600 s, for percentiles of a server
UNSTABLE = 0.1  # from which on pyperf calls a benchmark unstable
BUSY = 0.05  # part of the processor that others may use


def least_queries(percentile: float = 0.5, confidence: float = CONFIDENCE) -> int:
    """Return how many queries it takes that the largest is above the percentile with this confidence.

    With n queries, all are below it with a chance of percentile^n.
    """
    return math.ceil(math.log(1 - confidence) / math.log(percentile))


def spread_of(values: Sequence[float]) -> float:
    """Return half of what the middle half of the values lies between, over their median; 0 for fewer than 3."""
    if len(values) < 3:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle


def judge(
    seconds: Sequence[float], rates: Sequence[float] = (), busy: tuple[float, float] | None = None
) -> tuple[str, ...]:
    """Return the reasons for which a measurement is invalid; none if it is valid.

    seconds: of every query of one setting.
    rates: of a reference product, measured in between, in any unit.
    busy: parts of the processor that other programs and other machines took, where that is known.
    """
    found, least, total_s = [], least_queries(), sum(seconds)
    if len(seconds) < least:
        found.append(f"too few queries: {len(seconds)} of {least}, from which a median is known at {CONFIDENCE:.0%}")
    if total_s < LEAST_S:
        found.append(f"too short: {total_s:.2g} s of {LEAST_S:g} s")
    if spread_of(seconds) > UNSTABLE:
        found.append(f"unstable: the middle half lies within {spread_of(seconds):.0%} of the median")
    if spread_of(rates) > UNSTABLE:
        found.append(f"the machine changed its speed: a reference product's rate by {spread_of(rates):.0%}")
    for who, part in zip(("other programs", "other machines on this processor"), busy or (), strict=False):
        if part > BUSY:
            found.append(f"machine busy: {who} took {part:.0%}")
    return tuple(found)
