"""What is asked of a recommendation: how many streams, how late, how wrong, on what, and for how much."""

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...backends.serving.cost import Price, read_price
from ...backends.serving.simulate import QUANTILES
from ...backends.workload.workload import PADDINGS

MOST_STREAMS = 10**9
MEASURES = ("usd", "joules")
_FLAGS = {
    "latency_s": "--latency",
    "prices": "--price",
    "budget_usd_per_h": "--budget",
    "measure": "--least",
    "run": "--from",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """One demand; frozen, and checked when it is made. Raises `InputError` for what cannot be asked.

    streams: live recordings, all at once.
    latency_s: the SLO: from the end of a spoken word until it is shown.
    quantile: of words that keep the SLO, 0.95 or 0.99.
    wer_within: how far the word error rate may be above the best that was measured, as a fraction: 0.01 is one point.
    model: the Whisper whose times are simulated.
    backends: what may be used, by name.
    prices: as "h100=2.5" or "groq-v1=0.4..2", dollars for a card or chip and hour; others are those of device files.
    budget_usd_per_h: for all servers together; None for any.
    measure: what is to be least, "usd" or "joules".
    headroom: part of each server's capacity that is left free.
    padding: "full" for calls padded to 30 s, "fit" for calls as long as their audio.
    run: what says the word error rates: the folder of a run, or a dataset of the reference curve by name; None for
        its first, talks-clean.
    seed: of the simulation's phases and jitter.
    """

    streams: int = 1
    latency_s: float = 3.0
    quantile: float = 0.99
    wer_within: float = 0.01
    model: str = "large-v3"
    backends: tuple[str, ...] = ("t4", "l4", "l40s", "a100", "h100", "h200", "b200", "groq-v1x16")
    prices: tuple[str, ...] = ()
    budget_usd_per_h: float | None = None
    measure: str = "usd"
    headroom: float = 0.1
    padding: str = "full"
    run: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.streams <= MOST_STREAMS:
            raise InputError(f"streams is {self.streams}; expected at least 1, and at most {MOST_STREAMS:,}")
        for name in ("latency_s", "budget_usd_per_h"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value:g}; expected more than 0")
        if self.quantile not in QUANTILES:
            raise InputError(f"quantile is {self.quantile:g}; expected one of {', '.join(map(str, QUANTILES))}")
        if not 0 <= self.wer_within < math.inf:
            raise InputError(f"wer_within is {self.wer_within:g}; expected 0 or more, 0.01 for one point")
        if not 0 <= self.headroom < 1:
            raise InputError(f"headroom is {self.headroom:g}; expected at least 0 and less than 1")
        if self.measure not in MEASURES:
            raise unknown("measure", self.measure, MEASURES)
        if self.padding not in PADDINGS:
            raise unknown("padding", self.padding, PADDINGS)
        if not self.backends:
            raise InputError("no backend; give one, for example backends=('h100',)")
        self.read_prices()

    def read_prices(self) -> dict[str, Price]:
        """Return the prices by device. Raises `InputError` for what cannot be read."""
        # the device of a file of one's own is called as the file is
        own = [Path(part).stem for name in self.backends for part in name.split("+") if ".toml" in part]
        return dict(read_price(price, own) for price in self.prices)


def type_command(demand: Demand) -> str:
    """Return the command that asks for it, without what is not said because it is so by itself."""
    preset = Demand()
    said = [one.name for one in fields(Demand) if getattr(demand, one.name) != getattr(preset, one.name)]
    return shlex.join(["earspan", "recommend", *type_options(demand, dict.fromkeys(["streams", *said]))])


def type_options(demand: Demand, names: Iterable[str]) -> list[str]:
    """Return what to type for these fields of a demand, without those that are None."""
    typed = list[str]()
    for name in names:
        value = getattr(demand, name)
        if isinstance(value, float):
            value = f"{100 * value if name == 'wer_within' else value:.10g}"
        elif isinstance(value, tuple):
            value = ",".join(value)
        if value is not None:
            typed += [_FLAGS.get(name, f"--{name.replace('_', '-')}"), str(value)]
    return typed
