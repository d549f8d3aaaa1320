"""The interval of truth: every conclusion of a capacity study again with the models off by as much as they may be.

GPU times are within 15 % of published runs (`backends.validation.gpu.BAND`), LPU times within 25 %
(`backends.validation.lpu.BAND`); a GPU with borrowed kernels has no held-out error, and is given twice the band of the
others, which is an assumption. A conclusion that does not survive is not settled by the model's accuracy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..backends.devices.device import Device
from ..backends.gpu.gpu import Gpu
from ..backends.hybrid.hybrid import Hybrid, Link
from ..backends.lpu.lpu import Lpu
from ..backends.timing import Backend
from ..backends.validation.gpu import BAND as GPU_BAND
from ..backends.validation.lpu import BAND as LPU_BAND
from .capacity_study import Point, Slo, Study

GPU_ERROR, LPU_ERROR = (round(high - 1, 3) for _, high in (GPU_BAND, LPU_BAND))
BORROWED_ERROR = 2 * GPU_ERROR
# GroqCloud's published speed factor of large-v3 is 189; this model predicts 4.5 times as much for a device alone
# (`earspan devices --validation`). Network, queue and other customers are in the published one.
AS_PUBLISHED_SERVICE = 4.5


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


def varied(study: Study, variation: Variation) -> Study:
    """The same study, with the models off in that way."""

    def factors(backend: Backend) -> tuple[float, ...]:
        of_gpu = 1 + variation.gpu * _gpu_error(backend)
        of_lpu = (1 + variation.lpu * LPU_ERROR) * variation.lpu_factor
        if isinstance(backend, Hybrid):
            # in splits that keep both devices busy, one station stands for both: the worse of the two
            return (of_gpu, of_lpu) if backend.mode == "phase" else (max(of_gpu, of_lpu),)
        return (of_lpu,) if isinstance(backend, Lpu) else (of_gpu,)

    prices = dict(study.prices)
    if variation.prices:
        for part in (part for bill in study.bills.values() for part in bill.parts):
            if part.price is not None:
                cheap = (variation.prices == "LPU") == (part.kind == "lpu")
                usd = part.price.low if cheap else part.price.high
                prices[part.device] = replace(part.price, usd_per_h=usd)
    backends = [at_end(backend, variation.figures) for backend in study.backends]
    return replace(
        study, backends=backends, prices=prices, factors=factors, kept=study.kept if variation.prices else {}
    )


def at_end(backend: Backend, end: str) -> Backend:
    """The backend with the labelled assumptions about its LPUs at the "best" or the "worst" end of their ranges."""
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


@dataclass(frozen=True, slots=True)
class Claim:
    """A conclusion: which kind of backend is best at a slo, by a measure.

    answer: the kind, or "none" if no backend keeps the slo. by: the best point, None for "none". others: by
    variation, the answers that differ.
    """

    slo: Slo
    measure: str
    answer: str
    by: Point | None
    figures: dict[str, float]
    others: dict[str, str]

    @property
    def settled(self) -> bool:
        """Whether the conclusion stands in every variation."""
        return not self.others


MEASURES: dict[str, Callable[[Point], float | None]] = {
    "dollars per audio hour": lambda point: point.usd_per_audio_h,
    "joules per audio hour": lambda point: point.joules_per_audio_h,
}


def claims(
    study: Study, slos: Sequence[Slo], progress: Callable[[int, int], None] = lambda done, of: None
) -> list[Claim]:
    """Every conclusion of the study with what becomes of it in all `VARIATIONS`."""
    studies = {"": study} | {variation.name: varied(study, variation) for variation in VARIATIONS}
    answers: dict[tuple[Slo, str, str], tuple[str, Point | None, dict[str, float]]] = {}
    done, of = 0, len(studies) * len(slos)
    for name, one in studies.items():
        for slo in slos:
            points = [one.best(backend, slo) for backend in one.backends]
            for measure, value in MEASURES.items():
                answers[slo, measure, name] = _winner(points, value)
            done += 1
            progress(done, of)
    found = []
    for slo in slos:
        for measure in MEASURES:
            answer, best, figures = answers[slo, measure, ""]
            told = {name: answers[slo, measure, name][0] for name in studies if name}
            others = {name: other for name, other in told.items() if other != answer}
            found.append(Claim(slo, measure, answer, best, figures, others))
    return found


def _winner(
    points: Sequence[Point], value: Callable[[Point], float | None]
) -> tuple[str, Point | None, dict[str, float]]:
    """The kind that is best, its point, and the best value of every kind."""
    known = [(worth, point) for point in points if point.streams and (worth := value(point)) is not None]
    if not known:
        return "none", None, {}
    best = min(known, key=lambda one: one[0])[1]
    by_kind: dict[str, float] = {}
    for worth, point in known:
        by_kind[point.kind] = min(worth, by_kind.get(point.kind, worth))
    return best.kind, best, by_kind
