"""What all experiments of a sweep have to hear, each call once, cut into tasks that do not depend on each other.

There are four stages, each of which needs the one before: recordings without word times are aligned ("align"), calls
that do not depend on what is heard are transcribed ("hear"), strategies whose calls do depend on it are played over one
recording ("play"), and every run is written from the store ("write").

What a task holds depends on the sweep alone, never on workers, order or time: so the same transcripts come about,
however the work was spread and however often it was interrupted.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from ...backends.registry import get_backend
from ...datasets.selection import Stream
from ...speech.asr.transcriber import Hearing
from ...speech.strategies import Call, make_strategy
from ...speech.weights.dims import find_dims
from ..experiment import store
from ..experiment.experiment import Experiment
from ..experiment.run import check_experiment, plan_simulated, policy_of
from ..experiment.settings import Setting, list_settings
from ..experiment.source import Source, Unit
from .grid import Sweep

Cut = tuple[str, float, float | None]  # strategy, window and step

_NOBODY = cast(Hearing, None)  # who plans asks what is cut how, and hears nothing
_AUDIO_S = 600.0  # recordings of a task together: 38 MB in memory
_TASK_S = 20.0  # of work on one core, about: enough to make overheads small, little to lose
# Seconds of a call for each million parameters: tiny.en (38) takes 0.25 s on one core here (README, speed); the others
# are taken to be in proportion, and a GPU to be 50 times as fast, an assumption that only sizes tasks.
_CALL_S_PER_MILLION, _GPU_TIMES = 0.25 / 38, 50
_MOST_CALLS = 256
_WAVE_CALLS = 5000  # an hour of tiny.en on one core: so often there are more finished runs


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work, which leaves its transcripts in the store, all or none, or writes a run.

    stage: align, hear, play or write.
    experiment: one of those that ask for it, which says what is heard and with what.
    units: the recordings, by their ids in the experiment; empty for all.
    cuts: how they are cut.
    part, parts: which share of the calls, in order of their length; long recordings have many.
    backend: whose clock decides which calls are made, if calls may be left out; None for none's.
    calls, audio_s: how many calls, and how much audio is in them, about.
    name: of the run that is written.
    """

    stage: str
    experiment: Experiment
    units: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    part: int = 0
    parts: int = 1
    backend: str | None = None
    calls: int = 0
    audio_s: float = 0.0
    name: str = ""

    def digest(self, place: str) -> str:
        """Return what tells this task from all others; `place` is the store that its transcripts go to."""
        return hashlib.sha256(f"{place}\0{store.encode(self)}".encode()).hexdigest()


@dataclass(slots=True)
class _Need:
    """A recording, the experiment that stands for all that hear it alike, and how it is to be cut."""

    experiment: Experiment
    unit: Unit
    cuts: dict[Cut, None] = field(default_factory=dict)
    played: dict[tuple[Cut, str | None], Experiment] = field(default_factory=dict)


@dataclass(slots=True)
class Planner:
    """Cuts a sweep into tasks.

    task_calls: how many calls make a task; by default as many as take some 20 s.
    sources: what is listened to, by what decides it.
    """

    task_calls: int | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    _needs: dict[tuple, _Need] = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)  # hashes of what earlier waves hear

    def waves(self, sweep: Sweep) -> Iterator[list[list[Task]]]:
        """Yield tasks by stage, for some experiments of one engine at a time: those are whole before others begin.

        Raises `InputError` for whatever in an experiment cannot be had.
        """
        groups: dict[str, list[tuple[str, Experiment]]] = {}
        for name, experiment in sweep.experiments.items():
            groups.setdefault(engine_key(experiment), []).append((name, experiment))
        for group in groups.values():
            wave, calls = list[Task](), 0.0
            for name, experiment in group:
                wave.append(Task("write", experiment, name=name))
                calls += self._add(experiment)
                if calls > _WAVE_CALLS or name == group[-1][0]:
                    yield [*self._stages(), wave]
                    wave, calls = [], 0.0

    def _stages(self) -> list[list[Task]]:
        needs, self._needs = list(self._needs.values()), {}
        return [
            list(self._packed("align", [need for need in needs if _is_bare(need)])),
            list(self._packed("hear", [need for need in needs if need.cuts])),
            [task for need in needs for task in _played(need)],
        ]

    def _add(self, experiment: Experiment) -> float:
        """Take note of what an experiment hears, and return how many calls that is, about."""
        check_experiment(experiment)
        source, bare = self._source(experiment), only_heard(experiment)
        backends = [get_backend(name) for name in experiment.backends]
        heard = find_dims(experiment.model)
        clocks, plans = plan_simulated(experiment, backends, heard, experiment.model, _NOBODY)
        settings = list(list_settings(experiment, _NOBODY, clocks, plans[: len(backends)]))
        calls = 0.0
        for unit in source.units:
            identity = _identity(experiment, source, unit)
            for setting in settings:
                for cut, backend in _cuts(setting, experiment):
                    asked = hash(
                        (engine_key(experiment), identity, cut, backend, experiment.overload if backend else "")
                    )
                    if asked in self._asked:
                        continue
                    self._asked.add(asked)
                    need = self._needs.setdefault(identity, _Need(bare, unit))
                    if backend is None and next(make_strategy(*cut).fixed_calls(unit.duration_s), None) is not None:
                        need.cuts[cut] = None
                    else:
                        need.played[cut, backend] = experiment if backend else bare
                    calls += unit.duration_s / (cut[2] or cut[1])
        return calls

    def _source(self, experiment: Experiment) -> Source:
        key = source_key(experiment)
        if key not in self.sources:
            self.sources[key] = Source.open(experiment)
        return self.sources[key]

    def _packed(self, stage: str, needs: Sequence[_Need]) -> Iterator[Task]:
        """Recordings that are cut alike, as many together as make a task; long ones in several parts."""
        pack: list[_Need] = []
        calls, audio_s, heard_s = 0, 0.0, 0.0
        most = self.task_calls or (calls_in_task(needs[0].experiment) if needs else 1)  # of one engine
        for need in needs:
            own, own_s = _size(stage, need)
            alike = pack and pack[0].experiment == need.experiment and pack[0].cuts == need.cuts
            full = calls + own > most or audio_s + need.unit.duration_s > _AUDIO_S
            if pack and (full or not alike):
                yield _task(stage, pack, calls, heard_s)
                pack, calls, audio_s, heard_s = [], 0, 0.0, 0.0
            parts = math.ceil(own / most) if stage == "hear" else 1
            if parts > 1:
                whole = _task(stage, [need], own, own_s)
                for part in range(parts):
                    share = (part + 1) * own // parts - part * own // parts
                    yield replace(whole, part=part, parts=parts, calls=share, audio_s=own_s * share / own)
                continue
            pack.append(need)
            calls, audio_s, heard_s = calls + own, audio_s + need.unit.duration_s, heard_s + own_s
        if pack:
            yield _task(stage, pack, calls, heard_s)


