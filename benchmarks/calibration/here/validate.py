"""The same calls simulated and measured on this machine, phase by phase and load by load.

In every round, this machine's ceilings are measured (`ceilings`), and then each setting: so many streams, each with a
window of speech of its own, transcribed together, greedily. The simulated machine is made of the ceilings of the same
round, and so knows nothing of Whisper here; what it predicts is for the work that was really done, step by step as
texts end. Ratios are of one round each, which a machine that changes its speed does not spoil. Beside them stands
what the machine's own profile, measured at another time, says of the same calls; and a recording goes through the
clock, each call's time once predicted by the profile and once measured.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ....backends.errors import InputError
from ....backends.gpu.gpu import gpu_backend
from ....backends.measured.here import Here, Setting, here_backend
from ....backends.measured.profile import Machine
from ....backends.registry import get_backend
from ....backends.timing import Backend
from ....backends.workload.models import Dimensions
from ....backends.workload.workload import Workload
from ....datasets import open_dataset
from ....datasets.audio import SAMPLE_RATE
from ....speech.asr.decoding.transcribe import Attempt, Beginning
from ....speech.asr.engines import DECODINGS
from ....speech.asr.features import Part
from ....speech.asr.hypothesis import Clip, DecoderRun
from ....speech.asr.transcriber import Transcriber
from ....speech.strategies import make_strategy
from ....speech.streaming.clock import Job, play
from ....speech.streaming.service import service_time
from .ceilings import Ceilings, Pieces, simulated
from .neighbours import Neighbours
from .profile import describe_here, open_engine, speech_audio
from .stopwatch import Stopwatch, attach
from .verdict import judge, least_queries

PHASES: tuple[str, ...] = ("mel", "encode", "prefill", "decode", "all")
BAND = 0.25  # the bar: simulated within 25 % of measured
CLOCK_S, CLOCK_WINDOW_S, CLOCK_STEP_S = 25.0, 5.0, 1.0
CEILINGS = "ceilings"  # the machine that is made of its own

Seconds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ValidationPlan:
    """What is measured and simulated. Raises `InputError` for what cannot be.

    model, setting: as of `HerePlan`.
    simulated: a backend's name; "ceilings" for this machine, simulated by its ceilings.
    windows_s, streams: windows, and calls that run together: each with each.
    rounds: queries of each setting. budget_s: seconds after which no further round begins.
    """

    model: str = "tiny.en"
    setting: Setting = field(default_factory=Setting)
    simulated: str = CEILINGS
    windows_s: tuple[float, ...] = (1.0, 5.0, 10.0, 30.0)
    streams: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = least_queries()
    budget_s: float = 200.0

    def __post_init__(self) -> None:
        if not self.windows_s or not all(0.1 <= window_s <= 30 for window_s in self.windows_s):
            raise InputError(f"windows {list(self.windows_s)}: expected 0.1 to 30 s")
        if not self.streams or min(*self.streams, self.rounds) < 1:
            raise InputError("streams and rounds: expected at least 1")
        if self.simulated != CEILINGS:
            get_backend(self.simulated)


@dataclass(frozen=True, slots=True)
class Compared:
    """One window and load: seconds of each phase, and of all, in every round.

    steps: decode steps of each text. profile: what the machine's profile says; empty where there is none.
    reasons: for which the measurement is invalid.
    """

    window_s: float
    streams: int
    steps: tuple[int, ...]
    measured: tuple[dict[str, float], ...]
    simulated: tuple[dict[str, float], ...]
    profile: dict[str, float]
    reasons: tuple[str, ...] = ()

    def ratio(self, phase: str) -> float:
        """Return measured over simulated: the median of the rounds' ratios."""
        pairs = zip(self.measured, self.simulated, strict=True)
        return statistics.median(mine[phase] / theirs[phase] for mine, theirs in pairs)

    def profile_ratio(self, phase: str) -> float | None:
        """Return the measured median over what the profile says; None without a profile."""
        if not self.profile:
            return None
        return statistics.median(one[phase] for one in self.measured) / self.profile[phase]

    @property
    def verdict(self) -> str:
        """VALID or INVALID."""
        return "INVALID" if self.reasons else "VALID"


