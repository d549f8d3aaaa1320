"""Conclusions, and what becomes of them where the models are off."""

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.lpu.lpu import Lpu
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.capacity.claims import GPU_ERROR, LPU_ERROR, VARIATIONS, find_claims, take_end, vary
from earspan.benchmarks.capacity.settings import Slo

from .planted import scenario


def alone_s(one):
    """Seconds of a call by station, for every backend of a scenario."""
    servers = [one.build_server(backend, 10) for backend in one.backends]
    return [server.alone_s(33) for server in servers if server is not None]


def test_variations_move_times_the_way_they_say():
    nominal = scenario("h100", "groq-v1x8", "h100+groq-v1x8")
    before = alone_s(nominal)
    slower, faster = 1 + GPU_ERROR, 1 - LPU_ERROR
    for times, found, factors in zip(
        before, alone_s(vary(nominal, VARIATIONS[0])), ((slower,), (faster,), (slower, faster)), strict=True
    ):
        assert found == pytest.approx([time * factor for time, factor in zip(times, factors, strict=True)])
    # the scenario itself is as it was
    assert alone_s(nominal) == before


def test_only_backends_that_are_as_they_were_keep_their_answers():
    nominal, slo = scenario("l4", "groq-v1x8"), Slo(10, 2)
    for backend in nominal.backends:
        nominal.find_best(backend, slo)
    kept = {variation.name: {name for name, _ in vary(nominal, variation).capacities} for variation in VARIATIONS}
    both, none = {"l4", "groq-v1x8"}, set()
    assert list(kept.values()) == [none, none, {"l4"}, {"l4"}, {"l4"}, both, both]


def test_assumptions_at_both_ends():
    work = Workload(DIMENSIONS["small.en"], decode_tokens=33)
    for name in ("groq-v1x8", "h100+groq-v1x8"):
        backend = get_backend(name)
        seconds = [take_end(backend, end).time(work).seconds for end in ("best", "", "worst")]
        assert seconds == sorted(seconds)
        assert seconds[0] < seconds[2]
    gpu = get_backend("h100")
    assert take_end(gpu, "worst") is gpu
    sram = load_device("groq-v1").figures["sram_usable"]
    assert sram.range is not None
    worst = take_end(get_backend("groq-v1x8"), "worst")
    assert isinstance(worst, Lpu)
    assert worst.device["sram_usable"] == sram.range[0] * 1e6


def test_prices_at_both_ends():
    nominal = scenario("h100", "groq-v1x8", prices=("groq-v1=0.4..1.6",))
    by_name = {variation.prices: variation for variation in VARIATIONS if variation.prices}
    cheap_lpu, cheap_gpu = vary(nominal, by_name["LPU"]), vary(nominal, by_name["GPU"])
    assert cheap_lpu.bills["groq-v1x8"].usd_per_h() == pytest.approx(8 * 0.4)
    assert cheap_lpu.bills["h100"].usd_per_h() == pytest.approx(6.88)
    assert cheap_gpu.bills["groq-v1x8"].usd_per_h() == pytest.approx(8 * 1.6)
    assert cheap_gpu.bills["h100"].usd_per_h() == pytest.approx(2.69)


def test_a_claim_that_prices_overturn_is_not_settled():
    one = scenario("l4", "groq-v1x8", prices=("groq-v1=0.001..100",))
    by_dollars = next(claim for claim in find_claims(one, [Slo(10, 2)]) if claim.measure.startswith("dollars"))
    assert not by_dollars.settled
    assert {"GPU", "LPU"} == {by_dollars.answer, *by_dollars.others.values()}
