"""How fast the simulations themselves are: the server of many streams, and the timing models.

Processor seconds, as on a shared machine wall time measures the neighbours; beside simpy and aiconfigurator where they
are installed. Seconds depend on the machine and on what else it does, ratios less.
"""

import importlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from ...backends.devices.files import load_device
from ...backends.gpu.gpu import Gpu, gpu_backend, sweep
from ...backends.registry import get_backend
from ...backends.serving.arrivals import Traffic, calls_of
from ...backends.serving.continuous import serve_continuously
from ...backends.serving.server import Server, server_of
from ...backends.serving.simulate import run, simulate
from ...backends.serving.station import Line, Station, serve
from ...backends.workload.models import DIMENSIONS
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from .case import Figure, measure, peak_bytes

LARGE = Workload(DIMENSIONS["large-v3"])
LOAD, SINGLE_S = Traffic(1, 10, 1), 0.7
MODELS = ("tiny", "base", "small", "medium", "large-v2", "large-v3", "turbo", "tiny.en")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
WINDOWS_S = tuple(0.5 * count for count in range(1, 61))
DEVICES, EAGER = ("t4", "l4", "l40s", "a100", "h100", "h200", "b200", "geforce-4090", "orin"), ("a100", "h100", "l40s")


def cpu_s(task: Callable[[], object]) -> float:
    """Return the processor seconds of one run of the task."""
    return measure(task, time.process_time).middle_s


def measure_alone(figures: Callable[[], Iterator[Figure]]) -> list[Figure]:
    """Return `serving_figures` or `timing_figures`, of a process whose peak memory is that of nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_listed, figures).result()


def _listed(figures: Callable[[], Iterator[Figure]]) -> list[Figure]:
    return list(figures())


def serving_figures() -> Iterator[Figure]:
    """Yield how fast the simulation of a server is; cost should be linear in calls."""
    alone = {count: _station_s(count) for count in (10_000, 100_000, 1_000_000, 4_000_000)}
    yield Figure("1,000,000 calls one at a time", alone[1_000_000], "s", 10.0)
    for count, seconds in alone.items():
        yield Figure(f"a call, one at a time, of {count:,}", seconds / count * 1e6, "us")
    yield Figure("1,000,000 calls, continuous batching", _continuous_s(1_000_000), "s")
    for name in ("h100", "groq-v1x16", "h100+groq-v1x16"):
        yield Figure(f"1,000,000 calls on {name}, arrivals and queues", _server_s(name, 1_000_000), "s")
    if simpy_s := _simpy_s(100_000):
        yield Figure("simpy's time over ours, 100,000 calls", simpy_s / alone[100_000], "x")
    streams = measure(_many_streams, time.process_time)
    calls, latency_s = streams.result
    yield Figure("100,000 streams for 60 s: calls", calls, "")
    yield Figure("100,000 streams for 60 s: word latency, p99", latency_s, "s")
    yield Figure("100,000 streams for 60 s", streams.middle_s, "s")
    yield Figure("peak memory", peak_bytes() / 2**20, "MB", 2000.0)


def _single(seconds: float, servers: int = 1) -> Station:
    """Return a station that serves one call at a time: the most events for a number of calls."""
    line = (Line(seconds, 0.0),)
    return Station("single", line, line, servers=servers)


def _random_calls(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Poisson arrivals, one a second, with as many tokens each."""
    return np.cumsum(np.random.default_rng(0).exponential(1.0, count)), np.full(count, 33)


def _station_s(count: int) -> float:
    arrivals, tokens = _random_calls(count)
    return cpu_s(lambda: serve(_single(SINGLE_S), arrivals, tokens, np.random.default_rng(0)))


def _continuous_s(count: int) -> float:
    arrivals, tokens = _random_calls(count)
    call = window_call(LARGE, 10.0, LOAD.tokens_per_s)
    device = server_of(get_backend("h100-trtllm"), call, batching="continuous").stations[0]
    return cpu_s(lambda: serve_continuously(device, arrivals / 90, tokens, np.random.default_rng(0)))  # type: ignore[arg-type]


def _server_s(name: str, count: int) -> float:
    """Return the seconds of a whole simulation at 80 % of what the server can do: arrivals, kernels, order."""
    server = server_of(get_backend(name), window_call(LARGE, 10.0, LOAD.tokens_per_s), batching="dynamic")
    streams = max(1, int(0.8 * server.calls_per_s(LOAD.mean_tokens)))
    played = cpu_s(lambda: simulate(server, (Traffic(streams, 10, 1),), count / streams))
    return played * count / (streams * round(count / streams))


