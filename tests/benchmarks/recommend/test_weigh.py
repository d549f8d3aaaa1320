"""Strategy against hardware: each cell is what brute force over the ways finds, and words follow from numbers."""

from dataclasses import replace

import pytest
from earspan.backends.registry import get_backend
from earspan.backends.serving.capacity import trial
from earspan.backends.serving.server import server_of
from earspan.backends.serving.simulate import verdict
from earspan.backends.workload.cutting import STRATEGIES
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.recommend.demand import Demand
from earspan.benchmarks.recommend.weigh import Gain, Rung, Weighing, weigh_strategies
from earspan.benchmarks.recommend.words import conclude_weighing
from earspan.benchmarks.results.accuracy import Heard, pair_ways, read_accuracy
from earspan.speech.metrics.significance import Difference


@pytest.mark.parametrize(("streams", "latency_s"), [(8, 3.0), (20, 2.5)])
def test_each_cell_is_the_best_that_is_carried(streams: int, latency_s: float):
    demand = Demand(streams=streams, latency_s=latency_s, backends=("t4", "h100"))
    found = weigh_strategies(demand)
    template = Workload(DIMENSIONS["large-v3"])
    for rung in found.rungs:
        carried = []
        for way in (way for way in read_accuracy(None).ways if way.strategy == rung.strategy):
            stream = replace(way.stream, streams=streams)
            server = server_of(get_backend(rung.backend), stream.call(template), max_batch=streams)
            if verdict(trial(server, (stream,)), latency_s).valid:
                carried.append(way.wer)
        assert (rung.heard.wer if rung.heard else None) == min(carried, default=None)
        assert rung.heard is None or rung.latency_p95_s <= latency_s
    for gain in found.by_strategy:
        assert gain.before.backend == gain.after.backend
        assert gain.before.heard.wer >= gain.after.heard.wer
    assert [gain.before.backend for gain in found.by_hardware if gain.before.heard != gain.after.heard] <= ["t4"] * 3


def rung(backend: str, strategy: str, wer: float) -> Rung:
    return Rung(backend, strategy, Heard(strategy, 10.0, 1.0, wer, None), 12.0, 2.0)


@pytest.mark.parametrize(
    ("ends", "said"),
    [((-0.05, -0.01), "fewer errors"), ((-0.05, 0.01), "nothing certain in words"), ((0.01, 0.05), "more errors")],
)
def test_only_what_the_interval_allows_is_said(ends: tuple[float, float], said: str):
    slow, fast = rung("l4", "sliding", 0.10), rung("h100", "sliding", 0.07)
    gain = Gain(slow, fast, Difference(-0.03, ends, 0.0))
    found = Weighing(Demand(), "tiny.en", "planted", (), (slow, fast), (), (gain,))
    line = next(line for line in conclude_weighing(found) if line.startswith("Hardware"))
    assert "l4 to h100, 10.0 % become 7.0 %" in line
    assert said in line


def test_ways_are_paired_by_recording():
    ways = {(way.strategy, way.window_s, way.step_s): way for way in read_accuracy(None).ways}
    short, long = ways["disjoint", 2.0, 2.0], ways["sliding", 10.0, 1.0]
    found = pair_ways(None, short, long)
    assert found is not None
    assert found.difference == pytest.approx(long.wer - short.wer)
    assert found.interval[1] < 0
    assert pair_ways("talks-noisy", short, replace(long, step_s=2.0)) is None  # was not heard there


def test_the_command_prints_it(request, capsys):
    earspan = request.getfixturevalue("earspan")
    code, out, _ = earspan("recommend", "--weigh", "--streams", 8, "--backends", "l4,h100")
    assert code == 0
    for line in conclude_weighing(weigh_strategies(Demand(streams=8, backends=("l4", "h100")))):
        assert line in out
    noisy = weigh_strategies(Demand(streams=8, backends=("h100",), run="talks-noisy", latency_s=6.0))
    assert set(noisy.unheard) == {"prompted", "sequential"}
    assert {rung.strategy for rung in noisy.rungs} == set(STRATEGIES) - {"prompted", "sequential"}
