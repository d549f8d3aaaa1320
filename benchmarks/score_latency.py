"""How late words came in a stored run."""

import numpy as np

from ..speech.score import latency_summary, word_latencies
from .store import Run, Track


def latency_of(stored: Run, tracks: list[Track]) -> dict[str, float | None]:
    """Word latency of `tracks` where references have word times, and the longest wait of a call, in seconds."""
    parts = [
        word_latencies(words, t.committed)
        for t in tracks
        if (words := stored.references[t.recording].words) is not None
    ]
    summary = latency_summary(np.concatenate(parts) if parts else np.zeros(0))
    backlog_s = max((call["start_at_s"] - call["arrival_at_s"] for t in tracks for call in t.calls), default=None)
    return {
        "latency_p50_s": summary.p50_s,
        "latency_p95_s": summary.p95_s,
        "latency_words": summary.count,
        "backlog_s": backlog_s,
    }
