"""The commands about models and what is kept of them: weights, convert, cache."""

import argparse
import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from ...backends.errors import InputError
from ...speech.asr.cache import Holding, TranscriptCache, clear, default_cache_path
from ...speech.weights.locate import OPENAI_CACHE, from_source, in_openai_cache, locate, renew
from ...speech.weights.sources import Official, official, officials, sources_of
from ...speech.weights.store import find_stored, problem, weights_folder
from ..experiment.experiment import DEFAULT_MODEL
from ..experiment.shared import find_leftovers
from ..experiment.store import check_folder, encode
from ..report.terminal import show_table
from ..results.wording import counted, neutralise

WEIGHT_FORMATS = ("openai", "ct2")


def add_weights_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of `earspan weights` and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="which official models are here, and which sources have the others")
    listing.add_argument("--json", action="store_true", help="print JSON")
    fetching = actions.add_parser("fetch", help="fetch models that are not here, or not whole")
    fetching.add_argument("names", nargs="+", metavar="NAME")
    fetching.add_argument("--source", metavar="NAME", help="from this source, also if the model is here from another")
    verifying = actions.add_parser("verify", help="hash what is here again, and hold the sources of a model together")
    verifying.add_argument("names", nargs="*", metavar="NAME", help="default: every model that is here")
    verifying.add_argument("--all-sources", action="store_true", help="fetch from every source too; it is not kept")
    verifying.add_argument("--json", action="store_true", help="print JSON")
    path = actions.add_parser("path", help="print where a model is; it is fetched if it is not here")
    path.add_argument("name", metavar="NAME")
    path.add_argument(
        "--format", default="openai", choices=WEIGHT_FORMATS, help="openai: a file; ct2: CTranslate2's folder"
    )


def run_weights(args: argparse.Namespace) -> int:
    """Do what was asked; 1 if `verify` finds something wrong."""
    if args.action == "list":
        _list_weights(args.json)
        return 0
    if args.action == "verify":
        return _verify(args.names, args.all_sources, args.json)
    if args.action == "path":
        print(_weights_path(args.name, args.format))
        return 0
    for model in map(official, args.names):
        found = from_source(model.name, args.source) if args.source else renew(model.name)
        print(f"{model.name}: {found.path} (from {found.source}; SHA-256 checked)")
    return 0


@dataclass(frozen=True, slots=True)
class WeightsListing:
    """Official weights in a list.

    source, path, size_bytes: of what is here; None and 0 where nothing is. problem: what is wrong with it.
    sources: where they can be fetched from.
    """

    model: str
    source: str | None
    path: str | None
    size_bytes: int
    problem: str | None
    sources: tuple[str, ...]


def _list_weights(as_json: bool) -> None:
    listings = [row for model in officials().values() for row in _present(model) or [_absent(model)]]
    if as_json:
        print(encode({"folder": str(weights_folder()), "models": listings}, indent=2))
        return
    rows = [
        [
            one.model,
            one.source or "not here",
            f"{one.size_bytes / 1e6:,.1f}" if one.size_bytes else "",
            one.problem or one.path or "",
            ", ".join(one.sources),
        ]
        for one in listings
    ]
    columns = ("model", "here, from", "MB>", "file", "can be fetched from")
    show_table("Official Whisper models (files are not hashed here: earspan weights verify)", columns, rows)


def _absent(model: Official) -> WeightsListing:
    return WeightsListing(model.name, None, None, 0, None, tuple(known.name for known in sources_of(model.model)))


def _present(model: Official) -> list[WeightsListing]:
    bare, theirs, found = _absent(model), in_openai_cache(model), list[WeightsListing]()
    if theirs.is_file():
        found.append(replace(bare, source=OPENAI_CACHE, path=str(theirs), size_bytes=theirs.stat().st_size))
    for kept in find_stored(model.model):
        here = {"source": kept.source, "path": str(kept.checkpoint), "size_bytes": kept.size_bytes}
        found.append(replace(bare, **here, problem=problem(kept, hashed=False)))
    return found


