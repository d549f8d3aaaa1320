from itertools import pairwise

import pytest
from earspan.backends.lpu.passes import finish_cycles, interval_cycles, together_cycles
from earspan.backends.lpu.plan import make_plan
from earspan.backends.workload.workload import Workload

from .cases import GROQ, LARGE, TURBO, lpu


def test_calls_in_flight_never_share_a_stage():
    backend, work = lpu(16), Workload(TURBO, decode_tokens=9)
    stored = backend.adapt(work)
    plan = make_plan(backend.chip, GROQ["sram_usable"], 16, 8, stored)
    passes = plan.passes(stored)
    # slot by slot, as the schedule of several calls says: call c is one stage behind call c - 1
    slots = [run.slot for run in passes for _ in range(run.times) for _ in range(2)]
    two = slots[0] + sum(max(a, b) for a, b in pairwise(slots)) + slots[-1]
    assert finish_cycles(passes, 2, 2) == pytest.approx(two, rel=0.25)
    assert together_cycles(passes, 2) >= sum(slots)
    assert interval_cycles(passes, 2) * 2 <= two


def test_what_all_stages_do_together_is_done_for_one_call_after_another():
    backend, work = lpu(16), Workload(TURBO, decode_tokens=9)
    stored = backend.adapt(work)
    passes = make_plan(backend.chip, GROQ["sram_usable"], 16, 8, stored, spread=True).passes(stored)
    first, rest = passes[0], passes[1:]
    assert first.together
    assert not any(run.together for run in rest)
    assert together_cycles(passes, 2) == 2 * first.cycles + together_cycles(rest, 2)


def test_more_chips_encode_one_call_sooner():
    call = Workload(LARGE, decode_tokens=99)
    one, two, four = (lpu(chips).time(call).phases["encode"] for chips in (16, 32, 64))
    # every chip has a share of the rows; links, hops and what keys and values travel keep it from halving
    assert 1.3 < one / two <= 2
    assert 1.2 < two / four <= 2
