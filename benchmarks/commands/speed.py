"""`earspan speed`: how fast this machine, the engine beside its rivals, the simulations, and batches on devices are.

`engine` prints, in one run and as ratios: openai-whisper's loop, faster-whisper, its batches and whisper.cpp beside
this engine, and how far each is from what no engine could beat here; what drafts and the cache save; how cost grows
with audio; how near the encoder comes to this machine's matrix products; and the memory that hours take. `ceiling`,
`windows`, `drafts`, `costs` print a part of it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ...backends.errors import unknown
from ..experiment import store
from ..report.terminal import show_table
from ..speed.case import CLOCKS, Case, Figure, count_cores, first_seconds
from .options import comma_list, positive_count, positive_seconds, seconds_list

TALKS, TALK_S = 3, 60.0  # talks that are heard with drafts; seconds of each that are heard otherwise
TABLES = {
    "compare": "Engines on the same windows; factor: the other's time over ours at fp32, with its 95 % interval",
    "drafts": "Decoder passes a call without and with drafts, windows every 0.5 s",
    "cache": "A first run, and one that finds all in the cache",
    "growth": "Cost of one, two and four times as much audio, windows of 5 s",
    "encoder": "The encoder's arithmetic, the least that it takes at the measured rate, and what it takes",
    "memory": "The most memory held while a long recording is heard",
    "all-talks": "As drafts, on whole talks",
}
QUESTIONS = {
    "engine": [name for name in TABLES if name != "all-talks"],
    "ceiling": ["encoder"],
    "windows": ["compare"],
    "drafts": ["drafts"],
    "costs": ["cache", "growth", "memory"],
}
DEFAULT_MODEL = "tiny.en"
ENCODER_BAR = 75.0  # percent of the measured matrix products
MODES = {"zero": "temperature zero", "fallback": "with fallback"}


def add_speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the questions and the options of each."""
    questions = parser.add_subparsers(dest="question", required=True, metavar="QUESTION")

    def question(name: str, answer: Callable[[argparse.Namespace], int], about: str) -> Callable[..., object]:
        asked = questions.add_parser(name, help=about, description=about, allow_abbrev=False)
        asked.set_defaults(answer=answer)
        return asked.add_argument

    for name, tables in QUESTIONS.items():
        add = question(name, _answer_engine, f"about the engine: {', '.join(tables)}")
        add("--only", type=comma_list, default=tables, metavar="A,B", help=f"of {', '.join(TABLES)}")
        add("--clock", default="wall", choices=CLOCKS, help="wall, or cpu: processor time, for a busy machine")
        add(
            "--threads",
            type=positive_count,
            default=count_cores(),
            help="of torch and of the rivals (default: every core)",
        )
        add("--repeats", type=positive_count, default=3, help="times that each engine runs (default: 3)")
        add("--count", type=positive_count, default=99, metavar="N", help="at most so many windows of each length")
        add("--windows", type=seconds_list, default="1,5,10,30", metavar="S,...",
            help="windows to compare at, at most 30 s (default: 1,5,10,30)")  # fmt: skip
        add("--model", default=DEFAULT_MODEL, help=f"an official Whisper, or a checkpoint (default: {DEFAULT_MODEL})")
        add("--hours", type=positive_seconds, default=4.0, help="length of the recording of `memory` (default: 4)")
        add("--hear-hours", type=positive_seconds, default=1e9, metavar="H", help="heard of it (default: all)")
        add("--out", type=Path, metavar="FOLDER", help="write engine_speed.json there: raw values")
    add = question("parity", _answer_parity, "whether the engine hears what whisper.transcribe hears")
    add("--model", default=DEFAULT_MODEL, help=f"default: {DEFAULT_MODEL}")
    add("--dataset", default="talks", help="default: talks")
    add("--windows", type=seconds_list, default="5,30", metavar="S,S", help="of the chunks (default: 5,30)")
    add("--whole", action="store_true", help="whole recordings, too")
    add("--modes", type=comma_list, default="zero,fallback", help="temperature zero, with fallback (default: both)")
    add("--recordings", type=positive_count, help="the first N only")
    for name, about in (("serving", "the simulation of a server itself"), ("timing", "predicting a time itself")):
        add = question(name, _answer_simulation, f"how fast {about} is; exit code 1 if a bar is missed")
        add("--json", action="store_true", help="print JSON")
    add = question("sweep", _answer_sweep, "what planner, store and scorer of a sweep cost a call, and their memory")
    add("--calls", type=comma_list, default="10000,100000", metavar="N,N", help="default: 10000,100000 (minutes)")
    add = question("batch", _answer_batch, "what a batch buys on each device, as a table and a figure")
    add("--model", default="large-v3", help="Whisper size (default: large-v3)")
    add("--backends", type=comma_list, default="h100,h200,groq-v1x72,lp30x64", metavar="A,B,...")
    add("--decoders", nargs="*", default=["moe:experts=8,active=2", "diffusion:steps=8,block=32"], metavar="WHAT-IF",
        help="beside Whisper's own (default: %(default)s)")  # fmt: skip
    add("--out", type=Path, help="HTML file to write")


