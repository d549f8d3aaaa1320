"""The `earspan` command. Exit code 0: done. 1: done, but some recordings failed. 2: bad input, nothing written."""

import argparse
import importlib
import os
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from ..backends.errors import InputError, unknown

# Modules are imported when their command is used: `earspan devices` should not wait for torch.
COMMANDS = (
    "bench", "curve", "strategies", "study", "evaluate", "live", "capacity", "time", "devices", "datasets", "score",
    "compare", "report", "convert", "weights", "cache",
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; type {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except InputError as error:
        print(f"earspan: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("earspan: interrupted; transcripts made so far are kept, run it again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if argv[0] == "--version":
        print(f"earspan {version('earspan')}")
        return 0
    if argv[0] not in COMMANDS:
        raise unknown("command", argv[0], COMMANDS)
    command = importlib.import_module(f".{argv[0]}", __package__)
    parser = Parser(prog=f"earspan {argv[0]}", description=command.__doc__, allow_abbrev=False)
    command.add_arguments(parser)
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="options from a file; typed ones win")
    given = argv[1:]
    try:
        early, _ = parser.parse_known_args(given)
        if early.config:
            given = _config_arguments(parser, early.config) + given
        return command.run(parser.parse_args(given))
    except SystemExit as asked_for_help:
        return int(asked_for_help.code or 0)


def _overview() -> str:
    lines = ["usage: earspan COMMAND [OPTIONS]; earspan COMMAND --help", ""]
    for name in COMMANDS:
        lines.append(f"  {name:10} {importlib.import_module(f'.{name}', __package__).HELP}")
    return "\n".join(lines)


def _config_arguments(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """The options of a TOML file as they would be typed: `step = 0.5` becomes `--step 0.5`."""
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    known = {option.removeprefix("--") for option in parser._option_string_actions if option.startswith("--")}
    arguments = []
    for key, value in options.items():
        if key not in known - {"config", "help"}:
            raise InputError(f"{path}: {unknown('option', key, known - {'config', 'help'})}")
        arguments += _typed(path, key, value)
    return arguments


def _typed(path: Path, key: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{key}"] if value else []
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        value = ",".join(map(str, value))
    if not isinstance(value, (str, int, float)):
        raise InputError(f"{path}: {key} is a {type(value).__name__}; expected a text, a number or a list of them")
    return [f"--{key}={value}"]


if __name__ == "__main__":
    sys.exit(main())
