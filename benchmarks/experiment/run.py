"""The pipeline: spans are planned, recordings are heard in every setting, calls are stored."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from ...backends.errors import InputError, unknown
from ...backends.registry import get_backend
from ...backends.timing import Backend
from ...backends.workload.models import Dimensions
from ...speech.asr.cache import TranscriptCache, default_cache_path
from ...speech.asr.endpoint_engine import EndpointEngine
from ...speech.asr.model import Recogniser, load_recogniser
from ...speech.asr.transcriber import Hearing, Transcriber, require_whisper
from ...speech.metrics.normalise import get_normaliser
from ...speech.strategies import OFFLINE, OVERLOADS, make_strategy, step_of
from ...speech.streaming.clock import Job, play
from ...speech.weights.dims import find_dims
from . import store
from .endpoints import complete_plan, open_endpoints, plan_endpoint, remember, warn_of_endpoints
from .experiment import DEFAULT_MODEL, Experiment
from .planning import plan_backends, warn_of_overload
from .progress import Progress, Silence
from .records import Plan, Provenance, Run, Track, describe_machine, read_run
from .settings import Clock, Setting, list_settings, list_windows, measure, simulate
from .shared import Place
from .source import Source

TIMED_DTYPE = "fp16"
_NOT_SAID = "unknown"  # of an endpoint
_ONE_POLICY = ("sequential", OFFLINE)  # strategies that only know how to lag


@dataclass(slots=True)
class Session:
    """An experiment that is ready to be heard: everything in it has been checked, and the model is loaded.

    engine: hears the grid, and what simulated backends play.
    plans: what every backend sustains.
    settings: what is to be played.
    endpoints: those of the backends that are asked, by name.
    stated: what `Provenance` says instead of what was typed and how long this took, by field: runs of a sweep are the
        same to the byte, whoever heard them.
    """

    experiment: Experiment
    source: Source
    engine: Hearing
    plans: tuple[Plan, ...]
    settings: tuple[Setting, ...]
    endpoints: dict[str, EndpointEngine] = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic)
    _whisper: Transcriber | None = None
    stated: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        experiment: Experiment,
        engine: Transcriber | None = None,
        source: Source | None = None,
        out: Path | None = None,
        place: str | Path | None = None,
    ) -> "Session":
        """Return the session of an experiment. Raises `InputError` for whatever in it cannot be had.

        engine: transcribes instead of the experiment's own engine and model.
        source: is heard instead of its dataset.
        out: the folder of the run, where answers of endpoints are kept.
        place: of the store of transcripts, a folder or a URL; by default the user's own.
        """
        began_s = time.monotonic()
        check_experiment(experiment)
        endpoints = open_endpoints(experiment, out)
        asked = {name: (measure(name, one), plan_endpoint(experiment, name, one)) for name, one in endpoints.items()}
        backends = [get_backend(name) for name in experiment.backends if name not in endpoints]
        source = source or Source.open(experiment)
        if experiment.is_asked:
            hears, simulated, plans = next(iter(endpoints.values())), [], ()
        else:
            if engine is None:
                engine = load_engine(experiment, _open_cache(experiment, place))
                _use_all_cores()
            hears, heard = engine, Dimensions.of(engine.recogniser.dims)
            simulated, plans = plan_simulated(experiment, backends, heard, engine.recogniser.name, engine)
        own = iter(zip(simulated, plans, strict=False))
        pairs = [asked.get(name) or next(own) for name in experiment.backends]
        clocks, played = [clock for clock, _ in pairs], tuple(plan for _, plan in pairs)
        settings = tuple(list_settings(experiment, hears, clocks, played))
        plans = (*played, *plans[len(backends) :])
        return cls(experiment, source, hears, plans, settings, endpoints, began_s, engine)

    @property
    def model(self) -> str:
        """What hears, by name."""
        if isinstance(self.engine, EndpointEngine):
            return self.engine.endpoint.model
        return require_whisper(self.engine).recogniser.name

    def whisper(self) -> Transcriber:
        """Return the Whisper on this machine; the default one where all that is heard is heard elsewhere."""
        if self._whisper is None:
            self._whisper = load_engine(replace(self.experiment, model=DEFAULT_MODEL, backends=()))
        return self._whisper

    def play(self, progress: Progress, after: Callable[[Run], None] | None = None) -> Run:
        """Return the run; it can be played once. `after` is given what there is, whenever a setting has been heard."""
        try:
            return self._play(progress, after)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections to endpoints."""
        for engine in self.endpoints.values():
            engine.endpoint.close()

    def _play(self, progress: Progress, after: Callable[[Run], None] | None) -> Run:
        tracks: list[Track] = []
        for setting in self.settings:
            strategy = make_strategy(setting.strategy, setting.window_s, setting.step_s)
            policy = policy_of(self.experiment, setting.strategy)
            title = f"{setting.strategy} windows of {setting.window_s:g} s"
            with progress.stage(title) as advance:
                for recordings in self.source.portions(self.whisper, progress):
                    jobs = [
                        (clock, Job(recording, strategy, clock.service_s, policy))
                        for clock in setting.clocks
                        for recording in recordings
                    ]
                    for engine in {id(clock.engine): clock.engine for clock in setting.clocks}.values():
                        draft = self.experiment.drafts(setting.strategy) and not isinstance(engine, EndpointEngine)
                        play([job for clock, job in jobs if clock.engine is engine], engine, advance, draft=draft)
                    key = setting.strategy, setting.window_s, setting.step_s
                    tracks += [
                        Track(job.recording.id, *key, clock.backend, tuple(played.record() for played in job.played))
                        for clock, job in jobs
                    ]
                    if self._whisper:
                        self._whisper.forget()
            for said in self._whisper.take_said() if self._whisper else ():
                progress.say(said)
            if after:
                after(self._run(tracks))
        return self._run(tracks)

    def _run(self, tracks: Sequence[Track]) -> Run:
        source = self.source
        plans = tuple(complete_plan(p, tracks) if p.backend in self.endpoints else p for p in self.plans)
        played = plans[: len(self.experiment.backends)]
        return Run(
            schema=store.SCHEMA,
            experiment=self.experiment,
            provenance=self._provenance(),
            datasets=source.heard(),
            plans=plans,
            references=tuple(source.references.values()),
            tracks=tuple(tracks),
            joined=source.joined(),
            aligned=source.aligned,
            failed=tuple(source.failed),
            warnings=(
                *_warn_of_decoding(self.experiment),
                *warn_of_overload(self.experiment, played),
                *warn_of_endpoints(self.experiment, self.endpoints),
            ),
            measured=tuple(remember(name, engine) for name, engine in self.endpoints.items()),
        )

    def _provenance(self) -> Provenance:
        engine = self.engine
        if isinstance(engine, EndpointEngine):
            heard = {"sha256": "", "digest": "", "source": engine.endpoint.place, "precision": _NOT_SAID}
            heard |= {"engine": f"endpoint: {engine.version}", "timed_dtype": _NOT_SAID}
        else:
            whisper = require_whisper(engine).recogniser
            heard = {name: getattr(whisper, name) for name in ("sha256", "digest", "source", "precision")}
            heard |= {"engine": f"{self.experiment.engine}: {engine.version}", "timed_dtype": TIMED_DTYPE}
        return store.convert(
            {
                "command": "earspan " + shlex.join(sys.argv[1:]),
                "model": self.model,
                "timed_as": self.experiment.timed_model,
                "wall_s": round(time.monotonic() - self.began_s, 1),
                "calls_computed": engine.computed,
                **heard,
                **describe_machine(),
                **self.stated,
            },
            Provenance,
        )


