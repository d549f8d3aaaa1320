"""Scenarios with figures that were planted."""

from earspan.benchmarks.capacity.scenario import Scenario
from earspan.benchmarks.capacity.settings import CapacitySettings


def scenario(*backends: str, prices: tuple[str, ...] = (), timed_as: str = "small.en") -> Scenario:
    return Scenario.open(CapacitySettings(timed_as=timed_as, backends=backends, prices=prices, max_batch=16))
