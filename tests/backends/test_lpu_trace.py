import json
from itertools import pairwise

import pytest
from earspan.backends.errors import InputError
from earspan.backends.lpu_trace import write_trace
from earspan.backends.models import DIMENSIONS
from earspan.backends.registry import get_backend
from earspan.backends.workload import Workload

WORK = Workload(DIMENSIONS["tiny.en"], decode_tokens=5)


def test_the_trace_is_the_time_on_the_chips(tmp_path):
    backend, path = get_backend("groq-v1x2"), tmp_path / "out.json"
    count = write_trace(backend, WORK, path)
    events = json.loads(path.read_text())["traceEvents"]
    assert len(events) == count
    spans = [event for event in events if event["ph"] == "X"]
    program = [event for event in spans if event["tid"] == "program"]
    timing = backend.time(WORK)
    on_chip_s = timing.seconds - timing.phases["transfer"]
    assert sum(event["dur"] for event in program) * 1e-6 == pytest.approx(on_chip_s)
    for phase in ("mel", "encode", "prefill", "decode"):
        part = sum(event["dur"] for event in program if event["cat"] == phase) * 1e-6
        assert part == pytest.approx(timing.phases[phase])
    threads = {(event["pid"], event["tid"]) for event in spans}
    assert {tid for _, tid in threads} - {"C2C"} == {"program", "MXM", "LOAD", "VXM", "SXM"}
    for thread in threads:
        rows = sorted((e["ts"], e["ts"] + e["dur"]) for e in spans if (e["pid"], e["tid"]) == thread)
        assert all(end <= start + 1e-6 for (_, end), (start, _) in pairwise(rows))


def test_what_has_no_schedule_is_refused(tmp_path):
    with pytest.raises(InputError, match="no static schedule"):
        write_trace(get_backend("h100"), WORK, tmp_path / "out.json")
    with pytest.raises(InputError, match="cannot write"):
        write_trace(get_backend("groq-v1x2"), WORK, tmp_path / "none" / "out.json")