@dataclass(frozen=True, slots=True)
class OnTheClock:
    """Calls of a recording one after another, as a stream makes them: seconds by the profile, and measured."""

    window_s: float
    step_s: float
    predicted: tuple[float, ...]
    measured: tuple[float, ...]
    predicted_wait_s: float
    measured_wait_s: float

    @property
    def ratio(self) -> float:
        """All measured seconds over all predicted ones."""
        return sum(self.measured) / sum(self.predicted)


@dataclass(frozen=True, slots=True)
class Validation:
    """All that was found; raw values, and ceilings of every round."""

    schema: int
    model: str
    setting: Setting
    simulated: str
    machine: Machine
    rows: tuple[Compared, ...]
    ceilings: tuple[Ceilings, ...]
    clock: OnTheClock | None
    busy: tuple[float, float] | None
    took_s: float

    @property
    def verdict(self) -> str:
        """VALID if all rows are."""
        return "INVALID" if any(row.reasons for row in self.rows) else "VALID"

    def within(self, phase: str, band: float = BAND) -> int:
        """Return of how many rows the simulated time is within `band` of the measured one."""
        return sum(abs(1 / row.ratio(phase) - 1) <= band for row in self.rows)


def validate_here(plan: ValidationPlan, tell: Callable[[str], None] = lambda line: None) -> Validation:
    """Return how the simulated machine and the machine's profile stand against what is measured now.

    tell: is given a line on what goes on. Raises `InputError` for a model, an engine or a backend that cannot be had.
    """
    began, neighbours = time.monotonic(), Neighbours()
    engine = open_engine(plan.model, plan.setting, DECODINGS["greedy"])
    dims, own = Dimensions.of(engine.recogniser.dims), _profile(plan.setting, engine)
    probe, pieces = Probe(engine), Pieces(dims.n_vocab)
    settings = [(window_s, streams) for window_s in plan.windows_s for streams in plan.streams]
    measured: dict[tuple[float, int], list[Seconds]] = {setting: [] for setting in settings}
    predicted: dict[tuple[float, int], list[Seconds]] = {setting: [] for setting in settings}
    runs: dict[tuple[float, int], list[DecoderRun]] = {}
    ceilings: list[Ceilings] = []
    for number in range(plan.rounds + 1):  # the first one warms up
        if number > 1 and time.monotonic() - began > plan.budget_s:
            break
        found = pieces.measure()
        device = simulated(found, plan.setting.threads)
        backend = (
            gpu_backend(CEILINGS, device, "torch-cpu") if plan.simulated == CEILINGS else get_backend(plan.simulated)
        )
        for setting in settings:
            took, runs[setting] = probe.query(*setting)
            if number:
                measured[setting].append(took)
                predicted[setting].append(predict(backend, dims, runs[setting], setting[0]))
        if number:
            ceilings.append(found)
        tell(f"round {number} of {plan.rounds}: {time.monotonic() - began:.0f} s")
    clock = _through_the_clock(plan, own, tell) if own else None
    busy, rates = neighbours.parts(), [one.peak_flop_per_s for one in ceilings]
    rows = tuple(
        Compared(
            *setting,
            steps=tuple(run.decode_tokens for run in runs[setting]),
            measured=tuple(map(dict, measured[setting])),
            simulated=tuple(map(dict, predicted[setting])),
            profile=dict(predict(own, dims, runs[setting], setting[0])) if own else {},
            reasons=judge([one["all"] for one in measured[setting]], rates, busy),
        )
        for setting in settings
    )
    took_s = round(time.monotonic() - began, 1)
    machine = describe_here()
    return Validation(1, plan.model, plan.setting, plan.simulated, machine, rows, tuple(ceilings), clock, busy, took_s)


def _profile(setting: Setting, engine: Transcriber) -> Here | None:
    """Return this machine as measured before, or None where it was not."""
    found = here_backend(setting.name)
    try:
        found.model_of(Dimensions.of(engine.recogniser.dims))
    except InputError:
        return None
    return found


