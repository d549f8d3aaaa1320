"""The pipeline: spans are planned, recordings are heard in every setting, calls are stored."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...backends.registry import get_backend
from ...backends.timing import Backend
from ...backends.workload.models import Dimensions
from ...backends.workload.op import LONGEST_S
from ...speech.asr.model import Recogniser, load_recogniser
from ...speech.asr.transcriber import Transcriber
from ...speech.metrics.normalise import get_normaliser
from ...speech.strategies import OFFLINE, OVERLOADS, make_strategy, step_of
from ...speech.streaming.clock import Job, ServiceTime, no_time, play
from ...speech.streaming.service import service_time
from ...speech.weights.dims import find_dims
from . import store
from .experiment import Experiment
from .planning import fits, plan_backends, require_window, warn_of_overload, window_of
from .progress import Progress, Silence
from .records import Plan, Provenance, Run, Track, describe_machine, write_run
from .source import Source

TIMED_DTYPE = "fp16"
_ONE_POLICY = ("sequential", OFFLINE)  # strategies that only know how to lag


@dataclass(frozen=True, slots=True)
class Clock:
    """Whose times calls take: those of a backend, or none on infinitely fast hardware, whose backend is None."""

    backend: str | None
    service_s: ServiceTime


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of cutting all recordings, with the clocks on which it is played. Equal calls are heard once."""

    strategy: str
    window_s: float
    step_s: float | None
    clocks: tuple[Clock, ...]


@dataclass(slots=True)
class Session:
    """An experiment that is ready to be heard: everything in it has been checked, and the model is loaded.

    plans: what every backend sustains.
    settings: what is to be played.
    """

    experiment: Experiment
    source: Source
    recogniser: Recogniser
    engine: Transcriber
    plans: tuple[Plan, ...]
    settings: tuple[Setting, ...]
    began_s: float = field(default_factory=time.monotonic)

    @classmethod
    def open(cls, experiment: Experiment, engine: Transcriber | None = None, source: Source | None = None) -> "Session":
        """Return the session of an experiment. Raises `InputError` for whatever in it cannot be had.

        engine: transcribes instead of the experiment's own engine and model.
        source: is heard instead of its dataset.
        """
        began_s = time.monotonic()
        get_normaliser(experiment.normaliser)
        _check_strategies(experiment)
        backends = [get_backend(name) for name in experiment.backends]
        source = source or Source.open(experiment)
        timed = find_dims(experiment.timed_model) if experiment.timed_as else None
        if engine is None:
            engine = load_engine(experiment)
            _use_all_cores()
        heard = Dimensions.of(engine.recogniser.dims)
        if timed is None:
            stands_for_itself = experiment.timed_model == experiment.model
            timed = heard if stands_for_itself else find_dims(experiment.timed_model)
        plans = plan_backends(experiment, backends, experiment.timed_model, timed)
        settings = tuple(_settings(experiment, backends, plans, timed, heard))
        if experiment.time_heard and experiment.timed_model != experiment.model:
            bare = plan_backends(experiment, backends, engine.recogniser.name, heard)
            plans += tuple(replace(plan, schedule=(), footing=(), device_sha256={}) for plan in bare)
        return cls(experiment, source, engine.recogniser, engine, plans, settings, began_s)

    def play(self, progress: Progress, after: Callable[[Run], None] | None = None) -> Run:
        """Return the run. `after` is given what there is, whenever a setting has been heard."""
        tracks: list[Track] = []
        for setting in self.settings:
            strategy = make_strategy(setting.strategy, setting.window_s, setting.step_s)
            policy = "lag" if setting.strategy in _ONE_POLICY else self.experiment.overload
            title = f"{setting.strategy} windows of {setting.window_s:g} s"
            with progress.stage(title) as advance:
                for recordings in self.source.portions(self.engine, progress):
                    jobs = [
                        (clock.backend, Job(recording, strategy, clock.service_s, policy))
                        for clock in setting.clocks
                        for recording in recordings
                    ]
                    draft = self.experiment.drafts(setting.strategy)
                    play([job for _, job in jobs], self.engine, advance, draft=draft)
                    key = setting.strategy, setting.window_s, setting.step_s
                    tracks += [
                        Track(job.recording.id, *key, backend, tuple(played.record() for played in job.played))
                        for backend, job in jobs
                    ]
            if after:
                after(self._run(tracks))
        return self._run(tracks)

    def _run(self, tracks: Sequence[Track]) -> Run:
        source = self.source
        played = self.plans[: len(self.experiment.backends)]
        return Run(
            schema=store.SCHEMA,
            experiment=self.experiment,
            provenance=self._provenance(),
            datasets=source.heard(),
            plans=self.plans,
            references=tuple(source.references.values()),
            tracks=tuple(tracks),
            joined=source.joined(),
            aligned=source.aligned,
            failed=tuple(source.failed),
            warnings=(*_warn_of_decoding(self.experiment), *warn_of_overload(self.experiment, played)),
        )

    def _provenance(self) -> Provenance:
        return store.convert(
            {
                "command": "earspan " + shlex.join(sys.argv[1:]),
                "model": self.recogniser.name,
                "sha256": self.recogniser.sha256,
                "digest": self.recogniser.digest,
                "source": self.recogniser.source,
                "engine": f"{self.experiment.engine}: {self.engine.version}",
                "precision": self.recogniser.precision,
                "timed_as": self.experiment.timed_model,
                "timed_dtype": TIMED_DTYPE,
                "wall_s": round(time.monotonic() - self.began_s, 1),
                "calls_computed": self.engine.computed,
                **describe_machine(),
            },
            Provenance,
        )


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    progress: Progress | None = None,
    engine: Transcriber | None = None,
    after: Callable[[Run], None] | None = None,
) -> Run:
    """Hear an experiment, and return the run: every call with its text and times.

    Transcripts are kept, so that an interrupted run goes on where it was when it is called again.
    out: folder that `run.json` and `calls.jsonl` are written into; None for no file.
    progress: is told what is done.
    engine: transcribes instead of the experiment's own.
    after: is given what there is, whenever a setting has been heard. Raises `InputError` for what cannot be run, before
        anything is heard as far as that can be known.
    """
    if out is not None:
        store.check_folder(Path(out))
    stored = Session.open(experiment, engine).play(progress or Silence(), after)
    if out is not None:
        write_run(Path(out), stored)
    return stored


