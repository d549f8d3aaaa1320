"""The formats that can be imported, by name."""

from collections.abc import Callable
from pathlib import Path

from ...backends.errors import InputError, unknown
from .answers import Stream
from .ctm import read_ctm
from .events import read_events
from .pipecat import read_pipecat
from .simuleval import read_simuleval, read_summed
from .streams import read_streams
from .whisperlivekit import read_whisperlivekit

MEASURE = "measure"  # our own client's, whose times are measured
FORMATS: dict[str, tuple[Callable[[Path], list[Stream]], str]] = {
    "simuleval": (read_simuleval, "SimulEval's instances.log and OmniSTEval's; elapsed is when a word was shown"),
    "simuleval-summed": (read_summed, "the same, where elapsed adds all computing up, as SimulEval's own runs do"),
    "ctm": (read_ctm, "NIST's CTM; a seventh column says when the word was shown"),
    "whisperlivekit": (read_whisperlivekit, "the report of wlk bench, or messages of its server with their times"),
    "pipecat": (read_pipecat, "pipecat's stt-benchmark: its results.db, or the JSON of its export"),
    MEASURE: (read_streams, "streams-N.jsonl of earspan measure"),
    "events": (read_events, "a JSON object a line for each text: recording, at_s, text, final"),
}


def parse_source(given: str) -> tuple[str, Path]:
    """Return format and file of `FORMAT:FILE`. Raises `InputError` for anything else."""
    name, colon, file = given.partition(":")
    if not colon or not file:
        raise InputError(f"--import {given}: expected FORMAT:FILE, with FORMAT one of {', '.join(FORMATS)}")
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return name, Path(file)
