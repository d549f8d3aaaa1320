from dataclasses import replace

import numpy as np
import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.errors import InputError
from earspan.backends.gpu.batch import time_ragged
from earspan.backends.gpu.gpu import gpu_backend
from earspan.backends.jitter import service_times
from earspan.backends.registry import get_backend
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

CALL = Workload(DIMENSIONS["small"], decode_tokens=20)


def test_a_roofline_is_its_own_ceiling_and_says_so():
    tpu = get_backend("tpu-v5e")
    timing = tpu.time(CALL)
    assert timing.seconds == timing.ceiling_s
    assert "lower bound" in tpu.describe()
    # at batch 16 most of the encoder is bound by arithmetic, norms and GELUs by memory
    large = Workload(DIMENSIONS["large-v3"], batch=16)
    encode = sum(op.flops * op.count for op in large.ops() if op.phase == "encode")
    assert 1 < tpu.time(large).phases["encode"] / (encode / 197e12) < 1.35
    with pytest.raises(CapacityError, match="16 GiB"):
        tpu.time(replace(large, batch=64))
    assert tpu.serve(large, 2).seconds == tpu.time(replace(large, batch=2)).seconds


def test_service_times_have_the_percentile_that_the_planner_keeps_to():
    timing = replace(get_backend("h100").time(CALL), jitter=0.2)
    drawn = service_times(timing, 100_000, seed=3)
    assert np.median(drawn) == pytest.approx(timing.seconds, rel=0.005)
    assert np.quantile(drawn, 0.99) == pytest.approx(timing.p99_s, rel=0.005)
    assert (drawn >= timing.ceiling_s).all()
    assert (drawn == service_times(timing, 100_000, seed=3)).all()
    assert (service_times(replace(timing, jitter=0.0), 5, seed=1) == timing.seconds).all()
    with pytest.raises(InputError):
        service_times(timing, -1, seed=1)


def calls(*tokens):
    return [replace(CALL, decode_tokens=count) for count in tokens]


@pytest.mark.parametrize("mode", ["graph", "trtllm", "ct2"])
def test_equal_calls_waste_nothing(mode):
    gpu = gpu_backend("l40s", load_device("l40s"), mode)
    ragged = time_ragged(gpu, calls(20, 20, 20))
    assert ragged.waste == 0
    assert ragged.timing.seconds == pytest.approx(gpu.time(replace(CALL, batch=3)).seconds)


def test_a_static_batch_waits_for_its_longest_call_and_in_flight_batching_does_not():
    lengths = (5, 100, 5, 5, 5, 5, 5, 5)
    whole = replace(CALL, batch=8, decode_tokens=100)
    graph, fused = (gpu_backend("l4", load_device("l4"), mode) for mode in ("graph", "vllm"))
    static = time_ragged(graph, calls(*lengths))
    assert static.timing == graph.time(whole)
    # 95 of the 100 steps need one call only: what they cost beyond that is waste
    narrow = [graph.time(replace(CALL, decode_tokens=n)).phases["decode"] for n in (100, 5)]
    wide = [graph.time(replace(whole, decode_tokens=n)).phases["decode"] for n in (100, 5)]
    excess = (wide[0] - wide[1]) - (narrow[0] - narrow[1])
    assert static.waste == pytest.approx(excess / static.timing.seconds)
    leaving = time_ragged(fused, calls(*lengths))
    assert leaving.waste == 0
    assert leaving.timing.ceiling_s <= leaving.timing.seconds < fused.time(whole).seconds


@pytest.mark.parametrize(
    "batch", [[], [CALL, replace(CALL, audio_s=3.0)], [replace(CALL, batch=2)]], ids=["none", "unequal", "batched"]
)
def test_batches_that_are_none_are_refused(batch):
    with pytest.raises(InputError):
        time_ragged(gpu_backend("l4", load_device("l4")), batch)
