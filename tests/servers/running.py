"""A server from the package registry, as a process of its own on 127.0.0.1."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_NOT_THEIRS = ("PYTHONPATH", "OMP_NUM_THREADS")  # of our own packages, and of tests that run beside each other


@dataclass
class Server:
    """A running server. process: may be killed. log: what it wrote."""

    process: subprocess.Popen
    port: int
    log: Path

    def kill(self) -> None:
        """End it and all that it started, at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(command: Callable[[int], Sequence[str]], ready: str, folder: Path) -> Iterator[Server]:
    """Within it a server runs in `folder`, by its command for a port, and answers on the path `ready`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_THEIRS}
    environment |= {"HF_HUB_OFFLINE": "1"}
    log = folder / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            command(port), cwd=folder, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    server = Server(process, port, log)
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield server
    finally:
        server.kill()
