"""The most streams that each backend serves at each SLO, under one set of assumptions.

Each backend is free to choose how often its streams call; its most streams at the best choice are found by simulation.
"""

import math
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
from ...backends.workload.cutting import ALIGNATT_MARGIN_S, own_step_s
from ...backends.workload.windows import call_of, feed_text, window_call
from ...backends.workload.workload import Workload
from ...speech.weights.dims import find_dims
from ..results.accuracy import Accuracy
from .records import BatchCurve, BatchRow, Point
from .settings import CapacitySettings, Slo

# Steps as parts of the latency that a strategy leaves: a word waits for at most two under LocalAgreement-2, and for one
# under AlignAtt, after what that holds back; what is left is for queue and service.
STEPS_OF_LATENCY = {"sliding": (0.45, 0.4, 1 / 3, 0.25), "alignatt": (0.85, 0.75, 0.6, 0.45)}
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
    wer: Accuracy | None = None
    factors: Callable[[Backend], tuple[float, ...]] = lambda backend: (1.0,)
    servers: dict[tuple[str, Workload], Server | None] = field(default_factory=dict)
    capacities: dict[tuple[str, Slo], Capacity | None] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: CapacitySettings, wer: Accuracy | None = None) -> "Scenario":
        """Return what the settings ask for, with the models as they are. Raises `InputError` for unknown names."""
        template = Workload(find_dims(settings.timed_as), padding=settings.padding)
        return cls(settings, [get_backend(name) for name in settings.backends], template, settings.read_prices(), wer)

    @cached_property
    def load(self) -> Traffic:
        """What all streams have in common, besides how many they are and how their audio is cut."""
        return self.settings.make_traffic()

    @cached_property
    def bills(self) -> dict[str, Bill]:
        """Parts and prices by backend."""
        call = window_call(self.template, 10.0, self.load.tokens_per_s)
        return {backend.name: bill_of(backend, self.prices, call) for backend in self.backends}

    def build_server(self, backend: Backend, window_s: float) -> Server | None:
        """Return the backend as a server for windows of this length that slide; None if it cannot hold one call."""
        return self.serve(backend, window_call(self.template, window_s, self.load.tokens_per_s))

    def serve(self, backend: Backend, call: Workload) -> Server | None:
        """Return the backend as a server for such calls; None if it cannot hold one."""
        key = backend.name, call
        if key not in self.servers:
            self.servers[key] = self._build_server(backend, call)
        return self.servers[key]

    def _build_server(self, backend: Backend, call: Workload) -> Server | None:
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
        found, head = self.capacities[key], (backend.name, kind_of(backend), slo)
        if found is None:
            return Point(*head, 0, None, "capacity", "it cannot hold one call", None)
        step_s, bill = found.load.step_s if found.streams else None, self.bills[backend.name]
        heard = self.wer.at(slo.strategy, slo.window_s, found.load.step_s) if self.wer else None
        server = self.serve(backend, self._call(slo))
        costs = bill.usd_per_audio_h(found.streams), bill.joules_per_audio_h(found.streams)
        p50_s, p95_s, p99_s, p999_s = (float(found.word_latency_s[quantile]) for quantile in QUANTILES)
        why, use = (found.limited_by, found.reason), (float(found.batch), float(found.busy))
        dense = bill.streams_per_kw(found.streams), bill.streams_per_rack(found.streams)
        provenance = server.provenance if server else "estimate"
        return Point(*head, found.streams, step_s, *why, heard, provenance, *use, p50_s, p95_s, p99_s, p999_s, *costs,
                     *dense)  # fmt: skip

    def _find_capacity(self, backend: Backend, slo: Slo) -> Capacity | None:
        best: Capacity | None = None
        server = self.serve(backend, self._call(slo))
        if server is None:
            return None
        for step_s in self._steps_s(slo):
            load = self._stream(slo, step_s)
            found = capacity(server, load, latency_s=slo.latency_s, seed=self.settings.seed)
            if best is not None and 0 < found.streams < best.streams:
                break  # shorter steps only make more calls from here
            if best is None or found.streams > best.streams:
                best = found
        return best

    def _call(self, slo: Slo) -> Workload:
        """The longest call that streams with this window make, whatever their step: times of others are on its line."""
        if slo.strategy != "alignatt":
            return self._stream(slo, own_step_s(slo.strategy, slo.window_s) or slo.window_s).call(self.template)
        rate, longest_s = self.load.tokens_per_s, min(LONGEST_STEP_S, slo.window_s)
        return call_of(feed_text(self.template, rate * slo.window_s), slo.window_s, math.ceil(rate * longest_s))

    def _steps_s(self, slo: Slo) -> list[float]:
        """The steps that streams may take, longest first."""
        own_s = own_step_s(slo.strategy, slo.window_s)
        if own_s is not None:
            return [own_s]
        left_s = slo.latency_s - (ALIGNATT_MARGIN_S if slo.strategy == "alignatt" else 0.0)
        steps = {min(part * left_s, LONGEST_STEP_S, slo.window_s) for part in STEPS_OF_LATENCY[slo.strategy]}
        # where nothing is left, no step keeps the latency; the shortest shows what fails
        return sorted((step_s for step_s in steps if step_s > 0), reverse=True) or [min(0.1, slo.window_s)]

    def _stream(self, slo: Slo, step_s: float, streams: int = 1) -> Traffic:
        return replace(self.load, streams=streams, window_s=slo.window_s, step_s=step_s, strategy=slo.strategy)

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
        loads = tuple(
            self._stream(slos[tier], points[tier].step_s or self._steps_s(slos[tier])[0], count)
            for tier, count in streams.items()
        )
        # the longest call decides how calls are timed; others have fewer decode steps
        server = self.serve(backend, max((self._call(slos[tier]) for tier in streams), key=lambda c: c.decode_tokens))
        if server is None:
            return False
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
