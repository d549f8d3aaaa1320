"""`earspan claims`: the interview's claims, each with a verdict that follows from figures."""

import argparse
from pathlib import Path

from ...backends.errors import InputError
from ..claims.check import CLAIMS, check_claims
from ..claims.page import print_findings, write_page
from ..experiment import store
from ..report.tables.table import Table
from ..report.terminal import show_table
from .options import positive_count
from .progress import Terminal


def add_claims_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `earspan claims`."""
    add = parser.add_argument
    add("numbers", nargs="*", type=positive_count, metavar="NUMBER", help=f"1 to {len(CLAIMS)}; none: all, minutes")
    add("--out", type=Path, metavar="FILE.md", help="write the page of all claims")
    add("--json", action="store_true", help="print JSON instead of tables")


def run_claims(args: argparse.Namespace) -> int:
    """Hold claims against the models, print what was found, and write the page."""
    numbers = tuple(dict.fromkeys(args.numbers))
    if args.out and numbers:
        raise InputError("--out writes the page of all claims; leave out their numbers")
    if args.out and args.out.is_dir():
        raise InputError(f"--out {args.out} is a folder; expected a file, such as claims.md")
    if args.out:
        store.check_folder(args.out.parent)
    found = check_claims(*numbers, progress=Terminal())
    if args.out:
        store.write_whole(args.out, write_page(found))
    if args.json:
        print(store.encode(found, indent=1))
    else:
        print_findings(found, _show)
    return 0


def _show(table: Table) -> None:
    show_table(table.title, table.columns, table.rows)
