from dataclasses import replace

import pytest
from earspan.backends.registry import get_backend
from earspan.backends.timing import CapacityError
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload


def test_a_roofline_is_its_own_ceiling_and_says_so():
    tpu = get_backend("tpu-v5e")
    timing = tpu.time(Workload(DIMENSIONS["small"], decode_tokens=20))
    assert timing.seconds == timing.ceiling_s
    assert "lower bound" in tpu.describe()
    # at batch 16 most of the encoder is bound by arithmetic, norms and GELUs by memory
    large = Workload(DIMENSIONS["large-v3"], batch=16)
    encode = sum(op.flops * op.count for op in large.ops() if op.phase == "encode")
    assert 1 < tpu.time(large).phases["encode"] / (encode / 197e12) < 1.35
    with pytest.raises(CapacityError, match="16 GiB"):
        tpu.time(replace(large, batch=64))
    assert tpu.serve(large, 2).seconds == tpu.time(replace(large, batch=2)).seconds
