"""`earspan weights`: official Whisper weights here and elsewhere, and whether they are the real ones."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from ..backends.errors import InputError
from ..speech.weights.locate import OPENAI_CACHE, from_source, in_openai_cache, located, renewed
from ..speech.weights.sources import Official, official, officials, sources_of
from ..speech.weights.store import problem, stored, weights_folder
from .tables import show_table

HELP = "official Whisper weights: list, fetch, verify, path"
FORMATS = ("openai", "ct2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    path.add_argument("--format", default="openai", choices=FORMATS, help="openai: a file; ct2: CTranslate2's folder")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 1 if `verify` finds something wrong."""
    if args.action == "list":
        _list(args.json)
        return 0
    if args.action == "verify":
        return _verify(args.names, args.all_sources, args.json)
    if args.action == "path":
        print(_path(args.name, args.format))
        return 0
    for model in map(official, args.names):
        found = from_source(model.name, args.source) if args.source else renewed(model.name)
        print(f"{model.name}: {found.path} (from {found.source}; SHA-256 checked)")
    return 0


def _list(as_json: bool) -> None:
    rows = [row for model in officials().values() for row in _present(model) or [_row(model)]]
    if as_json:
        print(json.dumps({"folder": str(weights_folder()), "models": rows}, indent=2))
        return
    shown = [
        [
            row["model"],
            row["source"] or "not here",
            f"{row['size_bytes'] / 1e6:,.1f}" if row["size_bytes"] else "",
            row["problem"] or row["path"] or "",
            ", ".join(row["sources"]),
        ]
        for row in rows
    ]
    columns = ("model", "here, from", "MB>", "file", "can be fetched from")
    show_table("Official Whisper models (files are not hashed here: earspan weights verify)", columns, shown)


def _present(model: Official) -> list[dict[str, Any]]:
    theirs = in_openai_cache(model)
    rows = [_row(model, OPENAI_CACHE, theirs, theirs.stat().st_size)] if theirs.is_file() else []
    for kept in stored(model.model):
        rows.append(_row(model, kept.source, kept.checkpoint, kept.size_bytes, problem(kept, hashed=False)))
    return rows


def _row(model: Official, source: str | None = None, path: Any = None, size_bytes: int = 0, wrong: str | None = None):
    sources = [known.name for known in sources_of(model.model)]
    named = {"model": model.name, "source": source, "path": path and str(path), "size_bytes": size_bytes}
    return {**named, "problem": wrong, "sources": sources}


def _verify(names: list[str], all_sources: bool, as_json: bool) -> int:
    from ..speech.weights.verify import verified  # torch takes seconds

    models = [official(name) for name in names] or [
        model for model in officials().values() if model.name == model.model and _present(model)
    ]
    findings = [finding for model in models for finding in verified(model, all_sources=all_sources)]
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


def _path(name: str, form: str) -> str:
    found = located(name)
    if form == "openai":
        return str(found.path)
    if found.ct2:
        return str(found.ct2)
    from ..speech.asr.ct2_format import converted  # torch takes seconds
    from ..speech.asr.model import load_recogniser

    return str(converted(load_recogniser(name), "float16"))
