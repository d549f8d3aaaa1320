"""`earspan capacity`: many live streams, or who else asks; `earspan recommend`: which hardware a demand takes."""

import argparse
from dataclasses import fields
from pathlib import Path

from ...backends.errors import InputError
from ...backends.registry import get_backend
from ...backends.serving.cost import read_price
from ...backends.serving.server import BATCHING
from ...backends.serving.simulate import QUANTILES
from ...backends.workload.workload import PADDINGS
from ..capacity.other_users import study_agent, study_synthesis
from ..capacity.records import write_study
from ..capacity.settings import CapacitySettings
from ..capacity.study import study_capacity
from ..capacity.tables import list_other_use, print_study
from ..experiment import store
from ..recommend.answer import recommend
from ..recommend.demand import MEASURES, Demand
from ..recommend.summary import print_recommendation
from ..recommend.weigh import weigh_strategies
from ..recommend.words import print_weighing
from ..report.terminal import show_table
from .options import comma_list, positive_count, positive_seconds, seconds_list, seed
from .progress import Terminal

WORKLOADS = ("captions", "synthesis", "agent")
_DEFAULT = CapacitySettings()


def add_capacity_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan capacity`."""

    def add(flag: str, name: str, about: str, **how: object) -> None:
        value = getattr(_DEFAULT, name)
        shown = ",".join(map(_show, value)) if isinstance(value, tuple) else _show(value)
        about = about if isinstance(value, bool) or value in (None, ()) else f"{about} (default: {shown})"
        parser.add_argument(flag, dest=name, default=value, help=about, **how)  # type: ignore[arg-type]

    add("--timed-as", "timed_as", "Whisper size that is served", metavar="SIZE")
    add("--backends", "backends", "what serves", type=comma_list, metavar="A,B,...")
    add("--price", "prices", "dollars for a card or chip and hour: h100=2.5,groq-v1=0.4..2, else of device files",
        type=comma_list, metavar="DEVICE=USD,...")  # fmt: skip
    add("--wer", "wer_run", "what says the WER: a run, or a dataset of the reference curve (default: talks-clean)",
        metavar="RUN|DATASET")  # fmt: skip
    add("--strategies", "strategies", "ways of cutting audio; fleets are of the first", type=comma_list,
        metavar="A,B,...")  # fmt: skip
    add("--window", "window_s", "window where latency varies", type=positive_seconds, metavar="S")
    add("--latency", "latency_s", "latency of 99 of 100 words where the window varies", type=positive_seconds,
        metavar="S")  # fmt: skip
    add("--windows", "windows_s", "windows compared", type=seconds_list, metavar="S,S,...")
    add("--latencies", "latencies_s", "latencies compared", type=seconds_list, metavar="S,S,...")
    add("--loads", "loads", "loads whose spans are planned and simulated", type=comma_list,
        metavar="STREAMSxSTEP,...")  # fmt: skip
    add("--tiers", "tiers", "parts of a fleet's streams, what each is promised, the most WER", type=comma_list,
        metavar="NAME=SHARE:S[:WER],...")  # fmt: skip
    add("--elasticity", "elasticity", "price elasticity of demand: what cheaper hours do to all work", type=float,
        metavar="E")  # fmt: skip
    add("--padding", "padding", "pad calls to 30 s, or fit them", choices=PADDINGS)
    add("--activity", "activity", "part of the time that is speech", type=float, metavar="PART")
    add("--skip-silence", "skip_silence", "no calls while nobody speaks", action="store_true")
    add("--batching", "batching", "how GPUs form batches (default: as their runtime does)", choices=BATCHING)
    add("--max-batch", "max_batch", "calls served together at most", type=positive_count)
    add("--max-wait", "max_wait_s", "a call's wait for others", type=float, metavar="S")
    add("--seed", "seed", "of phases and jitter", type=seed)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/capacity"), metavar="FOLDER", help="default: %(default)s"
    )
    who = "captions of live speech (default), speech synthesis, an agent's nested calls"
    parser.add_argument("--workload", default="captions", choices=WORKLOADS, help=f"who asks: {who}")
    parser.add_argument("--json", action="store_true", help="print results.json instead of tables")


def run_capacity(args: argparse.Namespace) -> int:
    """Study what backends carry, write results.json and the page, and print what they say."""
    if args.workload != "captions":
        _print_other_use(args)
        return 0
    from ..capacity.page import write_capacity_page  # charts take a second

    names = [one.name for one in fields(CapacitySettings) if hasattr(args, one.name)]
    settings = CapacitySettings(**{name: getattr(args, name) for name in names})
    store.check_folder(args.out)
    study = study_capacity(settings, Terminal())
    write_study(args.out, study)
    page = write_capacity_page(args.out, study)
    if args.json:
        print(store.encode(study, indent=1))
    else:
        print_study(study)
        print(f"\n{page}")
    return 0


def _print_other_use(args: argparse.Namespace) -> None:
    backends, prices = list(map(get_backend, args.backends)), dict(map(read_price, args.prices))
    synthesis = args.workload == "synthesis"
    use = study_synthesis(backends, prices, seed=args.seed) if synthesis else study_agent(backends, prices)
    if args.json:
        print(store.encode(use, indent=2))
    else:
        table = list_other_use(use)
        show_table(table.title, table.columns, table.rows)


def _show(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def add_recommend_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan recommend`."""
    add, default = parser.add_argument, Demand()
    add("--streams", type=positive_count, default=default.streams, metavar="N", help="live recordings (default: 1)")
    add("--latency", dest="latency_s", type=positive_seconds, default=default.latency_s, metavar="S",
        help="from the end of a word until it is shown (default: 3)")  # fmt: skip
    add("--quantile", type=float, default=default.quantile, choices=QUANTILES,
        help="part of the words that keep it (default: 0.99)")  # fmt: skip
    add("--wer-within", type=float, default=100 * default.wer_within, metavar="POINTS",
        help="word error rate at most so many points above the best measured (default: 1)")  # fmt: skip
    add("--model", default=default.model, metavar="SIZE", help="Whisper that is served (default: large-v3)")
    add("--backends", type=comma_list, default=default.backends, metavar="A,B,...",
        help=f"what may be used (default: {','.join(default.backends)})")  # fmt: skip
    add("--price", dest="prices", type=comma_list, default=(), metavar="DEVICE=USD,...",
        help="dollars for a card or chip and hour: h100=2.5,groq-v1=0.4..2, else of device files")  # fmt: skip
    add("--budget", dest="budget_usd_per_h", type=positive_seconds, metavar="USD", help="at most so much an hour")
    add("--least", dest="measure", default=default.measure, choices=MEASURES, help="what is least (default: usd)")
    add("--headroom", type=float, default=default.headroom, metavar="PART",
        help="part of a server's capacity that stays free (default: 0.1)")  # fmt: skip
    add("--padding", default=default.padding, choices=PADDINGS, help="pad calls to 30 s, or fit them (default: full)")
    add(
        "--from",
        dest="run",
        metavar="RUN|DATASET",
        help="what says the word error rates: a run, or a dataset of the reference curve (default: talks-clean)",
    )
    add(
        "--weigh",
        action="store_true",
        help="instead: what each strategy and each backend, slow to fast, make of so many streams on one server",
    )
    add("--seed", type=seed, default=default.seed, help="of phases and jitter (default: 0)")
    add("--out", type=Path, metavar="FOLDER", help="write results.json and report.html there (default: nowhere)")
    add("--json", action="store_true", help="print JSON instead of a table")


def run_recommend(args: argparse.Namespace) -> int:
    """Say which hardware a demand takes. Exit code 1: nothing keeps it, and what is nearest is told."""
    given = {one.name: getattr(args, one.name) for one in fields(Demand)}
    given |= {
        "wer_within": round(args.wer_within / 100, 12),
        "backends": tuple(args.backends),
        "prices": tuple(args.prices),
    }
    if args.weigh:
        if args.out:
            raise InputError("--out is for the recommendation; --weigh prints a table, or JSON with --json")
        weighed = weigh_strategies(Demand(**given))
        print(store.encode(weighed, indent=1)) if args.json else print_weighing(weighed)
        return 0
    found = recommend(Demand(**given), out=args.out)
    if args.json:
        print(store.encode(found, indent=1))
    else:
        print_recommendation(found)
        if args.out:
            print(args.out / "report.html")
    return 0 if found.choices else 1
