import json
from itertools import pairwise

import pytest
from earspan.backends.errors import InputError
from earspan.backends.lpu.lpu import Lpu
from earspan.backends.registry import get_backend
from earspan.backends.schedules import brief_schedule, trace_events, write_trace
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

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


@pytest.mark.parametrize(("name", "model"), [("groq-v1x2", "tiny.en"), ("groq-v1x16", "large-v3"), ("lp30", "medium")])
def test_the_brief_schedule_is_the_start_of_every_phase_of_the_trace(name, model):
    lpu, work = get_backend(name), Workload(DIMENSIONS[model], decode_tokens=30)
    assert isinstance(lpu, Lpu)
    brief, timing = brief_schedule(lpu, work) or [], lpu.time(work)
    whole = {phase: (start, end) for unit, phase, start, end in brief if unit == "program"}
    assert list(whole) == ["mel", "encode", "prefill", "decode"]
    for phase, (start_us, end_us) in whole.items():
        # hand-overs between stages lie within a phase here, and in "transfer" there
        lasts_s = (end_us - start_us) * 1e-6
        assert timing.phases[phase] - 1e-8 <= lasts_s <= timing.phases[phase] + timing.phases["transfer"]
    assert max(end for *_, end in brief) * 1e-6 <= timing.seconds
    full = [event for event in trace_events(lpu, work) if event["ph"] == "X" and event["tid"] != "program"]
    for unit, phase in {(unit, phase) for unit, phase, *_ in brief if unit != "program"}:
        slots = [(start, end) for name, part, start, end in brief if (name, part) == (unit, phase)]
        assert all(end < start for (_, end), (start, _) in pairwise(slots))
        until = slots[-1][1]
        # what all stages do at the same time is in brief once
        mine = (e for e in full if (e["tid"], e["cat"]) == (unit, phase) and e["ts"] < until - 1e-3)
        booked = {(e["ts"], e["dur"]) for e in mine}
        assert sum(end - start for start, end in slots) == pytest.approx(sum(dur for _, dur in booked), abs=0.2)
    assert len(json.dumps({"rows": [{"schedule": brief}]}, indent=1)) < 50_000


def test_a_hybrid_has_the_schedule_of_its_lpus_where_they_decode_by_themselves():
    work = Workload(DIMENSIONS["small.en"], decode_tokens=20)
    hybrid = get_backend("h100+groq-v1x4")
    brief, timing = brief_schedule(hybrid, work) or [], hybrid.time(work)
    phases = {phase for unit, phase, *_ in brief if unit == "program"}
    assert phases in ({"decode"}, {"prefill", "decode"})
    decode_us = next(end - start for unit, phase, start, end in brief if (unit, phase) == ("program", "decode"))
    assert decode_us * 1e-6 <= timing.phases["decode"] + timing.phases["transfer"]
    for name in ("h100+groq-v1x4@operator", "h100+groq-v1x4@draft", "h100"):
        assert brief_schedule(get_backend(name), work) is None
