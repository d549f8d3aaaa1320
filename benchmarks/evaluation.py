"""What an evaluation says, derived from its stored run: rates with intervals, by dataset, speaker and recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer

from ..speech.metrics.normalise import normaliser_version
from ..speech.metrics.wer import ErrorRate, aligned_words, rate_of, wer_interval
from .errors_view import ErrorCounts, Pair, pairs
from .score_latency import boundary_of, latency_of, listened
from .store import SCHEMA, Reference, Run
from .summary import cut_sentence, interval, percent

# Below, a result says itself that it is weak. The words: at 5 % WER, 1,000 words are 50 errors, which alone
# vary by 14 %. The speakers: published test sets have 40 (LibriSpeech) and 11 (TED-LIUM).
_FEW_WORDS, _FEW_UNITS, _DOMINANT = 1000, 10, 0.5


@dataclass(frozen=True, slots=True)
class Scored:
    """A recording with its score."""

    recording: Reference
    hypothesis: str
    rate: ErrorRate
    character_edits: int
    ref_characters: int


def scored(run: Run) -> tuple[list[Scored], ErrorCounts]:
    """Every recording of a run with its score under the run's normaliser, and which errors there were, in one pass."""
    rules = run.meta["settings"]["normaliser"]
    recordings, hypotheses = [run.references[t.recording] for t in run.tracks], [t.text for t in run.tracks]
    counts = ErrorCounts()
    items: dict[int, Scored] = {}
    references = [recording.text for recording in recordings]
    for index, reference, hypothesis, steps in aligned_words(references, hypotheses, rules):
        rate = rate_of(steps)
        if rate.errors:
            counts.add(reference, hypothesis, steps)
        characters = " ".join(reference)
        edits = _character_edits(characters, " ".join(hypothesis))
        items[index] = Scored(recordings[index], hypotheses[index], rate, edits, len(characters))
    return [items[index] for index in range(len(recordings))], counts


def _character_edits(reference: str, hypothesis: str) -> int:
    if not reference:
        return len(hypothesis)
    found = jiwer.process_characters(reference, hypothesis)
    return found.substitutions + found.deletions + found.insertions


def units_of(items: Sequence[Scored]) -> tuple[str, dict[str, ErrorRate]]:
    """What is resampled, "speakers" or "recordings", with the pooled rate of each.

    Speakers where every recording names one and there are two or more: the same voice makes the same errors.
    """
    by_speaker = all(item.recording.speaker is not None for item in items)
    if by_speaker and len({item.recording.speaker for item in items}) > 1:
        return "speakers", {key: _pooled(own) for key, own in _grouped(items, "speaker").items()}
    return "recordings", {item.recording.id: item.rate for item in items}


def derive_evaluation(run: Run) -> dict[str, Any]:
    """The results of an evaluation as a pure function of what it stored."""
    settings = run.meta["settings"]
    items, counts = scored(run)
    over, units = units_of(items)
    silent = [item for item in items if item.rate.ref_words == 0]
    heard = listened(run, run.tracks)
    results = {
        "schema": SCHEMA,
        **{key: value for key, value in run.meta.items() if key not in ("schema", "backends")},
        "scoring": normaliser_version(settings["normaliser"]),
        "resampled": over,
        "resampled_units": len(units),
        "total": _figures(items, settings["seed"]),
        "silence": {"recordings": len(silent), "insertions": sum(item.rate.insertions for item in silent)},
        "by_dataset": _table(items, "dataset", settings["seed"]),
        "by_speaker": _table(items, "speaker", settings["seed"]),
        "by_recording": [_row(item) for item in items],
        "common_errors": counts.most_common(),
        "rows": [{**row, **latency_of(run, heard)} for row in run.meta["backends"]],
        "boundary_errors": boundary_of(run, heard),
        "cut_off_calls": sum(call["cut_off"] for t in run.tracks for call in t.calls),
        "warnings": [*run.meta["warnings"], *_warnings(units, over, items)],
    }
    return {**results, "summary": _summary(results)}


def worst(run: Run, count: int) -> list[tuple[Scored, list[Pair]]]:
    """The recordings with the most errors, with their alignments, worst first."""
    items = [item for item in scored(run)[0] if item.rate.errors]
    chosen = sorted(items, key=lambda item: (-item.rate.errors, item.recording.id))[:count]
    references, hypotheses = [item.recording.text for item in chosen], [item.hypothesis for item in chosen]
    found = {
        index: list(pairs(reference, hypothesis, steps.tolist()))
        for index, reference, hypothesis, steps in aligned_words(
            references, hypotheses, run.meta["settings"]["normaliser"]
        )
    }
    return [(item, found[index]) for index, item in enumerate(chosen)]


