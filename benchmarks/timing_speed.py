"""How fast the timing model itself is: `python -m earspan.benchmarks.timing_speed`.

Prints one call of large-v3 with 100 decode steps, and a sweep of 12 devices x 8 models x 60 windows x 8 batch sizes,
beside aiconfigurator's own time per point, all in one run, as ratios. Seconds depend on the machine and on what
else it does, ratios less.
"""

import argparse
import importlib
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from ..backends.devices.files import load_device
from ..backends.gpu.gpu import Gpu, gpu_backend, sweep
from ..backends.span import TOKENS_PER_S, window_call
from ..backends.workload.models import DIMENSIONS
from ..backends.workload.workload import Workload

MODELS = ("tiny", "base", "small", "medium", "large-v2", "large-v3", "turbo", "tiny.en")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
WINDOWS = tuple(0.5 * count for count in range(1, 61))
DEVICES = ("t4", "l4", "l40s", "a100", "h100", "h200", "b200", "geforce-4090", "orin")
BAR_CALL_S, BAR_SWEEP_S, BAR_MEMORY_MB = 1e-3, 5.0, 500


def gpus() -> list[Gpu]:
    """Twelve devices: all GPUs as CUDA graphs, three of them also eager."""
    graph = [gpu_backend(name, load_device(name)) for name in DEVICES]
    return graph + [gpu_backend(f"{name}-eager", load_device(name), "eager") for name in ("a100", "h100", "l40s")]


def grid(padding: str) -> list[Workload]:
    """One workload for each model, window and batch size."""
    calls = [
        window_call(Workload(DIMENSIONS[model], padding=padding), window_s, TOKENS_PER_S)
        for model in MODELS
        for window_s in WINDOWS
    ]
    return [replace(call, batch=batch) for call in calls for batch in BATCHES]


def cpu_seconds(task: Callable[[], object]) -> float:
    """Processor seconds that one run of the task takes: on a shared machine, wall time measures the neighbours."""
    start = time.process_time()
    task()
    return time.process_time() - start


def one_call_s(times: int = 100) -> float:
    """Processor seconds of one warm estimate of a large-v3 call that has not been asked for before."""
    gpu = gpu_backend("h100", load_device("h100"))
    # the batch makes each call a new one, so that no finished answer is looked up
    works = [Workload(DIMENSIONS["large-v3"], batch=n, decode_tokens=100) for n in range(1, times + 2)]
    gpu.time(works[0])
    return cpu_seconds(lambda: [gpu.time(work) for work in works[1:]]) / times


def aiconfigurator_point_s(times: int = 200) -> float | None:
    """Processor seconds of one GEMM estimate of aiconfigurator, warm; None if it is not installed."""
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
    return cpu_seconds(lambda: [estimate(n) for n in range(1, times + 1)]) / times


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 if a bar is missed."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args(argv)
    call_s, backends = one_call_s(), gpus()
    print(f"one large-v3 call, 100 decode steps, warm: {call_s * 1e3:.3f} ms (bar {BAR_CALL_S * 1e3:g} ms)")
    met, point_s = call_s < BAR_CALL_S, call_s
    for padding in ("full", "fit"):
        start = time.perf_counter()
        sweep_s = cpu_seconds(lambda padding=padding: sweep(backends, grid(padding)))
        wall_s = time.perf_counter() - start
        points = len(backends) * len(MODELS) * len(WINDOWS) * len(BATCHES)
        point_s = sweep_s / points
        times = f"{sweep_s:.2f} s of processor time, {wall_s:.2f} s of wall time (bar {BAR_SWEEP_S:g} s)"
        print(f"sweep of {points:,} points, {padding} padding: {times}; {point_s * 1e6:.1f} us a point")
        met &= sweep_s < BAR_SWEEP_S
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory: {memory_mb:.0f} MB (bar {BAR_MEMORY_MB} MB)")
    other_s = aiconfigurator_point_s()
    if other_s is None:
        print("aiconfigurator is not installed: no ratio")
    else:
        work = Workload(DIMENSIONS["large-v3"], decode_tokens=100)
        shapes = {op.shape for op in work.ops() if op.kind in ("matmul", "logits", "conv1d")}
        print(f"aiconfigurator, one GEMM: {other_s * 1e6:.0f} us; a call of large-v3 has {len(shapes)} GEMM shapes")
        theirs_s = other_s * len(shapes)
        ratios = f"our whole call: {theirs_s / call_s:.1f}; our point of a sweep: {theirs_s / point_s:.1f}"
        print(f"aiconfigurator's time for these over {ratios}")
    return 0 if met and memory_mb < BAR_MEMORY_MB else 1


if __name__ == "__main__":
    sys.exit(main())
