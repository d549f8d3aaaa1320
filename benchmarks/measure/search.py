"""Which numbers of streams to try, to find the most that keep a promise: doubling, then bisecting."""

from collections.abc import Callable


def find_most(keeps: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` for which `keeps` says yes, 0 if it does for none.

    keeps: is asked for 1, 2, 4 ... until it says no, then between; where it says yes for a number, it is taken to do so
        for those below.
    """
    low, high = 0, 1
    while high <= most and keeps(high):
        low, high = high, min(2 * high, most) if high < most else most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if keeps(middle):
            low = middle
        else:
            high = middle
    return low
