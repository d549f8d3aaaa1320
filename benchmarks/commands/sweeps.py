"""The command that hears many experiments: sweep."""

import argparse
from pathlib import Path

from ..experiment.shared import Place
from ..experiment.store import encode
from ..report.terminal import show_table
from ..results.records import read_results
from .options import STORE, positive_count
from .progress import Terminal


def add_sweep_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan sweep`."""
    add = parser.add_argument
    add("file", type=Path, metavar="FILE.toml", help="an experiment's keywords, and under [grid] lists of values")
    add("--out", metavar="FOLDER|URL", help="a folder for each run goes into it (default: runs/FILE)")
    add("--dry-run", action="store_true", help="say what it will take, after hearing a few calls at most")
    add("--executor", default="local", metavar="NAME", help="local, ray or ray:ADDRESS (default: %(default)s)")
    add("--workers", type=positive_count, metavar="N", help="default: what cores and memory bear")
    add("--store", metavar="PLACE", help=STORE)
    add("--task-calls", type=positive_count, metavar="N", help="calls in a task (default: some 20 s of work)")
    add("--json", action="store_true", help="print JSON instead of tables")


def run_sweep(args: argparse.Namespace) -> int:
    """Hear all experiments of a file. Exit code 1: something could not be done, or recordings were left out."""
    from ..sweep.run import plan_sweep, sweep  # torch takes seconds

    out = args.out or Path("runs") / args.file.stem
    where = {"place": args.store, "task_calls": args.task_calls}
    if args.dry_run:
        expected = plan_sweep(args.file, out, probe=True, **where)
        if args.json:
            print(encode(expected, indent=1))
            return 0
        work = "unknown" if expected.work_s is None else f"{expected.work_s / 3600:.2f} h of one worker"
        show_table(
            f"{args.file}: what it will take",
            ("", "in all", "left"),
            [
                ("runs", str(expected.experiments), str(expected.experiments - expected.written)),
                ("recordings", f"{expected.recordings}, {expected.audio_s / 3600:.2f} h", ""),
                ("calls", f"{expected.calls:,}", f"{expected.calls_left:,} in {expected.tasks:,} tasks"),
                ("audio in calls", "", f"{expected.heard_s / 3600:.2f} h"),
                ("work", "", f"{work} (rate: {expected.rate_from})"),
                ("read", f"{expected.read_bytes / 1e6:,.1f} MB", ""),
                ("stored", f"about {expected.stored_bytes / 1e6:,.1f} MB", ""),
            ],
        )
        return 0
    progress = Terminal()
    done = sweep(args.file, out, executor=args.executor, workers=args.workers, progress=progress, **where)
    found = {name: read_results(Place(run).folder) for name, run in done.runs.items()}
    if args.json:
        runs = {name: str(run) for name, run in done.runs.items()}
        print(encode({"runs": runs, "failed": done.failed, "computed": done.computed}, indent=1))
    else:
        rows = [
            (name, row.backend or "any", f"{row.window_s:g} s", "" if row.wer is None else f"{100 * row.wer:.1f} %")
            for name, results in found.items()
            for row in (*results.rows, *(point for curve in results.curves for point in curve.points))
            if row.window_s is not None
        ]
        show_table(f"{out}: {len(done.runs)} runs", ("run", "backend", "window>", "WER>"), rows)
    for line in done.failed:
        progress.say(f"failed: {line}")
    left_out = {failure.reason for results in found.values() for failure in results.failed}
    for reason in sorted(left_out):
        progress.say(f"left out: {reason}")
    return 1 if done.failed or left_out else 0
