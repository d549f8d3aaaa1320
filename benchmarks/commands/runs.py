"""The commands that read stored runs: score, compare, report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..experiment import store
from ..experiment.records import Run, read_run
from ..report.render import write_report
from ..report.terminal import print_results
from ..results.compare import compare
from ..results.exports import EXPORTS, check_exports, export
from ..results.records import write_results
from ..results.score import score
from .options import comma_list, positive_count, seed


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan score`."""
    add = parser.add_argument
    add("folder", type=Path, metavar="RUN", help="folder of a run, for example runs/bench")
    add("--normaliser", help="scoring rules by name, or a .toml file (default: those of the run)")
    add("--batch", type=Path, metavar="RUN", help="the same recordings heard at once: what does streaming cost?")
    add("--errors", type=positive_count, default=3, metavar="N", help="recordings shown (default: 3)")
    add("--export", type=comma_list, default=[], metavar="A,B", help=f"write {', '.join(EXPORTS)}")
    add("--json", action="store_true", help="print results.json instead of the table")


def run_score(args: argparse.Namespace) -> int:
    """Score a stored run again, without inference. Exit code 1 if recordings had failed."""
    batch = read_run(args.batch) if args.batch else None
    return publish(read_run(args.folder), args.folder, args.json, args.normaliser, args.errors, args.export, batch)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan report`."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, for example runs/bench")


def run_report(args: argparse.Namespace) -> int:
    """Write the page of a stored run again, and print its path."""
    from ..capacity.page import write_capacity_page
    from ..capacity.records import is_study, read_study

    if is_study(args.folder):
        print(write_capacity_page(args.folder, read_study(args.folder)))
    else:
        run = read_run(args.folder)
        print(write_report(args.folder, score(run), run))
    return 0


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan compare`."""
    add = parser.add_argument
    add("a", type=Path, metavar="A", help="folder of an evaluation")
    add("b", type=Path, metavar="B", help="folder of another, of the same data")
    add("--normaliser", help="scoring rules for both (default: those of the runs, which must be the same)")
    add("--seed", type=seed, default=0, help="seed of the bootstrap (default: 0)")
    add("--replicates", type=positive_count, default=10_000, metavar="N", help="of the bootstrap (default: 10000)")
    add("--json", action="store_true", help="print JSON instead of sentences")


def run_compare(args: argparse.Namespace) -> int:
    """Say whether two evaluations of the same data really differ."""
    found = compare(read_run(args.a), read_run(args.b), args.normaliser, args.seed, args.replicates)
    if args.json:
        print(store.encode(found, indent=1))
    else:
        print(f"A: {args.a}: {found.a.model}   B: {args.b}: {found.b.model}")
        print("\n".join(found.summary))
    return 0


def publish(
    run: Run,
    folder: Path,
    as_json: bool,
    normaliser: str | None = None,
    errors: int = 3,
    exports: Sequence[str] = (),
    batch: Run | None = None,
) -> int:
    """Score a run, write results.json and report.html beside it, and print what they say.

    Returns the exit code: 1 if recordings had failed.
    """
    check_exports(exports, run)
    results = score(run, normaliser, batch)
    write_results(folder, results)
    write_report(folder, results, run)
    if exports:
        export(exports, run, results, folder / "export")
    if as_json:
        print(store.encode(results, indent=1))
    else:
        print_results(results, folder, run, errors)
    return 1 if results.failed else 0
