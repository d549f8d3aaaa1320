from dataclasses import replace

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.gpu import features
from earspan.backends.gpu.gpu import gpu_backend, sweep
from earspan.backends.gpu.runtimes import RUNTIMES
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from .cases import workloads


@settings(max_examples=25, deadline=None)
@given(work=workloads, mode=st.sampled_from(list(RUNTIMES)))
def test_sizes_are_affine_in_batch_and_steps(work, mode):
    runtime = RUNTIMES[mode]
    # what timing uses for speed, against the operations of the workload itself
    for decode, short in ((False, features.begin_rows), (True, features.decode_rows)):
        start = replace(work, decode_tokens=work.decode_tokens if decode else 0)
        direct, quick = features.make_rows(start, runtime, decode=decode), short(start, runtime)
        assert quick.features == pytest.approx(direct.features, rel=1e-12)
        assert quick.phase.tolist() == direct.phase.tolist()
        assert quick.kernel.tolist() == direct.kernel.tolist()


def test_a_sweep_gives_the_times_of_single_calls():
    gpus = [gpu_backend(name, load_device(name), mode) for name in ("t4", "h100") for mode in ("graph", "hf", "ct2")]
    gpus.append(gpu_backend("half", load_device("h100"), "trtllm", decoder_weights="int8"))
    works = [
        Workload(DIMENSIONS[name], batch, audio_s, padding, decode_tokens=tokens)
        for name, batch, audio_s, padding, tokens in (
            ("tiny.en", 1, 30, "full", 0),
            ("tiny.en", 1, 30, "full", 7),
            ("turbo", 8, 3.3, "fit", 11),
            ("large-v3", 64, 30, "full", 99),
        )
    ]
    seconds = sweep(gpus, works)
    assert seconds.shape == (7, 4)
    for gpu, row in zip(gpus, seconds, strict=True):
        for work, value in zip(works, row, strict=True):
            if work.batch > gpu.largest_batch(work):
                assert value == float("inf")
            else:
                assert value == pytest.approx(gpu.time(work).seconds, rel=1e-9)
    # 64 large calls do not fit on a T4, on an H100 they do
    assert (seconds[:, 3] == float("inf")).tolist() == [True] * 3 + [False] * 4