def run_speed(args: argparse.Namespace) -> int:
    """Answer one question."""
    return args.answer(args)


def show_records(title: str, records: Iterable[Any], progress: bool = False) -> list[Any]:
    """Print a table of dataclasses, a column for each field and property, and return them.

    What has no place in `repr` has none in the table. progress: each row also to stderr, as soon as it is there.
    """
    kept: list[Any] = []
    rows: list[list[str]] = []
    names: list[str] = []
    for record in records:
        kept.append(record)
        names = [one.name for one in fields(record) if one.repr]
        names += [name for name, value in vars(type(record)).items() if isinstance(value, property)]
        rows.append([_text(getattr(record, name)) for name in names])
        if progress:
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    columns = [name.replace("_", " ") + ("" if isinstance(getattr(kept[0], name), str) else ">") for name in names]
    show_table(title, columns, rows)
    sys.stdout.flush()
    return kept


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) and value > 1 else str(value)


def _answer_engine(args: argparse.Namespace) -> int:
    for name in args.only:
        if name not in TABLES:
            raise unknown("section", name, TABLES)
    if args.out:
        store.check_folder(args.out)
    import torch

    from ...datasets import open_dataset
    from ...speech.asr.model import load_recogniser
    from ..speed import ceiling, costs, rivals

    began = time.monotonic()
    torch.set_num_threads(args.threads)
    most = ceiling.measure_ceilings(CLOCKS[args.clock])
    settings = f"{args.threads} threads, {args.clock} time, {args.repeats} repeats; torch {torch.__version__}"
    rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in most.flops.items())
    print(f"{settings}\nmatrix products in GFLOP/s: {rates}; memory: {most.bytes_per_s / 1e9:.1f} GB/s\n", flush=True)
    talks = [entry.load() for entry in open_dataset("talks")]
    case = Case(load_recogniser(args.model), talks, CLOCKS[args.clock], args.repeats)
    heads, few = replace(case, recordings=first_seconds(talks, TALK_S)), replace(case, recordings=talks[:TALKS])
    found: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures: dict[str, Callable[[], Iterable[Any]]] = {
            "compare": lambda: rivals.compare(heads, folder, most, args.windows, args.count),
            "drafts": lambda: costs.drafts(few),
            "cache": lambda: costs.cache_gains(heads, folder / "cache"),
            "growth": lambda: costs.growth(heads),
            "encoder": lambda: ceiling.encoder_rates(case, most),
            "memory": lambda: costs.memory(args.model, args.hours, min(args.hours, args.hear_hours)),
            "all-talks": lambda: costs.drafts(case, (10.0,), slides=None),
        }
        for key in filter(args.only.__contains__, measures):
            found[key] = show_records(TABLES[key], measures[key](), progress=True)
            if args.out:  # after each table: what is measured is not lost with what follows
                _store(args, {"ceilings": asdict(most), "sections": found}, time.monotonic() - began)
    if figures := bars(found):
        show_records("Bars", figures)
    return 0