def check_experiment(experiment: Experiment) -> None:
    """Raise `InputError` for rules, strategies and sizes that do not exist."""
    get_normaliser(experiment.normaliser)
    _check_strategies(experiment)
    if experiment.timed_as:
        find_dims(experiment.timed_as)


def plan_simulated(
    experiment: Experiment, backends: Sequence[Backend], heard: Dimensions, name: str, engine: Hearing
) -> tuple[list[Clock], tuple[Plan, ...]]:
    """Return the clocks of simulated backends, and what they sustain: those first that are played.

    heard, name, engine: of the Whisper that hears, its sizes, what it is called, and what it is heard with.
    """
    stands_for_itself = not experiment.timed_as and experiment.timed_model == experiment.model
    timed = heard if stands_for_itself else find_dims(experiment.timed_model)
    clocks = [simulate(experiment, one, timed, heard, engine) for one in backends]
    plans = plan_backends(experiment, backends, experiment.timed_model, timed)
    if experiment.time_heard and experiment.timed_model != experiment.model:
        bare = plan_backends(experiment, backends, name, heard)
        plans += tuple(replace(plan, schedule=(), footing=(), device_sha256={}) for plan in bare)
    return clocks, plans


def policy_of(experiment: Experiment, strategy: str) -> str:
    """Return what a strategy does in an experiment when its calls come too fast."""
    return "lag" if strategy in _ONE_POLICY else experiment.overload


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    progress: Progress | None = None,
    engine: Transcriber | None = None,
    after: Callable[[Run], None] | None = None,
    place: str | Path | None = None,
) -> Run:
    """Hear an experiment, and return the run: every call with its text and times.

    Transcripts are kept, so that an interrupted run goes on where it was when it is called again.
    out: folder that `run.json` and `calls.jsonl` are written into, or the URL of one in an object store; None for no
        file. A run of this experiment that is in a store already is returned as it is.
    progress: is told what is done.
    engine: transcribes instead of the experiment's own.
    after: is given what there is, whenever a setting has been heard.
    place: the store of transcripts, a folder or a URL such as s3://bucket/study; by default the user's own. From one
        that machines share, any of them goes on with what another has begun.

    Raises `InputError` for what cannot be run, before anything is heard as far as that can be known.
    """
    progress = progress or Silence()
    if out is None:
        return Session.open(experiment, engine, place=place).play(progress, after)
    goes_to = Place(out, progress)
    store.check_folder(goes_to.folder)
    if goes_to.has(experiment):
        return read_run(goes_to.folder)
    session = Session.open(experiment, engine, out=goes_to.folder, place=place)
    return goes_to.keep(session.play(progress, after))


