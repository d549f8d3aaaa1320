"""The search for the cheapest servers: a bound from throughput for each way of cutting, then the simulation.

No server carries more streams than its stations serve calls. Ways are simulated in the order of the cost that this
bound allows, and the search ends when the bound of the next is above what was found: nothing cheaper is left out.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ...backends.registry import get_backend
from ...backends.serving.capacity import capacity, trial
from ...backends.serving.cost import Bill, bill_of
from ...backends.serving.server import MAX_BATCH, Server, server_of
from ...backends.timing import Backend, CapacityError
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ...speech.weights.dims import find_dims
from ..capacity.claims import GPU_ERROR, LPU_ERROR, split_factors
from ..capacity.scenario import kind_of
from ..results.accuracy import Accuracy, Heard, read_accuracy
from .demand import Demand
from .records import Choice, Recommendation, Refusal

_BATCHES = (1, 2, 4, 8, 16, 32, MAX_BATCH)  # whose throughput bounds that of all others, nearly
_SLACK = 1.06  # for batches between those, and draws of shorter calls
_VARIED = 2  # choices that are held against each other with the models off
_FAR = 3.0  # a backend that costs at least so many times the best is not searched, nor listed
_SLOWER = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)  # times the latency, to find the nearest that works
VARIATIONS = {
    f"GPUs {GPU_ERROR:.0%} slower, LPUs {LPU_ERROR:.0%} faster": (1 + GPU_ERROR, 1 - LPU_ERROR),
    f"GPUs {GPU_ERROR:.0%} faster, LPUs {LPU_ERROR:.0%} slower": (1 - GPU_ERROR, 1 + LPU_ERROR),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way of cutting audio on one backend, more streams than a server can carry, and so the least it can cost."""

    heard: Heard
    most_streams: int
    least_cost: float


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A backend with its bill, the cost of one server in the measure of the demand, and its ways of cutting."""

    backend: Backend
    bill: Bill
    cost: float
    ways: tuple[Way, ...]


@dataclass(eq=False, slots=True)
class Search:
    """The search for one demand. factors: what times of GPUs and LPUs are multiplied with."""

    demand: Demand
    accuracy: Accuracy
    template: Workload
    factors: tuple[float, float] = (1.0, 1.0)
    servers: dict[tuple[str, Workload, int], Server | None] = field(default_factory=dict)  # with times as they are

    def open(self, name: str) -> Candidate | None:
        """Return a backend with its ways, cheapest bound first; None if it has none, or its cost is not known."""
        backend = get_backend(name)
        bill = bill_of(backend, self.demand.read_prices(), window_call(self.template, 10.0, TOKENS_PER_S))
        cost = self.cost_of(bill)
        ways = [] if cost is None else list(self.list_ways(backend, cost))
        ways.sort(key=lambda way: (way.least_cost, way.heard.wer))
        return Candidate(backend, bill, cost or 0.0, tuple(ways)) if ways else None

    def find_best(self, candidate: Candidate) -> Choice | None:
        """Return the best choice of one backend; None if it cannot keep the demand."""
        backend, bill, cost = candidate.backend, candidate.bill, candidate.cost
        best: tuple[tuple[float, float, float], Choice] | None = None
        for way in candidate.ways:
            if best is not None and (way.least_cost, way.heard.wer) > best[0][:2]:
                break  # neither cheaper nor with fewer errors, and so are all that follow
            enough = 1 if best is None else self.needed_for(best[1].servers - (way.heard.wer >= best[1].wer))
            choice = self.simulate(backend, bill, way, enough)
            if choice is not None:
                rank = (choice.servers * cost, choice.wer, choice.latency_p99_s)
                best = min(best or (rank, choice), (rank, choice), key=lambda found: found[0])
        return best[1] if best else None

    def cost_of(self, bill: Bill) -> float | None:
        """Return what one server costs in the measure of the demand, for an hour; None if that is not known."""
        return bill.usd_per_h() if self.demand.measure == "usd" else bill.power_w

    def list_ways(self, backend: Backend, cost: float) -> Iterator[Way]:
        """Yield the ways of cutting that keep the error rate, and can keep the latency as far as cutting goes."""
        for heard in self.accuracy.within(self.demand.wer_within):
            if not self.is_soon_enough(heard):
                continue
            if calls_per_s := self.bound_calls_per_s(backend, heard.stream.call(self.template)):
                most = math.floor(calls_per_s * heard.step_s) + 1
                yield Way(heard, most, self.count_servers(most) * cost)

    def is_soon_enough(self, heard: Heard) -> bool:
        """Return whether a way can keep the latency on a server that takes no time."""
        # a word that ends just after its last call has begun waits for a step, and for calls to agree
        return heard.stream.least_latency_s + self.demand.quantile * heard.step_s <= self.demand.latency_s

    def bound_calls_per_s(self, backend: Backend, call: Workload) -> float:
        """Return more such calls a second than the backend can serve, in any batch; 0 if it cannot hold one."""
        best = 0.0
        for batch in _BATCHES:
            try:
                timing = backend.time(replace(call, batch=batch))
            except CapacityError:
                break
            best = max(best, batch / timing.interval_s)
        return _SLACK * best / min(self.factors)

    def count_servers(self, streams_per_server: int) -> int:
        """Return how many servers carry all streams, with the headroom that is asked for."""
        return math.ceil(self.demand.streams / max(1, self.usable(streams_per_server)))

    def usable(self, streams_per_server: int) -> int:
        """Return how many streams a server is given at most; a server of one stream is given one."""
        return max(1, math.floor(streams_per_server * (1 - self.demand.headroom)))

    def needed_for(self, servers: int) -> float:
        """Return how many streams a server must carry for so many servers to be enough; inf for none."""
        given = math.ceil(self.demand.streams / servers) if servers else math.inf
        return given if given in (1, math.inf) else math.ceil(given / (1 - self.demand.headroom) - 1e-9)

    def build_server(self, backend: Backend, call: Workload, most_streams: int) -> Server | None:
        """Return the backend as a server for such calls; None if it cannot hold one.

        most_streams: more than it can carry; no batch is larger.
        """
        most = min(MAX_BATCH, self.demand.streams, 2 ** math.ceil(math.log2(most_streams)))
        key = backend.name, call, most
        if key not in self.servers:
            try:
                self.servers[key] = server_of(backend, call, max_batch=most)
            except CapacityError:
                self.servers[key] = None
        server = self.servers[key]
        return server and server.scale(*split_factors(backend, *self.factors))

    def simulate(self, backend: Backend, bill: Bill, way: Way, enough: float) -> Choice | None:
        """Return the choice with the most streams that a server carries by simulation; None for less than `enough`."""
        demand, heard = self.demand, way.heard
        load, most = heard.stream, way.most_streams
        server = self.build_server(backend, load.call(self.template), most) if enough <= most else None
        if server is None:
            return None
        slo = {"latency_s": demand.latency_s, "quantile": demand.quantile, "seed": demand.seed}
        found = capacity(server, load, at_least=int(enough), **slo)
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
            step_s=heard.step_s,
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
    template = Workload(find_dims(asked.model), padding=asked.padding)
    search = Search(asked, accuracy, template)
    choices = _rank(search, asked.backends)
    kept = [choice for choice in choices if _affordable(asked, choice)]
    turns = _vary(search, kept) if kept else {}
    return Recommendation(
        demand=asked,
        model=accuracy.model,
        data=accuracy.data,
        best_wer=accuracy.best.wer,
        unheard=accuracy.missing,
        choices=tuple(kept),
        settled=not turns,
        turns=turns,
        unpriced=_list_unpriced(search) if asked.measure == "usd" else (),
        refusal=None if kept else _refuse(search, choices),
    )


def _rank(search: Search, backends: tuple[str, ...]) -> list[Choice]:
    """The best choice of each backend, best first, those left out that cost far more than the first."""
    opened = [one for name in dict.fromkeys(backends) if (one := search.open(name)) is not None]
    found: list[Choice] = []
    least = math.inf
    for candidate in sorted(opened, key=lambda one: one.ways[0].least_cost):
        if candidate.ways[0].least_cost > _FAR * least:
            break
        choice = search.find_best(candidate)
        if choice is not None:
            found.append(choice)
            least = min(least, choice.servers * candidate.cost)
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
