"""Every parser fed damaged copies of what it reads: it may only return, or refuse in one line.

`python -m tests.strangers.fuzz SECONDS [SEED]` prints how many inputs each parser met in how many seconds, and of what raised
anything else an input and its traceback for each place. `python -m tests.strangers.fuzz ROUNDSx [SEED]` stops after so many rounds instead,
and so meets the same inputs on every machine. Damage is done by a generator seeded by round, so that a finding can be
had again.
"""

import random
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from .parsers import Parser, find_parsers

_SLOW_S = 10  # of processor time, which a busy machine does not stretch
_TOKENS = (b"\0", b"\xff", b"{", b"}", b"[", b'"', b",", b":", b"-", b"1e400", b"NaN", b"null", b"\n", b"\\ud800",
           b"../", b"/dev/zero", b"9" * 400, b"true", b"=", b"\x1b[2J")  # fmt: skip
# What a field may hold instead of what belongs there, as JSON; TOML writes the most of it alike.
_VALUES = (b"9" * 400, b"-" + b"9" * 400, b"9" * 5000, b"-1", b"0", b"1e308", b"-1e308", b"1e-320", b"1e400", b"NaN",
           b"inf", b'""', b'"\\ud800"', b'"\\u0000"', b'"a\\nb"', b'"\\u001b[2J"', b'"1"', b'"nan"', b"[]", b"[[]]",
           b"{}", b"null", b"true", b"2147483648", b"9223372036854775808", b'"' + b"x" * 5000 + b'"')  # fmt: skip
_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|\b(?:true|false|null)\b|\[\]|\{\}')


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return a copy with one to three values swapped for odd ones, or with bytes changed, cut, doubled, or moved."""
    return _swap(content, rng) if rng.random() < 0.5 else _tear(content, rng)


def _swap(content: bytes, rng: random.Random) -> bytes:
    """Put odd values where values are: what a file holds that is whole, and wrong."""
    for _ in range(rng.randint(1, 3)):
        place = _SCALAR.search(content, rng.randrange(len(content) + 1)) or _SCALAR.search(content)
        if place is None:
            return _tear(content, rng)
        content = content[: place.start()] + rng.choice(_VALUES) + content[place.end() :]
    return content


def _tear(content: bytes, rng: random.Random) -> bytes:
    held = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randrange(len(held) + 1), min(len(held), rng.randrange(len(held) + 1))))
        to = min(to, at + rng.choice((1, 4, 64, 1 << 20)))
        match rng.randrange(6):
            case 0 if held:
                held[rng.randrange(len(held))] = rng.randrange(256)
            case 1:
                del held[at:to]
            case 2:
                held[at:at] = held[at:to][: 1 << 16]
            case 3:
                held[at:at] = rng.choice(_TOKENS)
            case 4:
                del held[at:]
            case _:
                held[at:to] = rng.choice(_TOKENS)
    return bytes(held)


def run(seconds: float, rounds: int | None, seed: int) -> tuple[dict[str, list[float]], list[str]]:
    """Return the seconds that each parser took for each input, and what went wrong: one of each kind."""
    met: dict[str, list[float]] = {}
    found, until_s, done = dict[str, str](), time.monotonic() + seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        parsers = find_parsers(Path(folder))
        while time.monotonic() < until_s if rounds is None else done < rounds:
            for parser in parsers:
                if done % parser.every == 0:
                    damaged = damage(parser.whole, random.Random(f"{seed} {done} {parser.name}"))
                    began_s = time.monotonic()
                    problem = _meet(parser, damaged)
                    met.setdefault(parser.name, []).append(time.monotonic() - began_s)
                    if problem:
                        kind = f"{parser.name} {problem.rpartition('  File ')[2][:200]}"
                        about = f"seed {seed}, round {done}, {parser.name}: {problem}\n{damaged[:400]!r}\n"
                        found.setdefault(kind, about)
            done += 1
    return met, list(found.values())


def _meet(parser: Parser, damaged: bytes) -> str:
    """Return what is wrong with how a parser takes an input; empty if nothing is."""
    parser.path.write_bytes(damaged)
    began_s = time.process_time()
    try:
        parser.parse(parser.path)
    except parser.refuses as error:
        if not str(error) or not str(error).isprintable():
            return f"not one printable line: {error!r}"
    except Exception:  # noqa: BLE001  what is looked for
        return traceback.format_exc()
    finally:
        parser.path.write_bytes(parser.whole)
    took_s = time.process_time() - began_s
    return f"{took_s:.0f} s" if took_s > _SLOW_S else ""


if __name__ == "__main__":
    asked, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    bound: dict[str, Any] = {"seconds": 0.0, "rounds": None}
    bound |= {"rounds": int(asked[:-1])} if asked.endswith("x") else {"seconds": float(asked)}
    taken_s, problems = run(**bound, seed=seed)
    print(*(f"{name:36} {len(each):>9,} {sum(each):9.1f} s" for name, each in taken_s.items()), sep="\n")
    print(*problems, sep="\n")
    sys.exit(1 if problems else 0)