def load_engine(experiment: Experiment, cache: TranscriptCache | None = None) -> Transcriber:
    """Return the engine that an experiment asks for, with its model loaded. Raises `InputError`.

    cache: where transcripts are kept, instead of the user's own.
    """
    # CTranslate2 converts from fp32, and the engine's name says to what
    own = experiment.precision in ("auto", "fastest") and experiment.engine.startswith("ct2")
    recogniser = load_recogniser(experiment.model, experiment.device, "fp32" if own else experiment.precision)
    return make_engine_of(experiment, recogniser, cache)


def make_engine_of(experiment: Experiment, recogniser: Recogniser, cache: TranscriptCache | None = None) -> Transcriber:
    """Return the engine that an experiment asks for. Raises `InputError` for what does not exist."""
    from whisper.tokenizer import LANGUAGES

    from ...speech.asr.engines import DECODINGS, make_engine

    if experiment.decoding not in DECODINGS:
        raise unknown("decoding", experiment.decoding, DECODINGS)
    language = None if experiment.language == "auto" else experiment.language
    if language is not None and language not in LANGUAGES:
        raise unknown("language", language, ["auto", *LANGUAGES])
    options = replace(DECODINGS[experiment.decoding], language=language, task=experiment.task)
    if cache is None and experiment.cache:
        cache = TranscriptCache(default_cache_path())
    windows_s = {window_s for own in experiment.grid.values() for window_s in own} or {experiment.window_s or 5.0}
    return make_engine(experiment.engine, recogniser, options, cache, windows_s)


def _open_cache(experiment: Experiment, place: str | Path | None) -> TranscriptCache | None:
    """Return a store of transcripts with what other machines put there; None for the user's own, or none at all."""
    if place is None:
        return None
    if not experiment.cache:
        raise InputError(f"--store {place} and --no-cache: expected one of them")
    cache = TranscriptCache(place)
    cache.refresh()
    return cache


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
        if windows and not list_windows(experiment, name):
            raise InputError(
                f"{name}: every window of {list(windows)} is shorter than --step {step_s:g}; give a longer one"
            )
        for window_s in list_windows(experiment, name):
            make_strategy(name, window_s, step_s)
    if experiment.window_s:
        make_strategy(experiment.strategy, experiment.window_s, step_of(experiment.strategy, experiment.load.step_s))


def _warn_of_decoding(experiment: Experiment) -> list[str]:
    """Return what the service times leave out of the way in which calls were decoded."""
    if experiment.decoding not in ("beam", "cli") or not experiment.backends:
        return []
    return [f"text is decoded as {experiment.decoding}, times are those of one candidate a run: beams cost more"]
