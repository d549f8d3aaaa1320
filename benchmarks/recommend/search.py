"""The search for the cheapest servers: a bound from throughput for each way of cutting, then the simulation.

No server carries more streams than its stations serve calls. Ways are simulated in the order of the cost that this
bound allows, and the search ends when the bound of the next is above what was found: nothing cheaper is left out.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ...backends.hybrid.hybrid import Hybrid
from ...backends.lpu.lpu import Lpu
from ...backends.registry import get_backend
from ...backends.serving.arrivals import Load
from ...backends.serving.capacity import capacity, trial
from ...backends.serving.cost import Bill, bill_of
from ...backends.serving.server import MAX_BATCH, Server, server_of
from ...backends.timing import Backend, CapacityError
from ...backends.workload.models import Dimensions, resolve_dims
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ..capacity.claims import GPU_ERROR, LPU_ERROR
from ..capacity.scenario import kind_of
from .accuracy import Accuracy, Heard, read_accuracy
from .demand import Demand
from .records import Choice, Recommendation, Refusal

STEPS_S = (0.25, 0.5, 1.0, 2.0, 4.0)  # between two calls where windows slide
_VARIED = 3  # choices that are held against each other with the models off
_SLOWER = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)  # times the latency, to find the nearest that works
VARIATIONS = {
    f"GPUs {GPU_ERROR:.0%} slower, LPUs {LPU_ERROR:.0%} faster": (1 + GPU_ERROR, 1 - LPU_ERROR),
    f"GPUs {GPU_ERROR:.0%} faster, LPUs {LPU_ERROR:.0%} slower": (1 - GPU_ERROR, 1 + LPU_ERROR),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way of cutting audio on one backend, with the least that it can cost."""

    heard: Heard
    step_s: float
    least_cost: float


