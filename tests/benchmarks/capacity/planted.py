"""Scenarios and points with figures that were planted."""

from earspan.benchmarks.capacity.records import Point
from earspan.benchmarks.capacity.scenario import Scenario
from earspan.benchmarks.capacity.settings import CapacitySettings, Slo


def scenario(*backends: str, prices: tuple[str, ...] = (), timed_as: str = "small.en") -> Scenario:
    return Scenario.open(CapacitySettings(timed_as=timed_as, backends=backends, prices=prices, max_batch=16))


def point(backend: str = "b", latency_s: float = 1.0, usd: float | None = None) -> Point:
    return Point(backend, "GPU", Slo(10.0, latency_s), 1, 1.0, "nothing", "", None, usd_per_audio_h=usd)