def _many_streams() -> tuple[int, float]:
    """Return the calls of 100,000 streams for 60 s on one queue with servers enough, and their word latency."""
    loads = (Traffic(100_000, 10, 1),)
    calls = calls_of(loads, 60)
    outcome = run(Server("many", (_single(0.0005, servers=64),)), loads, calls)
    return len(calls), outcome.word_latency_s(0.99)


def _simpy_s(count: int) -> float | None:
    """Return the seconds of the same single queue in simpy; None where it is not installed."""
    try:
        import simpy
    except ImportError:
        return None
    arrivals = _random_calls(count)[0].tolist()
    env = simpy.Environment()
    server = simpy.Resource(env)

    def call() -> Any:
        with server.request() as turn:
            yield turn
            yield env.timeout(SINGLE_S)

    def source() -> Any:
        for at in arrivals:
            yield env.timeout(at - env.now)
            env.process(call())

    env.process(source())
    return cpu_s(env.run)


def timing_figures() -> Iterator[Figure]:
    """Yield how fast the timing models are: one call of large-v3, and a sweep of devices, models, windows, batches."""
    call_s, backends = _call_s(), sweep_devices()
    yield Figure("one large-v3 call, 100 decode steps, warm", call_s * 1e3, "ms", 1.0)
    point_s = call_s
    for padding in ("full", "fit"):
        start = time.perf_counter()
        sweep_s = cpu_s(lambda padding=padding: sweep(backends, sweep_grid(padding)))
        wall_s, points = time.perf_counter() - start, len(backends) * len(MODELS) * len(WINDOWS_S) * len(BATCHES)
        point_s, what = sweep_s / points, f"sweep of {points:,} points, {padding} padding"
        yield Figure(f"{what}: processor time", sweep_s, "s", 5.0)
        yield Figure(f"{what}: wall time", wall_s, "s")
        yield Figure(f"{what}: a point", point_s * 1e6, "us")
    yield Figure("peak memory", peak_bytes() / 2**20, "MB", 500.0)
    if gemm_s := _aiconfigurator_s():
        shapes = {
            op.shape for op in replace(LARGE, decode_tokens=100).ops() if op.kind in ("matmul", "logits", "conv1d")
        }
        yield Figure("aiconfigurator: one GEMM", gemm_s * 1e6, "us")
        yield Figure("GEMM shapes of a call of large-v3", len(shapes), "")
        yield Figure("aiconfigurator's time for these over our whole call", gemm_s * len(shapes) / call_s, "x")
        yield Figure("aiconfigurator's time for these over our point of a sweep", gemm_s * len(shapes) / point_s, "x")


def sweep_devices() -> list[Gpu]:
    """Return twelve devices: all GPUs as CUDA graphs, three of them also eager."""
    graph = [gpu_backend(name, load_device(name)) for name in DEVICES]
    return graph + [gpu_backend(f"{name}-eager", load_device(name), "eager") for name in EAGER]


def sweep_grid(padding: str) -> list[Workload]:
    """Return one workload for each model, window and batch size."""
    works = [Workload(DIMENSIONS[model], padding=padding) for model in MODELS]
    calls = [window_call(work, window_s, TOKENS_PER_S) for work in works for window_s in WINDOWS_S]
    return [replace(call, batch=batch) for call in calls for batch in BATCHES]


def _call_s(times: int = 100) -> float:
    """Return the seconds of one warm estimate of a large-v3 call that has not been asked for before."""
    gpu = gpu_backend("h100", load_device("h100"))
    # the batch makes each call a new one, so that no finished answer is looked up
    works = [replace(LARGE, batch=n, decode_tokens=100) for n in range(1, times + 2)]
    gpu.time(works[0])
    return cpu_s(lambda: [gpu.time(work) for work in works[1:]]) / times


def _aiconfigurator_s(times: int = 200) -> float | None:
    """Return the seconds of one GEMM estimate of aiconfigurator, warm; None if it is not installed."""
    try:
        database = importlib.import_module("aiconfigurator.sdk.perf_database")
        common = importlib.import_module("aiconfigurator.sdk.common")
        operation = importlib.import_module("aiconfigurator.sdk.operations.gemm").GEMM
    except ImportError:
        return None
    tables = database.get_database("h100_sxm", "vllm", "0.24.0")

    def estimate(n: int) -> object:
        # its operations have no public way to be priced alone (0.12.0)
        gemm = operation("gemm", 1, 1280 + 8 * n, 1280, common.GEMMQuantMode.bfloat16)
        return gemm._engine_query(tables, x=1500 + 7 * n)

    estimate(0)
    return cpu_s(lambda: [estimate(n) for n in range(1, times + 1)]) / times