@dataclass(eq=False, slots=True)
class Search:
    """The search for one demand. factors: what times of GPUs and LPUs are multiplied with."""

    demand: Demand
    accuracy: Accuracy
    template: Workload
    factors: tuple[float, float] = (1.0, 1.0)
    servers: dict[tuple[str, float], Server | None] = field(default_factory=dict)  # with times as they are

    def find_best(self, name: str) -> Choice | None:
        """Return the best choice of one backend; None if it cannot keep the demand, or its cost is not known."""
        backend = get_backend(name)
        bill = bill_of(backend, self.demand.read_prices(), window_call(self.template, 10.0, TOKENS_PER_S))
        cost = self.cost_of(bill)
        if cost is None:
            return None
        best: tuple[tuple[float, float, float], Choice] | None = None
        for way in sorted(self.list_ways(backend, cost), key=lambda way: (way.least_cost, way.heard.wer)):
            if best is not None and (way.least_cost, way.heard.wer) > best[0][:2]:
                break  # neither cheaper nor with fewer errors, and so are all that follow
            choice = self.simulate(backend, bill, way)
            if choice is not None:
                rank = (choice.servers * cost, choice.wer, choice.latency_p99_s)
                best = min(best or (rank, choice), (rank, choice), key=lambda found: found[0])
        return best[1] if best else None

    def cost_of(self, bill: Bill) -> float | None:
        """Return what one server costs in the measure of the demand, for an hour; None if that is not known."""
        return bill.usd_per_h() if self.demand.measure == "usd" else bill.power_w

    def list_ways(self, backend: Backend, cost: float) -> Iterator[Way]:
        """Yield the ways of cutting that keep the error rate, and can keep the latency as far as cutting goes.

        A longer window never lets a server make more calls, so the shortest one bounds them all.
        """
        ways = self.accuracy.within(self.demand.wer_within)
        server = self.build_server(backend, min(way.window_s for way in ways))
        for heard in ways if server else ():
            steps = [heard.window_s] if heard.strategy == "disjoint" else [s for s in STEPS_S if s <= heard.window_s]
            for step_s in steps:
                load = Load(1, heard.window_s, step_s, heard.strategy)
                # a word that ends just after its last call has begun waits for a step, and for calls to agree
                if load.least_latency_s + self.demand.quantile * step_s > self.demand.latency_s:
                    continue
                shortest = Load(1, max(step_s, min(way.window_s for way in ways)), step_s)
                most = math.floor(server.calls_per_s(shortest.mean_tokens) * step_s * 1.05) + 2  # pyright: ignore
                yield Way(heard, step_s, self.count_servers(most) * cost)

    def count_servers(self, streams_per_server: int) -> int:
        """Return how many servers carry all streams, with the headroom that is asked for."""
        return math.ceil(self.demand.streams / max(1, self.usable(streams_per_server)))

    def usable(self, streams_per_server: int) -> int:
        """Return how many streams a server is given at most; a server of one stream is given one."""
        return max(1, math.floor(streams_per_server * (1 - self.demand.headroom)))

    def build_server(self, backend: Backend, window_s: float) -> Server | None:
        """Return the backend as a server for windows of this length; None if it cannot hold one call."""
        key = backend.name, window_s
        if key not in self.servers:
            try:
                call = window_call(self.template, window_s, TOKENS_PER_S)
                self.servers[key] = server_of(backend, call, max_batch=min(MAX_BATCH, self.demand.streams))
            except CapacityError:
                self.servers[key] = None
        server = self.servers[key]
        return server and server.scale(*self.factors_of(backend))

    def factors_of(self, backend: Backend) -> tuple[float, ...]:
        """Return what the times of a backend's stations are multiplied with."""
        of_gpu, of_lpu = self.factors
        if isinstance(backend, Hybrid):
            return (of_gpu, of_lpu) if backend.mode == "phase" else (max(of_gpu, of_lpu),)
        return (of_lpu,) if isinstance(backend, Lpu) else (of_gpu,)

    def simulate(self, backend: Backend, bill: Bill, way: Way) -> Choice | None:
        """Return the choice with the most streams that the simulation lets a server carry; None if it carries none."""
        demand, heard = self.demand, way.heard
        server = self.build_server(backend, heard.window_s)
        if server is None:
            return None
        load = Load(1, heard.window_s, way.step_s, heard.strategy)
        found = capacity(server, load, latency_s=demand.latency_s, seed=demand.seed, quantile=demand.quantile)
        if not found.streams:
            return None
        servers = self.count_servers(found.streams)
        given = math.ceil(demand.streams / servers)
        outcome = trial(server, (replace(load, streams=given),), demand.seed)
        p50_s, p95_s, p99_s = (outcome.word_latency_s(quantile) for quantile in (0.5, 0.95, 0.99))
        usd, watts = bill.usd_per_h(), bill.power_w
        return Choice(
            backend=backend.name,
            kind=kind_of(backend),
            describe=backend.describe(),
            servers=servers,
            units=sum(part.units for part in bill.parts),
            strategy=heard.strategy,
            window_s=heard.window_s,
            step_s=way.step_s,
            wer=heard.wer,
            wer_ci95=heard.wer_ci95,
            latency_p50_s=p50_s,
            latency_p95_s=p95_s,
            latency_p99_s=p99_s,
            streams_per_server=found.streams,
            streams_given=given,
            usd_per_h=None if usd is None else usd * servers,
            usd_per_audio_h=None if usd is None else usd * servers / demand.streams,
            joules_per_audio_h=None if watts is None else 3600 * watts * servers / demand.streams,
            headroom=1 - given / found.streams,
            provenance=server.provenance,
        )


