"""Commands run in processes of their own, measured from outside: exit code, what was printed, seconds, peak memory.

Starting Python and importing Earspan takes longer than most cases do, so one process imports it and forks for each.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 40  # of processor time; what is still at work then is taken for hanging
LIMIT_BYTES = 2 << 30  # of memory; what wants more is killed before the machine is in trouble


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    code: its exit code; 128 and the number of a signal that killed it.
    out, err: what it printed.
    wall_s: how long it took.
    peak_mb: the most memory that it held, with what Python and its modules take.
    """

    code: int
    out: str
    err: str
    wall_s: float
    peak_mb: float


class Sandbox:
    """A process that has everything imported and runs one command after another, each in a fork of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def run(self, argv: list[str], folder: Path) -> Outcome:
        """Return how `earspan ARGV...` ended, run in `folder`."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([argv, str(folder)]) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def _serve() -> None:
    import torch  # noqa: F401  imported once, since each import takes seconds
    from earspan.benchmarks.commands import cli
    from earspan.benchmarks.experiment import run  # noqa: F401

    for line in sys.stdin:
        argv, folder = json.loads(line)
        began_s = time.monotonic()
        out, err = (os.memfd_create(name) for name in ("out", "err"))
        if (child := os.fork()) == 0:
            _run(cli.main, argv, folder, out, err)
        _, status, usage = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(
            json.dumps(
                {
                    "code": code if code >= 0 else 128 - code,
                    "out": _read(out),
                    "err": _read(err),
                    "wall_s": time.monotonic() - began_s,
                    "peak_mb": usage.ru_maxrss / 1024,
                }
            ),
            flush=True,
        )


def _run(main, argv: list[str], folder: str, out: int, err: int) -> None:
    code = 70  # as of a traceback
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(folder)
        try:
            code = main(argv)
        except BaseException:  # noqa: BLE001  the traceback of a bug is what the test looks for
            import traceback

            traceback.print_exc()
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _read(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, min(size, 1 << 20), 0).decode(errors="surrogateescape")
    os.close(descriptor)
    return text.encode(errors="replace").decode()


if __name__ == "__main__":
    _serve()
