"""`earspan score`: derive error rates and latencies from a stored run again, without inference."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..speech.regimes import regime, regime_version
from ..speech.score import (
    ErrorRate,
    latency_summary,
    score_text,
    wer_interval,
    word_latencies,
)
from .report import render
from .store import Run, Track, read_raw, write_whole
from .summary import print_results, summarise

HELP = "score a stored run again, without inference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, for example runs/bench")
    parser.add_argument("--regime", help="scoring rules by name, or a .toml file (default: those of the run)")
    parser.add_argument("--json", action="store_true", help="print results.json instead of the table")


def run(args: argparse.Namespace) -> int:
    """Derive, write and print the results. Exit code 1 if recordings had failed."""
    stored = read_raw(args.folder)
    if args.regime:
        regime(args.regime)  # refused before anything is written
        stored.meta["settings"]["regime"] = args.regime
    return publish(stored, args.folder, args.json)


def publish(stored: Run, folder: Path, as_json: bool) -> int:
    """Write results.json and report.html beside the raw files, and print what they say."""
    results = derive(stored)
    write_whole(folder / "results.json", json.dumps(results, indent=1))
    write_whole(folder / "report.html", render(results))
    if as_json:
        print(json.dumps(results, indent=1))
    else:
        print_results(results, folder)
    return 1 if results["failed"] else 0


def derive(stored: Run) -> dict[str, Any]:
    """The results of a run (schema of results.json) as a pure function of what it stored."""
    settings = stored.meta["settings"]
    rules, seed = settings["regime"], settings["seed"]

    def scored(tracks: Iterable[Track]) -> dict[str, Any]:
        rates = [score_text(stored.references[t.recording].text, t.text, rules) for t in tracks]
        ends = wer_interval(rates, seed)
        return {**sum(rates, ErrorRate.zero()).to_json(), "wer_ci95": ends and list(ends)}

    by_setting: dict[tuple[str, float | None, float], list[Track]] = {}
    for t in stored.tracks:
        if t.backend is None:
            by_setting.setdefault((t.strategy, t.step_s, t.window_s), []).append(t)
    curves: dict[tuple[str, float | None], dict[str, Any]] = {}
    for (strategy, step_s, window_s), tracks in sorted(by_setting.items(), key=lambda item: item[0][2]):
        empty = {"strategy": strategy, "step_s": step_s, "recordings": len(tracks), "points": []}
        curve = curves.setdefault((strategy, step_s), empty)
        curve["points"].append({"window_s": window_s, **scored(tracks)})
    rows = []
    for planned in stored.meta["backends"]:
        tracks = [t for t in stored.tracks if t.backend == planned["backend"]]
        unheard = {**ErrorRate.zero().to_json(), "wer_ci95": None}
        rows.append({**planned, **(scored(tracks) if tracks else unheard), **_latency(stored, tracks)})
    disjoint = next((c["points"] for (strategy, _), c in curves.items() if strategy == "disjoint"), [])
    results = {
        "schema": 1,
        **{key: value for key, value in stored.meta.items() if key not in ("schema", "backends")},
        "scoring": regime_version(rules),
        "rows": rows,
        "curves": list(curves.values()),
        "offline": disjoint[-1] if disjoint else None,
        "cut_off_calls": sum(call["cut_off"] for t in stored.tracks for call in t.calls),
    }
    return {**results, "summary": summarise(results)}


def _latency(stored: Run, tracks: list[Track]) -> dict[str, float | None]:
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
