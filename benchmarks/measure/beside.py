"""Simulated servers under the loads that were measured: latency of words against the number of streams."""

from collections.abc import Sequence
from dataclasses import replace

from ...backends.errors import InputError
from ...backends.registry import get_backend
from ...backends.serving.capacity import capacity, trial
from ...backends.serving.server import Server, server_of
from ...backends.serving.simulate import verdict
from ...backends.timing import CapacityError
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ...speech.weights.dims import find_dims
from .records import Simulated, SimulatedLoad
from .settings import Measurement

QUANTILE = 0.95  # of words that keep the SLO, as measured


def open_servers(measurement: Measurement) -> dict[str, Server]:
    """Return each backend of `measurement.beside` as a server of its Whisper and window.

    Raises `InputError` for names that are not known, and for one that cannot hold a call.
    """
    call = window_call(Workload(find_dims(measurement.timed_as)), measurement.window_s, TOKENS_PER_S)
    try:
        return {name: server_of(get_backend(name), call) for name in measurement.beside}
    except CapacityError as error:
        raise InputError(f"--beside: {error}") from error


def simulate(name: str, server: Server, measurement: Measurement, streams: Sequence[int]) -> Simulated:
    """Return a server under as many streams as were measured, and under up to the most that keep the SLO.

    Full padding, every stream calling at its own time; sliding windows with LocalAgreement-2.
    """
    asked, most = measurement, None
    if asked.slo_s is not None:
        most = capacity(server, asked.traffic, latency_s=asked.slo_s, seed=asked.seed, quantile=QUANTILE).streams
    own = {2**power for power in range((most or 0).bit_length())} | ({most} if most else set())
    loads = tuple(_load(server, count, asked) for count in sorted({*streams, *own}))
    return Simulated(name, server.provenance, loads, most)


def _load(server: Server, streams: int, asked: Measurement) -> SimulatedLoad:
    outcome = trial(server, (replace(asked.traffic, streams=streams),), asked.seed)
    p50_s, p95_s = outcome.word_latency_s(0.5), outcome.word_latency_s(QUANTILE)
    return SimulatedLoad(streams, p50_s, p95_s, verdict(outcome).valid)
