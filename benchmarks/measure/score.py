"""The measures of one load: everything follows from what was sent and said, and when."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...backends.measured.streams.session import FAILED
from ...speech.metrics.latency import Seconds, final_segment_waits, latency_summary, word_latencies
from ...speech.metrics.pairing import pair_words
from ...speech.metrics.screen import Settled, find_stalls, read_screens, settle
from ...speech.metrics.wer import ErrorRate, score_text, wer_interval
from ...speech.streaming.paced import Streamed
from ..experiment.records import Reference
from .records import INVALID, VALID, LoadResult
from .settings import Measurement


@dataclass(frozen=True, slots=True)
class _Scored:
    """One stream that came to its end, with its measures: arrays in seconds, texts as they settled."""

    recording: str
    shown: Settled
    errors: ErrorRate
    ttfs_s: Seconds
    final_s: Seconds
    steady_s: Seconds
    stalls_s: list[float]


def score_load(played: Sequence[Streamed], references: Mapping[str, Reference], measurement: Measurement) -> LoadResult:
    """Return what a load came to."""
    late_s = np.array([late_s for one in played for late_s in one.late_s] or [0.0])
    latest = max(played, key=lambda one: max(one.late_s, default=0.0))
    scored = [_score(one, references[one.recording]) for one in played if one.failed is None]
    pooled: dict[str, ErrorRate] = {}
    for one in scored:
        pooled[one.recording] = pooled.get(one.recording, ErrorRate.zero()) + one.errors
    word_errors = sum(pooled.values(), ErrorRate.zero())
    stalls_s = [stall_s for one in scored for stall_s in one.stalls_s]
    words = sum(len(one.shown.words) for one in scored)
    found = LoadResult(
        streams=len(played),
        ended=len(scored),
        audio_s=round(sum(one.sends[-1].due_s for one in played if one.sends), 3),
        verdict=INVALID if latest.why_invalid else VALID,
        reason=latest.why_invalid,
        late_p99_s=float(np.quantile(late_s, 0.99)),
        late_max_s=float(late_s.max()),
        held_max_s=max((one.held_s for one in played), default=0.0),
        errors=dict(Counter(kind for one in played for kind in one.errors)),
        failures=tuple(line for one in played for line in _describe(one)),
        ttfs=latency_summary(_join([one.ttfs_s for one in scored])),
        word_latency=latency_summary(_join([one.final_s for one in scored])),
        steady_latency=latency_summary(_join([one.steady_s for one in scored])),
        erasure=sum(one.shown.erased for one in scored) / words if words else None,
        stalls=len(stalls_s),
        longest_stall_s=max(stalls_s, default=0.0),
        word_errors=word_errors,
        wer=word_errors.rate,
        wer_ci95=wer_interval(list(pooled.values()), measurement.seed),
    )
    if measurement.slo_s is None:
        return found
    broken_by = _find_breach(found, measurement.slo_s, measurement.slo_on)
    return replace(found, keeps_slo=not broken_by, broken_by=broken_by)


def _score(played: Streamed, reference: Reference) -> _Scored:
    screens = list(read_screens(played.said))
    final = settle((one.at_s, one.final) for one in screens)
    shown = settle((one.at_s, one.shown) for one in screens)
    words = reference.words or ()
    said = [word.text for word in words]
    pairs = pair_words(said, [word.text for word in final.words])
    shown_pairs = pair_words(said, [word.text for word in shown.words])
    return _Scored(
        recording=reference.id,
        shown=shown,
        errors=score_text(reference.text, " ".join(word.text for word in final.words)),
        ttfs_s=final_segment_waits(words, final.words, pairs),
        final_s=word_latencies(words, final.words, pairs),
        steady_s=word_latencies(words, shown.words, shown_pairs),
        stalls_s=find_stalls(words, shown.changed_at_s, played.ended_at_s or 0.0),
    )


def _find_breach(load: LoadResult, slo_s: float, slo_on: str) -> str:
    """Return why a load does not keep the promise; empty if it does."""
    if load.verdict == INVALID:
        return load.reason
    if load.errors:
        return "errors: " + ", ".join(f"{count} x {kind}" for kind, count in load.errors.items())
    found = {"word": load.word_latency, "steady": load.steady_latency, "ttfs": load.ttfs}[slo_on]
    if found.p95_s is None:
        return "no word of the recordings was heard with a time"
    return f"95 of 100 within {found.p95_s:.2f} s, not {slo_s:g} s" if found.p95_s > slo_s else ""


def _join(parts: Sequence[Seconds]) -> Seconds:
    return np.concatenate(parts) if parts else np.zeros(0)


def _describe(played: Streamed) -> list[str]:
    """What went wrong with a stream: a line for each thing, however often it was said."""
    name = f"stream {played.stream + 1} ({played.recording})"
    said = [one for one in played.said if one.kind == FAILED]
    first_s = {one.text: one.at_s for one in reversed(said)}
    counts = Counter(one.text for one in said)
    lines = [
        f"{name} at {first_s[text]:.1f} s: {text}" + (f" ({count} times)" if count > 1 else "")
        for text, count in counts.items()
    ]
    if (failed := played.failed) is not None:
        at = "" if failed.at_s is None else f" at {failed.at_s:.1f} s"
        lines.append(f"{name}{at}: {failed.kind}: {failed.about}")
    return lines
