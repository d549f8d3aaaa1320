"""SimulEval's instances.log, a JSON object a line, and OmniSTEval's long-form variant of it.

Delays are milliseconds of audio that had been read when a word was written; elapsed ones, of SimulEval's own runs,
have all computing so far added: what a device that never computes while it listens would take.
"""

from pathlib import Path

import msgspec

from ...backends.errors import InputError
from ..experiment import store
from .answers import Stream, answer_words, check_times
from .lines import numbered_lines


class _Instance(msgspec.Struct):
    prediction: str
    source: str | list[str]
    delays: list[float] | None = None
    elapsed: list[float] | None = None
    source_length: float | None = None
    emission_cu: list[float] | None = None


def read_simuleval(path: Path, summed: bool = False) -> list[Stream]:
    """Return what is in an instances.log. Raises `InputError` with file, line and field.

    summed: whether `elapsed` has all computing so far added to the delay, as in SimulEval's own runs; words are then
        put on the exact clock, a queue with one server. Otherwise it is when a word was shown.
    """
    streams = []
    for place, line in numbered_lines(path):
        one = store.decode(line, _Instance, place)
        if one.emission_cu is not None:
            raise InputError(f"{place}: sentences that were cut anew; give the log that was cut, of whole recordings")
        words = one.prediction.split()
        delays_s, elapsed_s = (_seconds(values) for values in (one.delays, one.elapsed))
        for field, times_s in (("delays", delays_s), ("elapsed", elapsed_s)):
            if times_s is not None and len(times_s) != len(words):
                raise InputError(
                    f"{place}: {field} has {len(times_s)} times and prediction {len(words)} words; expected one for "
                    "each word, as with --eval-latency-unit word"
                )
        if summed and delays_s is not None and elapsed_s is not None:
            elapsed_s = _queue(delays_s, elapsed_s)
        for field, times_s in (("delays", delays_s), ("elapsed", elapsed_s)):
            check_times(times_s or (), place, field)
        name = one.source if isinstance(one.source, str) else "".join(one.source[:1])
        audio_s = None if one.source_length is None else one.source_length / 1000
        streams.append(Stream(name, place, answer_words(words, delays_s, elapsed_s), audio_s))
    return streams


def read_summed(path: Path) -> list[Stream]:
    """Return what is in an instances.log of SimulEval's own, on the exact clock."""
    return read_simuleval(path, summed=True)


def _seconds(values_ms: list[float] | None) -> list[float] | None:
    """The times in seconds; SimulEval writes an empty list for what it does not know."""
    return [value / 1000 for value in values_ms] if values_ms else None


def _queue(delays_s: list[float], elapsed_s: list[float]) -> list[float]:
    """When words are shown if computing goes on while the speaker does: `finish = max(delay, finish before) + work`."""
    finish_s = worked_s = 0.0
    shown_s = []
    for delay_s, elapsed in zip(delays_s, elapsed_s, strict=True):
        work_s = max(0.0, elapsed - delay_s - worked_s)
        worked_s += work_s
        if work_s or not shown_s or delay_s > finish_s:
            finish_s = max(delay_s, finish_s) + work_s
        shown_s.append(finish_s)
    return shown_s