@dataclass(slots=True)
class Probe:
    """An engine that is asked for windows of speech, with a stopwatch on it."""

    engine: Transcriber
    audio: np.ndarray = field(default_factory=speech_audio)
    watch: Stopwatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = attach(self.engine)

    def query(self, window_s: float, streams: int) -> tuple[Seconds, list[DecoderRun]]:
        """Return what one call of every stream took together, by phase, and the runs of the decoder that it was."""
        engine, watch, length = self.engine, self.watch, round(window_s * SAMPLE_RATE)
        gap = (len(self.audio) - length) // streams
        clips = [Clip(self.audio[at * gap : at * gap + length]) for at in range(streams)]
        engine.begin_anew()
        watch.reset()
        start = time.perf_counter()
        heard = engine.transcribe(clips)
        all_s = time.perf_counter() - start
        mel_s, encode_s, write_s = watch.mel_s, watch.encode_s, watch.write_s
        # the first pass alone, of what is encoded already, or encoded again and not counted
        runs = [run for one in heard for run in one.runs]
        options, fed = engine.options, [_fed(engine, run) for run in runs]
        engine.options = replace(options, max_tokens=1)
        engine.forget_keys()
        watch.reset()
        engine.decode([Attempt(Part(clip), Beginning(*one), True, True) for clip, one in zip(clips, fed, strict=True)])
        engine.options = options
        prefill_s = min(watch.write_s, write_s)
        # what is left of the whole is the host's: hashes, tokens to text; it is counted with the steps
        decode_s = max(all_s - mel_s - encode_s - prefill_s, 1e-6)
        return dict(zip(PHASES, (mel_s, encode_s, prefill_s, decode_s, all_s), strict=True)), runs


def _fed(engine: Transcriber, run: DecoderRun) -> tuple[list[int], int]:
    marks = list(engine.recogniser.tokenizer("en", "transcribe").sot_sequence)
    return marks[: run.prompt_tokens], 0


def predict(backend: Backend, dims: Dimensions, runs: Sequence[DecoderRun], window_s: float) -> Seconds:
    """Return the seconds that a backend takes for calls with one run each that begin together, by phase and in all.

    Each leaves when its text ends. Spectrograms are made of the window alone; encoded are 30 s.
    """
    steps = sorted(run.decode_tokens for run in runs)
    fed = max(run.prompt_tokens for run in runs)
    begin = Workload(dims, len(runs), window_s, prompt_tokens=fed, dtype="fp32")
    found = dict(backend.time(begin).phases)
    if not isinstance(backend, Here):
        found["mel"] = backend.time(replace(begin, padding="fit")).phases["mel"]
    done, decode_s = 0, found.get("decode", 0.0)
    for place, count in enumerate(steps):
        if count > done:
            alive = replace(begin, batch=len(steps) - place, prompt_tokens=fed + done, decode_tokens=count - done)
            decode_s += backend.time(alive).phases["decode"]
            done = count
    found["decode"] = decode_s + found.pop("transfer", 0.0)
    return {phase: found[phase] for phase in PHASES[:-1]} | {"all": sum(found.values())}


def _through_the_clock(plan: ValidationPlan, own: Here, tell: Callable[[str], None]) -> OnTheClock:
    """Return the calls of one recording as the profile predicts them, and as the engine takes them one by one."""
    engine = open_engine(plan.model, plan.setting)
    recording = next(iter(open_dataset("talks-clean"))).load()
    recording = replace(recording, audio=recording.audio[: round(CLOCK_S * SAMPLE_RATE)])
    dims = Dimensions.of(engine.recogniser.dims)
    job = Job(
        recording, make_strategy("sliding", CLOCK_WINDOW_S, CLOCK_STEP_S), service_time(own, dims, dims, streams=1)
    )
    play([job], engine)
    measured = []
    for one in job.played:
        first, last = (round(at_s * SAMPLE_RATE) for at_s in (one.call.start_s, one.call.end_s))
        engine.begin_anew()
        start = time.perf_counter()
        engine.transcribe([Clip(recording.audio[first:last], one.call.prompt, one.call.prefix)])
        measured.append(time.perf_counter() - start)
    tell(f"{len(measured)} calls through the clock")
    arrivals = [one.arrival_at_s for one in job.played]
    predicted = [one.finish_at_s - one.start_at_s for one in job.played]
    waits = [statistics.median(waits_of(arrivals, seconds)) for seconds in (predicted, measured)]
    return OnTheClock(CLOCK_WINDOW_S, CLOCK_STEP_S, tuple(predicted), tuple(measured), *waits)


def waits_of(arrivals_s: Sequence[float], seconds: Sequence[float]) -> list[float]:
    """Return how long after its arrival each call ends: start = max(arrival, end of the one before)."""
    found, free_s = [], 0.0
    for arrival_s, took_s in zip(arrivals_s, seconds, strict=True):
        free_s = max(arrival_s, free_s) + took_s
        found.append(free_s - arrival_s)
    return found
