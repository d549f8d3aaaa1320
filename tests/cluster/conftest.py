"""A server that speaks S3, on this machine; tests that need it skip where there is none."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from ..benchmarks.sweep.conftest import study  # noqa: F401 - a fixture

SERVER = Path(sys.executable).with_name("moto_server")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


def serve_s3(port: int) -> subprocess.Popen:
    """Start the server, and return it when it answers."""
    server = subprocess.Popen(
        [SERVER, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        try:
            urlopen(f"http://127.0.0.1:{port}/moto-api/").close()
            return server
        except (URLError, OSError):
            time.sleep(0.1)
    server.kill()
    raise TimeoutError("the S3 server does not answer")


def make_bucket(endpoint: str, bucket: str) -> None:
    """Create a bucket, as its owner would have beforehand."""
    import boto3  # it comes with the server

    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen]:
    """A server with an empty bucket, `s3://bucket`; gives its process."""
    if not SERVER.exists():
        pytest.skip("no moto_server: pip install 'moto[server]'")
    pytest.importorskip("obstore")
    endpoint = f"http://127.0.0.1:{(port := free_port())}"
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    server = serve_s3(port)
    make_bucket(endpoint, "bucket")
    yield server
    server.kill()
    server.wait()


def has_namespaces() -> bool:
    """Return whether a process may have a network of its own here: Ray listens on every address of its network."""
    if shutil.which("unshare") is None or shutil.which("ip") is None or os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True)
    return tried.returncode == 0
