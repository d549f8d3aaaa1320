"""Settings: experiments, options, scoring rules and device files in TOML, and what is typed."""

import os
from pathlib import Path

from .case import Case


def _toml(argv: list[str], content: bytes):
    def plant(folder: Path) -> list[str]:
        (folder / "x.toml").write_bytes(content)
        return argv

    return plant


_CONFIG, _DEVICE = ["time", "--config", "x.toml"], ["time", "--backend", "./x.toml"]
_RULES = ["evaluate", "--dataset", "talks", "--backend", "none", "--normaliser", "x.toml", "--model", "random.pt"]
_DEEP = b"a = " + b"[" * 3000 + b"]" * 3000 + b"\n"
_DOTTED = b".".join([b"a"] * 20_000) + b" = 1\n"
_LONG = b"streams = " + b"9" * 5000 + b"\n"


def _fifo(argv: list[str]):
    def plant(folder: Path) -> list[str]:
        os.mkfifo(folder / "x.toml")
        return argv

    return plant


def _zeros(argv: list[str]):
    def plant(folder: Path) -> list[str]:
        (folder / "x.toml").symlink_to("/dev/zero")
        return argv

    return plant


def _typed(*argv: str):
    return lambda folder: list(argv)


def _device_of(**figures: str):
    head = 'title = "x"\nkind = "gpu"\n[figures]\n'
    rows = [f'{name} = {{ value = {value}, unit = "GB/s", basis = "published", source = "x" }}\n'
            for name, value in figures.items()]  # fmt: skip
    return _toml(_DEVICE, (head + "".join(rows)).encode())


_EACH = [("options", _CONFIG), ("a device", _DEVICE), ("scoring rules", _RULES)]
CASES = [
    *(Case(f"{what} of 3,000 nested arrays", _toml(argv, _DEEP)) for what, argv in _EACH),
    *(Case(f"{what} with a number of 5,000 digits", _toml(argv, _LONG)) for what, argv in _EACH),
    *(Case(f"{what} with a key of 20,000 parts", _toml(argv, _DOTTED)) for what, argv in _EACH),
    *(Case(f"{what} in Latin-1", _toml(argv, b'a = "caf\xe9"\n')) for what, argv in _EACH),
    *(Case(f"{what} in a pipe", _fifo(argv)) for what, argv in _EACH),
    *(Case(f"{what} in /dev/zero", _zeros(argv)) for what, argv in _EACH),
    *(Case(f"{what} of 20 MB", _toml(argv, b"# one\n" * 3_500_000)) for what, argv in _EACH),
    Case("an option that is a table", _toml(_CONFIG, b"[backend]\na = 1\n")),
    Case("an option that is a date", _toml(_CONFIG, b"backend = 2026-11-29\n")),
    Case("a figure of infinity", _device_of(memory_bandwidth="inf")),
    Case("a figure of NaN", _device_of(memory_bandwidth="nan")),
    Case("a figure of 1e400", _device_of(memory_bandwidth="1e400")),
    Case("a device without figures", _toml(_DEVICE, b'title = "x"\nkind = "gpu"\n')),
    Case("a device of an unknown kind", _toml(_DEVICE, b'title = "x"\nkind = "abacus"\n[figures]\n')),
    Case("rules that are no expression", _toml(_RULES, b'remove = ["("]\n')),
    Case("rules that are numbers", _toml(_RULES, b"remove = [1]\n")),
    Case("99,999,999 chips", _typed("time", "--backend", "groq-v1x99999999")),
    Case("chips of 400 digits", _typed("time", "--backend", "groq-v1x" + "9" * 400)),
    Case("half a pair of backends", _typed("time", "--backend", "h100+")),
    Case("a pair of pairs", _typed("time", "--backend", "h100+h100+h100+h100")),
    Case("a backend of 100,000 characters", _typed("time", "--backend", "x" * 100_000)),
    Case("a backend with an escape sequence", _typed("time", "--backend", "\x1b[2Jx")),
    Case("a module that does not import", _typed("time", "--backend", "no.such.module:name")),
    Case("a step of 1e-6 s", _typed("evaluate", "--step", "1e-6", "--window", "5", "--model", "random.pt")),
    Case("a window of 1e-9 s", _typed("evaluate", "--strategy", "disjoint", "--window", "1e-9", "--model", "random.pt")),
    Case("a window of 1e9 s", _typed("evaluate", "--window", "1e9", "--model", "random.pt")),
    Case("1e18 streams", _typed("time", "--backend", "h100", "--batch", str(10**18))),
    Case("a seed of 10,000 digits", _typed("evaluate", "--seed", "9" * 10_000, "--model", "random.pt")),
    Case("an output that is a file", lambda folder: [
        "evaluate", "--dataset", "talks", "--backend", "none", "--model", "random.pt", "--out", "random.pt"]),
    Case("an output that may not be written", lambda folder: [
        "evaluate", "--dataset", "talks", "--backend", "none", "--model", "random.pt", "--out", "/proc/x"]),
]  # fmt: skip
