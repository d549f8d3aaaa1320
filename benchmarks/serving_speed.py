"""How fast the simulation of a server is: `python -m earspan.benchmarks.serving_speed`.

Prints processor seconds, as on a shared machine wall time measures the neighbours, beside the same calls in simpy if
that is installed. The bars: 1,000,000 calls in 10 s; 100,000 streams for 60 s in less than 2 GB; cost linear in calls.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends.registry import get_backend
from ..backends.serving.arrivals import Load, calls_of
from ..backends.serving.continuous import serve_continuously
from ..backends.serving.server import Server, server_of
from ..backends.serving.simulate import run, simulate
from ..backends.serving.station import Line, Station, serve
from ..backends.span import window_call
from ..backends.workload.models import DIMENSIONS
from ..backends.workload.workload import Workload

BAR_MILLION_S, BAR_MEMORY_MB = 10.0, 2000
LOAD = Load(1, 10, 1)


def cpu_s(task: Callable[[], object]) -> float:
    """Processor seconds of one run of the task."""
    start = time.process_time()
    task()
    return time.process_time() - start


def single(seconds: float, servers: int = 1) -> Station:
    """One call at a time on each server: the most events for a number of calls."""
    line = (Line(seconds, 0.0),)
    return Station("single", line, line, servers=servers)


def random_calls(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Poisson arrivals, one a second, with as many tokens each."""
    rng = np.random.default_rng(0)
    return np.cumsum(rng.exponential(1.0, count)), np.full(count, 33)


def station_s(count: int) -> float:
    """The kernel of batches, in batches of one."""
    arrivals, tokens = random_calls(count)
    return cpu_s(lambda: serve(single(0.7), arrivals, tokens, np.random.default_rng(0)))


def whole_s(name: str, batching: str, count: int) -> float:
    """All of a simulation at 80 % of what the server can do: arrivals, kernels, order; windows of 10 s."""
    call = window_call(Workload(DIMENSIONS["large-v3"]), 10.0, LOAD.tokens_per_s)
    server = server_of(get_backend(name), call, batching=batching)
    streams = max(1, int(0.8 * server.calls_per_s(LOAD.mean_tokens)))
    loads = (Load(streams, 10, 1),)
    return cpu_s(lambda: simulate(server, loads, count / streams)) * count / (streams * round(count / streams))


def simpy_s(count: int) -> float | None:
    """The same single queue in simpy; None where it is not installed."""
    try:
        import simpy
    except ImportError:
        return None
    arrivals = random_calls(count)[0].tolist()
    env = simpy.Environment()
    server = simpy.Resource(env)

    def call() -> Any:
        with server.request() as turn:
            yield turn
            yield env.timeout(0.7)

    def source() -> Any:
        for at in arrivals:
            yield env.timeout(at - env.now)
            env.process(call())

    env.process(source())
    return cpu_s(env.run)


def many_streams() -> dict[str, float]:
    """100,000 streams for 60 s on one queue with servers enough: calls, processor seconds, peak memory."""
    loads = (Load(100_000, 10, 1),)
    server = Server("many", (single(0.0005, servers=64),))
    found: dict[str, float] = {}

    def task() -> None:
        calls = calls_of(loads, 60)
        outcome = run(server, loads, calls)
        found["calls"] = len(calls)
        found["latency_p99_s"] = outcome.word_latency_s(0.99)

    found["cpu_s"] = cpu_s(task)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 1024
    )
    return found


def main() -> int:
    """Print all figures, and as the last line the same as JSON; exit code 1 if a bar is missed."""
    million = station_s(1_000_000)
    linear = {count: station_s(count) / count * 1e6 for count in (10_000, 100_000, 1_000_000, 4_000_000)}
    arrivals, tokens = random_calls(1_000_000)
    call = window_call(Workload(DIMENSIONS["large-v3"]), 10.0, LOAD.tokens_per_s)
    device = server_of(get_backend("h100-trtllm"), call, batching="continuous").stations[0]
    continuous = cpu_s(lambda: serve_continuously(device, arrivals / 90, tokens, np.random.default_rng(0)))  # type: ignore[arg-type]
    servers = {name: whole_s(name, "dynamic", 1_000_000) for name in ("h100", "groq-v1x16", "h100+groq-v1x16")}
    small = simpy_s(100_000)
    streams = many_streams()
    figures = {
        "million_calls_cpu_s": million,
        "us_per_call_by_calls": linear,
        "million_continuous_cpu_s": continuous,
        "million_on_servers_cpu_s": servers,
        "simpy_times_as_long": small / (linear[100_000] * 0.1) if small else None,
        "many_streams": streams,
    }
    print(f"1,000,000 calls one at a time: {million:.2f} s of one core (bar {BAR_MILLION_S:g} s)")
    print("microseconds a call: " + ", ".join(f"{us:.2f} at {count:,}" for count, us in linear.items()))
    print(f"1,000,000 calls, continuous batching: {continuous:.2f} s")
    for name, seconds in servers.items():
        print(f"1,000,000 calls on {name}, arrivals and queues: {seconds:.2f} s")
    if figures["simpy_times_as_long"]:
        print(f"simpy takes {figures['simpy_times_as_long']:.0f} times as long for 100,000 calls")
    print(
        f"100,000 streams for 60 s: {streams['calls']:,.0f} calls, {streams['cpu_s']:.1f} s, peak "
        f"{streams['peak_mb']:.0f} MB (bar {BAR_MEMORY_MB} MB)"
    )
    print(json.dumps(figures))
    return int(million > BAR_MILLION_S or streams["peak_mb"] > BAR_MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
