"""Engines by name: our own, and CTranslate2's by how it holds and multiplies weights."""

from ..backends.errors import InputError, unknown
from .cache import TranscriptCache
from .ct2 import Ct2Engine
from .ct2_format import QUANTIZATIONS
from .engine import Engine
from .hypothesis import WHISPER_DEFAULTS, DecodeOptions
from .model import Recogniser
from .transcriber import Transcriber

# How a transcript is decoded, by name. `greedy` is what every strategy uses unless another is asked for.
DECODINGS = {
    "greedy": DecodeOptions(),
    "beam": DecodeOptions(beam_size=5),
    "fallback": DecodeOptions(
        best_of=WHISPER_DEFAULTS.best_of,
        temperatures=WHISPER_DEFAULTS.temperatures,
        compression_ratio_threshold=WHISPER_DEFAULTS.compression_ratio_threshold,
        log_probability_threshold=WHISPER_DEFAULTS.log_probability_threshold,
        no_speech_threshold=WHISPER_DEFAULTS.no_speech_threshold,
    ),
    "whisper": WHISPER_DEFAULTS,
}


def engine_names() -> list[str]:
    """Names that `make_engine` takes."""
    return ["torch", *(f"ct2-{quantization}" for quantization in QUANTIZATIONS)]


def make_engine(
    name: str, recogniser: Recogniser, options: DecodeOptions | None = None, cache: TranscriptCache | None = None
) -> Transcriber:
    """The engine `name`. Raises `InputError` for an unknown name, or if its library is missing."""
    if name == "torch":
        return Engine(recogniser, options, cache)
    if name not in engine_names():
        raise unknown("engine", name, engine_names())
    if recogniser.precision != "fp32":
        raise InputError(
            f"engine {name}: names its own precision; leave --precision {recogniser.precision} out, "
            "or type --engine torch"
        )
    return Ct2Engine(recogniser, options, cache, compute_type=name.removeprefix("ct2-"))
