"""This machine measured: Whisper's phases by batch and length, as an engine really runs them, every value kept.

An engine is asked for calls on real speech, its phases timed as it goes (`stopwatch`): spectrograms, encoder, then the
first pass of the decoder with texts of several lengths before it, and the steps after it. A step's time is the
difference of two runs, one of which goes on for `STEPS` steps. All points are measured in turns, round after round, so
that what else the machine does falls on all of them alike.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle
from typing import Any

import numpy as np
import torch

from ....backends.errors import InputError
from ....backends.measured.here import Setting
from ....backends.measured.profile import SCHEMA, Machine, Point, Profile, count_cores, cpu_name
from ....backends.workload.models import Dimensions
from ....datasets import open_dataset
from ....datasets.audio import SAMPLE_RATE
from ....speech.asr.decoding.greedy import Beginning
from ....speech.asr.decoding.transcribe import Attempt, prompt_of
from ....speech.asr.features import Part
from ....speech.asr.hypothesis import Clip, DecodeOptions
from ....speech.asr.model import Recogniser, load_recogniser
from ....speech.asr.transcriber import Transcriber
from .neighbours import Neighbours
from .stopwatch import Stopwatch, attach

STEPS = 16  # of the decoder, in a run whose steps are timed
LENGTHS_S = (1.0, 5.0, 10.0, 20.0, 30.0)  # of spectrograms
ENCODED_S = (5.0, 30.0)  # of the encoder
PROMPTS = (0, 64, 224, 416)  # tokens fed first; 0: the start marks alone
CALL_S, CALL_TOKENS = 10.0, 34  # of the equal calls whose scatter is measured: 3.3 tokens a second, and one
LEAST_ROUNDS = 3
UNSTABLE = 0.1  # standard deviation over mean, from which pyperf calls a benchmark unstable
_PACKAGES = ("earspan", "torch", "ctranslate2", "openai-whisper")

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HerePlan:
    """What is measured on this machine. Raises `InputError` for what cannot be.

    model: an official Whisper, or the path of a checkpoint.
    setting: engine, precision and threads.
    batches: calls that run together, of every phase but spectrograms.
    rounds: values of each point. budget_s: seconds after which no further round begins, if there are `LEAST_ROUNDS`.
    calls: equal calls whose scatter is measured.
    """

    model: str
    setting: Setting = field(default_factory=Setting)
    batches: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = 9
    budget_s: float = 200.0
    calls: int = 30

    def __post_init__(self) -> None:
        if not self.batches or min(*self.batches, self.rounds, self.calls, self.setting.threads) < 1:
            raise InputError("batches, rounds, calls and threads: expected at least 1")
        if self.setting.threads > count_cores():
            raise InputError(f"{self.setting.threads} threads given; this process may use {count_cores()} cores")
        if not self.budget_s > 0:
            raise InputError(f"budget {self.budget_s:g} s; expected more than 0")


def measure_here(plan: HerePlan, tell: Told = lambda line: None) -> Profile:
    """Return the profile of this machine: every value that was measured.

    tell: is given a line on what goes on. Raises `InputError` for a model or an engine that cannot be had.
    """
    began = time.monotonic()
    engine = open_engine(plan.model, plan.setting)
    bench, neighbours = Bench.of(engine), Neighbours()
    values: dict[tuple[str, int, float], list[float]] = {}
    for number in range(plan.rounds + 1):  # the first one warms up
        enough = number > LEAST_ROUNDS and time.monotonic() - began > plan.budget_s
        if enough:
            break
        for phase, batch, length, seconds in bench.round(plan.batches):
            if number:
                values.setdefault((phase, batch, length), []).append(seconds)
        tell(f"round {number} of {plan.rounds}: {time.monotonic() - began:.0f} s")
    calls = tuple(bench.call() for _ in range(plan.calls + 1))[1:]
    points = tuple(Point(*name, tuple(taken)) for name, taken in values.items())
    return Profile(
        schema=SCHEMA,
        model=engine.recogniser.name,
        dims=Dimensions.of(engine.recogniser.dims),
        engine=plan.setting.engine,
        precision=plan.setting.precision,
        threads=plan.setting.threads,
        machine=describe_here(),
        points=points,
        calls=calls,
        warnings=(*doubts(points), *neighbours.warnings()),
        took_s=round(time.monotonic() - began, 1),
    )


def open_engine(model: str, setting: Setting, options: DecodeOptions | None = None) -> Transcriber:
    """Return the engine of a setting, with its model loaded and its threads set. Raises `InputError`."""
    from ....speech.asr.ct2_engine import Ct2Engine
    from ....speech.asr.ct2_format import QUANTIZATIONS
    from ....speech.asr.torch_engine import Engine

    torch.set_num_threads(setting.threads)
    if setting.engine == "torch":
        return Engine(load_recogniser(model, "cpu", setting.precision), options)
    if setting.precision not in QUANTIZATIONS:
        raise InputError(f"backend {setting.name}: expected here-ct2-{' or here-ct2-'.join(QUANTIZATIONS)}")
    recogniser = load_recogniser(model, "cpu", "fp32")
    return Ct2Engine(recogniser, options, compute_type=setting.precision, threads=setting.threads)


def describe_here() -> Machine:
    """Return this machine and the versions of what computes on it."""
    found: dict[str, str] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Machine(cpu_name(), count_cores(), platform.platform(), found, date)


def doubts(points: Sequence[Point]) -> Iterator[str]:
    """Yield a warning for each phase of which a point's values lie far apart, as pyperf does."""
    for phase in dict.fromkeys(point.phase for point in points):
        unstable = [point for point in points if point.phase == phase and point.spread >= UNSTABLE]
        if unstable:
            worst = max(unstable, key=lambda point: point.spread)
            yield (f"{phase}: {len(unstable)} points unstable, at worst the standard deviation is {worst.spread:.0%} "
                   f"(batch {worst.batch}, {worst.length:g} long); measure again when nothing else runs")  # fmt: skip


