"""The commands that hear an experiment: bench, strategies, study, evaluate, curve. Each is a preset with options."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...backends.errors import InputError
from ...backends.gpu.runtimes import NOTE
from ...backends.measured.address import is_endpoint
from ...speech.strategies import OFFLINE, OVERLOADS, step_of, strategy_names
from ..experiment import presets, store
from ..experiment.experiment import Experiment, Load
from ..experiment.records import Run, read_run
from ..experiment.shared import Place
from ..report.terminal import show_table
from ..results.curves import merge_series, read_curve, series_of, write_curve
from ..results.exports import EXPORTS, check_exports
from ..results.wording import counted
from .options import (
    add_endpoint_arguments,
    add_experiment_arguments,
    add_load_arguments,
    add_output_arguments,
    comma_list,
    experiment_of,
    positive_count,
    positive_seconds,
    seconds_list,
)
from .progress import Terminal
from .runs import publish

if TYPE_CHECKING:
    from ..experiment.run import Session

_SCORED = ("normaliser", "seed")
_TIMED = ("backends", "latency_s", "padding")
_HEARD = ("model", "timed_as", "dataset")


def add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan bench`."""
    preset = presets.BENCH
    add_experiment_arguments(
        parser, preset, (*_HEARD, *_TIMED, "strategy", "recordings", "head_s", "word_times", *_SCORED)
    )
    add_load_arguments(parser, preset)
    parser.add_argument("--loads", type=comma_list, metavar="STREAMSxSTEP,...",
                        help=f"loads that are planned for; the first is played (default: {','.join(preset.loads)})",
                        )  # fmt: skip
    heard = {name: ",".join(f"{window_s:g}" for window_s in own) for name, own in preset.grid.items()}
    parser.add_argument("--windows", type=seconds_list, default=list(preset.grid["disjoint"]), metavar="S,S,...",
                        help=f"windows of the disjoint curve (default: {heard['disjoint']})")  # fmt: skip
    parser.add_argument("--live-windows", type=seconds_list, metavar="S,S,...",
                        help=f"live windows, which spans are rounded down to (default: {heard['sliding']})",
                        )  # fmt: skip
    add_endpoint_arguments(parser)
    add_output_arguments(parser, "runs/bench")


def run_bench(args: argparse.Namespace) -> int:
    """Spans of several backends, and the WER that follows. Exit code 1: some recordings failed."""
    loads = {"loads": tuple(args.loads)} if args.loads else {}
    step_s = Load.parse(args.loads[0]).step_s if args.loads else args.step
    shortest_s = step_of(args.strategy, step_s) or 0.0
    live = args.live_windows or [w for w in presets.BENCH.grid["sliding"] if w >= shortest_s]
    windows = {"disjoint": args.windows}
    if args.strategy not in (*windows, OFFLINE):
        windows[args.strategy] = live  # so that spans of that strategy are rounded down to windows that were heard
    return _hear(args, experiment_of(args, presets.BENCH, windows_s=windows, **loads))


def add_strategies_arguments(parser: argparse.ArgumentParser, preset: Experiment = presets.STRATEGIES) -> None:
    """Declare the options of `earspan strategies`."""
    parser.add_argument("--list", action="store_true", help="list strategies and overload policies, and do no more")
    add_experiment_arguments(
        parser, preset, (*_HEARD, *_TIMED, "overload", "recordings", "head_s", "word_times", *_SCORED)
    )
    add_load_arguments(parser, preset)
    parser.add_argument("--strategies", type=comma_list, metavar="A,B,...",
                        help="names, or package.module:Class (default: all that are installed)")  # fmt: skip
    parser.add_argument("--windows", type=seconds_list, default=list(preset.grid["disjoint"]), metavar="S,S,...",
                        help="default: 2,5,10,20,30")  # fmt: skip
    parser.add_argument("--chunks", type=seconds_list, default=[], metavar="S,S,...",
                        help="more windows for disjoint chunks (default: none)")  # fmt: skip
    add_endpoint_arguments(parser)
    add_output_arguments(parser, "runs/study" if preset is presets.STUDY else "runs/strategies")


