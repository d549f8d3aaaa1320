"""`earspan`: finds the command, tells what is wrong in one line, and returns the exit code.

0 done, 1 done in part, 2 cannot be done as asked and nothing is lost, 130 interrupted.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from ...backends.errors import InputError, unknown
from ...backends.reading import read_toml
from ..experiment.store import refuse_url
from ..results.wording import neutralise

# Name, module, and what it does. Modules are imported when their command is used: nobody should wait for torch.
COMMANDS = {
    "bench": ("experiments", "the headline: spans of several backends, and the WER that follows"),
    "curve": ("experiments", "word error rate against the window: the reference curve"),
    "strategies": ("experiments", "which way of cutting live audio errs least, at what latency"),
    "study": ("experiments", "the whole comparison of strategies, on three backends"),
    "evaluate": ("experiments", "WER, its interval and its errors, of one model, backend and strategy over datasets"),
    "sweep": ("sweeps", "many experiments: models, datasets, strategies and windows, over all cores or a cluster"),
    "live": ("live", "captions of a recording in real time, as a backend would show them"),
    "replay": ("live", "a recording of a run as a page: its audio, and the captions of up to four settings beside it"),
    "measure": ("measure", "live streams on a real server, at the pace of speech: latency, WER, how many it carries"),
    "capacity": ("capacity", "streams, latency, WER, cost and energy of GPU, LPU and hybrid servers; fleets"),
    "recommend": (
        "capacity",
        "the cheapest hardware, window and step that keep an SLO and an error rate",
    ),
    "claims": ("claims", "the interview's claims, each held against the models and the measured curve"),
    "time": ("planning", "predict the time of one Whisper call on one device"),
    "devices": ("planning", "list devices, or every figure of one with its source"),
    "datasets": ("datasets", "list the known datasets, or the recordings of one"),
    "score": ("runs", "score a stored run again, without inference"),
    "submit": ("runs", "a stored run as a row of the leaderboard, with its checks"),
    "compare": ("runs", "two evaluations of the same data: is the difference significant?"),
    "report": ("runs", "write the page of a run again"),
    "weights": ("models", "official Whisper weights: list, fetch, verify, path"),
    "convert": ("models", "write a Whisper for CTranslate2 and faster-whisper"),
    "cache": ("models", "transcripts kept from earlier runs: info, prune, clear"),
    "speed": ("speed", "how fast this machine hears, beside its ceiling and other engines"),
    "validate-here": ("calibrate", "the same calls simulated and measured on this machine, with a verdict"),
    "calibrate": ("calibrate", "measure a GPU, and fit the device models to it"),
}


_LONGEST = 2000  # characters of a message: what was given may be longer than anyone reads


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        """Raise it as `InputError`."""
        raise InputError(f"{message}; type {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except InputError as error:
        print(f"earspan: {neutralise(str(error))[:_LONGEST]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("earspan: interrupted; transcripts made so far are kept, run it again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: earspan COMMAND [OPTIONS]; earspan COMMAND --help\n")
        widest = max(map(len, COMMANDS))
        print("\n".join(f"  {name:{widest}} {about}" for name, (_, about) in COMMANDS.items()))
        return 0
    if argv[0] == "--version":
        print(f"earspan {version('earspan')}")
        return 0
    if argv[0] not in COMMANDS:
        raise unknown("command", argv[0], COMMANDS)
    given = argv[1:]
    parser = parser_of(argv[0])
    try:
        early, _ = parser.parse_known_args(given)
        if early.config:
            given = _config_arguments(parser, early.config) + given
        args = parser.parse_args(given)
        for value in vars(args).values():
            if isinstance(value, Path):
                refuse_url(value)
        return getattr(_module_of(argv[0]), f"run_{_plain(argv[0])}")(args)
    except SystemExit as asked_for_help:
        return int(asked_for_help.code or 0)


def parser_of(command: str) -> Parser:
    """Return the parser of a command's options."""
    parser = Parser(prog=f"earspan {command}", description=f"{COMMANDS[command][1]}.", allow_abbrev=False)
    getattr(_module_of(command), f"add_{_plain(command)}_arguments")(parser)
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="options from a file; typed ones win")
    return parser


def _module_of(command: str) -> Any:
    return importlib.import_module(f".{COMMANDS[command][0]}", __package__)


def _plain(command: str) -> str:
    """Return the command as a part of a Python name."""
    return command.replace("-", "_")


def _config_arguments(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """The options of a TOML file as they would be typed: `step = 0.5` becomes `--step 0.5`."""
    options = read_toml(path)
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
