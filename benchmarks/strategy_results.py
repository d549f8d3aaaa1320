"""The results of `earspan strategies` as a pure function of what a run stored."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..speech.metrics.latency import latency_summary, word_latencies
from ..speech.metrics.normalise import normaliser_version
from ..speech.metrics.significance import paired_bootstrap
from ..speech.metrics.wer import ErrorRate, score_texts, wer_interval
from ..speech.strategies import OFFLINE
from ..speech.streaming.clock import unheard_s
from .score_latency import Listened, boundary_of, latency_of, listened
from .store import SCHEMA, Run, Track
from .summary import interval, join_words, percent

BUDGETS_S = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
BASELINE, REFERENCE = "disjoint", OFFLINE

Row = dict[str, Any]
Call = dict[str, Any]  # of calls.jsonl


def derive_strategies(stored: Run) -> dict[str, Any]:
    """Rows, one for each strategy, window and backend (None: the unaware clock), and what follows from them."""
    settings = stored.meta["settings"]
    groups: dict[tuple[str | None, str, float], list[Track]] = {}
    for track in stored.tracks:
        groups.setdefault((track.backend, track.strategy, track.window_s), []).append(track)
    rates = _rates(stored)
    # Each distinct text of a recording is aligned once: settings on several backends often have the same.
    distinct = {(track.recording, track.text): track for track in stored.tracks}
    heard = dict(zip(distinct, listened(stored, list(distinct.values())), strict=True))
    rows = []
    for (backend, strategy, window_s), tracks in groups.items():
        mine = [rates[track.recording, track.text] for track in tracks]
        items = [
            replace(heard[track.recording, track.text], track=track, shown=tuple(track.emitted)) for track in tracks
        ]
        ends = wer_interval(mine, settings["seed"])
        rows.append(
            {
                "backend": backend,
                "strategy": strategy,
                "window_s": window_s,
                "step_s": tracks[0].step_s,
                **sum(mine, ErrorRate.zero()).to_json(),
                "wer_ci95": ends and list(ends),
                **latency_of(stored, items),
                "boundary_errors": boundary_of(stored, items),
                **_work(stored, tracks),
                # What the same calls would be said to take by tools without a queue, and by those that add all work up.
                **{name: _median(stored, items, clock) for name, clock in CLOCKS.items()},
            }
        )
    names = list(dict.fromkeys(row["strategy"] for row in rows))
    rows.sort(key=lambda row: (row["backend"] or "", names.index(row["strategy"]), row["window_s"]))
    backends = [backend["backend"] for backend in stored.meta["backends"]]
    budgets = [settings["latency_s"]] if settings["latency_s"] else list(BUDGETS_S)
    results = {
        "schema": SCHEMA,
        **{key: value for key, value in stored.meta.items() if key != "schema"},
        "scoring": normaliser_version(settings["normaliser"]),
        "strategies": names,
        "rows": rows,
        "fronts": {
            name: [
                [r["strategy"], r["window_s"]]
                for r in front([r for r in _live(rows, name) if r["strategy"] != REFERENCE])
            ]
            for name in backends
        },
        "within": [
            entry
            for name in backends
            for budget_s in budgets
            for entry in _within(stored, rates, _live(rows, name), budget_s)
        ],
        "cut_off_calls": sum(call["cut_off"] for t in stored.tracks for call in t.calls),
    }
    return {**results, "summary": summarise_strategies(results)}


def _rates(stored: Run) -> dict[tuple[str, str], ErrorRate]:
    """The errors of each distinct text of a recording: settings on several backends often have the same."""
    texts = list(dict.fromkeys((track.recording, track.text) for track in stored.tracks))
    references = [stored.references[recording].text for recording, _ in texts]
    found = score_texts(references, [text for _, text in texts], stored.meta["settings"]["normaliser"])
    return dict(zip(texts, found, strict=True))


def _work(stored: Run, tracks: Sequence[Track]) -> dict[str, Any]:
    """What the backend did. `load`: service time for each second of audio; above 1 it falls behind without end."""
    calls = [call for track in tracks for call in track.calls]
    service_s = sum(call["finish_at_s"] - call["start_at_s"] for call in calls)
    durations_s = [_duration_s(stored, track) for track in tracks]
    audio_s = sum(durations_s)
    dropped_s = sum(
        unheard_s([(c["start_s"], c["end_s"]) for c in t.calls], duration_s)
        for t, duration_s in zip(tracks, durations_s, strict=True)
    )
    load = service_s / audio_s if audio_s else 0.0
    return {
        "calls": len(calls),
        "service_mean_s": service_s / len(calls) if calls else None,
        "load": load,
        "keeps_up": load <= 1,
        "unheard_s": round(dropped_s, 3),
        "last_wait_s": max(
            (t.calls[-1]["start_at_s"] - t.calls[-1]["arrival_at_s"] for t in tracks if t.calls), default=0.0
        ),
    }


def _duration_s(stored: Run, track: Track) -> float:
    """Of the track's recording; as far as any call heard in runs of before it was kept."""
    kept_s = stored.references[track.recording].duration_s
    return max((call["end_s"] for call in track.calls), default=0.0) if kept_s is None else kept_s


def _median(stored: Run, items: Sequence[Listened], clock: Callable[[list[Call]], list[float]]) -> float | None:
    """The median word latency of `items` if their calls ended as `clock` says."""
    found = []
    for one in items:
        words = stored.references[one.track.recording].words
        if words:
            ends = clock(one.track.calls)
            shown = [replace(word, at_s=ends[word.call]) for word in one.shown]
            found.append(word_latencies(words, shown, one.pairs))
    return latency_summary(np.concatenate(found)).p50_s if found else None


