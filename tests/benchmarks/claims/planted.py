"""A ground for claims whose answers are known: curves, devices and prices that were planted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earspan.backends.registry import get_backend
from earspan.backends.serving.cost import read_price
from earspan.backends.timing import PHASES, Timing
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.capacity.claims import VARIATIONS
from earspan.benchmarks.capacity.records import Point
from earspan.benchmarks.capacity.settings import Slo
from earspan.benchmarks.claims.ground import AS_MODELLED, Ground
from earspan.benchmarks.results.curves import CurvePoint, CurveSeries
from earspan.speech.metrics.wer import ErrorRate


@dataclass(frozen=True, eq=False)
class Device:
    """A device that takes a tenth of a millisecond for each call, and so many seconds for each decode step."""

    name: str
    token_s: float

    def time(self, workload: Workload) -> Timing:
        return self.serve(workload, 1)

    def serve(self, call: Workload, streams: int) -> Timing:
        seconds = streams * (1e-4 + self.token_s * call.decode_tokens)
        phases = dict.fromkeys(PHASES, 0.0) | {"decode": seconds}
        return Timing(seconds, seconds, phases, seconds, "memory", "estimate")

    def describe(self) -> str:
        return self.name


def curve(
    strategy: str, step_s: float | None, rates: Mapping[float, float], dataset: str = "talks-clean"
) -> CurveSeries:
    """The same error rate in each of six recordings of 1000 words, by window."""
    points = tuple(
        CurvePoint(at, (ErrorRate(round(1000 * rate), 0, 0, 1000),) * 6, 1, 1, 1) for at, rate in rates.items()
    )
    names = tuple("abcdef")
    return CurveSeries("tiny.en", "ab", "here", "torch", "greedy", dataset, "cd", 60.0, 40.0, names, names, strategy,
                       step_s, points)  # fmt: skip


def ground(falls: bool = True, backends: Sequence[Device] = ()) -> Ground:
    """Small models on few devices; errors fall with the window, or stay."""
    rates = {2.0: 0.2, 5.0: 0.1, 10.0: 0.05, 30.0: 0.02} if falls else dict.fromkeys((2.0, 5.0, 10.0, 30.0), 0.02)
    return Ground(
        series=(curve("disjoint", None, rates), curve("sliding", 1.0, rates)),
        dims=DIMENSIONS["tiny.en"],
        backends=backends or (Device("slow", 0.03), Device("fast", 1e-6)),
        gpu=get_backend("h100"),
        lpu=get_backend("groq-v1x8"),
        pair=get_backend("h100+groq-v1x8"),
        rack=get_backend("groq-v1x16"),
        prices=dict([read_price("groq-v1=0.4..1.6")]),
    )


def points(usd: Mapping[float, Mapping[str, float]]) -> dict[str, dict[float, list[Point]]]:
    """What servers carry, alike in every variation: dollars of an audio hour by latency and kind."""
    names = {"GPU": "h100", "LPU": "groq-v1x8", "hybrid": "h100+groq-v1x8"}
    found = {
        latency_s: [
            Point(names[kind], kind, Slo(10.0, latency_s), 5, 1.0, "", "", None, usd_per_audio_h=price)
            for kind, price in of.items()
        ]
        for latency_s, of in usd.items()
    }
    return {variation.name: found for variation in (AS_MODELLED, *VARIATIONS)}
