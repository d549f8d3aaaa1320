"""The measurement, load by load: what was played before is not played again."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...backends.errors import InputError
from ...backends.measured.address import KEYS
from ...backends.measured.budget import Budget, BudgetError
from ...backends.measured.streams.session import Session
from ...backends.measured.streams.target import Target
from ...datasets import Entry, Recording, open_dataset
from ...datasets.recording import head
from ...datasets.selection import Stream
from ...speech.streaming.paced import Streamed, play_paced
from ..experiment import store
from ..experiment.progress import Progress, Silence
from ..experiment.records import Reference, describe_machine
from ..results.wording import stream_count
from .beside import open_servers, simulate
from .page import render_measured
from .records import VALID, Kept, LoadResult, Measured, Spent, read_kept, read_streams, write_streams
from .score import score_load
from .search import find_most
from .sessions import list_requests, session_maker
from .settings import Measurement

T = TypeVar("T")
_GAP_S = 1.0  # between recordings that are joined because one alone is too short
_RECORDINGS = 32  # different ones at most; more streams hear the same again


def measure(measurement: Measurement, out: str | Path | None = None, progress: Progress | None = None) -> Measured:
    """Return how a server did with live streams: how late words came, how wrong they were, how many it carries.

    measurement: what is asked.
    out: a folder that keeps every event, the result and a page. Loads that are whole in it are not measured again,
        unless something was wrong with them; None keeps nothing.
    progress: is told what is done.

    Raises `InputError` where the server is not to be had at all, where the budget is not enough for the first load, and
    for what cannot be read or written.
    """
    folder = None if out is None else Path(out)
    servers = open_servers(measurement)
    bench = _Bench.open(measurement, folder, progress or Silence())
    is_over, most_streams = False, None
    try:
        limited_by = bench.climb() if measurement.ramp else bench.run_all()
    except BudgetError as error:
        if not bench.loads:
            raise
        is_over, limited_by = True, f"{error}; it was not tried"
    if measurement.slo_s is not None:
        most_streams = max((streams for streams, load in bench.loads.items() if load.keeps_slo), default=0)
    loads = tuple(bench.loads[streams] for streams in sorted(bench.loads))
    counts = [load.streams for load in loads]
    beside = tuple(simulate(name, server, measurement, counts) for name, server in servers.items())
    spent = Spent(bench.budget.requests, bench.budget.billed_s, bench.budget.cost_usd, is_over)
    found = Measured(store.SCHEMA, measurement, loads, most_streams, limited_by, beside, describe_machine(), spent)
    if folder is not None:
        store.write_whole(folder / "results.json", store.encode(found, indent=1))
        store.write_whole(folder / "report.html", render_measured(found))
    return found


@dataclass(slots=True)
class _Bench:
    """What a load needs, and what loads came to so far.

    budget: what may be asked of the server. new: makes a stream to it. units: what is played, in order.
    references: what is said in it, as far as known.
    """

    measurement: Measurement
    folder: Path | None
    progress: Progress
    budget: Budget
    new: Callable[[], Session]
    units: list[Stream]
    references: dict[str, Reference] = field(default_factory=dict)
    loads: dict[int, LoadResult] = field(default_factory=dict)
    _recordings: list[Recording] = field(default_factory=list)

    @classmethod
    def open(cls, measurement: Measurement, folder: Path | None, progress: Progress) -> "_Bench":
        """Return what there is before the first load, with what the folder kept. Raises `InputError`."""
        asked = measurement
        units = _units(list(open_dataset(asked.dataset)), asked)
        budget = Budget(asked.endpoint)
        bench = cls(asked, folder, progress, budget, session_maker(asked, budget), units)
        if folder is not None:
            store.check_folder(folder)
            kept = read_kept(folder, asked)
            bench.references |= {one.id: one for one in kept.references} if kept else {}
        return bench

    def climb(self) -> str:
        """Run loads to find the most streams that keep the SLO, and return why there are no more."""
        most = find_most(lambda streams: bool(self.run(streams).keeps_slo), self.measurement.most_streams)
        broken = self.loads.get(most + 1)
        return broken.broken_by if broken else f"more than {self.measurement.most_streams} streams were not asked for"

    def run_all(self) -> str:
        """Run the loads that are asked for, and return why not all of them were tried; empty if they were."""
        for streams in sorted(set(self.measurement.streams)):
            if not self.run(streams).ended:
                return f"of {stream_count(streams)} none came to its end; larger loads were not tried"
        return ""

    def run(self, streams: int) -> LoadResult:
        """Return what a load came to, played now or before.

        Raises `InputError` if the first finds no server, and `BudgetError` where it may cost more than is allowed.
        """
        found = self._find(streams)
        if found is None:
            recordings = self._load(streams)
            self._afford(recordings)
            with self.progress.stage(stream_count(streams)):
                played = self._play(recordings)
            self._check_reached(played)
            found = score_load(played, self.references, self.measurement)
            self._keep(streams, played)
        for line in found.failures:
            self.progress.say(f"{stream_count(streams)}: {line}")
        self.loads[streams] = found
        return found

    def _find(self, streams: int) -> LoadResult | None:
        """Return what a load came to that was played before, if nothing was wrong with it."""
        played = read_streams(self.folder, streams) if self.folder is not None else None
        if played is None or any(one.recording not in self.references for one in played):
            return None
        found = score_load(played, self.references, self.measurement)
        if found.verdict != VALID or found.errors:
            return None
        self.progress.say(f"{stream_count(streams)}: measured before")
        return found

    def _load(self, streams: int) -> list[Recording]:
        """Return what each of so many streams plays."""
        for unit in self.units[len(self._recordings) : streams]:
            recording = head(unit.load(), self.measurement.seconds)
            self._recordings.append(recording)
            self.references[recording.id] = Reference.of(recording)
        return [self._recordings[number % len(self._recordings)] for number in range(streams)]

    def _afford(self, recordings: Sequence[Recording]) -> None:
        """Say what a load costs before it is played. Raises `BudgetError` where that is more than is allowed."""
        asked, load = self.measurement, stream_count(len(recordings))
        requests = [audio_s for one in recordings for audio_s in list_requests(asked, one.duration_s)]
        billed_s, cost_usd = self.budget.foresee(requests, load)
        if cost_usd is not None:
            self.progress.say(f"{load}: {billed_s / 60:.1f} minutes of audio are billed, at most {cost_usd:.4f} USD")
        if Target.parse(asked.target).protocol != "openai":  # its calls are counted as they are made
            for audio_s in requests:
                self.budget.spend(audio_s)

    def _play(self, recordings: Sequence[Recording]) -> list[Streamed]:
        asked, streams = self.measurement, len(recordings)
        draw = random.Random(f"{asked.seed}:{streams}")
        delays_s = [draw.uniform(0, asked.stagger_s) for _ in range(streams)]
        sessions = [self.new() for _ in range(streams)]
        return _run(play_paced(recordings, sessions, delays_s, asked.chunk_s))

    def _check_reached(self, played: Sequence[Streamed]) -> None:
        failed = [one.failed for one in played if one.failed and one.failed.at_s is None]
        if not self.loads and len(failed) == len(played):
            target, first = Target.parse(self.measurement.target), failed[0]
            advice = "" if target.protocol == "openai" else f"; {_ADVICE[first.kind]}"  # of its own
            raise InputError(f"{target}: {first.kind}: {first.about}{advice}")

    def _keep(self, streams: int, played: Sequence[Streamed]) -> None:
        if self.folder is not None:
            kept = Kept(store.SCHEMA, self.measurement, describe_machine(), tuple(self.references.values()))
            store.write_whole(self.folder / "measurement.json", store.encode(kept))
            write_streams(self.folder, streams, played)


def _run(program: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(program)
    with ThreadPoolExecutor(1) as elsewhere:  # a notebook has a loop of its own running here
        return elsewhere.submit(asyncio.run, program).result()


def _units(entries: Sequence[Entry], measurement: Measurement) -> list[Stream]:
    """Return what is played, in an order that is drawn: entries, those that are too short joined with the next."""
    drawn = list(entries)
    random.Random(measurement.seed).shuffle(drawn)
    units: list[Stream] = []
    parts: list[Entry] = []
    for entry in drawn:
        parts.append(entry)
        unit = Stream(" + ".join(part.id for part in parts), tuple(parts), _GAP_S)
        if unit.duration_s >= measurement.seconds:
            units.append(unit)
            parts = []
    return (units or [Stream(" + ".join(part.id for part in parts), tuple(parts), _GAP_S)])[:_RECORDINGS]


_ADVICE = {
    "connection": "is a server listening there?",
    "certificate": "the certificate is not trusted; name its authority in SSL_CERT_FILE",
    "key": f"put a valid key into the environment variable {KEYS[0]}",
    "rate limit": "run it again later",
    "refused": "does the server speak this protocol, at this path?",
    "server error": "the server's log will say more",
    "closed": "the server's log will say more",
    "timeout": "is the server alive? --patience gives it more time",
    "garbage": "does the server speak this protocol, at this path?",
}