def load_engine(experiment: Experiment) -> Transcriber:
    """Return the engine that an experiment asks for, with its model loaded. Raises `InputError`."""
    # CTranslate2 converts from fp32, and the engine's name says to what
    own = experiment.precision == "auto" and experiment.engine.startswith("ct2")
    recogniser = load_recogniser(experiment.model, experiment.device, "fp32" if own else experiment.precision)
    return make_engine_of(experiment, recogniser)


def make_engine_of(experiment: Experiment, recogniser: Recogniser) -> Transcriber:
    """Return the engine that an experiment asks for. Raises `InputError` for what does not exist."""
    from whisper.tokenizer import LANGUAGES

    from ...speech.asr.cache import TranscriptCache, default_cache_path
    from ...speech.asr.engines import DECODINGS, make_engine

    if experiment.decoding not in DECODINGS:
        raise unknown("decoding", experiment.decoding, DECODINGS)
    language = None if experiment.language == "auto" else experiment.language
    if language is not None and language not in LANGUAGES:
        raise unknown("language", language, ["auto", *LANGUAGES])
    options = replace(DECODINGS[experiment.decoding], language=language, task=experiment.task)
    cache = TranscriptCache(default_cache_path()) if experiment.cache else None
    return make_engine(experiment.engine, recogniser, options, cache)


def _use_all_cores() -> None:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)


def is_installed(strategy: str) -> bool:
    """Return whether what a strategy needs is there."""
    return strategy != "vad" or find_spec("silero_vad") is not None


