"""Claims 7, 8 and 12: mixtures of experts and diffusion in place of Whisper's decoder. No such decoder exists."""

import math
from dataclasses import dataclass

from ...backends.timing import Backend
from ...backends.workload.whatif import MixtureWorkload, read_decoder
from ...backends.workload.workload import Workload
from ..capacity.claims import VARIATIONS, Variation
from .ground import AS_MODELLED, Ground, judge, put_off, time_or_none
from .records import Case, Evidence, Figure

TOKENS = 99
EXPERTS = "moe:experts=8,active=2"
DIFFUSION, MIXED = "diffusion:steps=8,block=32", "diffusion:steps=8,block=32,first=0.1"
WAYS = {"one by one": "", "diffusion": DIFFUSION, "a tenth one by one, then diffusion": MIXED}
BATCHES = (1, 4, 8)
SKEWS = (0.0, 1.0, 2.0)
BRIEF = 0.1  # of the time of a call
NOT_THERE = "no such decoder exists: only its operations are timed"


def _work(ground: Ground, batch: int, decoder: str = "") -> Workload:
    work = Workload(ground.dims, batch, decode_tokens=TOKENS)
    return read_decoder(decoder).of(work) if decoder else work


def _decode_s(ground: Ground, backend: Backend, batch: int, decoder: str, variation: Variation) -> float | None:
    """Seconds of the decode steps of a batch; None where the memory does not hold it."""
    timing = time_or_none(put_off(backend, variation), _work(ground, batch, decoder))
    return timing and timing.phases["decode"]


@dataclass(frozen=True, slots=True)
class AsRouted(MixtureWorkload):
    """A mixture whose schedule books what the router picks on average, as if it were known before."""

    def for_schedule(self) -> "AsRouted":
        """Return itself: nothing more is booked."""
        return self


def check_routing(ground: Ground) -> Evidence:
    """Claim 7: how much of the booked time is a bubble, since the schedule does not know which experts are picked?"""
    cases = [_judge_bubble(ground, batch, skew) for batch in (1, 8) for skew in SKEWS]
    return Evidence(
        f"A decoder with 8 experts in place of each MLP, 2 for each token, on {ground.rack.name}: the time that is "
        "booked whatever the router picks, which is the same for every call, beside the time if its picks were known.",
        tuple(cases),
        (NOT_THERE, "the schedule books the most experts that a batch can pick, each with room for the most popular"),
        "experts of different sizes",
    )


def _judge_bubble(ground: Ground, batch: int, skew: float) -> Case:
    booked = MixtureWorkload(ground.dims, batch, decode_tokens=TOKENS, skew=skew)
    routed = AsRouted(ground.dims, batch, decode_tokens=TOKENS, skew=skew)

    def seconds(work: Workload, variation: Variation = AS_MODELLED) -> float:
        timing = time_or_none(put_off(ground.rack, variation), work)
        return timing.seconds if timing else math.inf

    def bubble(variation: Variation) -> float:
        most = seconds(booked, variation)
        return 1 - seconds(routed, variation) / most if most < math.inf else math.inf

    def is_brief(variation: Variation) -> bool | None:
        found = bubble(variation)
        return found <= BRIEF if found < math.inf else None

    figures = [Figure("booked", 1e3 * seconds(booked), "ms"), Figure("bubble", 100 * bubble(AS_MODELLED), "%")]
    popular = f"popularity falls as rank to the power of -{skew:g}" if skew else "experts alike"
    return judge(f"batch of {batch}, {popular}: bubbles are at most {BRIEF:.0%} of a call", is_brief, figures)


def check_mixture(ground: Ground) -> Evidence:
    """Claim 8: does a mixture of experts widen an LPU's lead, and is it cheaper there at small batches?"""
    gpu, lpu = ground.gpu, ground.rack
    cases = [judge_it(ground, batch) for batch in BATCHES for judge_it in (_judge_lead, _judge_cost)]
    return Evidence(
        f"Decode steps of a decoder with 8 experts, 2 for each token, on {gpu.name} and on {lpu.name}, by batch: the "
        "time of a token beside that of Whisper's own decoder, and what a million tokens cost.",
        tuple(cases),
        (NOT_THERE, "experts are picked evenly", "the devices do nothing else; batches in flight together are counted"),
    )


