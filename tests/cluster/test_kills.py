"""A few kills of what `python -m tests.cluster.kills` does by the hundred."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .cluster import ALONE
from .conftest import has_namespaces

ROOT = Path(__file__).parents[2]


def survives(*how: str, before: tuple[str, ...] = ()) -> None:
    """Run the script, and expect it to say that nothing was lost."""
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    command = [*before, sys.executable, "-m", "tests.cluster.kills", *how]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert '"equal": true' in done.stdout


def test_a_sweep_of_this_machine_survives_kills():
    survives("--kills", "4")


def test_a_sweep_on_two_nodes_of_ray_survives_kills():
    if find_spec("ray") is None:
        pytest.skip("no Ray: pip install 'earspan[cluster]'")
    if not has_namespaces():
        pytest.skip("Ray listens on every address, and no network of its own can be made here (unshare -n, as root)")
    survives("--kills", "2", "--executor", "ray", before=(*ALONE, "sh", "-c", 'ip link set lo up && exec "$@"', "-"))
