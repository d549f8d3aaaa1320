"""The search for the cheapest servers: a bound from throughput for each way of cutting, then the simulation.

No server carries more streams than its stations serve calls. Ways are simulated in the order of the cost that this
bound allows, and the search ends when the bound of the next is above what was found: nothing cheaper is left out.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ...backends.gpu.gpu import Gpu
from ...backends.hybrid.hybrid import Hybrid
from ...backends.lpu.lpu import Lpu
from ...backends.registry import get_backend
from ...backends.serving.arrivals import Traffic
from ...backends.serving.capacity import capacity, trial
from ...backends.serving.cost import Bill, bill_of
from ...backends.serving.server import MAX_BATCH, Server, server_of
from ...backends.serving.simulate import QUANTILES, verdict
from ...backends.timing import Backend, CapacityError
from ...backends.workload.windows import TOKENS_PER_S, window_call
from ...backends.workload.workload import Workload
from ...speech.weights.dims import find_dims
from ..capacity.claims import Variation, error_factors
from ..capacity.scenario import kind_of
from ..results.accuracy import Accuracy, Heard, read_accuracy
from .demand import Demand
from .records import Choice

_BATCHES = (1, 2, 4, 8, 16, 32, MAX_BATCH)  # whose throughput bounds that of all others, nearly
_SLACK = 1.06  # for batches between those, and draws of shorter calls
_FAR = 3.0  # a backend that costs at least so many times the best is not searched, nor listed
# The part of the latency asked for that servers may take: between draws of phases and lengths it differs by 0.03 %
# where it is nearly all step and wait for agreement, which fewer streams do not shorten (20 demands, 5 draws each).
SURE = 0.995
_EVEN = 1 + 1e-9  # costs that differ by no more are the same


@dataclass(frozen=True, slots=True)
class Way:
    """One way of cutting audio on one backend, more streams than a server can carry, and so the least it can cost."""

    heard: Heard
    most_streams: int
    least_cost: float


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A backend with its bill and its ways of cutting, those first that may cost least.

    cost: of one server, in the measure of the demand. least: the same at the low end of its prices.
    most_servers: that the budget allows.
    """

    backend: Backend
    bill: Bill
    cost: float
    least: float
    most_servers: float
    ways: tuple[Way, ...]


