"""The interval of truth: every conclusion of a study again with the models off by as much as they may be.

GPU times are within 15 % of published runs (`backends.validation.gpu.BAND`), LPU times within 25 %
(`backends.validation.lpu.BAND`); a GPU with borrowed kernels has no held-out error, and is given twice the band of the
others, which is an assumption. A conclusion that does not survive is not settled by the model's accuracy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ...backends.devices.device import Device
from ...backends.gpu.gpu import Gpu
from ...backends.hybrid.hybrid import Hybrid, Link
from ...backends.lpu.lpu import Lpu
from ...backends.serving.cost import Price
from ...backends.timing import Backend
from ...backends.validation.gpu import BAND as GPU_BAND
from ...backends.validation.lpu import BAND as LPU_BAND
from ..experiment.progress import Advance
from .records import Claim, Point
from .scenario import Scenario
from .settings import Slo

GPU_ERROR, LPU_ERROR = (round(high - 1, 3) for _, high in (GPU_BAND, LPU_BAND))
BORROWED_ERROR = 2 * GPU_ERROR
# GroqCloud's published speed factor of large-v3 is 189; this model predicts 4.5 times as much for a device alone
# (`earspan devices --validation`). Network, queue and other customers are in the published one.
AS_PUBLISHED_SERVICE = 4.5
MEASURES: dict[str, Callable[[Point], float | None]] = {
    "dollars per audio hour": lambda point: point.usd_per_audio_h,
    "joules per audio hour": lambda point: point.joules_per_audio_h,
}


@dataclass(frozen=True, slots=True)
class Variation:
    """One way in which the models may be off. gpu, lpu: -1 for times at the lower end of the error, +1 at the upper.

    figures: the end at which an LPU's labelled assumptions are taken, "best", "worst" or "". lpu_factor: on its times.
    prices: whose are taken at the low end of their ranges, "GPU" or "LPU", the others' at the high end; or "".
    """

    name: str
    gpu: int = 0
    lpu: int = 0
    figures: str = ""
    lpu_factor: float = 1.0
    prices: str = ""


VARIATIONS = (
    Variation(f"GPU {GPU_ERROR:.0%} slower, LPU {LPU_ERROR:.0%} faster", gpu=1, lpu=-1),
    Variation(f"GPU {GPU_ERROR:.0%} faster, LPU {LPU_ERROR:.0%} slower", gpu=-1, lpu=1),
    Variation("assumptions about the LPU at their best", figures="best"),
    Variation("assumptions about the LPU at their worst", figures="worst"),
    Variation(
        f"LPU {AS_PUBLISHED_SERVICE:g} times slower, as GroqCloud's published factor", lpu_factor=AS_PUBLISHED_SERVICE
    ),
    Variation("GPU prices at the high end, LPU prices at the low one", prices="LPU"),
    Variation("GPU prices at the low end, LPU prices at the high one", prices="GPU"),
)


def find_claims(scenario: Scenario, slos: Sequence[Slo], advance: Advance = lambda done, of: None) -> tuple[Claim, ...]:
    """Return every conclusion, by dollars and by joules at each SLO, with what becomes of it in all `VARIATIONS`."""
    answers: dict[str, list[Claim]] = {}
    for number, variation in enumerate((Variation(""), *VARIATIONS)):
        varied = vary(scenario, variation) if number else scenario
        own = answers[variation.name] = []
        for done, slo in enumerate(slos, start=1):
            points = [varied.find_best(backend, slo) for backend in varied.backends]
            own += [find_winner(slo, measure, points) for measure in MEASURES]
            advance(number * len(slos) + done, (len(VARIATIONS) + 1) * len(slos))
    nominal = answers.pop("")
    return tuple(
        replace(one, others={name: own[at].answer for name, own in answers.items() if own[at].answer != one.answer})
        for at, one in enumerate(nominal)
    )


def find_winner(slo: Slo, measure: str, points: Sequence[Point]) -> Claim:
    """Return which of the points is best by a measure, as if the models were right."""
    known = [(worth, point) for point in points if point.streams and (worth := MEASURES[measure](point)) is not None]
    if not known:
        return Claim(slo, measure, "none", None, {})
    best = min(known, key=lambda one: one[0])[1]
    figures: dict[str, float] = {}
    for worth, point in known:
        figures[point.kind] = min(worth, figures.get(point.kind, worth))
    return Claim(slo, measure, best.kind, best.backend, figures)


def split_factors(backend: Backend, of_gpu: float, of_lpu: float) -> tuple[float, ...]:
    """Return what the times of each station of a backend are multiplied with, given those of GPUs and of LPUs."""
    if isinstance(backend, Hybrid):
        # in splits that keep both devices busy, one station stands for both: the worse of the two
        return (of_gpu, of_lpu) if backend.mode == "phase" else (max(of_gpu, of_lpu),)
    return (of_lpu,) if isinstance(backend, Lpu) else (of_gpu,)


def error_factors(backend: Backend, variation: Variation) -> tuple[float, ...]:
    """Return what the times of each station of a backend are multiplied with where the models are off in that way."""
    of_gpu = 1 + variation.gpu * _gpu_error(backend)
    of_lpu = (1 + variation.lpu * LPU_ERROR) * variation.lpu_factor
    return split_factors(backend, of_gpu, of_lpu)


def vary(scenario: Scenario, variation: Variation) -> Scenario:
    """Return the same scenario with the models off in that way."""

    def factors(backend: Backend) -> tuple[float, ...]:
        return error_factors(backend, variation)

    backends = [take_end(backend, variation.figures) for backend in scenario.backends]
    # backends that are as they were keep their answers
    same = {one.name for one, was in zip(backends, scenario.backends, strict=True)
            if one is was and set(factors(one)) == {1.0}}  # fmt: skip
    return replace(
        scenario,
        backends=backends,
        prices=_vary_prices(scenario, variation.prices) if variation.prices else scenario.prices,
        factors=factors,
        servers={key: server for key, server in scenario.servers.items() if key[0] in same},
        capacities={key: found for key, found in scenario.capacities.items() if key[0] in same},
    )


def _vary_prices(scenario: Scenario, low: str) -> dict[str, Price]:
    """Prices at the low end of their ranges for "GPU" or "LPU", at the high end for the others."""
    prices = dict(scenario.prices)
    for part in (part for bill in scenario.bills.values() for part in bill.parts):
        if part.price is not None:
            is_low = (low == "LPU") == (part.kind == "lpu")
            prices[part.device] = replace(part.price, usd_per_h=part.price.low if is_low else part.price.high)
    return prices


def take_end(backend: Backend, end: str) -> Backend:
    """Return the backend with the labelled assumptions about its LPUs at the "best" or the "worst" end, or as it is."""
    if not end:
        return backend
    if isinstance(backend, Hybrid):
        device = _figures_at(backend.lpu.device, end)
        lpu, link = replace(backend.lpu, device=device), backend.link
        if link == Link(backend.lpu.device["partner_latency"], backend.lpu.device["partner_bandwidth"]):
            link = Link(device["partner_latency"], device["partner_bandwidth"])
        return replace(backend, lpu=lpu, link=link)
    return replace(backend, device=_figures_at(backend.device, end)) if isinstance(backend, Lpu) else backend


def _figures_at(device: Device, end: str) -> Device:
    figures = dict(device.figures)
    for name, figure in device.figures.items():
        if figure.range is not None and figure.quantity not in ("price", "power"):
            # of times and waits less is better, of everything else more
            best = figure.range[0] if figure.quantity in ("time", "cycles") else figure.range[1]
            worst = figure.range[0] if best == figure.range[1] else figure.range[1]
            figures[name] = replace(figure, value=best if end == "best" else worst)
    return replace(device, figures=MappingProxyType(figures))


def _gpu_error(backend: Backend) -> float:
    gpu = backend.gpu if isinstance(backend, Hybrid) else backend
    return GPU_ERROR if isinstance(gpu, Gpu) and gpu.provenance != "estimate" else BORROWED_ERROR
