"""`earspan measure`: live streams on a real server, at the pace of speech."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from ...backends.measured.address import KEYS
from ...backends.workload.cutting import STRATEGIES
from ..experiment import store
from ..measure.measure import measure
from ..measure.settings import SLO_ON, Measurement
from ..measure.words import conclude, list_loads, name_measured
from ..report.terminal import show_table
from ..results.wording import neutralise
from .options import add_budget_arguments, comma_list, positive_count, positive_seconds, seed
from .progress import Terminal

_DETECT = "auto"


def counts(text: str) -> list[int]:
    """Return whole numbers from 1 on from a comma-separated list."""
    return [positive_count(item) for item in comma_list(text)]


def add_measure_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan measure`."""
    add, seconds = parser.add_argument, {"type": positive_seconds, "metavar": "S"}
    add("target", metavar="TARGET", help="realtime:wss://HOST/v1/realtime#MODEL, wlk:ws://HOST:PORT/asr, or "
        f"openai:https://HOST/v1#MODEL; the key comes from the environment: {' or '.join(KEYS)}")  # fmt: skip
    add("--streams", type=counts, default=[1], metavar="N,N,...", help="live recordings at once (default: 1)")
    add("--ramp", action="store_true", help="find the most streams that keep the SLO, by doubling and bisecting")
    add("--most", dest="most_streams", type=positive_count, default=256, metavar="N", help="of a ramp (default: 256)")
    add("--slo", dest="slo_s", help="what 95 of 100 words must keep", **seconds)
    add("--slo-on", choices=SLO_ON, default="word",
        help="final words, words that stay as they are, or final segments (default: word)")  # fmt: skip
    add("--seconds", default=60.0, help="of each recording (default: 60)", **seconds)
    add("--dataset", default="talks-clean", metavar="NAME", help="what is played (default: talks-clean)")
    add("--chunk", dest="chunk_s", default=0.1, help="audio that is sent at a time (default: 0.1)", **seconds)
    add("--stagger", dest="stagger_s", type=float, default=2.0, metavar="S",
        help="streams begin within so long, each when it is drawn (default: 2)")  # fmt: skip
    add("--language", default="en", metavar="CODE", help=f"of the speech; {_DETECT}: the server detects it")
    add("--commit", dest="commit_s", help="realtime: transcribe every so many seconds (default: the server cuts)",
        **seconds)  # fmt: skip
    add("--patience", dest="patience_s", default=30.0, help="that the server may take (default: 30)", **seconds)
    add_budget_arguments(parser)
    add("--strategy", default="sliding", choices=STRATEGIES,
        help="openai: and of the simulation: how audio is cut (default: sliding)")  # fmt: skip
    add("--window", dest="window_s", default=10.0, help="of the strategy (default: 10)", **seconds)
    add("--step", dest="step_s", default=1.0, help="of sliding windows (default: 1)", **seconds)
    add("--beside", type=comma_list, default=[], metavar="A,B,...", help="backends to simulate under the same loads")
    add("--timed-as", default="tiny.en", metavar="SIZE", help="Whisper that is simulated (default: tiny.en)")
    add("--seed", type=seed, default=0, help="of what is played, and when (default: 0)")
    add("--out", type=Path, default=Path("runs/measure"), metavar="FOLDER", help="default: %(default)s")
    add("--json", action="store_true", help="print results.json instead of the table")


def run_measure(args: argparse.Namespace) -> int:
    """Measure, and print what came of it. Exit code 1: something failed, a late pace, or the budget ended it."""
    given: dict[str, Any] = {one.name: getattr(args, one.name) for one in fields(Measurement)}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    given["language"] = None if args.language == _DETECT else args.language
    found = measure(Measurement(**given), args.out, Terminal())
    if args.json:
        print(store.encode(found, indent=1))
    else:
        table = list_loads(found)
        show_table(name_measured(found), table.columns, table.rows)
        print("\n".join(map(neutralise, conclude(found))))
        print(args.out / "report.html")
    return 0 if found.is_clean else 1
