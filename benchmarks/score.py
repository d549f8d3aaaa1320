"""`earspan score`: derive error rates and latencies from a stored run again, without inference."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..speech.metrics.normalise import get_normaliser, normaliser_version
from ..speech.metrics.significance import paired_bootstrap
from ..speech.metrics.wer import ErrorRate, score_text, wer_interval
from .evaluation_page import evaluated, print_evaluation, show_worst
from .exports import EXPORTS, check_exports
from .options import comma_list, positive_count
from .report import render
from .score_latency import boundary_of, latency_of, listened
from .store import Run, Track, read_raw, write_whole
from .strategy_page import print_strategies, render_strategies
from .strategy_results import derive_strategies
from .summary import print_results, summarise

HELP = "score a stored run again, without inference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, for example runs/bench")
    parser.add_argument("--normaliser", help="scoring rules by name, or a .toml file (default: those of the run)")
    parser.add_argument("--errors", type=positive_count, default=3, metavar="N", help="recordings shown (default: 3)")
    parser.add_argument("--export", type=comma_list, default=[], metavar="A,B", help=f"write {', '.join(EXPORTS)}")
    parser.add_argument("--json", action="store_true", help="print results.json instead of the table")


def run(args: argparse.Namespace) -> int:
    """Derive, write and print the results. Exit code 1 if recordings had failed."""
    stored = read_raw(args.folder)
    check_exports(args.export, stored.meta["benchmark"])
    if args.normaliser:
        get_normaliser(args.normaliser)  # refused before anything is written
        stored.meta["settings"]["normaliser"] = args.normaliser
    return publish(stored, args.folder, args.json, errors=args.errors, exports=args.export)


def publish(stored: Run, folder: Path, as_json: bool, errors: int = 0, exports: Sequence[str] = ()) -> int:
    """Write results.json and report.html beside the raw files, and print what they say.

    Of an evaluation, the `errors` worst recordings are shown word by word, and files written for other tools.
    """
    if stored.meta["benchmark"] == "evaluate":
        results, page = evaluated(stored, folder, exports)
    elif stored.meta["benchmark"] == "strategies":
        results = derive_strategies(stored)
        page = render_strategies(results)
    else:
        results = derive(stored)
        page = render(results)
    write_whole(folder / "results.json", json.dumps(results, indent=1))
    write_whole(folder / "report.html", page)
    if as_json:
        print(json.dumps(results, indent=1))
    elif stored.meta["benchmark"] == "evaluate":
        print_evaluation(results, folder)
        show_worst(stored, errors)
    elif stored.meta["benchmark"] == "strategies":
        print_strategies(results, folder)
    else:
        print_results(results, folder)
    return 1 if results["failed"] else 0


_UNKNOWN = {"difference": None, "ci95": None, "p": None}


def _difference(a: Mapping[str, ErrorRate], b: Mapping[str, ErrorRate], seed: int) -> dict[str, Any] | None:
    """WER of `b` less that of `a`, paired by recording: what is hard in both cancels. None for too few recordings."""
    both = [name for name in a if name in b]
    found = paired_bootstrap([a[name] for name in both], [b[name] for name in both], seed)
    return found and {"difference": found.difference, "ci95": list(found.interval), "p": found.p}


def _passes(tracks: Iterable[Track]) -> dict[str, float | None]:
    """Passes of the encoder for one call, and runs of the decoder, on average."""
    calls = [call for track in tracks for call in track.calls]

    def mean(name: str) -> float | None:
        return sum(call[name] for call in calls) / len(calls) if calls else None

    return {"encoder_passes": mean("encoder_passes"), "decoder_runs": mean("decoder_runs")}


def derive(stored: Run) -> dict[str, Any]:
    """The results of a run (schema of results.json) as a pure function of what it stored."""
    settings = stored.meta["settings"]
    rules, seed = settings["normaliser"], settings["seed"]

    def rates_of(tracks: Iterable[Track]) -> dict[str, ErrorRate]:
        return {t.recording: score_text(stored.references[t.recording].text, t.text, rules) for t in tracks}

    def pooled(rates: Mapping[str, ErrorRate]) -> dict[str, Any]:
        ends = wer_interval(list(rates.values()), seed)
        return {**sum(rates.values(), ErrorRate.zero()).to_json(), "wer_ci95": ends and list(ends)}

    by_setting: dict[tuple[str, float | None, float], list[Track]] = {}
    for t in stored.tracks:
        if t.backend is None:
            by_setting.setdefault((t.strategy, t.step_s, t.window_s), []).append(t)
    curves: dict[tuple[str, float | None], dict[str, Any]] = {}
    shortest: dict[tuple[str, float | None], dict[str, ErrorRate]] = {}
    for (strategy, step_s, window_s), tracks in sorted(by_setting.items(), key=lambda item: item[0][2]):
        empty = {"strategy": strategy, "step_s": step_s, "recordings": len(tracks), "points": []}
        curve = curves.setdefault((strategy, step_s), empty)
        rates = rates_of(tracks)
        point = {
            "window_s": window_s,
            **pooled(rates),
            "boundary_errors": boundary_of(stored, listened(stored, tracks)),
        }
        curve["points"].append(point)
        # The longest window comes last.
        curve["last_less_first"] = _difference(shortest.setdefault((strategy, step_s), rates), rates, seed)
    rows, heard = [], {}
    for planned in stored.meta["backends"]:
        tracks = [t for t in stored.tracks if t.backend == planned["backend"]]
        heard[planned["backend"]] = rates_of(tracks)
        unheard = {**ErrorRate.zero().to_json(), "wer_ci95": None}
        items = listened(stored, tracks)
        figures = {**latency_of(stored, items), "boundary_errors": boundary_of(stored, items), **_passes(tracks)}
        rows.append({**planned, **(pooled(heard[planned["backend"]]) if tracks else unheard), **figures})
    spans = {row["span_s"]: row for row in rows if row["span_s"] is not None and heard[row["backend"]]}
    gains = [
        {
            "from_s": shorter,
            "to_s": longer,
            "wer": [spans[shorter]["wer"], spans[longer]["wer"]],
            **(_difference(heard[spans[shorter]["backend"]], heard[spans[longer]["backend"]], seed) or _UNKNOWN),
        }
        for shorter, longer in pairwise(sorted(spans))
    ]
    disjoint = next((c["points"] for (strategy, _), c in curves.items() if strategy == "disjoint"), [])
    results = {
        "schema": 1,
        **{key: value for key, value in stored.meta.items() if key not in ("schema", "backends")},
        "scoring": normaliser_version(rules),
        "rows": rows,
        "gains": gains,
        "curves": list(curves.values()),
        "offline": disjoint[-1] if disjoint else None,
        "cut_off_calls": sum(call["cut_off"] for t in stored.tracks for call in t.calls),
    }
    return {**results, "summary": summarise(results)}
