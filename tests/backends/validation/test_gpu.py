from dataclasses import replace

import pytest
from earspan.backends.gpu.gpu import Gpu
from earspan.backends.registry import get_backend
from earspan.backends.validation.anchors import ANCHORS, MLPERF_LONGEST, MLPERF_TOKENS, SETS_S
from earspan.backends.validation.check import Check
from earspan.backends.validation.gpu import CLASSES, end_to_end, predict, scores
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload


def row(cls, name):
    return next(one for one in ANCHORS if (one.cls, one.name) == (cls, name))


def test_classes_are_scored_by_median_and_worst():
    def check(cls, name, ratio, fitted=""):
        return Check(f"{cls}: {name}", ratio, 1.0, "s", "", (0.85, 1.15), fitted_on=fitted)

    rows = [check("ct2", "a", 1.1), check("ct2", "b", 0.5, "host"), check("ct2", "c", 1.2), check("hf", "d", 1.4)]
    ct2, hf = scores(rows)
    assert (ct2.name, ct2.n, ct2.fitted, ct2.worst_row) == ("ct2", 3, 1, "b")
    assert (ct2.median, ct2.worst) == (pytest.approx(0.2), pytest.approx(0.5))
    assert (ct2.met, hf.met) == (True, False)


def test_the_bars_of_all_classes_are_met():
    found = scores(end_to_end())
    assert [one.name for one in found] == [one.name for one in CLASSES]
    assert [one.name for one in found if one.met is False] == []
    # and none by a constant for each row
    assert all(one.fitted < one.n or one.name in ("ct2", "hf", "openai") for one in found)


def test_an_mlperf_row_by_hand():
    # a batch goes on until its longest answer ends; the attention of those that have ended is spared
    anchor = row("MLPerf", "h200, Google")
    gpu = get_backend("h200-trtllm")
    assert isinstance(gpu, Gpu)
    work = Workload(DIMENSIONS["large-v3"], 256, decode_tokens=MLPERF_LONGEST[256])
    assert predict(anchor) == pytest.approx(256 / gpu.time_unequal(work, MLPERF_TOKENS / MLPERF_LONGEST[256]).seconds)
    assert 256 / gpu.time(work).seconds < predict(anchor) < 256 / gpu.time(replace(work, decode_tokens=75)).seconds


def test_a_row_of_the_leaderboard_has_sorted_batches():
    anchor = row("TensorRT-LLM", "large-v3, VoxPopuli")
    assert anchor.tokens == round(3.3 * SETS_S["VoxPopuli"])
    assert anchor.mean_tokens == 0
    longer = replace(anchor, tokens=3 * anchor.tokens)
    assert predict(longer) < predict(anchor)


def test_every_row_is_on_a_device_and_runtime_that_exist():
    for anchor in ANCHORS:
        assert get_backend(anchor.backend).name == anchor.backend
        assert anchor.source