def speech_audio() -> np.ndarray:
    """Return minutes of real sound, the first of the bundled talks: float32 at 16 kHz."""
    return next(iter(open_dataset("talks-clean"))).load().audio


@dataclass(slots=True)
class Bench:
    """An engine that is asked for attempts by batch and length, with a stopwatch on it."""

    engine: Any
    watch: Stopwatch
    starts: Iterator[int]
    audio: np.ndarray
    prompts: tuple[list[int], ...]

    @classmethod
    def of(cls, engine: Transcriber) -> "Bench":
        """Return the bench of an engine. Its texts are kept from ending before all steps are made."""
        recogniser, audio = engine.recogniser, speech_audio()
        tokenizer = recogniser.tokenizer("en", "transcribe")
        # all starts differ, so that nothing is known from before
        last = len(audio) - round(30 * SAMPLE_RATE)
        starts = cycle(range(0, last, SAMPLE_RATE * 7 // 10))
        engine.options = replace(engine.options, suppress_tokens=f"-1,{tokenizer.eot}")
        return cls(engine, attach(engine), starts, audio, tuple(_prompts(recogniser)))

    def attempt(self, audio_s: float, prompt: list[int], start_at: int = 0) -> Attempt:
        """Return an attempt at speech that was not heard before."""
        start = next(self.starts)
        # a copy, whose last sample is its own: clips are told apart by their content
        sound = self.audio[start : start + round(audio_s * SAMPLE_RATE)].copy()
        sound[-1] = np.float32(time.perf_counter() % 1e-3)
        return Attempt(Part(Clip(sound)), Beginning(prompt, start_at), new=True, timestamps=True)

    def run(self, attempts: Sequence[Attempt], tokens: int) -> Stopwatch:
        """Decode so many tokens of each attempt, from its encoded audio on; what that took."""
        self.engine.forget_keys()
        self.engine.options = replace(self.engine.options, max_tokens=tokens)
        self.watch.reset()
        self.engine.decode(attempts)
        return self.watch

    def round(self, batches: Sequence[int]) -> Iterator[tuple[str, int, float, float]]:
        """Yield one value of every point: its phase, batch, length and seconds."""
        for audio_s in LENGTHS_S:
            self.watch.reset()
            self.engine.features.spectrum(self.attempt(audio_s, self.prompts[0]).part)
            yield "mel", 1, audio_s, self.watch.mel_s
        for batch in batches:
            # where the audio has ended, the encoder has less to do
            for audio_s in ENCODED_S[:-1]:
                self.watch.reset()
                self.engine.encode([self.attempt(audio_s, self.prompts[0]) for _ in range(batch)])
                yield "encode", batch, audio_s, self.watch.encode_s
            heard = [self.attempt(ENCODED_S[-1], self.prompts[0]) for _ in range(batch)]
            encoded = False
            for prompt in self.prompts:
                mark = prompt.index(self.prompts[0][0])
                attempts = [replace(one, beginning=Beginning(prompt, mark)) for one in heard]
                first = self.run(attempts, 1)
                if not encoded:
                    yield "encode", batch, ENCODED_S[-1], first.encode_s
                    encoded = True
                first_s = first.write_s
                yield "prefill", batch, float(len(prompt)), first_s
                step_s = (self.run(attempts, 1 + STEPS).write_s - first_s) / STEPS
                # no step takes no time: a difference below 0 is the noise of two long runs
                yield "decode", batch, len(prompt) + (STEPS + 1) / 2, max(step_s, 1e-7)

    def call(self) -> float:
        """Return the seconds of one whole call of `CALL_S` seconds and `CALL_TOKENS` tokens."""
        return self.run([self.attempt(CALL_S, self.prompts[0])], CALL_TOKENS).seconds


def _prompts(recogniser: Recogniser) -> Iterator[list[int]]:
    """Yield the start marks, and then these after earlier text, as long as `PROMPTS` says or as there is room for."""
    tokenizer, dims = recogniser.tokenizer("en", "transcribe"), recogniser.dims
    marks, _ = prompt_of([], "", tokenizer, dims, timestamps=True)
    text = tokenizer.encode(" and so on")
    for length in PROMPTS:
        room = min(length, dims.n_text_ctx - STEPS - 1) - len(marks) - 1
        if not length:
            yield list(marks)
        elif room > 0:
            yield [tokenizer.sot_prev, *(text * room)[:room], *marks]