@dataclass(eq=False, slots=True)
class Search:
    """The search for one demand.

    off: by backend, +1 where its times are as much longer as its model may be off, -1 where they are shorter.
    bounds, servers: computed so far, with times as they are. known: how many streams a server carries, or how many it
        does not. Searches that differ in the demand alone share all three.
    """

    demand: Demand
    accuracy: Accuracy
    template: Workload
    off: Mapping[str, int] = field(default_factory=dict)
    bounds: dict[tuple[str, Workload], float] = field(default_factory=dict)
    servers: dict[tuple[str, Workload, int], Server | None] = field(default_factory=dict)
    known: dict[tuple[object, ...], tuple[int, float]] = field(default_factory=dict)

    def ask(self, **changes: object) -> "Search":
        """Return the search for the demand with these changes, which builds no server again."""
        return replace(self, demand=replace(self.demand, **changes))  # pyright: ignore[reportArgumentType]

    def rank(
        self, *, far: float = _FAR, at_least: int = 2, most_cost: float = math.inf, begin: str = ""
    ) -> list[Choice]:
        """Return the best choice of each backend, best first.

        far: a choice that costs more than so many times the first is left out, but for the first `at_least` that are
        found; a price that may be lower counts at its low end. most_cost: what costs more is left out.
        begin: a backend that is likely to be the first, whose cost then leaves out many others.
        """
        found: list[Choice] = []
        least = math.inf
        for candidate in sorted(self.open_all(), key=lambda one: (one.backend.name != begin, one.ways[0].least_cost)):
            most = far * least * candidate.cost / candidate.least if len(found) >= at_least else math.inf
            choice = self.find_best(candidate, min(most, most_cost))
            if choice is not None:
                found.append(choice)
                least = min(least, choice.servers * candidate.cost)
        return sorted(found, key=rank_by(self.demand.measure))

    def open_all(self, cost: float | None = None) -> list[Candidate]:
        """Return every backend of the demand, each once, that `open` opens."""
        return [one for name in dict.fromkeys(self.demand.backends) if (one := self.open(name, cost)) is not None]

    def open(self, name: str, cost: float | None = None) -> Candidate | None:
        """Return a backend with its ways, cheapest bound first; None if it has none, or its cost is not known.

        cost: of one server, where the measure of the demand does not say it.
        """
        backend = get_backend(name)
        bill, budget = self.bill_of(backend), self.demand.budget_usd_per_h
        is_usd, usd = self.demand.measure == "usd", bill.usd_per_h()
        cost = cost or (usd if is_usd else bill.power_w)
        most = math.inf if budget is None else math.floor(budget / usd * _EVEN) if usd else 0
        if cost is None or not most:
            return None
        ways = sorted(self.list_ways(backend, cost), key=lambda way: (way.least_cost, way.heard.wer))
        least = bill.usd_per_h("low") if is_usd and usd else cost
        return Candidate(backend, bill, cost, least or cost, most, tuple(ways)) if ways else None

    def bill_of(self, backend: Backend) -> Bill:
        """Return what one server has, at the prices of the demand."""
        return bill_of(backend, self.demand.read_prices(), window_call(self.template, 10.0, TOKENS_PER_S))

    def find_best(self, candidate: Candidate, most_cost: float = math.inf) -> Choice | None:
        """Return the best choice of one backend that costs no more; None if it cannot keep the demand for that."""
        cost, allowed = candidate.cost, candidate.most_servers
        if most_cost < math.inf:
            allowed = min(allowed, math.floor(most_cost / cost * _EVEN))
        best: tuple[tuple[float, float, float], Choice] | None = None
        for way in candidate.ways:
            if way.least_cost > allowed * cost * _EVEN:
                break
            if best is not None and (way.least_cost, way.heard.wer) > best[0][:2]:
                break  # neither cheaper nor with fewer errors, and so are all that follow
            servers = allowed if best is None else best[1].servers - (way.heard.wer >= best[1].wer)
            choice = self.simulate(candidate.backend, candidate.bill, way, self.needed_for(servers))
            if choice is not None:
                rank = (choice.servers * cost, choice.wer, choice.latency_p99_s)
                best = min(best or (rank, choice), (rank, choice), key=lambda found: found[0])
        return best[1] if best else None

    def factors_of(self, backend: Backend) -> tuple[float, ...]:
        """Return what the times of each station of a backend are multiplied with."""
        off = self.off.get(backend.name, 0)
        return error_factors(backend, Variation("", gpu=off, lpu=off)) if off else (1.0,)

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
        return self.soonest_s(heard) <= self.demand.latency_s

    def soonest_s(self, heard: Heard) -> float:
        """Return the latency of words, at the quantile asked for, on a server that takes no time."""
        return heard.stream.least_latency_s(self.demand.quantile)

    def bound_calls_per_s(self, backend: Backend, call: Workload) -> float:
        """Return more such calls a second than the backend can serve, in any batch; 0 if it cannot hold one."""
        if (backend.name, call) not in self.bounds:
            best = 0.0
            for batch in _BATCHES:
                try:
                    timing = backend.time(replace(call, batch=batch))
                except CapacityError:
                    break
                best = max(best, batch / timing.interval_s)
            self.bounds[backend.name, call] = _SLACK * best
        return self.bounds[backend.name, call] / min(self.factors_of(backend))

    def count_servers(self, streams_per_server: int) -> int:
        """Return how many servers carry all streams, with the headroom that is asked for."""
        return math.ceil(self.demand.streams / max(1, self.usable(streams_per_server)))

    def usable(self, streams_per_server: int) -> int:
        """Return how many streams a server is given at most; a server of one stream is given one."""
        return max(1, math.floor(streams_per_server * (1 - self.demand.headroom)))

    def needed_for(self, servers: float) -> float:
        """Return how many streams a server must carry for so many servers to be enough; inf for none."""
        given = max(1, math.ceil(self.demand.streams / servers)) if servers else math.inf
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
        return server and server.scale(*self.factors_of(backend))

    def carry(self, server: Server, load: Traffic, enough: int) -> int:
        """Return the most streams that a server surely carries, by simulation; 0 if those are fewer than `enough`."""
        slo = {"latency_s": SURE * self.demand.latency_s, "quantile": self.demand.quantile, "seed": self.demand.seed}
        key = server, load, *slo.values()
        carried, too_many = self.known.get(key, (0, math.inf))
        if not carried and enough < too_many:
            carried = capacity(server, load, at_least=enough, **slo).streams
            self.known[key] = carried, enough
        return carried if carried >= enough else 0

    def simulate(self, backend: Backend, bill: Bill, way: Way, enough: float) -> Choice | None:
        """Return the choice with the most streams that a server carries by simulation; None for less than `enough`."""
        demand, heard = self.demand, way.heard
        load, most = heard.stream, way.most_streams
        server = self.build_server(backend, load.call(self.template), most) if enough <= most else None
        if server is None:
            return None
        carried = self.carry(server, load, int(enough))
        if not carried:
            return None
        servers = self.count_servers(carried)
        given = math.ceil(demand.streams / servers)
        outcome = trial(server, (replace(load, streams=given),), demand.seed)
        if not verdict(outcome, demand.latency_s, quantile=demand.quantile).valid:
            return None
        late_s = outcome.word_latencies_s(QUANTILES)
        usd, watts = bill.usd_per_h(), bill.power_w
        runtime, weights = _describe_way_of_running(backend)
        return Choice(
            backend=backend.name,
            kind=kind_of(backend),
            describe=backend.describe(),
            runtime=runtime,
            weights=weights,
            servers=servers,
            units=sum(part.units for part in bill.parts),
            bill=bill,
            strategy=heard.strategy,
            window_s=heard.window_s,
            step_s=heard.step_s,
            wer=heard.wer,
            wer_ci95=heard.wer_ci95,
            latency_p50_s=late_s[0.5],
            latency_p95_s=late_s[0.95],
            latency_p99_s=late_s[0.99],
            latency_s=late_s[demand.quantile],
            streams_per_server=carried,
            streams_given=given,
            usd_per_h=None if usd is None else usd * servers,
            usd_per_audio_h=None if usd is None else usd * servers / demand.streams,
            joules_per_audio_h=None if watts is None else 3600 * watts * servers / demand.streams,
            headroom=1 - given / carried,
            provenance=server.provenance,
        )


