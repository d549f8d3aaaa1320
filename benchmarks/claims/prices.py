"""Claims 4, 9, 10 and 14: what an hour of audio costs on GPUs, on LPUs and on pairs, by how late words may be."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from ...backends.lpu.lpu import Lpu
from ...backends.serving.arrivals import Traffic
from ...backends.serving.capacity import capacity
from ...backends.serving.server import server_of
from ...backends.timing import Backend, CapacityError
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ..capacity.claims import VARIATIONS, Variation, error_factors, find_winner, take_end, vary
from ..capacity.other_users import AUDIO_TOKENS_PER_S, STEP_S, make_voice_call
from ..capacity.records import Point
from ..capacity.scenario import Scenario
from ..capacity.settings import CapacitySettings, Slo
from .ground import AS_MODELLED, PRICE_ASSUMED, Ground, judge, time_or_none
from .records import Case, Evidence, Figure

WINDOW_S = 10.0
FAST_S, MIDDLE_S, SLOW_S = (0.3,), (1.0,), (4.0,)
DOLLARS = "dollars per audio hour"
TIERS = {"extremes": (0.3, "LPU"), "professionals": (1.0, "hybrid"), "free users": (4.0, "GPU")}
NAMES = {"GPU": "GPUs alone", "LPU": "LPUs alone", "hybrid": "GPU and LPUs together"}
BATCH = 32  # calls encoded together on a GPU
LEAST_STREAMS = 8  # a smaller batch of synthesised speech is not tried on LPUs
SERVED = (
    f"windows of {WINDOW_S:g} s, sliding, steps chosen by the server; 99 of 100 words within the latency",
    PRICE_ASSUMED,
)


@lru_cache(maxsize=4)
def list_points(ground: Ground) -> Mapping[str, Mapping[float, Sequence[Point]]]:
    """Return what GPU, LPU and pair carry, by how the models and prices are off and by latency."""
    settings = CapacitySettings(window_s=WINDOW_S, max_batch=128)
    template, backends = Workload(ground.dims), (ground.gpu, ground.lpu, ground.pair)
    scenario = Scenario(settings, backends, template, ground.prices)
    found = {}
    for variation in (AS_MODELLED, *VARIATIONS):
        varied = scenario if variation is AS_MODELLED else vary(scenario, variation)
        found[variation.name] = {
            latency_s: [varied.find_best(backend, Slo(WINDOW_S, latency_s)) for backend in backends]
            for latency_s in (*FAST_S, *MIDDLE_S, *SLOW_S)
        }
    return found


def _cheapest(ground: Ground, variation: Variation, latency_s: float) -> str:
    points = list_points(ground)[variation.name][latency_s]
    return find_winner(Slo(WINDOW_S, latency_s), DOLLARS, points).answer


def _costs(ground: Ground, variation: Variation, latency_s: float) -> dict[str, float]:
    """Dollars of an audio hour by kind, of those that carry a stream."""
    points = list_points(ground)[variation.name][latency_s]
    return {one.kind: one.usd_per_audio_h for one in points if one.streams and one.usd_per_audio_h is not None}


def _show_costs(ground: Ground, latency_s: float) -> list[Figure]:
    points = list_points(ground)[AS_MODELLED.name][latency_s]
    found = [Figure(f"{one.backend}, {one.streams} streams", one.usd_per_audio_h, "USD/audio h") for one in points]
    return [*found, *(Figure(f"mean batch on {one.backend}", one.batch) for one in points if one.kind == "GPU")]


def _judge_price(ground: Ground, where: str, latency_s: float, ask: Callable[[Variation], bool]) -> Case:
    return judge(f"within {latency_s:g} s: {where}", ask, _show_costs(ground, latency_s), VARIATIONS)


def _judge_cheapest(ground: Ground, where: str, latency_s: float, *kinds: str) -> Case:
    """Whether the cheapest at a latency is one of these kinds."""
    return _judge_price(ground, where, latency_s, lambda one: _cheapest(ground, one, latency_s) in kinds)


def check_frontier(ground: Ground) -> Evidence:
    """Claim 4: are GPUs the cheapest where words may be late, and LPUs, alone or beside a GPU, where not?"""
    cases = [
        _judge_cheapest(ground, "LPUs, alone or with a GPU, are the cheapest", latency_s, "LPU", "hybrid")
        for latency_s in (*FAST_S, *MIDDLE_S)
    ]
    cases += [_judge_cheapest(ground, "GPUs alone are the cheapest", latency_s, "GPU") for latency_s in SLOW_S]
    return Evidence(
        "Dollars of an hour of audio on one GPU, on LPUs and on a pair, by the simulation of servers, at three "
        "latencies; the claim wants LPUs to be in the cheapest up to 1 s, and GPUs alone to be it at 4 s.",
        tuple(cases),
        SERVED,
    )


def check_prefill(ground: Ground) -> Evidence:
    """Claim 9: does what comes before decoding cost less on a GPU, and does a pair cost less than either alone?"""
    work = replace(window_call(Workload(ground.dims), WINDOW_S, TOKENS_PER_S), decode_tokens=0)

    def usd(backend: Backend, batch: int, variation: Variation) -> float | None:
        put = take_end(backend, variation.figures)
        timing, usd_per_s = time_or_none(put, replace(work, batch=batch)), ground.usd_per_s(backend, work, variation)
        if timing is None or usd_per_s is None:
            return None
        return timing.interval_s * max(error_factors(backend, variation)) / batch * usd_per_s * 1e6

    def on_gpu(variation: Variation) -> bool:
        gpu, lpu = usd(ground.gpu, BATCH, variation), usd(ground.lpu, 1, variation)
        return gpu is not None and (lpu is None or gpu < lpu)

    figures = [
        Figure(f"{one.name}, batch {batch}", usd(one, batch, AS_MODELLED), "USD a million calls")
        for one, batch in ((ground.gpu, BATCH), (ground.lpu, 1))
    ]
    cases = [judge("encoder and prompt of a call cost less on the GPU", on_gpu, figures, VARIATIONS)]
    cases += [
        _compare_pair(ground, latency_s, kind) for latency_s in (*FAST_S, *MIDDLE_S, *SLOW_S) for kind in ("LPU", "GPU")
    ]
    return Evidence(
        "What encoder and prompt of a call cost on each device; then dollars of an hour of audio on a pair that is "
        "split by phase, beside each device alone, at three latencies.",
        tuple(cases),
        SERVED,
    )


def _compare_pair(ground: Ground, latency_s: float, kind: str) -> Case:
    def costs_less(variation: Variation) -> bool:
        found = _costs(ground, variation, latency_s)
        return found.get("hybrid", math.inf) < found.get(kind, math.inf)

    where = f"a pair (GPU encodes, LPUs decode) costs less than {NAMES[kind]}"
    return _judge_price(ground, where, latency_s, costs_less)


def check_tiers(ground: Ground) -> Evidence:
    """Claim 10: is the cheapest for each tier what the claim gives it?"""
    cases = [
        _judge_cheapest(ground, f"{tier} are cheapest on {NAMES[kind]}", latency_s, kind)
        for tier, (latency_s, kind) in TIERS.items()
    ]
    return Evidence(
        "The cheapest of GPU, LPUs and pair for three tiers of users, each by how late words may be.",
        tuple(cases),
        ("tiers are latencies: " + ", ".join(f"{name} {s:g} s" for name, (s, _) in TIERS.items()), *SERVED),
    )


def check_realtime(ground: Ground) -> Evidence:
    """Claim 14: does live speech, in and out, favour the fast device?"""
    where = "LPUs, alone or with a GPU, are the cheapest for captions"
    cases = [_judge_cheapest(ground, where, latency_s, "LPU", "hybrid") for latency_s in (*FAST_S, *MIDDLE_S)]
    cases.append(_compare_voices(ground))
    return Evidence(
        "Whether the fast device is the cheapest where speech is live: captions within 0.3 and 1 s, and synthesised "
        "speech whose next second is ready in time.",
        tuple(cases),
        (*SERVED, "synthesis is a language model of 3 G parameters that writes 83 audio tokens a second"),
        "who the largest users are: no provider publishes it; only the reason that is given for it can be tried",
        out_of_reach=True,
    )


def _compare_voices(ground: Ground) -> Case:
    call = make_voice_call(STEP_S)
    load = Traffic(1, STEP_S, STEP_S, "disjoint", tokens_per_s=AUDIO_TOKENS_PER_S, scatter=False, continuing=False)

    def usd(backend: Backend, variation: Variation) -> float:
        put = take_end(backend, variation.figures)
        most = LEAST_STREAMS if isinstance(backend, Lpu) else 64
        try:
            server = server_of(put, call, max_batch=most).scale(*error_factors(backend, variation))
        except CapacityError:
            return math.inf
        streams, usd_per_s = capacity(server, load).streams, ground.usd_per_s(backend, call, variation)
        return 3600 * usd_per_s / streams if streams and usd_per_s is not None else math.inf

    figures = [Figure(one.name, usd(one, AS_MODELLED), "USD/audio h") for one in (ground.gpu, ground.rack)]
    return judge(
        "synthesised speech costs less on LPUs",
        lambda one: usd(ground.rack, one) < usd(ground.gpu, one),
        figures,
        VARIATIONS,
    )
