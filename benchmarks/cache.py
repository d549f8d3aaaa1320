"""`earspan cache`: what is kept of earlier runs, and how to get rid of it."""

import argparse
import json
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from ..backends.errors import InputError
from ..speech.asr.cache import Holding, TranscriptCache, clear, default_cache_path
from .tables import show_table

HELP = "transcripts kept from earlier runs: info, prune, clear"
ACTIONS = ("info", "prune", "clear")
_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=ACTIONS, help="info: list; prune: delete what is old or too much; clear: delete all")
    add("--path", type=Path, default=default_cache_path(), metavar="FOLDER", help="default: %(default)s")
    add("--keep", type=_size, metavar="SIZE", help="prune: keep the newest of this size, for example 500M or 2G")
    add("--days", type=_days, metavar="N", help="prune: delete what is older than N days")
    add("--engine", metavar="NAME", help="prune: delete what this engine made, as `info` names it")
    add("--json", action="store_true", help="info: print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked. Nothing is created where there is no cache."""
    limits = {"--keep": args.keep, "--days": args.days, "--engine": args.engine}
    given = [name for name, value in limits.items() if value is not None]
    if args.action != "prune" and given:
        raise InputError(f"cache {args.action} takes no {given[0]}; type earspan cache prune {given[0]} ...")
    if args.action == "prune" and not given:
        raise InputError("cache prune: nothing to go by; type for example earspan cache prune --days 30, or --keep 1G")
    if args.action == "clear":
        clear(args.path)
        print(f"{args.path}: empty")
        return 0
    cache = TranscriptCache(args.path) if (args.path / "index.sqlite").exists() else None
    if args.action == "prune":
        older_than_s = None if args.days is None else args.days * 86_400
        freed = cache.prune(args.keep, older_than_s, args.engine) if cache else 0
        print(f"{args.path}: {_bytes(freed)} freed")
        return 0
    _show(args.path, cache.holdings() if cache else [], args.json)
    return 0


def _show(path: Path, holdings: list[Holding], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"path": str(path), "holdings": [asdict(holding) for holding in holdings]}, indent=2))
        return
    total = sum(holding.size_bytes for holding in holdings)
    print(f"{path}: {sum(holding.transcripts for holding in holdings):,} transcripts, {_bytes(total)}\n")
    rows = [
        [
            holding.origin.model,
            holding.origin.checkpoint[:12],
            holding.origin.engine,
            f"{holding.transcripts:,}",
            _bytes(holding.size_bytes),
            f"{datetime.fromtimestamp(holding.last_at_s):%Y-%m-%d %H:%M}",
        ]
        for holding in holdings
    ]
    show_table("Transcripts", ("model", "checkpoint", "engine", "transcripts>", "size>", "last"), rows)


def _bytes(size: float) -> str:
    unit, factor = next((item for item in reversed(_UNITS.items()) if size >= item[1]), ("", 1))
    return f"{size / factor:.3g} {unit}B"


def _size(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)B?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; expected for example 500M or 2G")
    return float(match[1]) * _UNITS[match[2]]


def _days(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} days; expected 0 or more")
    return value
