"""What claims are held against: a measured curve and device models, and the ways in which the models may be off."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ...backends.hybrid.hybrid import Hybrid
from ...backends.registry import get_backend
from ...backends.serving.cost import Price, bill_of, read_price
from ...backends.timing import Backend, CapacityError, Timing
from ...backends.workload.models import DIMENSIONS, Dimensions
from ...backends.workload.workload import Workload
from ..capacity.claims import VARIATIONS, Variation, error_factors, take_end
from ..results.accuracy import REFERENCE_CURVE
from ..results.curves import CurveSeries, read_curve
from .records import Case, Figure

AS_MODELLED = Variation("as modelled")
ERRORS = tuple(variation for variation in VARIATIONS if not variation.prices)
# About 20,000 USD a GroqCard (Mouser, BittWare; secondary) over 5 to 2 years; no hourly price is published.
LPU_PRICE = "groq-v1=0.46..1.14"
PRICE_ASSUMED = (
    f"price of a GroqChip 0.46 to 1.14 USD an hour ({LPU_PRICE}): a card of about 20,000 USD over 5 to 2 years, "
    "without host, power or margin; no hourly price is published"
)


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Ground:
    """What claims are held against.

    series: word error rate against the window, as measured.
    dims: the Whisper that is timed.
    backends: single devices, slow ones first.
    gpu, lpu, pair: one of each kind; the pair shares each call.
    rack: LPUs that hold larger decoders and batches.
    prices: by device, where not those of the device files.
    """

    series: Sequence[CurveSeries]
    dims: Dimensions
    backends: Sequence[Backend]
    gpu: Backend
    lpu: Backend
    pair: Backend
    rack: Backend
    prices: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def open(cls) -> "Ground":
        """Return the reference curve, and the models of the devices that claims are about."""
        names = ("t4", "l4", "a100", "h100", "b200", "groq-v1x16")
        return cls(
            series=read_curve(REFERENCE_CURVE),
            dims=DIMENSIONS["large-v3"],
            backends=tuple(map(get_backend, names)),
            gpu=get_backend("h100"),
            lpu=get_backend("groq-v1x16"),
            pair=get_backend("h100+groq-v1x16"),
            rack=get_backend("groq-v1x72"),
            prices=dict([read_price(LPU_PRICE)]),
        )

    def usd_per_s(self, backend: Backend, call: Workload, variation: Variation) -> float | None:
        """Return what a second of a backend of one kind costs in dollars; None if a price is not known.

        variation: takes the end of the price range that it says.
        """
        bill = bill_of(backend, self.prices, call)
        end = "usd_per_h"
        if variation.prices:
            cheap = (variation.prices == "LPU") == any(part.kind == "lpu" for part in bill.parts)
            end = "low" if cheap else "high"
        usd_per_h = bill.usd_per_h(end)
        return None if usd_per_h is None else usd_per_h / 3600


@dataclass(frozen=True, eq=False, slots=True)
class Scaled:
    """A backend all of whose times are `factor` times as long."""

    backend: Backend
    factor: float

    @property
    def name(self) -> str:
        """The name of the backend itself."""
        return self.backend.name

    def time(self, workload: Workload) -> Timing:
        """Return how long one batch of calls takes."""
        return self._scale(self.backend.time(workload))

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return the time for one call of every stream."""
        return self._scale(self.backend.serve(call, streams))

    def describe(self) -> str:
        """Return one line."""
        return f"{self.backend.describe()}, times multiplied by {self.factor:g}"

    def _scale(self, timing: Timing) -> Timing:
        phases = {phase: seconds * self.factor for phase, seconds in timing.phases.items()}
        seconds, interval_s = timing.seconds * self.factor, timing.interval_s * self.factor
        return replace(timing, seconds=seconds, interval_s=interval_s, phases=phases)


@lru_cache(maxsize=1024)  # devices remember what they have computed
def put_off(backend: Backend, variation: Variation) -> Backend:
    """Return the backend with its model off in that way; a pair with those of both its devices, its link as it is."""
    varied = take_end(backend, variation.figures)
    if not (isinstance(varied, Hybrid) and isinstance(backend, Hybrid)):
        return _scale(varied, backend, variation)
    gpu, lpu = _scale(varied.gpu, backend.gpu, variation), _scale(varied.lpu, backend.lpu, variation)
    # a pair asks its devices for times and nothing else
    return replace(varied, gpu=gpu, lpu=lpu)  # pyright: ignore[reportArgumentType]


def _scale(backend: Backend, like: Backend, variation: Variation) -> Backend:
    (factor,) = error_factors(like, variation)
    return backend if factor == 1 else Scaled(backend, factor)


def judge(
    where: str,
    ask: Callable[[Variation], bool | None],
    figures: Sequence[Figure],
    variations: Sequence[Variation] = ERRORS,
    basis: str = "simulated",
) -> Case:
    """Return the case whose answer is `ask` with the models as they are, and which of the variations turn it.

    figures: an infinite one stands for none.
    """
    answer = ask(AS_MODELLED)
    turned = tuple(variation.name for variation in variations if ask(variation) != answer)
    known = (one if one.value is None or math.isfinite(one.value) else replace(one, value=None) for one in figures)
    return Case(where, answer, tuple(known), turned, basis)


def time_or_none(backend: Backend, work: Workload) -> Timing | None:
    """Return the timing of a batch; None if the backend cannot hold it."""
    try:
        return backend.time(work)
    except CapacityError:
        return None
