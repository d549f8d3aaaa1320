"""A measurement whose figures are known."""

from earspan.benchmarks.experiment.store import SCHEMA
from earspan.benchmarks.measure.records import LoadResult, Measured, Simulated, SimulatedLoad
from earspan.benchmarks.measure.settings import Measurement
from earspan.speech.metrics.latency import LatencySummary
from earspan.speech.metrics.wer import ErrorRate

ASKED = Measurement(target="wlk:ws://127.0.0.1:8000/asr", ramp=True, slo_s=3.0, beside=("l4",))


def load(streams: int) -> LoadResult:
    """Return a load whose latency grows with its streams, and breaks the promise of 3 s beyond five."""
    late = LatencySummary(1 + 0.1 * streams, 1.5 + 0.3 * streams, 2 + 0.3 * streams, 100)
    keeps = 1.5 + 0.3 * streams <= 3.0
    return LoadResult(
        streams=streams,
        ended=streams,
        audio_s=60.0 * streams,
        verdict="VALID",
        reason="",
        late_p99_s=0.004,
        late_max_s=0.012,
        held_max_s=0.001,
        errors={} if keeps else {"server error": 1},
        failures=(),
        ttfs=late,
        word_latency=late,
        steady_latency=late,
        erasure=0.2,
        stalls=0,
        longest_stall_s=0.0,
        word_errors=ErrorRate(3, 2, 1, 200),
        wer=0.03,
        wer_ci95=(0.01, 0.05),
        keeps_slo=keeps,
        broken_by="" if keeps else "errors: 1 x server error",
    )


def measured() -> Measured:
    """Return a ramp that found five streams, beside a simulated server that carries four."""
    simulated = tuple(SimulatedLoad(streams, 1.0, 2.0 + 0.2 * streams, True) for streams in (1, 2, 4))
    loads = tuple(load(streams) for streams in (1, 2, 4, 5, 6, 8))
    beside = (Simulated("l4", "estimate", simulated, 4),)
    return Measured(SCHEMA, ASKED, loads, 5, "errors: 1 x server error", beside, {"python": "3.11"})
