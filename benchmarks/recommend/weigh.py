"""What a better way of cutting buys, and what faster hardware buys on top of it: the same streams, the same latency.

For every backend and strategy, the ways that were heard are simulated on one server, and of those it carries the one
with the fewest errors is kept. So what is said of words is measured, and what is said of time is simulated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...backends.registry import get_backend
from ...backends.serving.capacity import trial
from ...backends.serving.simulate import verdict
from ...backends.span import span
from ...backends.timing import Backend
from ...backends.workload.cutting import STRATEGIES
from ...backends.workload.workload import Workload
from ...speech.metrics.significance import Difference
from ...speech.strategies import step_of
from ...speech.weights.dims import find_dims
from ..results.accuracy import Heard, pair_ways, read_accuracy
from .demand import Demand
from .search import Search


@dataclass(frozen=True, slots=True)
class Rung:
    """What one server of a backend does with a strategy.

    heard: the way of cutting with the fewest errors that it carries, None if it carries none.
    span_s: the longest window that the planner says it keeps up with at that step, words in time.
    latency_p95_s: of words, simulated.
    """

    backend: str
    strategy: str
    heard: Heard | None = None
    span_s: float | None = None
    latency_p95_s: float | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """What changes between two rungs. difference: of the error rates, paired; None where it was not measured so."""

    before: Rung
    after: Rung
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Weighing:
    """Strategy against hardware.

    model, data: who heard what the error rates are of. rungs: by strategy, then by backend as they were asked for.
    by_strategy: on each backend, from disjoint chunks, or the worst strategy where they are not carried, to the best.
    by_hardware: with each strategy, from the first backend that carries the streams to the last.
    """

    demand: Demand
    model: str
    data: str
    unheard: tuple[str, ...]
    rungs: tuple[Rung, ...]
    by_strategy: tuple[Gain, ...]
    by_hardware: tuple[Gain, ...]


def weigh_strategies(demand: Demand | None = None, **keywords: object) -> Weighing:
    """Return what each strategy and backend make of the same streams and latency, and what changes between them.

    demand: what is asked, or its keywords; streams are those of one server, and backends are told from slow to fast.
        Its price, budget and tolerated error rate do not matter.
    Raises `InputError` for what does not exist.
    """
    asked = demand or Demand(**keywords)  # pyright: ignore[reportArgumentType]
    accuracy = read_accuracy(asked.run)
    search = Search(asked, accuracy, Workload(find_dims(asked.model), padding=asked.padding))
    backends = [get_backend(name) for name in dict.fromkeys(asked.backends)]
    names = [name for name in STRATEGIES if name not in accuracy.missing]
    rungs = tuple(_climb(search, backend, name) for name in names for backend in backends)
    by_strategy = [_gain(asked, [r for r in rungs if r.backend == one.name], by_errors=True) for one in backends]
    by_hardware = [_gain(asked, [r for r in rungs if r.strategy == name], by_errors=False) for name in names]
    return Weighing(
        demand=asked,
        model=accuracy.model,
        data=accuracy.data,
        unheard=accuracy.missing,
        rungs=rungs,
        by_strategy=tuple(filter(None, by_strategy)),
        by_hardware=tuple(filter(None, by_hardware)),
    )


def _climb(search: Search, backend: Backend, strategy: str) -> Rung:
    """The way of a strategy with the fewest errors that one server of the backend carries."""
    demand, template = search.demand, search.template
    for heard in _by_errors(search, strategy):
        stream = replace(heard.stream, streams=demand.streams)
        server = search.build_server(backend, stream.call(template), demand.streams)
        if server is None or server.calls_per_s(stream.mean_tokens) * heard.step_s < demand.streams:
            continue
        outcome = trial(server, (stream,), demand.seed)
        if verdict(outcome, demand.latency_s, quantile=demand.quantile).valid:
            planned = span(
                backend,
                template.dims,
                strategy=strategy,
                streams=demand.streams,
                step_s=step_of(strategy, heard.step_s),
                latency_s=demand.latency_s,
                padding=demand.padding,
            )
            return Rung(backend.name, strategy, heard, planned.span_s, outcome.word_latency_s(0.95))
    return Rung(backend.name, strategy)


def _by_errors(search: Search, strategy: str) -> Iterator[Heard]:
    """The ways of a strategy that can be in time, those with the fewest errors first."""
    mine = [way for way in search.accuracy.ways if way.strategy == strategy]
    for way in sorted(mine, key=lambda way: (way.wer, way.step_s, way.window_s)):
        if search.is_soon_enough(way):
            yield way


def _gain(demand: Demand, rungs: list[Rung], *, by_errors: bool) -> Gain | None:
    """What changes from the first rung to the last, or from disjoint chunks to the fewest errors; None if nothing."""
    carried = [(rung.heard, rung) for rung in rungs if rung.heard is not None]
    if len(carried) < 2:
        return None
    if by_errors:
        carried.sort(key=lambda pair: (pair[0].strategy != "disjoint", -pair[0].wer))
        carried.append(min(carried, key=lambda pair: pair[0].wer))
        if carried[0] is carried[-1]:
            return None
    (worse, before), (better, after) = carried[0], carried[-1]
    return Gain(before, after, pair_ways(demand.run, worse, better))
