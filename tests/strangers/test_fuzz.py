"""Parsers fed damaged files, the same on every machine; others, and longer, by hand: `python -m tests.strangers.fuzz 600 SEED`."""

import os
import subprocess
import sys
from pathlib import Path

ROUNDS = 300


def test_no_parser_raises_anything_but_input_errors_in_bounded_memory() -> None:
    # in a process of its own: what libsndfile does with damaged files might end it
    command = [sys.executable, "-m", f"{__package__}.fuzz", f"{ROUNDS}x"]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    with process.stdout as out:
        told = out.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # wait4 has told, so that nobody else can be asked
    assert process.returncode == 0, told
    assert usage.ru_maxrss / 1024 <= 1000, told  # ten thousand files later, with two models and all caches in it
