"""What a sweep will take, before it begins: calls, hours of audio, hours of work, bytes."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...datasets.recording import Entry
from ...datasets.selection import Stream
from ...speech.asr.cache import default_cache_path
from ..experiment.source import Source
from ..experiment.store import write_whole
from .tasks import Task, engine_key

_TRANSCRIPT_BYTES = 1100  # of a call in the store, and _CALL_BYTES of one in a run: means of the default bench (LOG.md)
_CALL_BYTES = 420


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sweep will take.

    experiments, written: runs in all, and those that are there already.
    recordings, audio_s: that are listened to.
    calls, calls_left: in all, each distinct one once, and those of tasks that are not done.
    heard_s: audio in the calls that are left.
    work_s: seconds of one worker for them; None where no rate is known.
    rate_from: where the rate comes from: "remembered", "probe" or "unknown".
    read_bytes, stored_bytes: audio files that are read, and what the store and the runs will take, about.
    tasks: that are left.
    """

    experiments: int
    written: int
    recordings: int
    audio_s: float
    calls: int
    calls_left: int
    heard_s: float
    work_s: float | None
    rate_from: str
    read_bytes: int
    stored_bytes: int
    tasks: int


def estimate(
    waves: Sequence[Sequence[Sequence[Task]]], left: Sequence[Task], written: int, sources: Iterable[Source],
    rates: dict[str, float], rate_from: str,
) -> Estimate:  # fmt: skip
    """Return what the tasks that are `left` of all `waves` will take, at `rates` in seconds a call by engine."""
    heard = [task for wave in waves for stage in wave[:-1] for task in stage]
    units = {(unit.origin, unit.id): unit for source in sources for unit in source.units}.values()
    entries = [entry for unit in units for entry in (unit.entries if isinstance(unit, Stream) else (unit,))]
    calls = sum(task.calls for task in heard)
    needed = {engine_key(task.experiment) for task in left if task.calls}
    known = needed <= set(rates)
    work_s = sum(task.calls * rates[engine_key(task.experiment)] for task in left if task.calls) if known else None
    experiments = sum(len(wave[-1]) for wave in waves)
    return Estimate(
        experiments=experiments,
        written=written,
        recordings=len(units),
        audio_s=round(sum(unit.duration_s for unit in units), 3),
        calls=calls,
        calls_left=sum(task.calls for task in left),
        heard_s=round(sum(task.audio_s for task in left), 3),
        work_s=work_s,
        rate_from=rate_from if known else "unknown",
        read_bytes=sum(_file_bytes(entries)),
        stored_bytes=calls * (_TRANSCRIPT_BYTES + _CALL_BYTES),
        tasks=len(left),
    )


def _file_bytes(entries: Iterable[Entry]) -> Iterable[int]:
    for path in {entry.audio_path for entry in entries}:
        try:
            yield os.stat(path).st_size
        except OSError:  # whoever reads it says why
            continue


def rates_path() -> Path:
    """Return where rates are remembered, beside the user's transcripts."""
    return default_cache_path().with_name("rates.json")


def read_rates() -> dict[str, float]:
    """Return the seconds of a worker for a call, by engine, as this machine's last sweeps took them."""
    try:
        found = json.loads(rates_path().read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in found.items() if float(value) > 0}
    except (OSError, ValueError, AttributeError, TypeError):  # none yet, or not ours: they are only a convenience
        return {}


def remember_rates(new: dict[str, float]) -> None:
    """Keep rates for the next estimate."""
    write_whole(rates_path(), json.dumps({**read_rates(), **new}, indent=1))
