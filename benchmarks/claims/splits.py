"""Claim 11: projections on LPUs and attention on the GPU, by how long a message between them takes."""

import math
from dataclasses import replace

from ...backends.hybrid.hybrid import Hybrid, Link
from ...backends.hybrid.part import Part
from ...backends.registry import get_backend
from ...backends.timing import Backend
from ...backends.workload.workload import Workload
from ..capacity.claims import Variation
from .ground import AS_MODELLED, Ground, judge, put_off, time_or_none
from .records import Case, Evidence, Figure

LATENCIES_US = (0.35, 5.0, 20.0)
BATCHES = (1, 16, 64)
TOKENS = 33
OTHER_PAIRS = ("rubin+lp30x16",)


def check_split(ground: Ground) -> Evidence:
    """Claim 11: is a call done sooner with attention on the GPU and all else of a decode step on LPUs?"""
    pairs = [one for one in (ground.pair, *map(get_backend, OTHER_PAIRS)) if isinstance(one, Hybrid)]
    cases = [_compare(ground, pair, batch, us) for pair in pairs for batch in BATCHES for us in LATENCIES_US]
    return Evidence(
        f"A batch of calls on {' and '.join(one.name for one in pairs)} with attention on the GPU and projections on "
        "the LPUs, by how long a message between the two takes and by batch: the claim holds where it is done sooner "
        "than on the GPU alone, and than with all of decoding on the LPUs, where these hold it.",
        tuple(cases),
        (
            "four messages a layer and token; 20 us a message is the estimate for GroqChips over a host, 5 us for LP30 "
            "over Ethernet, 0.35 us LP30's own hop between chips: nothing is published for any GPU and LPU",
            "assumed figures of the LPU at their ends leave the latency of the link as it is",
        ),
    )


def _compare(ground: Ground, pair: Hybrid, batch: int, latency_us: float) -> Case:
    work = Workload(ground.dims, batch, decode_tokens=TOKENS)
    link = Link(latency_us * 1e-6, pair.link.bytes_per_s)
    # one name for each link, as what was computed is kept by object
    split = replace(pair, name=f"{pair.name}@operator", mode="operator", link=link)
    ways: dict[str, Backend] = {"attention on the GPU": split, "GPU alone": pair.gpu}
    if _may_hold(pair, work) and time_or_none(pair, work) is not None:
        ways["decoding on LPUs"] = replace(pair, mode="phase", link=link)

    def seconds(way: str, variation: Variation = AS_MODELLED) -> float:
        timing = time_or_none(put_off(ways[way], variation), work)
        return timing.seconds if timing else math.inf

    def is_soonest(variation: Variation) -> bool:
        return min(ways, key=lambda way: seconds(way, variation)) == "attention on the GPU"

    figures = [Figure(way, 1e3 * seconds(way), "ms") for way in ways]
    return judge(f"{pair.name}, batch of {batch}, {latency_us:g} us a message", is_soonest, figures)


def _may_hold(pair: Hybrid, work: Workload) -> bool:
    """Whether weights and caches of decoding are no more than the LPUs' memory: a search for chips takes long."""
    decoding = pair.lpu.adapt(Part.of(work, "attend", "project"))
    chips = pair.lpu.chips or pair.lpu.chips_needed(replace(decoding, batch=1))
    return decoding.weights_bytes + work.batch * work.kv_bytes <= chips * pair.lpu.device["sram_usable"]
