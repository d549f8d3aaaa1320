"""Two nodes of a Ray cluster on this machine. Ray listens on every address, so: only in a network of one's own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PORT = 6399
ALONE = ("unshare", "-n", "-p", "-f", "--mount-proc", "--kill-child")  # before the command that starts a cluster


class Cluster:
    """A head and a second node of one core each."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        if [name for _, name in socket.if_nameindex()] != ["lo"]:
            raise RuntimeError(
                f"there are other networks than lo; start with {' '.join(ALONE)} sh -c 'ip link set lo up; ...'"
            )
        self._home, self._ray = home, Path(sys.executable).with_name("ray")
        self._sockets = tempfile.mkdtemp(prefix="r", dir="/tmp")  # not below `home`: names of sockets are short
        told = {"HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": self._sockets}
        self._environment = {**environment, **told}
        self._node = 0
        home.mkdir(parents=True, exist_ok=True)

    def whole(self) -> str:
        """Return the address of the cluster, after starting what of it does not run."""
        if not self._pids("gcs_server"):
            self.stop()
            self._start("--head", f"--port={PORT}", "--include-dashboard=false")
            self.add_node()
        elif len(self._pids("raylet/raylet")) < 2:
            self.add_node()
        return f"127.0.0.1:{PORT}"

    def add_node(self) -> None:
        """Start one more node."""
        self._start(f"--address=127.0.0.1:{PORT}")

    def workers(self) -> list[int]:
        """Return the processes of a sweep's workers."""
        return self._pids("ray::Worker")

    def victims(self) -> dict[str, list[int]]:
        """Return what else can be killed: a node that is not the head, or all of it."""
        raylets = self._pids("raylet/raylet")
        return {"node": raylets[-1:] if len(raylets) > 1 else [], "cluster": [*self._pids("gcs_server"), *raylets]}

    def stop(self) -> None:
        """End every process of Ray, and forget what they wrote."""
        for name in ("gcs_server", "raylet/raylet", "ray::", "ray/dashboard", "ray/_private"):
            for pid in self._pids(name):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        time.sleep(0.5)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _start(self, *how: str) -> None:
        subprocess.run(
            [self._ray, "start", *how, "--node-ip-address=127.0.0.1", "--num-cpus=1", "--disable-usage-stats"],
            env=self._environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip

    def _pids(self, name: str) -> list[int]:
        """Return the processes of this network's own process namespace whose command holds a name, oldest first."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (folder / "stat").read_text().rsplit(")")[-1].split()[0]
            except OSError:
                continue
            if name in command and state != "Z" and int(folder.name) != os.getpid() and "tests.cluster" not in command:
                found.append(int(folder.name))
        return sorted(found)