def _pooled(items: Iterable[Scored]) -> ErrorRate:
    return sum((item.rate for item in items), ErrorRate.zero())


def _grouped(items: Iterable[Scored], by: str) -> dict[str, list[Scored]]:
    groups: dict[str, list[Scored]] = {}
    for item in items:
        groups.setdefault(getattr(item.recording, by) or "", []).append(item)
    return groups


def _figures(items: Sequence[Scored], seed: int) -> dict[str, Any]:
    characters = sum(item.ref_characters for item in items)
    ends = wer_interval(list(units_of(items)[1].values()), seed)
    return {
        **_pooled(items).to_json(),
        "wer_ci95": ends and list(ends),
        "cer": sum(item.character_edits for item in items) / characters if characters else None,
        "ref_characters": characters,
        "recordings": len(items),
    }


def _table(items: Sequence[Scored], by: str, seed: int) -> list[dict[str, Any]]:
    groups = _grouped(items, by)
    return [{by: key, **_figures(own, seed)} for key, own in sorted(groups.items()) if key]


def _row(item: Scored) -> dict[str, Any]:
    recording = item.recording
    return {
        "recording": recording.id,
        "speaker": recording.speaker,
        "dataset": recording.dataset,
        **item.rate.to_json(),
        "cer": item.character_edits / item.ref_characters if item.ref_characters else None,
    }


def _warnings(units: dict[str, ErrorRate], over: str, items: Sequence[Scored]) -> list[str]:
    """What weakens the result, said by the result itself."""
    words = [item.rate.ref_words for item in items]
    warnings = []
    if len(units) < 2:
        warnings.append("one recording: there is no interval, since recordings or speakers are what is resampled")
    elif len(units) < _FEW_UNITS:
        warnings.append(f"{len(units)} {over}: they may not stand for others, and the interval is rough")
    if sum(words) < _FEW_WORDS:
        warnings.append(f"{sum(words)} reference words: differences below a few percent are noise")
    if len(words) > 2 and max(words) > sum(words) * _DOMINANT:
        longest = max(items, key=lambda item: item.rate.ref_words)
        warnings.append(f"{longest.recording.id!r} holds more than half of the words")
    if over == "recordings" and len(units) > 1:
        warnings.append("speakers are not named, or there is one: recordings of one voice count as independent")
    return warnings


def _summary(results: dict[str, Any]) -> list[str]:
    total = results["total"]
    names = ", ".join(dataset["name"] for dataset in results["datasets"])
    errors = total["substitutions"] + total["deletions"] + total["insertions"]
    sentences = [
        f"WER {percent(total['wer'])} {interval(total['wer_ci95'])} ({errors} errors in {total['ref_words']} words: "
        f"{total['substitutions']} substitutions, {total['deletions']} deletions, {total['insertions']} insertions), "
        f"CER {percent(total['cer'])}, {results['model']} on {names}, {total['recordings']} recordings.",
        f"Scored under {results['scoring']}; the 95 % interval is a bootstrap over "
        f"{results['resampled_units']} {results['resampled']}.",
    ]
    if results["silence"]["recordings"]:
        silence = results["silence"]
        sentences.append(
            f"{silence['recordings']} recordings have no reference word under these rules; "
            f"{silence['insertions']} insertions there."
        )
    for row in results["rows"]:
        if row["latency_p50_s"] is not None:
            sentences.append(
                f"On {row['backend']} words are shown {row['latency_p50_s']:.1f} s after they were spoken (median; "
                f"95 %: {row['latency_p95_s']:.1f} s, 99 %: {row['latency_p99_s']:.1f} s)."
            )
    if cut := cut_sentence("Here", results["boundary_errors"]):
        sentences.append(cut)
    if results.get("word_times"):
        sentences.append(results["word_times"]["note"])
    sentences += [
        f"Times are simulated: {results['timed_as']} on {row['backend']}, {_windows(row)}." for row in results["rows"]
    ]
    return sentences


def _windows(row: dict[str, Any]) -> str:
    """What was heard, and what the backend sustains. Runs of before do not say what was heard."""
    span = f"span {row['span_s']:g} s" if row["span_s"] is not None else "which sustains no window"
    return f"heard in windows of {row['window_s']:g} s, {span}" if "window_s" in row else span