_HEARD = ("model", "engine", "device", "precision", "decoding", "language", "task")
_CHOSEN = ("dataset", "recordings", "head_s", "longest_s", "hours", "join", "gap_s", "word_times", "seed")


def only_heard(experiment: Experiment) -> Experiment:
    """Return an experiment that hears the same recordings with the same engine, and says nothing else."""
    return Experiment(**{name: getattr(experiment, name) for name in (*_HEARD, *_CHOSEN)})


def engine_key(experiment: Experiment) -> str:
    """Return what experiments have in common that hear with one engine."""
    return store.encode([getattr(experiment, name) for name in _HEARD])


def source_key(experiment: Experiment) -> str:
    """Return what experiments have in common that listen to the same, in the same way."""
    return store.encode([getattr(experiment, name) for name in _CHOSEN])


def fixed_calls(cuts: Sequence[Cut], duration_s: float) -> list[Call]:
    """Return the calls that are made whatever is heard, those of all cuts once each, in order of their length."""
    calls = (call for cut in cuts for call in make_strategy(*cut).fixed_calls(duration_s))
    return sorted(dict.fromkeys(calls), key=lambda call: (call.end_s - call.start_s, call.start_s))


def calls_in_task(experiment: Experiment) -> int:
    """Return how many calls of an experiment's Whisper make a task."""
    millions = find_dims(experiment.model).parameters / 1e6
    call_s = max(_CALL_S_PER_MILLION * millions / (1 if experiment.device == "cpu" else _GPU_TIMES), 1e-6)
    return max(1, min(_MOST_CALLS, round(_TASK_S / call_s)))


def _cuts(setting: Setting, experiment: Experiment) -> list[tuple[Cut, str | None]]:
    """How recordings are cut in a setting, and on whose clock, where that decides which calls are made.

    Infinitely fast hardware leaves out nothing, whatever the policy.
    """
    cut = setting.strategy, setting.window_s, setting.step_s
    if policy_of(experiment, setting.strategy) == "lag":
        return [(cut, None)]
    return [(cut, clock.backend) for clock in setting.clocks]


def _identity(experiment: Experiment, source: Source, unit: Unit) -> tuple:
    """What recordings have in common that hold the same samples: also of experiments that choose differently."""
    bare = unit.id.removeprefix(f"{_dataset_of(unit)}:") if len(source.datasets) > 1 else unit.id
    first = unit.entries[0] if isinstance(unit, Stream) else unit
    return str(first.audio_path), first.offset_s, bare, unit.duration_s, experiment.head_s, experiment.word_times


def _dataset_of(unit: Unit) -> str:
    return unit.entries[0].dataset if isinstance(unit, Stream) else unit.dataset


def _is_bare(need: _Need) -> bool:
    """Return whether a recording needs its words aligned by the model that hears."""
    entries = need.unit.entries if isinstance(need.unit, Stream) else (need.unit,)
    return need.experiment.word_times == "model" and any(e.words is None and e.text.strip() for e in entries)


def _size(stage: str, need: _Need) -> tuple[int, float]:
    """How many calls a recording is, and how much audio is in them: about, for a file may not be what is stated."""
    duration_s = min(need.unit.duration_s, need.experiment.head_s or math.inf)
    if stage == "align":  # windows of 30 s that overlap by 10, heard and then aligned
        return math.ceil(need.unit.duration_s / 20), need.unit.duration_s * 1.5
    calls = fixed_calls(tuple(need.cuts), duration_s)
    return len(calls), sum(call.end_s - call.start_s for call in calls)


def _task(stage: str, pack: Sequence[_Need], calls: int, audio_s: float) -> Task:
    ids = tuple(need.unit.id for need in pack)
    cuts = tuple(pack[0].cuts) if stage == "hear" else ()
    return Task(stage, pack[0].experiment, ids, cuts, calls=calls, audio_s=round(audio_s, 3))


def _played(need: _Need) -> Iterator[Task]:
    """A task for each way of cutting a recording that depends on its text, about a call for each window."""
    duration_s = min(need.unit.duration_s, need.experiment.head_s or math.inf)
    for (cut, backend), experiment in need.played.items():
        _, window_s, step_s = cut
        calls = math.ceil(duration_s / (step_s or window_s))
        yield Task(
            "play", experiment, (need.unit.id,), (cut,), backend=backend, calls=calls,
            audio_s=round(calls * window_s, 3),
        )  # fmt: skip
