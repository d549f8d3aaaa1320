"""Tasks in processes of their own give what they give here, and only their own time is counted."""

import os
from pathlib import Path

import pytest
from earspan.benchmarks.speed.apart import Apart

SECOND = 0


@pytest.fixture(autouse=True)
def found_there(monkeypatch):
    """Let other processes find this module."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3])


def second() -> float:
    """A clock that goes a second further each time it is read."""
    global SECOND
    SECOND += 1
    return float(SECOND)


def planted(name: str, factor: int) -> dict:
    """Two tasks: one multiplies, one tells which process it is in."""
    return {name: lambda numbers: [factor * n for n in numbers], f"{name} where": lambda _: os.getpid()}


def test_tasks_run_elsewhere_and_take_what_their_own_clock_says():
    with Apart([(planted, ("a", 2)), (planted, ("b", 3))], second) as apart:
        assert apart.names == ["a", "a where", "b", "b where"]
        assert (apart.run("a", [1, 2]), apart.run("b", [1, 2])) == ([2, 4], [3, 6])
        assert apart.clock() == 2.0  # a second each, between two readings there; none of what is read here
        places = {apart.run("a where", None), apart.run("b where", None), os.getpid()}
        assert len(places) == 3
        assert apart.run("b where", None) in places
    assert all(not process.is_alive() for process in apart._processes)


def test_a_process_that_ends_is_told():
    with Apart([(planted, ("a", 2))], second) as apart, pytest.raises(EOFError):
        apart.run("a", 7)  # no list: an error there