def _answer_sweep(args: argparse.Namespace) -> int:
    from ..speed.sweeps import measure_sweep  # torch takes seconds

    rows = (measure_sweep(positive_count(calls)) for calls in args.calls)
    show_records("A sweep beside its inference: processor time, and the peak of each process", rows, progress=True)
    return 0


def bars(found: Mapping[str, Sequence[Any]]) -> list[Figure]:
    """Return the figures that have a bar, from the rows of each table."""
    from ..speed import costs, rivals

    figures = rivals.bars(found.get("compare", ()))
    for row in found.get("encoder", ()):
        what = f"encoder, {row.calls} in {row.precision}"
        figures.append(Figure(what, row.percent_of_peak, "% of products", at_least=ENCODER_BAR))
    for row in [*found.get("drafts", ()), *found.get("all-talks", ())]:
        what = f"drafts, {row.calls} calls of {row.window_s:g} s"
        figures.append(Figure(f"{what}: passes", row.factor, "x", at_least=costs.PASSES_BAR))
        figures.append(Figure(f"{what}: texts that differ", row.differing_texts, "", at_most=0))
    for row in found.get("cache", ()):
        what = f"cache, {row.calls} calls of {row.window_s:g} s"
        figures.append(Figure(what, row.factor.middle, "x", at_least=costs.CACHE_BAR))
    for row in found.get("memory", ())[-1:]:
        figures.append(Figure(f"memory, {row.heard_hours:g} h heard", row.peak_gb, "GB", costs.MEMORY_BAR_GB))
    return figures


def _store(args: argparse.Namespace, kept: dict[str, Any], elapsed_s: float) -> None:
    """Write the raw values of the tables so far."""
    from ..experiment.records import describe_machine

    settings = {key: value for key, value in vars(args).items() if key not in ("out", "answer")}
    environment = describe_machine() | {"wall_s": elapsed_s}
    stored = {"schema": 3, "environment": environment, "settings": settings, **kept}
    store.write_whole(args.out / "engine_speed.json", store.encode(stored, indent=1) + "\n")


def _answer_parity(args: argparse.Namespace) -> int:
    import torch

    from ...datasets import open_dataset
    from ...speech.asr.hypothesis import DecodeOptions
    from ...speech.asr.model import load_recogniser
    from ..speed import rivals

    for mode in args.modes:
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
    torch.set_num_threads(count_cores())
    model = load_recogniser(args.model)
    recordings = [entry.load() for entry in list(open_dataset(args.dataset))[: args.recordings]]
    case, windows_s = Case(model, recordings, repeats=1), [*args.windows, *([rivals.WHOLE_S] if args.whole else [])]
    for mode in args.modes:
        options = DecodeOptions() if mode == "fallback" else DecodeOptions(temperatures=(0.0,))
        engines = {"earspan": rivals.earspan_engine(model, options), rivals.OPENAI: rivals.openai_loop(model, options)}
        title = f"{args.model} on {args.dataset}, {MODES[mode]}; 0 s: whole recordings"
        for row in show_records(title, rivals.parity(case, windows_s, engines), progress=True):
            for theirs, ours in row.differing if mode == "zero" else ():  # sampled texts differ
                print(f"  ours:   {ours}\n  theirs: {theirs}", file=sys.stderr)
    return 0


def _answer_simulation(args: argparse.Namespace) -> int:
    from ..speed.simulation import measure_alone, serving_figures, timing_figures

    figures = measure_alone(serving_figures if args.question == "serving" else timing_figures)
    if args.json:
        print(json.dumps([asdict(figure) | {"met": figure.met} for figure in figures], indent=2))
    else:
        show_records(f"How fast the simulation itself is: {args.question}", figures)
    return int(any(figure.met is False for figure in figures))


def _answer_batch(args: argparse.Namespace) -> int:
    from ..speed.batch import batch_effects, batch_page

    panels = batch_effects(args.model, args.backends, args.decoders)
    for name, rows in panels.items():
        show_records(f"{args.model}, {name}, decode steps alone, simulated", rows)
    if args.out:
        args.out.write_text(batch_page("What a batch buys", panels), encoding="utf-8")
    return 0
