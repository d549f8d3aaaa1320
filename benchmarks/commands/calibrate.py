"""`earspan calibrate`: Whisper measured on this machine's GPU, and the device models fitted to measured kernels.

earspan calibrate measure --out measured.json   # on a GPU; ends within --budget seconds
pip install 'earspan[calibrate]'
earspan calibrate fit                           # all GPUs with public tables; writes backends/devices/*.toml
earspan calibrate fit h100 --check              # fit and print only
"""

import argparse
import sys
from pathlib import Path

from ...backends.errors import unknown
from ..experiment import store

# in the order in which they are measured: if time is short, the ends are there
MODELS = ("large-v3", "tiny", "small", "medium", "base")
BATCHES = (1, 8, 64, 320, 2, 32, 256, 4, 16, 128)


def add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of both."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    about = "measure Whisper's phases and kernels on a GPU, and the host's work"
    measuring = actions.add_parser("measure", help=about, description=about, allow_abbrev=False)
    measuring.set_defaults(answer=_measure)
    add = measuring.add_argument
    add("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: in fp32, to check the program (default: cuda)")
    add("--backend", help="simulated backend to compare with, such as h100 (default: none)")
    add("--models", nargs="+", default=MODELS, metavar="SIZE", help=f"default: {' '.join(MODELS)}")
    add("--batches", nargs="+", type=int, default=BATCHES, metavar="N", help=f"default: {' '.join(map(str, BATCHES))}")
    add("--positions", type=int, default=1500, help="encoder positions (default: %(default)s)")
    add("--repeats", type=int, default=20, help="timed runs of each (default: %(default)s)")
    add("--each", type=float, default=0.4, dest="each_s", metavar="S", help="seconds for one value (default: 0.4)")
    add("--budget", type=float, default=540, dest="budget_s", metavar="S", help="most seconds in all (default: 540)")
    add("--calls", type=int, default=300, help="equal calls whose scatter is measured (default: 300)")
    add("--out", type=Path, required=True, help="JSON file to write")
    about = "fit the kernels of device files to public tables"
    fitting = actions.add_parser("fit", help=about, description=about, allow_abbrev=False)
    fitting.set_defaults(answer=_fit)
    fitting.add_argument("gpus", nargs="*", help="GPUs with tables (default: all)")
    fitting.add_argument("--systems", type=Path, help="systems folder of the package, if not the installed one's")
    fitting.add_argument("--check", action="store_true", help="print only, write no device file")


def run_calibrate(args: argparse.Namespace) -> int:
    """Measure, or fit."""
    return args.answer(args)


def _measure(args: argparse.Namespace) -> int:
    from ..calibration.measure import Measurements, Plan, measure

    plan = Plan(
        args.device, args.backend, tuple(args.models), tuple(args.batches), args.positions, args.repeats, args.each_s,
        args.budget_s, args.calls,
    )  # fmt: skip

    def keep(found: Measurements) -> None:
        store.write_whole(args.out, store.encode(found, indent=1) + "\n")

    found = measure(plan, keep)
    print(f"{len(found.runs)} values, {len(found.left_out)} settings left out: {args.out}", file=sys.stderr)
    return 0


def _fit(args: argparse.Namespace) -> int:
    from ...backends.devices.files import FOLDER
    from ..calibration.read import TABLES, find_tables
    from ..calibration.write import calibrate, write_kernels

    systems, version = find_tables(args.systems)
    for gpu in args.gpus or TABLES:
        if gpu not in TABLES:
            raise unknown("GPU with tables", gpu, TABLES)
        kernels = []
        for one in calibrate(gpu, systems, version):
            kernels.append(one)
            for e in one.errors:
                errors = f"median {e.median:6.1%}, p90 {e.p90:6.1%}"
                print(f"{gpu:5s} {e.kernel:8s} {e.shapes:44s} {e.held_out:6d} held out: {errors}")
        if not args.check:
            write_kernels(FOLDER / f"{gpu}.toml", kernels)
    return 0
