"""`earspan compare`: whether two evaluations of the same data really differ, and by how much."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from ..speech.metrics.normalise import get_normaliser, normaliser_version
from ..speech.metrics.significance import LEVEL, Mapsswe, mapsswe, paired_bootstrap
from ..speech.metrics.wer import ErrorRate, aligned_words
from .evaluation import scored, units_of
from .options import positive_count, seed
from .store import Run, read_raw
from .summary import percent

HELP = "two evaluations of the same data: is the difference significant?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan compare`."""
    parser.add_argument("a", type=Path, metavar="A", help="folder of an evaluation")
    parser.add_argument("b", type=Path, metavar="B", help="folder of another, of the same data")
    parser.add_argument(
        "--normaliser", help="scoring rules for both (default: those of the runs, which must be the same)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="seed of the bootstrap (default: 0)")
    parser.add_argument(
        "--replicates", type=positive_count, default=10_000, metavar="N", help="bootstrap replicates (default: 10000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of sentences")


def run(args: argparse.Namespace) -> int:
    """Compare and print. Raises `InputError` for runs that are not comparable."""
    runs = [_evaluation(args.a), _evaluation(args.b)]
    for stored in runs:
        if args.normaliser:
            get_normaliser(args.normaliser)
            stored.meta["settings"]["normaliser"] = args.normaliser
    _check_comparable(args, *runs)
    result = compare(*runs, seed=args.seed, replicates=args.replicates)
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        print(f"A: {args.a}: {result['a']['model']}   B: {args.b}: {result['b']['model']}")
        print("\n".join(result["summary"]))
    return 0


def _evaluation(folder: Path) -> Run:
    stored = read_raw(folder)
    if stored.meta.get("benchmark") != "evaluate":
        raise InputError(f"{folder}: a run of {stored.meta.get('benchmark')}; expected one of earspan evaluate")
    return stored


def _check_comparable(args: argparse.Namespace, a: Run, b: Run) -> None:
    """Refuse runs whose recordings, references or rules differ."""
    rules = [stored.meta["settings"]["normaliser"] for stored in (a, b)]
    if rules[0] != rules[1]:
        raise InputError(f"scored under {rules[0]!r} and {rules[1]!r}; type --normaliser {rules[0]} to score both so")
    missing = sorted(a.references.keys() ^ b.references.keys())
    if missing:
        one = args.a if missing[0] in a.references else args.b
        raise InputError(
            f"the data differ: {missing[0]!r} is in {one} only, and {len(missing) - 1} more in one of them"
        )
    changed = [key for key, reference in a.references.items() if b.references[key].text != reference.text]
    if changed:
        raise InputError(f"the data differ: {changed[0]!r} has another reference text in {args.b}")
    digests = [[dataset["digest"] for dataset in stored.meta["datasets"]] for stored in (a, b)]
    if digests[0] != digests[1] or a.meta["streams"] != b.meta["streams"]:
        raise InputError(f"the data differ: the audio of {args.a} and {args.b} is not the same, or joined otherwise")
    if a.meta["settings"]["gap_s"] != b.meta["settings"]["gap_s"]:
        raise InputError("the data differ: the streams have other gaps")


def compare(a: Run, b: Run, seed: int = 0, replicates: int = 10_000) -> dict[str, Any]:
    """The difference of two evaluations of the same data, by paired bootstrap and by MAPSSWE."""
    by_id = {track.recording: track for track in b.tracks}
    b = Run(b.meta, b.references, [by_id[track.recording] for track in a.tracks])
    items_a, items_b = scored(a)[0], scored(b)[0]
    over, units_a = units_of(items_a)
    _, units_b = units_of(items_b)
    difference = paired_bootstrap(list(units_a.values()), [units_b[key] for key in units_a], seed, replicates)
    pairs = mapsswe(_steps(a), _steps(b))
    totals = [sum((item.rate for item in items), ErrorRate.zero()) for items in (items_a, items_b)]
    result = {
        "a": {"model": a.meta["model"], "backend": _backend(a), **totals[0].to_json()},
        "b": {"model": b.meta["model"], "backend": _backend(b), **totals[1].to_json()},
        "scoring": normaliser_version(a.meta["settings"]["normaliser"]),
        "resampled": over,
        "resampled_units": len(units_a),
        "seed": seed,
        "replicates": replicates,
        "bootstrap": difference
        and {
            "difference": difference.difference,
            "ci95": list(difference.interval),
            "p": difference.p,
            "significant": difference.significant,
        },
        "mapsswe": {"segments": pairs.segments, "z": pairs.z, "p": pairs.p, "significant": pairs.significant},
    }
    return {**result, "summary": _summary(result, pairs)}


def _backend(run: Run) -> str | None:
    return next((row["backend"] for row in run.meta["backends"]), None)


def _steps(run: Run) -> list[Any]:
    references = [run.references[track.recording].text for track in run.tracks]
    hypotheses = [track.text for track in run.tracks]
    found = aligned_words(references, hypotheses, run.meta["settings"]["normaliser"])
    return [steps for _, steps in sorted(((index, steps) for index, _, _, steps in found), key=lambda item: item[0])]


def _summary(result: dict[str, Any], pairs: Mapsswe) -> list[str]:
    a, b, bootstrap = result["a"], result["b"], result["bootstrap"]
    sentences = [f"WER of A {percent(a['wer'])}, of B {percent(b['wer'])}, in {a['ref_words']} words."]
    if bootstrap is None:
        sentences.append("Paired bootstrap: no interval, since there are fewer than two recordings or speakers.")
    else:
        low, high = (100 * end for end in bootstrap["ci95"])
        sentences.append(
            f"B - A is {100 * bootstrap['difference']:+.2f} points, 95 % interval [{low:+.2f}, {high:+.2f}], paired "
            f"bootstrap over {result['resampled_units']} {result['resampled']}: {_verdict(bootstrap['p'])}."
        )
    if pairs.p is None:
        sentences.append(
            f"MAPSSWE: no test, {pairs.segments} segments with errors do not differ enough: not significant."
        )
    else:
        sentences.append(f"MAPSSWE over {pairs.segments} segments: Z = {pairs.z:.2f}: {_verdict(pairs.p)}.")
    sentences.append(f"Scored under {result['scoring']}.")
    return sentences


def _verdict(p: float) -> str:
    shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"{'significant' if p < LEVEL else 'not significant'} at {100 * LEVEL:g} % ({shown})"