def run_strategies(args: argparse.Namespace, preset: Experiment = presets.STRATEGIES) -> int:
    """Which way of cutting live audio errs least, at what latency."""
    if args.list:
        show_table("strategies (--strategies, --strategy)", ("name", "what it does"), strategy_names().items())
        show_table("overload policies (--overload)", ("name", "what it does"), OVERLOADS.items())
        return 0
    from ..experiment.run import is_installed  # torch takes seconds

    names = args.strategies or [name for name in preset.grid if is_installed(name)]
    windows = {name: [*args.windows, *(args.chunks if name == "disjoint" else ())] for name in names}
    return _hear(args, experiment_of(args, preset, windows_s=windows))


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan study`: those of `earspan strategies`, set for three backends."""
    add_strategies_arguments(parser, presets.STUDY)


def run_study(args: argparse.Namespace) -> int:
    """All strategies on a slow, a middling and a fast backend."""
    return run_strategies(args, presets.STUDY)


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan evaluate`."""
    preset = presets.EVALUATE
    own = ("strategy", "window_s", "latency_s", "padding", "recordings", "head_s", "hours", "join", "gap_s",
           "word_times")  # fmt: skip
    add_experiment_arguments(parser, preset, (*_HEARD, *own, *_SCORED))
    add_load_arguments(parser, preset)
    parser.add_argument("--backend", default="h100", metavar="NAME|none",
                        help="what is timed; none: text only, in windows of 30 s; openai:URL: text and times are those "
                        "of the endpoint, and --model is its own (default: h100)")  # fmt: skip
    add_endpoint_arguments(parser)
    parser.add_argument("--export", type=comma_list, default=[], metavar="A,B", help=f"write {', '.join(EXPORTS)}")
    parser.add_argument("--errors", type=positive_count, default=3, metavar="N", help="recordings shown (default: 3)")
    add_output_arguments(parser, "runs/evaluate")


def run_evaluate(args: argparse.Namespace) -> int:
    """One model, backend and strategy over datasets, with a WER that others can check."""
    check_exports(args.export)
    if is_endpoint(args.backend):
        args.streams = _streams_asked(args)
    backends = () if args.backend == "none" else (args.backend,)
    return _hear(args, experiment_of(args, presets.EVALUATE, backends=backends))


def _streams_asked(args: argparse.Namespace) -> int:
    """Return the load of an endpoint. Raises `InputError` for one that it was not asked under."""
    if args.streams not in (presets.EVALUATE.load.streams, args.endpoint_concurrency):
        raise InputError(
            f"--streams {args.streams}: an endpoint is asked for one stream; type --concurrency {args.streams} to have "
            "so many calls under way at once"
        )
    return args.endpoint_concurrency


def _hear(args: argparse.Namespace, experiment: Experiment) -> int:
    from ..experiment.run import Session  # torch takes seconds

    progress = Terminal()
    place = Place(args.out, progress)
    store.check_folder(place.folder)
    told = {"errors": getattr(args, "errors", 3), "exports": getattr(args, "export", ())}
    if place.has(experiment):
        progress.say(f"{place}: heard already; type another --out to hear it again")
        return publish(read_run(place.folder), place, args.json, **told)
    session = Session.open(experiment, out=place.folder, place=args.store)
    progress.say(_introduce(session))
    for failure in session.source.failed:
        progress.say(f"left out: {failure.reason}")
    empty = [unit for unit in session.source.units if not unit.text.strip()]
    for unit in empty:
        progress.say(f"note: {unit.origin}: the reference of {unit.id!r} is empty: every word is an insertion")
    return publish(place.keep(session.play(progress)), place, args.json, **told)


def _introduce(session: "Session") -> str:
    experiment, source = session.experiment, session.source
    names = ", ".join(dataset.name for dataset in source.datasets)
    first = f"the first {experiment.head_s:g} s of " if experiment.head_s else ""
    told = (
        f"measured: text and WER of {session.model} on {names} ({first}{counted(len(source.units), 'recording')}, "
        f"{source.audio_s / 60:.1f} min)"
    )
    for name, engine in session.endpoints.items():
        told += f"\nmeasured: text and times of {engine.version}, as {name}"
    simulated = [name for name in experiment.backends if name not in session.endpoints]
    if not simulated:
        return told
    return f"{told}\nsimulated: times of {experiment.timed_model} on {', '.join(simulated)}; {NOTE}"


def add_curve_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan curve`."""
    preset, add = presets.CURVE, parser.add_argument
    add_experiment_arguments(parser, preset, ("model", "dataset", "recordings", "head_s", "longest_s", "normaliser"))
    add("--strategies", type=comma_list, default=list(preset.grid), metavar="A,B",
        help="default: offline,disjoint,sliding")  # fmt: skip
    add("--windows", type=seconds_list, default=list(presets.GRID_S), metavar="S,S,...", help="default: 1,2,3 ... 30")
    add("--step", type=positive_seconds, default=1.0, dest="step_s", metavar="S", help="of sliding ones (default: 1)")
    add("--out", type=Path, default=Path("runs/curve"), metavar="FOLDER", help="default: runs/curve")
    add("--picture", type=Path, metavar="FILE", help="draw all that is in the folder's curve.json: .png, .svg or .html")
    add("--page", type=Path, metavar="FILE.md", help="write all of it as tables, beside what others published")
    add("--print", action="store_true", dest="only_print", help="hear nothing; print (and draw) what is there")


def run_curve(args: argparse.Namespace) -> int:
    """Word error rate against the window. It is written after each window; run it again to go on."""
    from ..experiment.run import run  # torch takes seconds
    from ..report.curve import draw_curve, write_curve_page  # charts take a second
    from ..report.terminal import print_series

    path, failed, step_s = args.out / "curve.json", 0, args.step_s
    if not args.only_print:
        windows = {name: [w for w in args.windows if w >= (step_of(name, step_s) or 0)] for name in args.strategies}
        if empty := next((name for name, own in windows.items() if not own), None):
            raise InputError(f"{empty}: every window is shorter than --step {step_s:g}; give a longer one")
        experiment = experiment_of(args, presets.CURVE, windows_s=windows, step_s=step_s)
        before = read_curve(path) if path.exists() else ()

        def keep(so_far: Run) -> None:
            series = before
            for one in series_of(so_far):
                series = merge_series(series, one)
            write_curve(path, series)

        store.check_folder(args.out)
        failed = len(run(experiment, progress=Terminal(), after=keep).failed)
    elif not path.exists():
        raise InputError(f"{path}: no curve there yet; type earspan curve --out {args.out}, which hears one")
    series = read_curve(path)
    for one in series:
        print_series(one)
    if args.page:
        store.write_whole(args.page, write_curve_page(series))
    if args.picture:
        draw_curve(series, args.picture)
    return 1 if failed else 0