def _verify(names: list[str], all_sources: bool, as_json: bool) -> int:
    from ...speech.weights.verify import verify  # torch takes seconds

    models = [official(name) for name in names] or [
        model for model in officials().values() if model.name == model.model and _present(model)
    ]
    findings = [finding for model in models for finding in verify(model, all_sources=all_sources)]
    if not any(finding.reached for finding in findings):
        raise InputError(
            f"nothing to verify: no weights of {', '.join(names) or 'any official model'} here; "
            f"type earspan weights fetch {' '.join(names) or 'tiny.en'}"
        )
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        rows = [
            [finding.model, finding.source, finding.digest[:16], _verdict(finding.problem, finding.reached)]
            for finding in findings
        ]
        show_table("Weights, read again", ("model", "source", "digest over tensors", ""), rows)
    return int(any(finding.problem is not None and finding.reached for finding in findings))


def _verdict(wrong: str | None, reached: bool) -> str:
    if not reached:
        return f"not reached: {wrong}"
    return "as it should be" if wrong is None else f"WRONG: {wrong}"


def _weights_path(name: str, form: str) -> str:
    found = locate(name)
    if form == "openai":
        return str(found.path)
    if found.ct2:
        return str(found.ct2)
    from ...speech.asr.ct2_format import ensure_converted  # torch takes seconds
    from ...speech.asr.model import load_recogniser

    return str(ensure_converted(load_recogniser(name), "float16"))


def add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    from ...speech.asr.ct2_format import QUANTIZATIONS  # torch takes seconds

    parser.add_argument("model", nargs="?", default=DEFAULT_MODEL,
        help=f"an official Whisper, or a checkpoint in openai-whisper's format (default: {DEFAULT_MODEL})")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: MODEL-ct2")
    parser.add_argument("--quantization", default="float32", metavar="TYPE", help=f"{', '.join(QUANTIZATIONS)}")


def run_convert(args: argparse.Namespace) -> int:
    """Convert one checkpoint; `faster_whisper.WhisperModel(FOLDER)` loads the result."""
    from ...speech.asr.ct2_format import convert  # torch takes seconds
    from ...speech.asr.model import load_recogniser

    recogniser = load_recogniser(args.model)
    folder = args.out or Path(f"{recogniser.name}-ct2")
    check_folder(folder)
    convert(recogniser, folder, args.quantization)
    print(f"{folder}: {recogniser.name}, {args.quantization}, for CTranslate2 and faster-whisper")
    return 0


ACTIONS = ("info", "prune", "clear", "leftovers")
_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}


def add_cache_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "action",
        choices=ACTIONS,
        help="info: list; prune: delete what is old or too much; clear: delete all; "
        "leftovers: what killed writers of runs left in an object store",
    )
    add("--path", type=Path, default=default_cache_path(), metavar="FOLDER", help="default: %(default)s")
    add("--keep", type=_size, metavar="SIZE", help="prune: keep the newest of this size, for example 500M or 2G")
    add(
        "--days",
        type=_days,
        metavar="N",
        help="prune: delete what is older than N days; leftovers: the same (default: 1)",
    )
    add("--engine", metavar="NAME", help="prune: delete what this engine made, as `info` names it")
    add("--at", metavar="URL", help="leftovers: of a run, or of the folder of many, for example s3://bucket/runs")
    add("--delete", action="store_true", help="leftovers: delete them, when nobody is writing runs there")
    add("--json", action="store_true", help="info: print JSON")


def run_cache(args: argparse.Namespace) -> int:
    """Do what was asked. Nothing is created where there is no cache."""
    if args.action == "leftovers":
        return _show_leftovers(args)
    if args.at or args.delete:
        raise InputError(f"cache {args.action} takes no --at and no --delete; type earspan cache leftovers --at URL")
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
    _show_cache(args.path, cache.holdings() if cache else [], args.json)
    return 0


def _show_leftovers(args: argparse.Namespace) -> int:
    if not args.at:
        raise InputError(
            "cache leftovers: of which runs? type for example earspan cache leftovers --at s3://bucket/runs"
        )
    days = 1.0 if args.days is None else args.days
    found = find_leftovers(args.at, days * 86_400, delete=args.delete)
    for name in found:
        print(neutralise(name))
    what = f"{args.at}: {counted(len(found), 'object')} of no run, older than {counted(days, 'day')}"
    what = f"{what}, {_bytes(sum(found.values()))}"
    print(f"{what}: deleted" if args.delete else f"{what}; --delete deletes them, when nobody is writing runs there")
    return 0


def _show_cache(path: Path, holdings: list[Holding], as_json: bool) -> None:
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
