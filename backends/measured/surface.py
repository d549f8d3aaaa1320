"""Seconds as a function of batch and length, between measured points: on straight lines, and never falling."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .profile import Point

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Surface:
    """Measured medians on a grid.

    batches, lengths: rising. seconds: shape = (batches, lengths), falling along neither.
    """

    batches: Array
    lengths: Array
    seconds: Array

    @classmethod
    def of(cls, points: Iterable[Point]) -> "Surface":
        """Return the surface through the medians of points, of which each length was measured with each batch.

        More work never takes less time. Where measured values say otherwise, which is noise, each is replaced by the
        middle between the largest value of any smaller work and the least of any larger one; others stay as they are.
        """
        medians = {(point.batch, point.length): point.median_s for point in points}
        batches, lengths = sorted({batch for batch, _ in medians}), sorted({length for _, length in medians})
        found = np.array([[medians[batch, length] for length in lengths] for batch in batches])
        above = np.maximum.accumulate(np.maximum.accumulate(found, 0), 1)
        below = np.minimum.accumulate(np.minimum.accumulate(found[::-1, ::-1], 0), 1)[::-1, ::-1]
        return cls(np.array(batches, float), np.array(lengths, float), (above + below) / 2)

    def at(self, batch: float, lengths: Array) -> Array:
        """Return the seconds for each of `lengths`; shape = that of `lengths`.

        batch: within what was measured. Below the shortest length measured, time is as there; beyond the longest, it
        grows as between the last two, or as that of a smaller batch if that is faster.
        """
        row = np.array([np.interp(batch, self.batches, column) for column in self.seconds.T])
        inside = np.interp(lengths, self.lengths, row)
        if len(row) < 2:
            return inside
        slopes = (self.seconds[:, -1] - self.seconds[:, -2]) / (self.lengths[-1] - self.lengths[-2])
        # a larger batch grows no less, or it would overtake a smaller one somewhere
        slope = np.interp(batch, self.batches, np.maximum.accumulate(slopes))
        return inside + slope * np.maximum(lengths - self.lengths[-1], 0.0)
