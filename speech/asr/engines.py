"""Engines by name: our own, and CTranslate2's by how it holds and multiplies weights."""

from ...backends.errors import InputError, unknown
from .cache import TranscriptCache
from .ct2_engine import Ct2Engine
from .ct2_format import QUANTIZATIONS
from .hypothesis import DecodeOptions
from .model import Recogniser
from .torch_engine import Engine
from .transcriber import Transcriber

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