def _no_queue(calls: list[Call]) -> list[float]:
    return [call["arrival_at_s"] + call["finish_at_s"] - call["start_at_s"] for call in calls]


def _summed(calls: list[Call]) -> list[float]:
    finishes, total_s = [], 0.0
    for call in calls:
        total_s += call["finish_at_s"] - call["start_at_s"]
        finishes.append(call["arrival_at_s"] + total_s)
    return finishes


# simulstream shows the words of a step after that step's own compute; SimulEval after all compute so far.
CLOCKS = {"no_queue_p50_s": _no_queue, "summed_p50_s": _summed}


def _live(rows: Iterable[Row], backend: str) -> list[Row]:
    """The rows of a backend that it sustains and that have a latency."""
    return [row for row in rows if row["backend"] == backend and row["keeps_up"] and row["latency_p95_s"] is not None]


def front(rows: Sequence[Row]) -> list[Row]:
    """The rows than which no other is both earlier (95th percentile of word latency) and better, earliest first."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["latency_p95_s"], row["wer"])):
        if not best or row["wer"] < best[-1]["wer"]:
            best.append(row)
    return best


def _within(
    stored: Run, rates: dict[tuple[str, str], ErrorRate], rows: Sequence[Row], budget_s: float
) -> list[dict[str, Any]]:
    """The best window of each strategy whose words keep a budget, and its differences to disjoint chunks and the best.

    Differences are paired by recording: voices differ more than strategies do, and all of them heard the same.
    """
    kept = [row for row in rows if row["latency_p95_s"] <= budget_s]
    best = {row["strategy"]: row for row in sorted(kept, key=lambda row: -row["wer"])}

    def errors(row: Row) -> list[ErrorRate]:
        key = (row["backend"], row["strategy"], row["window_s"])
        tracks = [t for t in stored.tracks if (t.backend, t.strategy, t.window_s) == key]
        return [rates[t.recording, t.text] for t in sorted(tracks, key=lambda t: t.recording)]

    entries = []
    least = min(best.values(), key=lambda row: row["wer"], default=None)
    for strategy, row in best.items():
        base = best.get(BASELINE)
        above = paired_bootstrap(errors(least), errors(row)) if least and row is not least else None
        difference = paired_bootstrap(errors(base), errors(row)) if base and strategy != BASELINE else None
        entries.append(
            {
                "budget_s": budget_s,
                **{key: row[key] for key in ("backend", "strategy", "window_s", "wer", "wer_ci95", "latency_p95_s")},
                "above_best_ci95": above and list(above.interval),
                "against_disjoint": difference
                and {
                    "difference": difference.difference,
                    "ci95": list(difference.interval),
                    "p": difference.p,
                    "intervals_overlap": _overlap(row["wer_ci95"], base["wer_ci95"]) if base else None,
                },
            }
        )
    return sorted(entries, key=lambda entry: entry["wer"])


def _overlap(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    return not (one and other) or (one[0] <= other[1] and other[0] <= one[1])


def summarise_strategies(results: dict[str, Any]) -> list[str]:
    """The answer in sentences, as it follows from the numbers."""
    settings = results["settings"]
    sentences = []
    for backend in results["fronts"]:
        mine = [e for e in results["within"] if e["backend"] == backend and e["strategy"] != REFERENCE]
        answers: list[tuple[list[float], str]] = []  # budgets with the same answer, and the answer
        for budget_s in sorted({entry["budget_s"] for entry in mine}):
            answer = _best_phrase([entry for entry in mine if entry["budget_s"] == budget_s])
            if answers and answers[-1][1] == answer:
                answers[-1][0].append(budget_s)
            else:
                answers.append(([budget_s], answer))
        said = "; ".join(f"{_range(budgets)}: {answer}" for budgets, answer in answers)
        opening = f"On {backend}, lowest WER with 95 % of the words within "
        keeps_none = f"{backend} keeps no budget with any strategy and window tried: it cannot keep up."
        sentences.append(f"{opening}{said}." if said else keeps_none)
    reference = [row for row in results["rows"] if row["strategy"] == REFERENCE and row["wer"] is not None]
    if reference:
        best = min(reference, key=lambda row: row["wer"])
        sentences.append(
            f"For comparison, Whisper itself hearing each recording at once: {percent(best['wer'])} "
            f"{interval(best['wer_ci95'])}."
        )
    sentences.append(
        f"Text and WER are measured: {results['model']} on {results['dataset']['name']}. Times are simulated: "
        f"{results['timed_as']}, {settings['streams']} streams a device. The best windows were chosen on the data that "
        "they are scored on."
    )
    return sentences


def _range(budgets_s: Sequence[float]) -> str:
    return f"{budgets_s[0]:g} s" if len(budgets_s) == 1 else f"{budgets_s[0]:g} to {budgets_s[-1]:g} s"


def _best_phrase(entries: Sequence[dict[str, Any]]) -> str:
    """The best entry, and those that cannot be told from it."""
    first, *others = entries
    alike = [e["strategy"] for e in others if not e["above_best_ci95"] or e["above_best_ci95"][0] <= 0]
    rest = f", {join_words(alike)} not clearly worse" if alike else ""
    return (
        f"{first['strategy']} at {first['window_s']:g} s ({percent(first['wer'])} {interval(first['wer_ci95'])}{rest})"
    )