def _judge_lead(ground: Ground, batch: int) -> Case:
    gpu, lpu = ground.gpu, ground.rack

    def lead(decoder: str, variation: Variation = AS_MODELLED) -> float | None:
        on_gpu, on_lpu = (_decode_s(ground, one, batch, decoder, variation) for one in (gpu, lpu))
        return on_gpu / on_lpu if on_gpu and on_lpu else None

    def widens(variation: Variation) -> bool | None:
        dense, mixed = lead("", variation), lead(EXPERTS, variation)
        return None if dense is None or mixed is None else mixed > dense

    figures = [Figure("LPU's lead, Whisper's decoder", lead(""), "x"), Figure("with experts", lead(EXPERTS), "x")]
    where = f"batch of {batch}: experts widen the lead of {lpu.name} over {gpu.name} in time a token"
    return judge(where, widens, figures)


def _judge_cost(ground: Ground, batch: int) -> Case:
    gpu, lpu = ground.gpu, ground.rack

    def usd(backend: Backend, variation: Variation = AS_MODELLED) -> float:
        return _usd_a_million(ground, backend, batch, variation)

    figures = [Figure(one.name, usd(one), "USD a million tokens") for one in (gpu, lpu)]
    where = f"batch of {batch}: a token of experts costs less on {lpu.name} than on {gpu.name}"
    return judge(where, lambda one: usd(lpu, one) < usd(gpu, one), figures, VARIATIONS)


def _usd_a_million(ground: Ground, backend: Backend, batch: int, variation: Variation) -> float:
    work = _work(ground, batch, EXPERTS)
    timing, usd_per_s = time_or_none(put_off(backend, variation), work), ground.usd_per_s(backend, work, variation)
    if timing is None or usd_per_s is None:
        return math.inf
    # as many batches are in flight as the whole call has
    decode_s = timing.phases["decode"] * timing.interval_s / timing.seconds
    return decode_s * usd_per_s / (batch * TOKENS) * 1e6


def check_diffusion(ground: Ground) -> Evidence:
    """Claim 12: is diffusion sooner on GPUs, does it gain more there, and is a mix of both ways the quickest?"""
    cases = [case for batch in (1, 8) for case in _judge_diffusion(ground, batch)]
    return Evidence(
        f"Decode steps of {TOKENS} tokens written one by one, in blocks of 32 gone over 8 times, or mixed, on "
        f"{ground.gpu.name} and on {ground.rack.name}.",
        tuple(cases),
        (NOT_THERE, "8 passes are enough, whatever the block"),
        "quality: whether a mix is the best that can be read",
    )


def _judge_diffusion(ground: Ground, batch: int) -> list[Case]:
    gpu, lpu = ground.gpu, ground.rack

    def decode_s(backend: Backend, decoder: str, variation: Variation = AS_MODELLED) -> float:
        return _decode_s(ground, backend, batch, decoder, variation) or math.inf

    def gain(backend: Backend, variation: Variation = AS_MODELLED) -> float:
        return decode_s(backend, "", variation) / decode_s(backend, DIFFUSION, variation)

    def judge_mix(backend: Backend) -> Case:
        figures = [Figure(name, 1e3 * decode_s(backend, way), "ms") for name, way in WAYS.items()]

        def is_quickest(variation: Variation) -> bool:
            return min(WAYS.values(), key=lambda way: decode_s(backend, way, variation)) == MIXED

        return judge(f"batch of {batch}: on {backend.name} the mix is the quickest", is_quickest, figures)

    sooner = judge(
        f"batch of {batch}: diffusion is sooner on {gpu.name} than on {lpu.name}",
        lambda one: decode_s(gpu, DIFFUSION, one) < decode_s(lpu, DIFFUSION, one),
        [Figure(f"{one.name}, diffusion", 1e3 * decode_s(one, DIFFUSION), "ms") for one in (gpu, lpu)],
    )
    more = judge(
        f"batch of {batch}: {gpu.name} gains more than {lpu.name} from diffusion",
        lambda one: gain(gpu, one) > gain(lpu, one),
        [Figure(f"{one.name} gains", gain(one), "x") for one in (gpu, lpu)],
    )
    return [sooner, more, judge_mix(gpu), judge_mix(lpu)]
