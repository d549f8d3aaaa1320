"""How late words came in a stored run, and what the seams between calls did: all figures of some tracks together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from ..speech.metrics.boundary import BoundaryErrors, boundary_errors
from ..speech.metrics.continuous import Timed, continuous_latencies
from ..speech.metrics.lagging import Utterance, aware, dal, laal, long_yaal, stream_laal, unaware, utterances
from ..speech.metrics.latency import (
    Emitted,
    backlog,
    erasure,
    first_word_latency,
    latency_summary,
    service_and_audio,
    word_latencies,
)
from ..speech.metrics.pairing import Pair, pairings
from .store import Run, Track

_CONTINUOUS_WORDS = 4000  # half an hour of speech; longer recordings would take minutes, and are left out of that mean


@dataclass(frozen=True, slots=True)
class Listened:
    """A track with its committed words, and their alignment with the spoken ones."""

    track: Track
    shown: tuple[Emitted, ...]
    pairs: tuple[Pair, ...]


def listened(stored: Run, tracks: Sequence[Track]) -> list[Listened]:
    """`tracks`, each aligned with its reference under the run's rules."""
    shown = [tuple(track.emitted) for track in tracks]
    said = [_said(stored, track) for track in tracks]
    found = dict(
        pairings(said, [[word.text for word in words] for words in shown], stored.meta["settings"]["normaliser"])
    )
    return [Listened(track, shown[i], tuple(found[i])) for i, track in enumerate(tracks)]


def _said(stored: Run, track: Track) -> list[str]:
    reference = stored.references[track.recording]
    return reference.text.split() if reference.words is None else [word.text for word in reference.words]


def boundary_over(stored: Run, items: Iterable[Listened]) -> BoundaryErrors:
    """Errors by cause and by distance from the nearest cut, over all of `items`."""
    parts = (
        boundary_errors(stored.references[one.track.recording].words, one.track.calls, one.shown, one.pairs)
        for one in items
    )
    return sum(parts, BoundaryErrors.zero())


def boundary_of(stored: Run, items: Iterable[Listened]) -> dict[str, Any]:
    """`boundary_over` as JSON."""
    return boundary_over(stored, items).to_json()


def latency_of(stored: Run, items: Sequence[Listened]) -> dict[str, float | int | None]:
    """Every latency of `items` in seconds; None where no reference has word times, or nothing was heard.

    `_ca_` is computation-aware, on the clock of the run; LAAL and its like without it count audio only. Percentiles
    and StreamLAAL pool words and sentences; LAAL, DAL and the first word are over recordings.
    """
    words: list[np.ndarray] = []
    continuous: list[float] = []
    first: list[float] = []
    sentences: list[tuple[list[Utterance], float]] = []
    for one in items:
        spoken = stored.references[one.track.recording].words
        if not spoken:
            continue
        words.append(word_latencies(spoken, one.shown, one.pairs))
        if max(len(spoken), len(one.shown)) <= _CONTINUOUS_WORDS:
            said = [Timed(word.text, word.end_s) for word in spoken]
            continuous += continuous_latencies(said, [Timed(word.text, word.at_s) for word in one.shown])
        wait_s = first_word_latency(spoken, one.shown, one.pairs)
        first += [] if wait_s is None else [wait_s]
        sentences.append((utterances(spoken, one.shown, one.pairs), service_and_audio(one.track.calls)[1]))
    summary = latency_summary(np.concatenate(words) if words else np.zeros(0))
    over_sentences = {
        f"{name}{kind}_s": _mean([value for one, audio_s in sentences for value in measure(one, audio_s, delay)])
        for name, measure in _OVER_SENTENCES.items()
        for kind, delay in (("", unaware), ("_ca", aware))
    }
    return {
        "latency_p50_s": summary.p50_s,
        "latency_p95_s": summary.p95_s,
        "latency_p99_s": summary.p99_s,
        "latency_words": summary.count,
        "continuous_latency_s": _mean(continuous),
        "first_word_p50_s": float(np.median(first)) if first else None,
        "first_word_max_s": max(first, default=None),
        **_over_recordings(stored, items),
        **over_sentences,
        **_of_calls([one.track for one in items]),
    }


_OVER_SENTENCES: dict[str, Callable[..., list[float]]] = {
    "stream_laal": lambda sentences, audio_s, delay: stream_laal(sentences, delay),
    "long_yaal": long_yaal,
}


def _over_recordings(stored: Run, items: Sequence[Listened]) -> dict[str, float | None]:
    found: dict[str, list[float | None]] = {}
    for one in items:
        audio_s = service_and_audio(one.track.calls)[1]
        ref_words = len(_said(stored, one.track))
        for kind, delay in (("", unaware), ("_ca", aware)):
            delays_s = [delay(word) for word in one.shown]
            found.setdefault(f"laal{kind}_s", []).append(laal(delays_s, audio_s, ref_words))
            found.setdefault(f"dal{kind}_s", []).append(dal(delays_s, audio_s))
    names = ("laal_s", "laal_ca_s", "dal_s", "dal_ca_s")
    return {name: _mean([value for value in found.get(name, []) if value is not None]) for name in names}


def _of_calls(tracks: Sequence[Track]) -> dict[str, float | None]:
    """What follows from calls alone."""
    # Runs of earlier versions did not keep what was shown for a while.
    known = tracks if all("interim" in call for t in tracks for call in t.calls) else ()
    erased, final = (sum(part) for part in zip((0, 0), *(erasure(t.calls) for t in known), strict=True))
    works = [service_and_audio(t.calls) for t in tracks]
    audio_s = sum(audio_s for _, audio_s in works)
    waits = [wait_s for t in tracks if (wait_s := backlog(t.calls)) is not None]
    return {
        "normalised_erasure": erased / final if final else None,
        "rtf": sum(service_s for service_s, _ in works) / audio_s if audio_s else None,
        "backlog_s": max(waits, default=None),
    }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
