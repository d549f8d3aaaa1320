"""The commands that read stored runs: score, compare, report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...backends.errors import InputError
from ..experiment import store
from ..experiment.experiment import WORD_TIMES
from ..experiment.records import Run, read_run
from ..experiment.shared import Place, load_run
from ..imports.formats import FORMATS
from ..imports.load import import_run
from ..leaderboard.entry import OURS, make_entry, read_entries, write_entry
from ..leaderboard.page import write_page
from ..report.render import render
from ..report.terminal import print_results
from ..results.compare import compare
from ..results.exports import EXPORTS, check_exports, export
from ..results.records import encode_results
from ..results.score import score
from .options import comma_list, positive_count, positive_seconds, seed
from .progress import Terminal

_IMPORTED = ("system", "dataset", "recordings", "head_s", "word_times", "out")


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan score`."""
    add = parser.add_argument
    add("folder", nargs="?", metavar="RUN", help="folder or URL of a run, for example runs/bench")
    add("--normaliser", help="scoring rules by name, or a .toml file (default: those of the run)")
    add("--batch", metavar="RUN", help="the same recordings heard at once: what does streaming cost?")
    add("--errors", type=positive_count, default=3, metavar="N", help="recordings shown (default: 3)")
    add("--export", type=comma_list, default=[], metavar="A,B", help=f"write {', '.join(EXPORTS)}")
    add("--json", action="store_true", help="print results.json instead of the table")
    other = parser.add_argument_group("what another system said, made a run and scored")
    add = other.add_argument
    formats = "; ".join(f"{name}: {about}" for name, (_, about) in FORMATS.items())
    add("--import", dest="source", metavar="FORMAT:FILE", help=formats)
    add("--system", metavar="NAME", help="what it is called, or which of those in the file")
    add("--dataset", type=comma_list, metavar="NAME|PATH,...", help="what it heard (default: talks-clean)")
    add("--recordings", type=positive_count, metavar="N", help="how many of it, the first ones (default: all)")
    add("--head", type=positive_seconds, dest="head_s", metavar="S", help="how much of each (default: all)")
    add(
        "--word-times", choices=WORD_TIMES, help="where a dataset has none: none, or aligned by tiny.en (default: none)"
    )
    add("--out", metavar="FOLDER|URL", help="where the run goes (default: runs/imported)")


def _import(args: argparse.Namespace) -> tuple[Run, Place]:
    """The run of a file of another program, and where it is."""
    given = {name: getattr(args, name) for name in _IMPORTED if getattr(args, name) is not None}
    if args.source is None:
        if args.folder is None:
            raise InputError("nothing to score; type a RUN, for example runs/bench, or --import FORMAT:FILE")
        if given:
            raise InputError(f"--{next(iter(given)).replace('_', '-')} is for --import; {args.folder} says it itself")
        place = Place(args.folder)
        return place.load(), place
    if args.folder is not None:
        raise InputError(f"{args.folder} and --import: expected one of them; --out says where an import goes")
    out = given.pop("out", "runs/imported")
    rules = {"normaliser": args.normaliser} if args.normaliser else {}
    return import_run(args.source, out=out, progress=Terminal(), **given, **rules), Place(out)


def run_score(args: argparse.Namespace) -> int:
    """Score a stored run again, without inference. Exit code 1 if recordings had failed."""
    run, place = _import(args)
    batch = load_run(args.batch) if args.batch else None
    return publish(run, place, args.json, args.normaliser, args.errors, args.export, batch)


def add_submit_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan submit`."""
    add = parser.add_argument
    add("folder", nargs="?", metavar="RUN", help="folder or URL of a run of one setting, as earspan evaluate makes")
    add("--by", default=OURS, metavar="NAME", help="who submits it (default: %(default)s)")
    add("--backend", metavar="NAME", help="which, where the run has several")
    add("--batch", metavar="RUN", help="the same recordings heard at once")
    add("--rows", type=Path, default=Path("docs/leaderboard"), metavar="FOLDER", help="default: %(default)s")
    add("--table", type=Path, nargs="?", const=Path("docs/leaderboard.md"), metavar="FILE.md",
        help="write the page of all rows, after RUN's if one is given (default: %(const)s)")  # fmt: skip


def run_submit(args: argparse.Namespace) -> int:
    """Write a run as a row of the leaderboard, the page of all rows, or both."""
    if args.folder is None and args.table is None:
        raise InputError("nothing to submit; type a RUN, for example runs/evaluate, or --table to write the page")
    if args.folder is not None:
        batch = load_run(args.batch) if args.batch else None
        entry = make_entry(load_run(args.folder), by=args.by, backend=args.backend, batch=batch)
        print(write_entry(args.rows, entry))
    if args.table is not None:
        store.write_whole(args.table, write_page(read_entries(args.rows)))
        print(args.table)
    return 0


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan report`."""
    parser.add_argument("folder", metavar="RUN", help="folder or URL of a run, for example runs/bench")


def run_report(args: argparse.Namespace) -> int:
    """Write the page of a stored run again, and print its path."""
    from ..capacity.page import write_capacity_page
    from ..capacity.records import is_study, read_study
    from ..recommend.page import write_recommendation_page
    from ..recommend.records import is_recommendation, read_recommendation

    place = Place(args.folder)
    folder = place.fetched()
    if is_recommendation(folder):
        print(write_recommendation_page(folder, read_recommendation(folder)))
    elif is_study(folder):
        print(write_capacity_page(folder, read_study(folder)))
    else:
        run = read_run(folder)
        place.add({"report.html": render(score(run), run)})
        print(folder / "report.html")
    return 0


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan compare`."""
    add = parser.add_argument
    add("a", metavar="A", help="folder or URL of an evaluation")
    add("b", metavar="B", help="folder of another, of the same data")
    add("--normaliser", help="scoring rules for both (default: those of the runs, which must be the same)")
    add("--seed", type=seed, default=0, help="seed of the bootstrap (default: 0)")
    add("--replicates", type=positive_count, default=10_000, metavar="N", help="of the bootstrap (default: 10000)")
    add("--json", action="store_true", help="print JSON instead of sentences")


def run_compare(args: argparse.Namespace) -> int:
    """Say whether two evaluations of the same data really differ."""
    found = compare(load_run(args.a), load_run(args.b), args.normaliser, args.seed, args.replicates)
    if args.json:
        print(store.encode(found, indent=1))
    else:
        print(f"A: {args.a}: {found.a.model}   B: {args.b}: {found.b.model}")
        print("\n".join(found.summary))
    return 0


def publish(
    run: Run,
    place: Place,
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
    if exports:
        export(exports, run, results, place.folder / "export")
    place.add({"results.json": encode_results(results), "report.html": render(results, run)})
    if as_json:
        print(encode_results(results))
    else:
        print_results(results, place.folder, run, errors)
        if place.url:
            print(f"a copy of {place.url}")
    return 1 if results.failed else 0
