"""Runs in an object store that speaks S3, written and read by processes that share nothing else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.shared import Place, load_run
from earspan.datasets.objects import Objects

from ..benchmarks.results.planted import planted_run
from ..benchmarks.sweep.planted import ROOT
from ..benchmarks.sweep.test_sweep import GRID, files_of

RUNS, STORE = "s3://bucket/runs", "s3://bucket/store"
# What is killed as soon as the objects of one run are there, and nothing yet says that they are a run.
DIES = """
import os, signal, sys
from earspan.datasets.objects import Objects
create = Objects.create
def dies(self, name, content, *, anew=False):
    if f"{self.url}/{name}".endswith("strategy=sliding,window_s=4/files.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return create(self, name, content, anew=anew)
Objects.create = dies
"""
COMMAND = "from earspan.benchmarks.commands.cli import main; sys.exit(main())"
Machine = Callable[..., subprocess.Popen]


@pytest.fixture
def machine(s3, study, tmp_path: Path) -> Machine:
    """Begins a command on a machine of that name, which has what it had before: `machine("a", "score", URL)`."""

    def begin(name: str, *words: object, before: str = "import sys\n") -> subprocess.Popen:
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / name)}
        command = [sys.executable, "-c", before + COMMAND, *map(str, words)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path)

    return begin


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """The exit code of a command, and what it said."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def fetched(names: list[str]) -> dict[str, bytes]:
    """All that runs in the store hold, as this machine fetches them."""
    return {
        f"{name}/{file.name}": file.read_bytes()
        for name in names
        for file in Place(f"{RUNS}/{name}").fetched().iterdir()
    }


def test_a_sweep_killed_before_a_run_is_listed_goes_on_elsewhere_to_the_same_bytes(
    machine: Machine, study, tmp_path: Path
):
    given = ("sweep", study(GRID), "--workers", "1", "--task-calls", "9", "--json")
    code, out, err = ended(machine("quiet", *given, "--out", tmp_path / "runs", "--store", tmp_path / "store"))
    assert code == 0, err
    names = list(json.loads(out)["runs"])
    shared = (*given, "--out", RUNS, "--store", STORE)
    assert ended(machine("a", *shared, before=DIES))[0] == -signal.SIGKILL
    with pytest.raises(InputError, match="no run there"):
        load_run(f"{RUNS}/strategy=sliding,window_s=4")
    both = [machine(name, *shared) for name in ("b", "c")]  # two go on at once
    for code, out, err in map(ended, both):
        assert code == 0, err
        assert json.loads(out)["runs"] == {name: f"{RUNS}/{name}" for name in names}
    assert fetched(names) == files_of(tmp_path / "runs")


def test_two_who_evaluate_at_once_end_with_one_run_which_others_read(machine: Machine, study, tiny_options, tmp_path):
    study("")  # its recordings
    cut = ("--strategy", "disjoint", "--window", "4", "--step", "4", "--seed")
    given = ("evaluate", "--dataset", tmp_path / "data", *tiny_options, *cut)
    url = f"{RUNS}/mine"
    both = [ended(one) for one in [machine(name, *given, "0", "--out", url, "--json") for name in "ab"]]
    assert [code for code, _, _ in both] == [0, 0], both
    assert both[0][1] == both[1][1]  # results hold when and how long, too
    code, out, err = ended(machine("c", "score", url, "--json"))
    assert (code, out) == (0, both[0][1]), err
    code, _, err = ended(machine("c", *given, "1", "--out", url))
    assert (code, err.count("\n")) == (2, 1)
    assert "another experiment" in err

    there = Objects(url)
    one = json.loads(there.read("files.json") or b"")["calls.jsonl"]
    there.create(f"files/{one['sha256']}", b"damaged", anew=True)
    code, _, err = ended(machine("d", "score", url))
    assert (code, err.count("\n")) == (2, 1)
    assert "damaged" in err
    code, _, err = ended(machine("d", *given, "0", "--out", url))
    assert (code, "made anew" in err) == (0, True)
    assert ended(machine("e", "score", url))[0] == 0


def test_a_store_that_cannot_be_reached_loses_no_run(machine: Machine, study, s3, tiny_options, tmp_path: Path):
    """What was heard is in the copy, and the line says where."""
    study("")
    gone = "import sys\nfrom earspan.datasets import objects\nobjects._PATIENCE_S = 1.0\n"
    cut = ("--strategy", "disjoint", "--window", "4", "--step", "4", "--no-cache")
    given = ("evaluate", "--dataset", tmp_path / "data", *tiny_options, *cut, "--out", f"{RUNS}/mine")
    process = machine("a", *given, before=gone + SERVER_GONE)
    code, _, err = ended(process)
    assert code == 2
    folder = err.strip().rsplit(" ", 1)[1]
    assert ended(machine("a", "score", folder))[0] == 0
    assert ended(machine("a", *given))[0] == 0


# The store can be asked what is there, and then is gone.
SERVER_GONE = """
from earspan.benchmarks.experiment.shared import Place
put = Place.put
def unplugged(self, *given):
    import os
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    self._objects = objects.Objects(self.url)
    return put(self, *given)
Place.put = unplugged
"""


def test_what_a_killed_writer_left_is_named_and_then_deleted(s3, machine: Machine):
    run = planted_run()
    Place(f"{RUNS}/mine").keep(run)
    left = f"killed/files/{'a' * 64}"
    assert Objects(RUNS).create(left, b"of no run")
    given = ("cache", "leftovers", "--at", RUNS)
    code, out, err = ended(machine("a", *given))
    assert code == 0, err
    assert out.startswith(f"{RUNS}: 0 objects of no run, older than 1 day, 0 B; --delete")
    code, out, err = ended(machine("a", *given, "--days", "0", "--delete"))
    assert (code, out.splitlines()[0]) == (0, left), err
    assert Objects(RUNS).read(left) is None
    assert load_run(f"{RUNS}/mine").tracks == run.tracks
    assert "no --at" in ended(machine("a", "cache", "clear", "--at", RUNS))[2]
