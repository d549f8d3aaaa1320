"""Whether anything else used the processor while something was measured: other programs, and other machines on it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

BUSY = 0.05  # of all cores' time
_STAT = Path("/proc/stat")
_TICKS_PER_S = 100  # USER_HZ, in which Linux counts on every architecture that matters here


def _ticks() -> tuple[float, float] | None:
    """Return the seconds of all programs, and of other machines ("steal"), since the system began; None if unknown."""
    try:
        counts = _STAT.read_text(encoding="ascii").split("\n")[0].split()[1:]
        user, nice, system, _, _, irq, soft, steal, *_ = map(int, counts)
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + soft) / _TICKS_PER_S, steal / _TICKS_PER_S


def _own_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


@dataclass(slots=True)
class Neighbours:
    """What others did since this was made."""

    began_s: float = 0.0
    own_s: float = 0.0
    before: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.began_s, self.own_s, self.before = time.monotonic(), _own_s(), _ticks()

    def parts(self) -> tuple[float, float] | None:
        """Return the parts of all cores' time that other programs and other machines took; None where unknown."""
        now = _ticks()
        total_s = (time.monotonic() - self.began_s) * (os.cpu_count() or 1)
        if self.before is None or now is None or total_s <= 0:
            return None
        others_s = now[0] - self.before[0] - (_own_s() - self.own_s)
        return max(0.0, others_s / total_s), max(0.0, (now[1] - self.before[1]) / total_s)

    def warnings(self) -> tuple[str, ...]:
        """Return what is to be said of a measurement that was not alone."""
        found = self.parts()
        if found is None:
            return ()
        told = ("other programs", "other machines on the same processor")
        return tuple(
            f"machine busy: {who} took {part:.0%} of the processor; measure again while nothing else runs"
            for who, part in zip(told, found, strict=True)
            if part > BUSY
        )