def recommend(demand: Demand | None = None, **keywords: object) -> Recommendation:
    """Return the servers that carry a demand at the least cost, ranked, and whether the first is settled.

    demand: what is asked; or its keywords, as for `Demand`: streams, latency_s, quantile, wer_within, model, backends,
        prices, budget_usd_per_h, measure, headroom, padding, run, seed.
    Word error rates are measured, times are simulated, and every choice was confirmed by the simulation of its servers.
    Raises `InputError` for what does not exist; a demand that cannot be kept comes back with `refusal`.
    """
    asked = demand or Demand(**keywords)  # pyright: ignore[reportArgumentType]
    accuracy = read_accuracy(asked.run)
    template = Workload(resolve_dims(asked.model, _read_checkpoint), padding=asked.padding)
    search = Search(asked, accuracy, template)
    choices = _rank(search, asked.backends)
    kept = [choice for choice in choices if _affordable(asked, choice)]
    turns = _vary(search, kept) if kept else {}
    return Recommendation(
        demand=asked,
        model=accuracy.model,
        data=accuracy.data,
        best_wer=accuracy.best.wer,
        choices=tuple(kept),
        settled=not turns,
        turns=turns,
        unpriced=_list_unpriced(search) if asked.measure == "usd" else (),
        refusal=None if kept else _refuse(search, choices),
    )


def _rank(search: Search, backends: tuple[str, ...]) -> list[Choice]:
    found = [choice for name in dict.fromkeys(backends) if (choice := search.find_best(name)) is not None]
    return sorted(found, key=_rank_of(search.demand))


def _rank_of(demand: Demand) -> Callable[[Choice], tuple[float, float, float]]:
    def rank(choice: Choice) -> tuple[float, float, float]:
        cost = choice.usd_per_h if demand.measure == "usd" else choice.joules_per_audio_h
        return (math.inf if cost is None else cost, choice.wer, choice.latency_p99_s)

    return rank


def _affordable(demand: Demand, choice: Choice) -> bool:
    if demand.budget_usd_per_h is None:
        return True
    return choice.usd_per_h is not None and choice.usd_per_h <= demand.budget_usd_per_h


def _vary(search: Search, choices: list[Choice]) -> dict[str, str]:
    """Which other backend is first, by how the models are off; empty if none ever is."""
    names, turns = tuple(choice.backend for choice in choices[:_VARIED]), {}
    for name, factors in VARIATIONS.items():
        ranked = _rank(replace(search, factors=factors), names)
        first = ranked[0].backend if ranked else "none of them"
        if first != names[0]:
            turns[name] = first
    return turns


def _list_unpriced(search: Search) -> tuple[str, ...]:
    """The devices of the demand's backends that have no price."""
    call, prices, found = window_call(search.template, 10.0, TOKENS_PER_S), search.demand.read_prices(), []
    for name in search.demand.backends:
        found += bill_of(get_backend(name), prices, call).unpriced
    return tuple(dict.fromkeys(found))


def _refuse(search: Search, choices: list[Choice]) -> Refusal:
    """Which part of the demand fails, and the nearest that works: a larger budget, more errors, or more latency."""
    demand, accuracy = search.demand, search.accuracy
    if choices:
        least = choices[0]
        usd = f"{least.usd_per_h:.2f} USD" if least.usd_per_h is not None else "servers without a known price"
        return Refusal("budget", f"the least that carries {demand.streams} streams is {usd} an hour", least)

    def attempt(**changes: object) -> Choice | None:
        asked = replace(demand, budget_usd_per_h=None, **changes)  # pyright: ignore[reportArgumentType]
        ranked = _rank(replace(search, demand=asked), demand.backends)
        return ranked[0] if ranked else None

    for above in sorted({way.wer - accuracy.best.wer for way in accuracy.ways}):
        if above > demand.wer_within and (found := attempt(wer_within=above + 1e-9)):
            least = f"the word error rate is at least {100 * above:.1f} points above the best"
            return Refusal("word error rate", f"within {demand.latency_s:g} s {least}", found)
    for times in _SLOWER:
        if found := attempt(latency_s=demand.latency_s * times):
            reason = f"no backend shows words within {demand.latency_s:g} s"
            return Refusal("latency", reason, found)
    return Refusal("backends", "none of them carries a stream, or none has a known price", None)


def _read_checkpoint(name: str) -> Dimensions | None:
    from ...speech.asr.model import checkpoint_dims  # imports torch, which official sizes need not

    return checkpoint_dims(name)