def _check_strategies(experiment: Experiment) -> None:
    """Raise `InputError` for a strategy or a window that cannot be."""
    if experiment.overload not in OVERLOADS:
        raise unknown("overload policy", experiment.overload, OVERLOADS)
    for name, windows in {experiment.strategy: (), **experiment.grid}.items():
        if not is_installed(name):
            raise InputError("vad: Silero VAD is not installed; type pip install 'earspan[vad]'")
        step_s = step_of(name, experiment.heard_step_s)
        if windows and not _windows(experiment, name):
            raise InputError(
                f"{name}: every window of {list(windows)} is shorter than --step {step_s:g}; give a longer one"
            )
        for window_s in _windows(experiment, name):
            make_strategy(name, window_s, step_s)
    if experiment.window_s:
        make_strategy(experiment.strategy, experiment.window_s, step_of(experiment.strategy, experiment.load.step_s))


def _windows(experiment: Experiment, strategy: str) -> list[float]:
    """The windows of the grid, those left out that are shorter than the step; the longest first, see `spread`."""
    step_s = step_of(strategy, experiment.heard_step_s)
    windows = [w for w in experiment.grid.get(strategy, ()) if step_s is None or w >= step_s]
    if strategy == OFFLINE:  # it hears all at once, whatever the window
        windows = [LONGEST_S]
    return spread(windows)


def spread(values: Sequence[float]) -> list[float]:
    """Return the same values, the last first, then the first, then always the middle of the widest gap by place.

    So the shape of a curve is known early.
    """
    order, gaps = [len(values) - 1, 0][: len(values)], [(0, len(values) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [values[place] for place in order]


def _settings(
    experiment: Experiment,
    backends: Sequence[Backend],
    plans: Sequence[Plan],
    timed: Dimensions,
    heard: Dimensions,
) -> Iterator[Setting]:
    """Every setting with its clocks: the grid on infinitely fast hardware, and every backend in its own window.

    Where backends play the grid, they do so beside the fast clock. The window of a backend joins the grid of its
    strategy, if it is not of it: its calls are made anyway.
    """
    clocks = {
        backend.name: Clock(
            backend.name,
            service_time(backend, timed, heard, streams=experiment.load.streams, padding=experiment.padding),
        )
        for backend in backends
    }
    bare, found = Clock(None, no_time), dict[tuple[str, float, float | None], tuple[Clock, ...]]()
    in_grid = tuple(clocks[b.name] for b in backends if experiment.play == "grid" and fits(experiment, b, timed))
    for name in experiment.grid:
        for window_s in _windows(experiment, name):
            found[name, window_s, step_of(name, experiment.heard_step_s)] = (*in_grid, bare)
    strategy, step_s = experiment.strategy, step_of(experiment.strategy, experiment.load.step_s)
    own = [(plan, window_of(experiment, plan)) for plan in plans[: len(backends)]]
    if not found and len(own) == 1:  # there is nothing else to hear
        require_window(experiment, own[0][0])
    if not found and not own:
        found[strategy, experiment.window_s or LONGEST_S, step_s] = (bare,)
    for plan, window_s in own if experiment.play == "span" else ():
        if window_s is not None:
            in_curve = strategy in experiment.grid and step_s == step_of(strategy, experiment.heard_step_s)
            before = found.get((strategy, window_s, step_s), (bare,) if in_curve else ())
            found[strategy, window_s, step_s] = (*before, clocks[plan.backend])
    for (name, window_s, own_step_s), own_clocks in found.items():
        make_strategy(name, window_s, own_step_s)
        yield Setting(name, window_s, own_step_s, own_clocks)


def _warn_of_decoding(experiment: Experiment) -> list[str]:
    """Return what the service times leave out of the way in which calls were decoded."""
    if experiment.decoding not in ("beam", "cli") or not experiment.backends:
        return []
    return [f"text is decoded as {experiment.decoding}, times are those of one candidate a run: beams cost more"]
