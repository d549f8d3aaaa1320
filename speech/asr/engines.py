"""Engines by name: our own, CTranslate2's by how it holds and multiplies weights, and those of users."""

import importlib.util
import time
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ...backends.errors import InputError
from ...datasets.offered import list_offered, load_own
from .cache import TranscriptCache
from .ct2_engine import Ct2Engine
from .ct2_format import QUANTIZATIONS
from .hypothesis import Clip, DecodeOptions
from .model import Recogniser
from .torch_engine import Engine
from .transcriber import Transcriber

GROUP = "earspan.engines"  # of entry points, whose names are engines
# How a call is decoded, by name: as `whisper.transcribe` does, unless another is asked for; one greedy pass with
# timestamps; as `whisper.transcribe` with 5 beams; the defaults of openai-whisper's command (whisper.transcribe.cli).
DECODINGS = {
    "transcribe": DecodeOptions(),
    "greedy": DecodeOptions(
        temperatures=(0.0,),
        compression_ratio_threshold=None,
        log_probability_threshold=None,
        no_speech_threshold=None,
        continuing=False,
    ),
    "beam": DecodeOptions(beam_size=5),
    "cli": DecodeOptions(language=None, beam_size=5, best_of=5),
}


_CT2 = [f"ct2-{quantization}" for quantization in QUANTIZATIONS]
_PROBES = 4  # windows of each length that engines are timed on
_WORTH = 1.1  # times faster than our own another engine must be to be taken


def engine_names() -> list[str]:
    """Return the names that `make_engine` takes, besides `package.module:Class`."""
    return ["torch", "auto", *_CT2, *list_offered(GROUP)]


def make_engine(
    name: str,
    recogniser: Recogniser,
    options: DecodeOptions | None = None,
    cache: TranscriptCache | None = None,
    windows_s: Collection[float] = (5.0,),
) -> Transcriber:
    """Return the engine `name` for a Whisper; its `version` says which it is where `name` is `auto`.

    name: one of `engine_names()`, or the `package.module:Class` of a `Transcriber` (docs/adding-an-engine.md).
    options: how calls are decoded; by default as `whisper.transcribe` does.
    cache: where transcripts are kept between runs, if anywhere.
    windows_s: seconds of the windows that are to be heard, for `auto`.

    Raises `InputError` for an unknown name, a class that is no engine, and where its library is missing.
    """
    if name == "auto":
        name = fastest_engine(recogniser, options, windows_s)
    if name == "torch":
        return Engine(recogniser, options, cache)
    if name not in _CT2:
        kind = load_own("engine", name, GROUP, ["torch", *_CT2])
        if not (isinstance(kind, type) and issubclass(kind, Transcriber)):
            raise InputError(f"engine {name!r} is {kind!r}; expected a subclass of earspan's Transcriber")
        return kind(recogniser, options, cache)  # pyright: ignore[reportCallIssue]
    if recogniser.precision != "fp32":
        raise InputError(
            f"engine {name}: names its own precision; leave --precision {recogniser.precision} out, "
            "or type --engine torch"
        )
    return Ct2Engine(recogniser, options, cache, compute_type=name.removeprefix("ct2-"))


def fastest_engine(
    recogniser: Recogniser, options: DecodeOptions | None = None, windows_s: Collection[float] = (5.0,)
) -> str:
    """Return which engine hears such windows soonest here, in the same precision: `torch` or `ct2-float32`.

    Measured on noise, in one pass each; of several lengths, on the shortest and the longest together. Ours, unless
    CTranslate2 is at least a tenth faster, as it hears drafts and samples that do not change from run to run.
    """
    on_cpu = recogniser.whisper.device.type == "cpu"
    if not on_cpu or recogniser.precision != "fp32" or importlib.util.find_spec("ctranslate2") is None:
        return "torch"
    once = replace(options or DecodeOptions(), temperatures=(0.0,), continuing=False)
    engines = {name: make_engine(name, recogniser, once) for name in ("torch", "ct2-float32")}
    lengths = {min(windows_s), max(windows_s)}
    took_s = {name: sum(_seconds(engine, audio_s) for audio_s in lengths) for name, engine in engines.items()}
    return "ct2-float32" if took_s["torch"] > _WORTH * took_s["ct2-float32"] else "torch"


def _seconds(engine: Transcriber, audio_s: float) -> float:
    """Return what an engine takes for some windows of noise, after one that is not counted."""
    rng = np.random.default_rng(1)
    first, *clips = [Clip(0.1 * rng.standard_normal(round(audio_s * 16_000), np.float32)) for _ in range(_PROBES + 1)]
    engine.transcribe([first])
    start = time.perf_counter()
    engine.transcribe(clips)
    return time.perf_counter() - start
