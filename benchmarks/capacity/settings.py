"""What a capacity study asks, checked as a whole: backends, SLOs, a fleet's tiers, and how servers are run."""

import math
from dataclasses import dataclass

from ...backends.errors import InputError, unknown
from ...backends.serving.arrivals import Traffic
from ...backends.serving.cost import Price, read_price
from ...backends.serving.fleet import demand_after
from ...backends.serving.server import BATCHING, MAX_BATCH
from ...backends.workload.cutting import STRATEGIES, cutting_of
from ...backends.workload.op import LONGEST_S
from ...backends.workload.windows import TOKENS_PER_S
from ...backends.workload.workload import PADDINGS
from ..experiment.experiment import Load
from ..experiment.presets import LOADS


@dataclass(frozen=True, slots=True)
class Slo:
    """What a stream is promised, and how its audio is cut.

    window_s: seconds of audio that each call hears. latency_s: what 99 of 100 words keep. strategy: how audio is cut.
    """

    window_s: float
    latency_s: float
    strategy: str = "sliding"


@dataclass(frozen=True, slots=True)
class TierShare:
    """A tier of a fleet. share: part of all streams. latency_s: for 99 of 100 words. wer: at most, None for any."""

    name: str
    share: float
    latency_s: float
    wer: float | None = None

    @classmethod
    def parse(cls, text: str) -> "TierShare":
        """Return the tier that `text` names, as in `premium=0.1:0.5` or, with a WER, `premium=0.1:0.5:0.03`."""
        name, _, rest = text.partition("=")
        try:
            share, latency_s, *most = (float(part) for part in rest.split(":"))
        except ValueError:
            raise InputError(f"tier {text!r}; expected NAME=SHARE:LATENCY_S[:WER], as premium=0.1:0.5") from None
        if not name or len(most) > 1 or not 0 < share <= 1 or not 0 < latency_s < math.inf:
            raise InputError(f"tier {text!r}; expected a name, a share of at most 1, and a latency above 0")
        return cls(name, share, latency_s, *most)


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacitySettings:
    """What a study asks; frozen, and checked when it is made. Raises `InputError` for what cannot be asked.

    timed_as: the Whisper that is served. backends: by name. prices: as "h100=2.5" or "groq-v1=0.4..2", dollars for a
    card or chip and hour; others are those of the device files. wer_run: what says the WER: the folder of a run, or a
    dataset of the reference curve; None for its first, talks-clean.
    strategies: ways of cutting audio; fleets are of the first. window_s, latencies_s: SLOs where the latency varies.
    windows_s, latency_s: SLOs where the window varies. Disjoint chunks are as long as windows and latency allow.
    loads: as "16x0.25", whose spans are planned and simulated. tiers: of a fleet, as `TierShare.parse` reads them.
    elasticity: of demand against price; None shows three.
    padding: "full" pads calls to 30 s, "fit" does not. activity: part of the time that is speech; skip_silence: no
    calls in the rest. tokens_per_s: of speech. batching: how GPUs form batches, None as their runtime does.
    max_batch: calls served together at most. max_wait_s: a call's wait for others. seed: of phases and jitter.
    """

    timed_as: str = "large-v3"
    backends: tuple[str, ...] = ("l4", "h100", "b200", "groq-v1x16", "h100+groq-v1x16")
    prices: tuple[str, ...] = ()
    wer_run: str | None = None
    window_s: float = 10.0
    latency_s: float = 2.0
    windows_s: tuple[float, ...] = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0)
    latencies_s: tuple[float, ...] = (0.3, 0.5, 1.0, 2.0, 4.0, 8.0)
    strategies: tuple[str, ...] = ("sliding", "alignatt", "disjoint")
    loads: tuple[str, ...] = LOADS[:-1]  # the last is for a Whisper that is much smaller than what is served
    tiers: tuple[str, ...] = ("free=0.9:4", "premium=0.1:0.5")
    elasticity: float | None = None
    padding: str = "full"
    activity: float = 1.0
    skip_silence: bool = False
    tokens_per_s: float = TOKENS_PER_S
    batching: str | None = None
    max_batch: int = MAX_BATCH
    max_wait_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("backends", "prices", "windows_s", "latencies_s", "strategies", "loads", "tiers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for window_s in (*self.windows_s, self.window_s):
            if not 0 < window_s <= LONGEST_S:
                raise InputError(f"window is {window_s:g} s; expected more than 0 and at most {LONGEST_S:g} s")
        for latency_s in (*self.latencies_s, self.latency_s):
            if not 0 < latency_s < math.inf:
                raise InputError(f"latency is {latency_s:g} s; expected more than 0")
        if not (self.backends and self.windows_s and self.latencies_s and self.strategies):
            raise InputError("a study needs a backend, a window, a latency and a strategy; give one of each")
        for name in self.strategies:
            if name not in STRATEGIES:
                raise unknown("strategy", name, STRATEGIES)
        if self.padding not in PADDINGS:
            raise unknown("padding", self.padding, PADDINGS)
        if self.batching not in (None, *BATCHING):
            raise unknown("batching", self.batching, BATCHING)
        if self.max_batch < 1 or not 0 <= self.max_wait_s < math.inf or self.seed < 0:
            given = f"largest batch {self.max_batch}, wait {self.max_wait_s:g} s, seed {self.seed}"
            raise InputError(f"{given}; expected at least 1, at least 0 and at least 0")
        if self.elasticity is not None:
            demand_after(1.0, self.elasticity)
        self.make_traffic()
        self.read_loads()
        self.read_prices()
        self.read_tiers()

    def make_traffic(self) -> Traffic:
        """Return what all streams have in common. Raises `InputError` for what no stream can be."""
        return Traffic(
            streams=1,
            window_s=1.0,
            step_s=1.0,
            activity=self.activity,
            skip_silence=self.skip_silence,
            tokens_per_s=self.tokens_per_s,
        )

    def read_prices(self) -> dict[str, Price]:
        """Return the prices by device. Raises `InputError` for what cannot be read."""
        return dict(map(read_price, self.prices))

    def read_tiers(self) -> tuple[TierShare, ...]:
        """Return the tiers. Raises `InputError` for what cannot be read, or if they are not all streams."""
        found = tuple(map(TierShare.parse, self.tiers))
        if len({tier.name for tier in found}) < len(found):
            raise InputError(f"tiers {', '.join(self.tiers)}; expected a name of its own for each")
        if abs(sum(tier.share for tier in found) - 1) > 1e-6:
            raise InputError(f"shares of the tiers add up to {sum(tier.share for tier in found):g}; expected 1")
        return found

    def read_loads(self) -> tuple[Load, ...]:
        """Return the loads. Raises `InputError` for what cannot be read."""
        return tuple(map(Load.parse, self.loads))

    @property
    def slos(self) -> tuple[Slo, ...]:
        """Every SLO, each once, by strategy: those where the latency varies, then those where the window does."""
        return tuple(dict.fromkeys((*self.by_latency, *self.by_window)))

    @property
    def by_latency(self) -> tuple[Slo, ...]:
        """The SLOs where the latency varies."""
        found = []
        for strategy in self.strategies:
            for latency_s in self.latencies_s:
                window_s = self.window_within(strategy, latency_s)
                found += [Slo(window_s, latency_s, strategy)] if window_s else []
        return tuple(found)

    def window_within(self, strategy: str, latency_s: float) -> float | None:
        """Return the window of a strategy that slides, or the longest chunk whose words can be in time, if any."""
        if cutting_of(strategy).stepping:
            return self.window_s
        # a word waits for the end of its chunk, and then for its text
        return max((window_s for window_s in self.windows_s if window_s < latency_s), default=None)

    @property
    def by_window(self) -> tuple[Slo, ...]:
        """The SLOs where the window varies."""
        names = [name for name in self.strategies if cutting_of(name).stepping]
        return tuple(Slo(window_s, self.latency_s, name) for name in names for window_s in self.windows_s)
