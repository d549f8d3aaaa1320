"""`earspan calibrate`: Whisper measured on this machine, and the device models fitted to measured kernels.

earspan calibrate here --model tiny.en          # this machine as the backend `here`; minutes
earspan validate-here --model tiny.en           # the same calls simulated and measured
earspan calibrate measure --out measured.json   # on a GPU; ends within --budget seconds
pip install 'earspan[calibrate]'
earspan calibrate fit                           # all GPUs with public tables; writes backends/devices/*.toml
earspan calibrate fit h100 --check              # fit and print only
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...backends.errors import unknown
from ...backends.measured.here import Setting, is_here, read_setting
from ...backends.measured.profile import Profile, profile_path
from ..experiment import store
from ..report.terminal import show_table
from .options import comma_list, positive_count, positive_seconds, seconds_list

if TYPE_CHECKING:
    from ..calibration.here.validate import Validation

# in the order in which they are measured: if time is short, the ends are there
MODELS = ("large-v3", "tiny", "small", "medium", "base")
BATCHES = (1, 8, 64, 320, 2, 32, 256, 4, 16, 128)


def add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of all."""
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
    about = "measure this machine, so that it can be used as the backend here"
    here = actions.add_parser("here", help=about, description=about, allow_abbrev=False)
    here.set_defaults(answer=_here)
    add_here_arguments(here, "tiny.en")
    here.add_argument("--rounds", type=positive_count, default=9, metavar="N", help="values of each (default: 9)")
    here.add_argument("--budget", type=positive_seconds, default=200.0, dest="budget_s", metavar="S",
                      help="seconds after which no further round begins (default: 200)")  # fmt: skip
    here.add_argument("--out", type=Path, metavar="FILE.json", help="file of the profile (default: the user's cache)")
    here.add_argument("--device-file", type=Path, metavar="FILE.toml",
                      help="instead: this machine as a simulated device, by its ceilings")  # fmt: skip
    about = "fit the kernels of device files to public tables"
    fitting = actions.add_parser("fit", help=about, description=about, allow_abbrev=False)
    fitting.set_defaults(answer=_fit)
    fitting.add_argument("gpus", nargs="*", help="GPUs with tables (default: all)")
    fitting.add_argument("--systems", type=Path, help="systems folder of the package, if not the installed one's")
    fitting.add_argument("--check", action="store_true", help="print only, write no device file")


def add_here_arguments(parser: argparse.ArgumentParser, model: str) -> None:
    """Declare what of this machine is measured."""
    parser.add_argument("--model", default=model, help="an official Whisper, or a checkpoint (default: %(default)s)")
    parser.add_argument("--backend", default="here", help="here, here-torch-bf16, here-ct2-int8, ... (default: here)")
    parser.add_argument("--threads", type=positive_count, metavar="N", help="of a call (default: all cores)")


def setting_of(args: argparse.Namespace) -> Setting:
    """Return the setting that was typed. Raises `InputError` for a backend that is not this machine."""
    if not is_here(args.backend):
        raise unknown("backend of this machine", args.backend, ["here", "here-torch-bf16", "here-ct2", "here-ct2-int8"])
    setting = read_setting(args.backend)
    return replace(setting, threads=args.threads) if args.threads else setting


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


def _here(args: argparse.Namespace) -> int:
    from ..calibration.here.profile import HerePlan, measure_here

    if args.device_file:
        return _write_device(args)
    plan = HerePlan(args.model, setting_of(args), rounds=args.rounds, budget_s=args.budget_s)
    profile = measure_here(plan, lambda line: print(line, file=sys.stderr))
    path = args.out or profile_path(profile.dims, profile.engine, profile.precision, profile.threads)
    store.write_whole(path, store.encode(profile, indent=1) + "\n")
    _show_profile(profile)
    name = args.out or plan.setting.name
    print(f"\nwritten: {path}\nnow type: earspan time --backend {name} --model {profile.model}")
    return 0


def _write_device(args: argparse.Namespace) -> int:
    import torch

    from ..calibration.here.ceilings import Pieces, device_file, median_of

    threads = setting_of(args).threads
    torch.set_num_threads(threads)
    pieces = Pieces()
    found = median_of([pieces.measure() for _ in range(args.rounds + 1)][1:])
    store.write_whole(args.device_file, device_file(found, threads))
    print(f"{found.peak_flop_per_s / 1e9:.0f} GFLOP/s in fp32, {found.bandwidth_bytes_per_s / 1e9:.0f} GB/s, "
          f"{found.small_op_s * 1e6:.1f} us an operation: {args.device_file}\n"
          f"now type: earspan time --backend {args.device_file}-torch-cpu --model {args.model}")  # fmt: skip
    return 0


