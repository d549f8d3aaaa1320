"""The most streams that each backend serves at each SLO, under one set of assumptions.

Each backend is free to choose how often its streams call; its most streams at the best choice are found by simulation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ...backends.gpu.gpu import Gpu
from ...backends.hybrid.hybrid import Hybrid
from ...backends.lpu.lpu import Lpu
from ...backends.registry import get_backend
from ...backends.serving.arrivals import Traffic
from ...backends.serving.capacity import Capacity, capacity, trial
from ...backends.serving.cost import Bill, Price, bill_of
from ...backends.serving.fleet import Fleet, Option, Tier, cheapest_fleet
from ...backends.serving.server import Server, server_of
from ...backends.serving.simulate import QUANTILES, verdict
from ...backends.timing import Backend, CapacityError
from ...backends.workload.windows import window_call
from ...backends.workload.workload import Workload
from ...speech.weights.dims import find_dims
from .records import BatchCurve, BatchRow, Point, WerSource
from .settings import CapacitySettings, Slo

# A word waits for at most two steps under LocalAgreement-2; what is left of the latency is for queue and service.
STEPS_OF_LATENCY = (0.45, 0.4, 1 / 3, 0.25)
LONGEST_STEP_S = 5.0
BATCH_SIZES = tuple(2**power for power in range(9))


def kind_of(backend: Backend) -> str:
    """Return what a backend is called in the comparison: "GPU", "LPU", "hybrid", or "other"."""
    kinds = ((Hybrid, "hybrid"), (Lpu, "LPU"), (Gpu, "GPU"))
    return next((name for kind, name in kinds if isinstance(backend, kind)), "other")


@dataclass(frozen=True, eq=False)
class Scenario:
    """The backends of a study under one set of assumptions.

    template: a call of the model that is served. prices: by device, where not those of the device files. factors: what
    the times of each station of a backend are multiplied with. servers, capacities: the answers so far, by backend and
    window or SLO, so that asking twice costs nothing.
    """

    settings: CapacitySettings
    backends: Sequence[Backend]
    template: Workload
    prices: Mapping[str, Price]
    wer: WerSource | None = None
    factors: Callable[[Backend], tuple[float, ...]] = lambda backend: (1.0,)
    servers: dict[tuple[str, float], Server | None] = field(default_factory=dict)
    capacities: dict[tuple[str, Slo], Capacity | None] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: CapacitySettings, wer: WerSource | None = None) -> "Scenario":
        """Return what the settings ask for, with the models as they are. Raises `InputError` for unknown names."""
        template = Workload(find_dims(settings.timed_as), padding=settings.padding)
        return cls(settings, [get_backend(name) for name in settings.backends], template, settings.read_prices(), wer)

    @cached_property
    def load(self) -> Traffic:
        """What all streams have in common, besides the streams, window and step whose span is found."""
        return self.settings.make_traffic()

    @cached_property
    def bills(self) -> dict[str, Bill]:
        """Parts and prices by backend."""
        call = window_call(self.template, 10.0, self.load.tokens_per_s)
        return {backend.name: bill_of(backend, self.prices, call) for backend in self.backends}

    def build_server(self, backend: Backend, window_s: float) -> Server | None:
        """Return the backend as a server for windows of this length; None if it cannot hold one call."""
        key = backend.name, window_s
        if key not in self.servers:
            self.servers[key] = self._build_server(backend, window_s)
        return self.servers[key]

    def _build_server(self, backend: Backend, window_s: float) -> Server | None:
        call = window_call(self.template, window_s, self.load.tokens_per_s)
        asked = self.settings
        how = asked.batching if isinstance(backend, Gpu) else "dynamic"
        try:
            server = server_of(backend, call, max_batch=asked.max_batch, max_wait_s=asked.max_wait_s, batching=how)
        except CapacityError:
            return None
        return server.scale(*self.factors(backend))

    def find_best(self, backend: Backend, slo: Slo) -> Point:
        """Return the most streams of the backend that keep the SLO, over the steps it may take."""
        key = backend.name, slo
        if key not in self.capacities:
            self.capacities[key] = self._find_capacity(backend, slo)
        found, server = self.capacities[key], self.build_server(backend, slo.window_s)
        wer = self.wer.wer_at(slo.window_s) if self.wer else None
        head = backend.name, kind_of(backend), slo
        if found is None or server is None:
            return Point(*head, 0, None, "capacity", "it cannot hold one call", wer)
        step_s, bill = found.load.step_s if found.streams else None, self.bills[backend.name]
        costs = bill.usd_per_audio_h(found.streams), bill.joules_per_audio_h(found.streams)
        p50_s, p95_s, p99_s, p999_s = (float(found.word_latency_s[quantile]) for quantile in QUANTILES)
        why, use = (found.limited_by, found.reason), (float(found.batch), float(found.busy))
        return Point(*head, found.streams, step_s, *why, wer, server.provenance, *use, p50_s, p95_s, p99_s, p999_s,
                     *costs)  # fmt: skip

    def _find_capacity(self, backend: Backend, slo: Slo) -> Capacity | None:
        server = self.build_server(backend, slo.window_s)
        if server is None:
            return None
        best: Capacity | None = None
        steps = {min(part * slo.latency_s, LONGEST_STEP_S, slo.window_s) for part in STEPS_OF_LATENCY}
        for step_s in sorted(steps, reverse=True):
            load = replace(self.load, streams=1, window_s=slo.window_s, step_s=step_s)
            found = capacity(server, load, latency_s=slo.latency_s, seed=self.settings.seed)
            if best is not None and 0 < found.streams < best.streams:
                break  # shorter steps only make more calls from here
            if best is None or found.streams > best.streams:
                best = found
        return best

    def find_fleet(self, tiers: Sequence[Tier], slos: Mapping[str, Slo]) -> Fleet:
        """Return the cheapest fleet, every mix of tiers on a server simulated. Raises `InputError` if there is none.

        slos: by tier.
        """
        known: dict[tuple[str, tuple[tuple[str, int], ...]], bool] = {}

        def is_carried(name: str, streams: Mapping[str, int]) -> bool:
            key = name, tuple(sorted(streams.items()))
            if key not in known:
                known[key] = self._is_carried(name, streams, slos)
            return known[key]

        options = []
        for backend in self.backends:
            usd = self.bills[backend.name].usd_per_h()
            if usd is not None:
                carried = {tier.name: self.find_best(backend, slos[tier.name]).streams for tier in tiers}
                options.append(Option(backend.name, usd, carried))
        return cheapest_fleet(tiers, options, is_carried)

    def _is_carried(self, name: str, streams: Mapping[str, int], slos: Mapping[str, Slo]) -> bool:
        backend = next(one for one in self.backends if one.name == name)
        points = {tier: self.find_best(backend, slos[tier]) for tier in streams}
        # the longest window decides how its calls are timed; shorter ones have fewer decode steps
        server = self.build_server(backend, max(slos[tier].window_s for tier in streams))
        if server is None:
            return False
        loads = tuple(
            replace(self.load, streams=count, window_s=slos[tier].window_s, step_s=points[tier].step_s or 1.0)
            for tier, count in streams.items()
        )
        return verdict(trial(server, loads, self.settings.seed), *(slos[tier].latency_s for tier in streams)).valid

    def time_batches(self, backend: Backend, window_s: float = 10.0) -> BatchCurve:
        """Return calls per second in batches of 1, 2, 4 ... 256, of the whole call and of its decode steps alone."""
        call = window_call(self.template, window_s, self.load.tokens_per_s)
        rows = []
        for batch in BATCH_SIZES:
            try:
                timing = backend.time(replace(call, batch=batch))
            except CapacityError:
                break
            decode_s = timing.phases["decode"]
            decoded_per_s = batch * call.decode_tokens / decode_s if decode_s else None
            rows.append(BatchRow(batch, batch / timing.interval_s, decoded_per_s, timing.seconds / timing.interval_s))
        return BatchCurve(backend.name, kind_of(backend), tuple(rows))
