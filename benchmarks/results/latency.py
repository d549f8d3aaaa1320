"""How late words came in a run, and what the boundaries of calls did: all figures of some tracks together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from ...speech.metrics.boundary import BoundaryErrors, boundary_errors
from ...speech.metrics.calls import CallRecord, find_unheard_s
from ...speech.metrics.continuous import Timed, continuous_latencies
from ...speech.metrics.degeneracy import Degeneracy, find_degeneracy
from ...speech.metrics.lagging import Utterance, aware, dal, laal, long_yaal, stream_laal, unaware, utterances
from ...speech.metrics.latency import (
    Emitted,
    backlog,
    erasure,
    final_segment_waits,
    first_word_latency,
    latency_summary,
    service_and_audio,
    word_latencies,
)
from ...speech.metrics.pairing import Pair, pair_texts
from ...speech.metrics.wer import ErrorRate, score_texts
from ..experiment.records import Imported, Reference, Run, Track
from .records import Latency, Work

_CONTINUOUS_WORDS = 4000  # half an hour of speech; longer recordings would take minutes, and are left out of that mean


@dataclass(frozen=True, slots=True)
class Aligned:
    """A track beside its reference.

    shown: committed words with their times.
    pairs: their alignment with the spoken words.
    errors: of the whole text.
    """

    track: Track
    reference: Reference
    shown: tuple[Emitted, ...]
    pairs: tuple[Pair, ...]
    errors: ErrorRate


def align_tracks(run: Run, normaliser: str) -> list[Aligned]:
    """Return every track of a run beside its reference, compared under a normaliser.

    Each distinct text of a recording is aligned once: settings on several backends often have the same.
    """
    said, rules = run.by_id, normaliser
    distinct = {(track.recording, track.text): track for track in run.tracks}
    tracks = list(distinct.values())
    texts, hypotheses = run.texts(tracks)
    errors = dict(zip(distinct, score_texts(texts, hypotheses, rules), strict=True))
    heard = [[word.text for word in track.emitted] for track in tracks]
    found = dict(pair_texts([said[track.recording].said for track in tracks], heard, rules))
    pairs = {key: tuple(found[number]) for number, key in enumerate(distinct)}
    return [
        Aligned(track, said[track.recording], tuple(track.emitted), pairs[key], errors[key])
        for track in run.tracks
        for key in [(track.recording, track.text)]
    ]


def find_boundary_errors(items: Iterable[Aligned]) -> BoundaryErrors:
    """Return errors by cause and by distance from the nearest cut, over all of `items`."""
    parts = (boundary_errors(one.reference.words, one.track.calls, one.shown, one.pairs) for one in items)
    return sum(parts, BoundaryErrors.zero())


def measure_latency(items: Sequence[Aligned], imported: Imported | None = None) -> Latency:
    """Return every latency of `items` on the clock of the run.

    Percentiles and StreamLAAL pool words and sentences; LAAL, DAL and the first word are over recordings. Of what was
    `imported`, what the file does not tell is None.
    """
    words: list[np.ndarray] = []
    continuous: list[float] = []
    first: list[float] = []
    finals: list[np.ndarray] = []
    sentences: list[list[Utterance]] = []
    for one in items:
        spoken = one.reference.words
        if not spoken:
            continue
        words.append(word_latencies(spoken, one.shown, one.pairs))
        if max(len(spoken), len(one.shown)) <= _CONTINUOUS_WORDS:
            said = [Timed(word.text, word.end_s) for word in spoken]
            continuous += continuous_latencies(said, [Timed(word.text, word.at_s) for word in one.shown])
        wait_s = first_word_latency(spoken, one.shown, one.pairs)
        first += [] if wait_s is None else [wait_s]
        finals.append(final_segment_waits(spoken, one.shown, one.pairs))
        sentences.append(utterances(spoken, one.shown, one.pairs))
    summary, final = (latency_summary(np.concatenate(part) if part else np.zeros(0)) for part in (words, finals))
    over_sentences = {
        f"{name}{kind}_s": _mean([value for one in sentences for value in measure(one, delay)])
        for name, measure in _OVER_SENTENCES.items()
        for kind, delay in (("", unaware), ("_ca", aware))
    }
    found = Latency(
        p50_s=summary.p50_s,
        p95_s=summary.p95_s,
        p99_s=summary.p99_s,
        words=summary.count,
        continuous_s=_mean(continuous),
        first_word_p50_s=float(np.median(first)) if first else None,
        first_word_max_s=max(first, default=None),
        ttfs_p50_s=final.p50_s,
        ttfs_p95_s=final.p95_s,
        ttfs_p99_s=final.p99_s,
        ttfs_stretches=final.count,
        **_over_recordings(items),
        **over_sentences,
        **{name: _median(items, clock) for name, clock in CLOCKS.items()},
        **_of_calls([one.track for one in items]),
    )
    return replace(found, **dict.fromkeys(_not_told(imported))) if imported else found


def _not_told(imported: Imported) -> list[str]:
    """The latencies that cannot be known from a file: those of work, of audio alone, or of computing too."""
    missing = ["rtf", "backlog_s", *CLOCKS]
    for kind, told in (("", imported.given), ("_ca", imported.shown)):
        missing += [] if told else [f"{name}{kind}_s" for name in ("laal", "dal", *_OVER_SENTENCES)]
    return missing


_OVER_SENTENCES: dict[str, Callable[..., list[float]]] = {"stream_laal": stream_laal, "long_yaal": long_yaal}


def find_policy(items: Sequence[Aligned]) -> Degeneracy:
    """Return how simultaneous `items` were, counting audio only."""
    return find_degeneracy(
        ([unaware(word) for word in one.shown], service_and_audio(one.track.calls)[1], len(one.reference.said))
        for one in items
    )


def _over_recordings(items: Sequence[Aligned]) -> dict[str, float | None]:
    found: dict[str, list[float | None]] = {}
    for one in items:
        audio_s = service_and_audio(one.track.calls)[1]
        for kind, delay in (("", unaware), ("_ca", aware)):
            delays_s = [delay(word) for word in one.shown]
            found.setdefault(f"laal{kind}_s", []).append(laal(delays_s, audio_s, len(one.reference.said)))
            found.setdefault(f"dal{kind}_s", []).append(dal(delays_s, audio_s))
    return {name: _mean([value for value in values if value is not None]) for name, values in found.items()}


def _of_calls(tracks: Sequence[Track]) -> dict[str, float | None]:
    """What follows from calls alone."""
    erased, final = (sum(part) for part in zip((0, 0), *(erasure(t.calls) for t in tracks), strict=True))
    works = [service_and_audio(t.calls) for t in tracks]
    audio_s = sum(audio_s for _, audio_s in works)
    waits = [wait_s for t in tracks if (wait_s := backlog(t.calls)) is not None]
    return {
        "normalised_erasure": erased / final if final else None,
        "rtf": sum(service_s for service_s, _ in works) / audio_s if audio_s else None,
        "backlog_s": max(waits, default=None),
    }


def _no_queue(calls: Sequence[CallRecord]) -> list[float]:
    return [call.arrival_at_s + call.finish_at_s - call.start_at_s for call in calls]


def _summed(calls: Sequence[CallRecord]) -> list[float]:
    finishes, total_s = [], 0.0
    for call in calls:
        total_s += call.finish_at_s - call.start_at_s
        finishes.append(call.arrival_at_s + total_s)
    return finishes


# simulstream shows the words of a step after that step's own compute; SimulEval after all compute so far.
CLOCKS = {"no_queue_p50_s": _no_queue, "summed_p50_s": _summed}


def _median(items: Sequence[Aligned], clock: Callable[[Sequence[CallRecord]], list[float]]) -> float | None:
    """The median word latency of `items` if their calls ended as `clock` says."""
    found = []
    for one in items:
        if one.reference.words:
            ends_s = clock(one.track.calls)
            shown = [replace(word, at_s=ends_s[word.call]) for word in one.shown]
            found.append(word_latencies(one.reference.words, shown, one.pairs))
    return latency_summary(np.concatenate(found)).p50_s if found else None


def measure_work(items: Sequence[Aligned]) -> Work:
    """Return what the backend did for `items`."""
    tracks = [one.track for one in items]
    calls = [call for track in tracks for call in track.calls]
    service_s = sum(call.finish_at_s - call.start_at_s for call in calls)
    audio_s = sum(one.reference.duration_s for one in items)
    dropped_s = sum(
        find_unheard_s([(call.start_s, call.end_s) for call in one.track.calls], one.reference.duration_s)
        for one in items
    )
    return Work(
        calls=len(calls),
        encoder_passes=_mean([call.encoder_passes for call in calls]),
        decoder_runs=_mean([call.decoder_runs for call in calls]),
        service_mean_s=service_s / len(calls) if calls else None,
        busy=service_s / audio_s if audio_s else 0.0,
        unheard_s=round(dropped_s, 3),
        last_wait_s=max((t.calls[-1].start_at_s - t.calls[-1].arrival_at_s for t in tracks if t.calls), default=0.0),
        cut_off=sum(call.cut_off for call in calls),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