def _show_profile(profile: Profile) -> None:
    rows = [
        [point.phase, str(point.batch), f"{point.length:g}", str(len(point.seconds)), f"{point.median_s * 1e3:.2f}",
         f"{min(point.seconds) * 1e3:.2f}", f"{point.spread:.0%}"]
        for point in profile.points
    ]  # fmt: skip
    told = f"{profile.model}, {profile.engine} in {profile.precision}, {profile.threads} threads, {profile.machine.cpu}"
    columns = ("phase", "batch>", "length>", "values>", "median ms>", "least ms>", "spread>")
    show_table(f"Measured: {told}", columns, rows)
    print(f"whole calls: 99th percentile {profile.jitter:.1%} above the median of {len(profile.calls)}")
    for warning in profile.warnings:
        print(f"warning: {warning}")


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


def add_validate_here_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan validate-here`."""
    add_here_arguments(parser, "tiny.en")
    parser.add_argument("--simulated", default="ceilings", metavar="NAME",
                        help="a backend, or this machine by its ceilings now (default: ceilings)")  # fmt: skip
    parser.add_argument("--windows", type=seconds_list, default=[1.0, 5.0, 10.0, 30.0], metavar="S,...",
                        help="seconds of audio of a call (default: 1,5,10,30)")  # fmt: skip
    parser.add_argument("--streams", type=comma_list, default=["1", "2", "4", "8"], metavar="N,...",
                        help="calls that run together (default: 1,2,4,8)")  # fmt: skip
    parser.add_argument("--rounds", type=positive_count, default=7, metavar="N", help="queries of each (default: 7)")
    parser.add_argument("--budget", type=positive_seconds, default=200.0, dest="budget_s", metavar="S",
                        help="seconds after which no further round begins (default: 200)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write all values")
    parser.add_argument("--json", action="store_true", help="print all values instead of the table")


def run_validate_here(args: argparse.Namespace) -> int:
    """Print the ratios measured over simulated, and the verdict; 1 if it is INVALID."""
    from ..calibration.here.validate import ValidationPlan, validate_here

    streams = tuple(positive_count(one) for one in args.streams)
    plan = ValidationPlan(args.model, setting_of(args), args.simulated, tuple(args.windows), streams, args.rounds,
                          args.budget_s)  # fmt: skip
    found = validate_here(plan, lambda line: print(line, file=sys.stderr))
    text = store.encode(found, indent=1)
    if args.out:
        store.write_whole(args.out, text + "\n")
    if args.json:
        print(text)
    else:
        _show_found(found)
    return 0 if found.verdict == "VALID" else 1


def _show_found(found: "Validation") -> None:
    from ..calibration.here.validate import BAND, PHASES

    rows = [
        [f"{row.window_s:g}", str(row.streams), str(max(row.steps)), *(f"{row.ratio(phase):.2f}" for phase in PHASES),
         "-" if (own := row.profile_ratio("all")) is None else f"{own:.2f}", row.verdict]
        for row in found.rows
    ]  # fmt: skip
    columns = ("window s>", "streams>", "steps>", *(f"{phase}>" for phase in PHASES), "all, by profile>", "verdict")
    told = f"{found.model}, {found.setting.name}, {found.machine.cpu}"
    show_table(f"Measured over simulated ({found.simulated}): {told}", columns, rows)
    total = len(found.rows)
    print(f"simulated within {BAND:.0%} of measured: {found.within('all')} of {total} settings; "
          + ", ".join(f"{phase} {found.within(phase)}" for phase in PHASES[:-1]))  # fmt: skip
    if found.clock:
        clock = found.clock
        print(f"through the clock: {len(clock.measured)} calls of {clock.window_s:g} s, measured over predicted by the "
              f"profile {clock.ratio:.2f}; median wait {clock.measured_wait_s:.2f} and "
              f"{clock.predicted_wait_s:.2f} s")  # fmt: skip
    else:
        print(f"no profile: type earspan calibrate here --model {found.model} {found.setting.options}".rstrip())
    print(f"verdict: {found.verdict}")
    reasons: dict[str, int] = {}
    for row in found.rows:
        for reason in row.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, rows_of in reasons.items():
        print(f"  {rows_of} of {total}: {reason}")