def open_search(demand: Demand) -> Search:
    """Return the search for a demand. Raises `InputError` for a model, or a run or dataset, that does not exist."""
    return Search(demand, read_accuracy(demand.run), Workload(find_dims(demand.model), padding=demand.padding))


def rank_by(measure: str) -> Callable[[Choice], tuple[float, float, float]]:
    """Return what choices are sorted by: cost in that measure, then errors, then latency."""

    def rank(choice: Choice) -> tuple[float, float, float]:
        cost = choice.usd_per_h if measure == "usd" else choice.joules_per_audio_h
        return (math.inf if cost is None else cost, choice.wer, choice.latency_p99_s)

    return rank


def list_unpriced(search: Search) -> tuple[str, ...]:
    """Return the devices of the demand's backends that have no price."""
    bills = [search.bill_of(get_backend(name)) for name in search.demand.backends]
    return tuple(dict.fromkeys(device for bill in bills for device in bill.unpriced))


def _describe_way_of_running(backend: Backend) -> tuple[str, str]:
    """What drives a backend, and how it stores weights."""
    if isinstance(backend, Hybrid):
        parts = [_describe_way_of_running(part) for part in (backend.gpu, backend.lpu)]
        return " + ".join(part[0] for part in parts), " + ".join(part[1] for part in parts)
    if isinstance(backend, Gpu):
        return backend.mode, backend.stored
    return ("static schedule", backend.weights) if isinstance(backend, Lpu) else ("", "")
