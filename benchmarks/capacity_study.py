"""What `earspan capacity` computes: the cheapest way in which each backend serves live streams at each slo.

A slo is a window that every call hears and a latency that 99 of 100 words keep. Each backend is free to choose how
often it calls; its most streams at the best choice are found by simulation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from ..backends.gpu.gpu import Gpu
from ..backends.hybrid.hybrid import Hybrid
from ..backends.lpu.lpu import Lpu
from ..backends.serving.arrivals import Load
from ..backends.serving.capacity import Capacity, capacity, trial
from ..backends.serving.cost import Bill, Price, bill_of
from ..backends.serving.fleet import Fleet, Option, Tier, cheapest_fleet
from ..backends.serving.server import MAX_BATCH, Server, server_of
from ..backends.serving.simulate import verdict
from ..backends.span import window_call
from ..backends.timing import Backend, CapacityError
from ..backends.workload.workload import Workload
from .report_data import Curve

# A word waits for at most two steps under LocalAgreement-2; what is left of the slo is for queue and service.
STEPS_OF_LATENCY = (0.45, 0.4, 1 / 3, 0.25)
LONGEST_STEP_S = 5.0


def kind_of(backend: Backend) -> str:
    """What a backend is called in the comparison: "GPU", "LPU", "hybrid", or "other"."""
    kinds = ((Hybrid, "hybrid"), (Lpu, "LPU"), (Gpu, "GPU"))
    return next((name for kind, name in kinds if isinstance(backend, kind)), "other")


@dataclass(frozen=True, slots=True)
class Slo:
    """What a stream is promised: seconds of audio that each call hears, and a latency for 99 of 100 words."""

    window_s: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Point:
    """The best of one backend at one slo. step_s and streams: None and 0 if it cannot keep it."""

    backend: str
    kind: str
    slo: Slo
    step_s: float | None
    streams: int
    limited_by: str
    reason: str
    word_latency_s: Mapping[float, float]
    batch: float
    busy: float
    usd_per_audio_h: float | None
    joules_per_audio_h: float | None
    wer: float | None
    provenance: str

    def record(self) -> dict[str, Any]:
        """The point as results.json holds it."""
        words = {f"latency_p{quantile * 100:g}_s": value for quantile, value in self.word_latency_s.items()}
        rest = {key: value for key, value in asdict(self).items() if key not in ("slo", "word_latency_s")}
        return {**rest, "window_s": self.slo.window_s, "slo_s": self.slo.latency_s, **words}


@dataclass(frozen=True, eq=False)
class Study:
    """One set of backends under one set of assumptions.

    load: what all streams have in common; its streams, window and step do not matter. factors: what the times of each
    station of a backend are multiplied with. kept: the answers so far, by backend and slo, so that asking twice
    costs nothing; studies that differ in their prices only may share them.
    """

    backends: Sequence[Backend]
    template: Workload
    load: Load
    prices: Mapping[str, Price]
    wer: Curve | None = None
    max_batch: int = MAX_BATCH
    max_wait_s: float = 0.0
    batching: str | None = None
    seed: int = 0
    factors: Callable[[Backend], tuple[float, ...]] = lambda backend: (1.0,)
    _servers: dict[tuple[str, float], Server | None] = field(init=False, default_factory=dict)
    kept: dict[tuple[str, Slo], Capacity | None] = field(default_factory=dict)

    @cached_property
    def bills(self) -> dict[str, Bill]:
        """Parts and prices by backend."""
        call = window_call(self.template, 10.0, self.load.tokens_per_s)
        return {backend.name: bill_of(backend, self.prices, call) for backend in self.backends}

    def server(self, backend: Backend, window_s: float) -> Server | None:
        """The backend as a server for windows of this length; None if it cannot hold one call."""
        key = backend.name, window_s
        if key not in self._servers:
            call = window_call(self.template, window_s, self.load.tokens_per_s)
            try:
                how = self.batching if isinstance(backend, Gpu) else "dynamic"
                built = server_of(
                    backend, call, max_batch=self.max_batch, max_wait_s=self.max_wait_s, batching=how
                ).scaled(*self.factors(backend))
            except CapacityError:
                built = None
            self._servers[key] = built
        return self._servers[key]

    def best(self, backend: Backend, slo: Slo) -> Point:
        """The most streams of the backend that keep the slo, over the steps it may take."""
        key = backend.name, slo
        if key not in self.kept:
            self.kept[key] = self._capacity(backend, slo)
        found, server, wer = self.kept[key], self.server(backend, slo.window_s), self.wer_at(slo.window_s)
        head = backend.name, kind_of(backend), slo
        if found is None or server is None:
            reason = "it cannot hold one call"
            return Point(*head, None, 0, "capacity", reason, {}, 0.0, 0.0, None, None, wer, "estimate")
        bill, step_s = self.bills[backend.name], found.load.step_s if found.streams else None
        limits = found.limited_by, found.reason
        costs = bill.usd_per_audio_h(found.streams), bill.joules_per_audio_h(found.streams)
        return Point(*head, step_s, found.streams, *limits, found.word_latency_s, found.batch, found.busy, *costs, wer,
                     server.provenance)  # fmt: skip

    def _capacity(self, backend: Backend, slo: Slo) -> Capacity | None:
        server = self.server(backend, slo.window_s)
        if server is None:
            return None
        best: Capacity | None = None
        steps = {min(part * slo.latency_s, LONGEST_STEP_S, slo.window_s) for part in STEPS_OF_LATENCY}
        for step_s in sorted(steps, reverse=True):
            load = replace(self.load, streams=1, window_s=slo.window_s, step_s=step_s)
            found = capacity(server, load, latency_s=slo.latency_s, seed=self.seed)
            if best is not None and 0 < found.streams < best.streams:
                break  # shorter steps only make more calls from here
            if best is None or found.streams > best.streams:
                best = found
        return best

    def wer_at(self, window_s: float) -> float | None:
        """WER at a window, from the stored run; None beyond its windows or without a run."""
        return self.wer.wer_at(window_s) if self.wer else None

    def options(self, tiers: Sequence[Tier], slos: Mapping[str, Slo]) -> list[Option]:
        """What each priced backend carries of each tier."""
        found = []
        for backend in self.backends:
            usd = self.bills[backend.name].usd_per_h()
            if usd is not None:
                carried = {tier.name: self.best(backend, slos[tier.name]).streams for tier in tiers}
                found.append(Option(backend.name, usd, carried))
        return found

    def fleet(self, tiers: Sequence[Tier], slos: Mapping[str, Slo]) -> Fleet:
        """The cheapest fleet, every mix of tiers on a server simulated."""
        known: dict[tuple[str, tuple[tuple[str, int], ...]], bool] = {}

        def carried(name: str, streams: Mapping[str, int]) -> bool:
            key = name, tuple(sorted(streams.items()))
            if key not in known:
                known[key] = self._carries(name, streams, slos)
            return known[key]

        return cheapest_fleet(tiers, self.options(tiers, slos), carried)

    def _carries(self, name: str, streams: Mapping[str, int], slos: Mapping[str, Slo]) -> bool:
        backend = next(one for one in self.backends if one.name == name)
        points = {tier: self.best(backend, slos[tier]) for tier in streams}
        # the longest window decides how its calls are timed; shorter ones have fewer decode steps
        server = self.server(backend, max(slos[tier].window_s for tier in streams))
        if server is None:
            return False
        loads = tuple(
            replace(self.load, streams=count, window_s=slos[tier].window_s, step_s=points[tier].step_s or 1.0)
            for tier, count in streams.items()
        )
        return verdict(trial(server, loads, self.seed), *(slos[tier].latency_s for tier in streams)).valid


def batch_curve(backend: Backend, study: Study, window_s: float = 10.0) -> dict[str, Any]:
    """Calls per second in batches of 1, 2, 4 ... 256, of the whole call and of its decode steps alone.

    in_flight: batches that are served at a time. Only sizes that the memory holds are there; where that is not even
    one call, there are no rows, and all that follows from them is None.
    """
    call = window_call(study.template, window_s, study.load.tokens_per_s)
    rows = []
    for power in range(9):
        try:
            timing = backend.time(replace(call, batch=2**power))
        except CapacityError:
            break
        decode_s = timing.phases["decode"]
        rows.append(
            {
                "batch": 2**power,
                "calls_per_s": 2**power / timing.interval_s,
                "decoded_per_s": 2**power * call.decode_tokens / decode_s if decode_s else None,
                "in_flight": timing.seconds / timing.interval_s,
            }
        )
    best = max((row["calls_per_s"] for row in rows), default=0)
    enough = next((row for row in rows if row["calls_per_s"] >= 0.9 * best), None)
    decoding = [row for row in rows if row["decoded_per_s"]]
    most = max((row["decoded_per_s"] for row in decoding), default=0)
    for_decode = next((row["batch"] for row in decoding if row["decoded_per_s"] >= 0.9 * most), None)
    return {
        "backend": backend.name,
        "kind": kind_of(backend),
        "rows": rows,
        "batch_90": enough and enough["batch"],
        "served_together_90": enough and enough["batch"] * enough["in_flight"],
        "batch_90_decode": for_decode,
        "largest": max((row["batch"] for row in rows), default=None),
    }
