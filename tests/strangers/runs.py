"""Folders of runs that come from elsewhere: torn, of another version, edited by hand, or no folders."""

import json
import os
from pathlib import Path
from typing import Any

from earspan.benchmarks.experiment.records import write_run

from ..benchmarks.results.planted import planted_run
from .case import Case

SCORE = ["score", "run"]


def _planted(folder: Path) -> Path:
    write_run(folder / "run", planted_run())
    return folder / "run"


def _edited(edit, argv=SCORE):
    """A run whose run.json somebody has edited; the digest of its calls stays right."""

    def plant(folder: Path) -> list[str]:
        path = _planted(folder) / "run.json"
        content = json.loads(path.read_text())
        changed = edit(content)
        path.write_text(json.dumps(content if changed is None else changed))
        return argv

    return plant


def _with_calls(edit):
    """A run whose calls somebody has edited, and made run.json agree with them."""

    def plant(folder: Path) -> list[str]:
        import hashlib

        run = _planted(folder)
        lines = [json.loads(line) for line in (run / "calls.jsonl").read_text().splitlines()]
        edit(lines)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (run / "calls.jsonl").write_text(text)
        content = json.loads((run / "run.json").read_text())
        content |= {"calls": len(lines), "calls_sha256": hashlib.sha256(text.encode()).hexdigest()}
        (run / "run.json").write_text(json.dumps(content))
        return SCORE

    return plant


def _put(value: object, *place: Any):
    """Return an edit that puts a value at a place of nested JSON."""

    def edit(content: Any) -> None:
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = value

    return edit


def _holds(name: str, content: bytes, argv=SCORE):
    def plant(folder: Path) -> list[str]:
        (_planted(folder) / name).write_bytes(content)
        return argv

    return plant


def _cut(name: str, keep):
    def plant(folder: Path) -> list[str]:
        path = _planted(folder) / name
        path.write_bytes(keep(path.read_bytes()))
        return SCORE

    return plant


def _fifo(name: str):
    def plant(folder: Path) -> list[str]:
        path = _planted(folder) / name
        path.unlink()
        os.mkfifo(path)
        return SCORE

    return plant


def _zeros(name: str):
    def plant(folder: Path) -> list[str]:
        path = _planted(folder) / name
        path.unlink()
        path.symlink_to("/dev/zero")
        return SCORE

    return plant


def _sparse(name: str):
    def plant(folder: Path) -> list[str]:
        path = _planted(folder) / name
        os.truncate(path, 5 << 30)
        return SCORE

    return plant


def _out_of_folder(folder: Path) -> list[str]:
    """A run that would be written elsewhere, were its results and page links that are followed."""
    run = _planted(folder)
    (folder / "mine").write_text("mine\n")
    for name in ("results.json", "report.html"):
        (run / name).symlink_to(folder / "mine")
    return SCORE


def _markup(content: dict) -> None:
    trick = "<script>document.title='x'</script>\x1b[2J\u202e"
    for reference in content["references"]:
        reference["text"] = trick + " " + reference["text"]
    content["datasets"][0]["name"] = content["provenance"]["command"] = trick


CASES = [
    Case("no run.json", lambda folder: ["score", str(folder)]),
    Case("a file in place of a folder", lambda folder: ["score", "random.pt"]),
    Case("run.json that is empty", _holds("run.json", b"")),
    Case("run.json that is a list", _holds("run.json", b"[]")),
    Case("run.json of 100,000 nested arrays", _holds("run.json", b"[" * 100_000)),
    Case("run.json in UTF-16", _holds("run.json", '{"schema": 2}'.encode("utf-16"))),
    Case("run.json in a pipe", _fifo("run.json")),
    Case("run.json in /dev/zero", _zeros("run.json")),
    Case("run.json of 5 GB", _sparse("run.json")),
    Case("calls in a pipe", _fifo("calls.jsonl")),
    Case("calls in /dev/zero", _zeros("calls.jsonl")),
    Case("calls of 5 GB", _sparse("calls.jsonl")),
    Case("calls without their last line", _cut("calls.jsonl", lambda c: c[: c.rstrip().rfind(b"\n") + 1])),
    Case("calls cut in a line", _cut("calls.jsonl", lambda c: c[:-20])),
    Case("calls of another run", _cut("calls.jsonl", lambda c: c.replace(b"one", b"two"))),
    Case("an older schema", _edited(_put(1, "schema"))),
    Case("a newer schema", _edited(_put(99, "schema"))),
    Case("a schema that is a list", _edited(_put([2], "schema"))),
    Case("a field missing", _edited(lambda content: content.pop("provenance") and None)),
    Case("a seed of -1", _edited(_put(-1, "experiment", "seed"))),
    Case("a seed that is a text", _edited(_put("a", "experiment", "seed"))),
    Case("a seed of 1e30", _edited(_put(10**30, "experiment", "seed")), (0, 2)),
    Case("a normaliser that is a number", _edited(_put(5, "experiment", "normaliser"))),
    Case("a normaliser that there is not", _edited(_put("mine", "experiment", "normaliser"))),
    Case("a normaliser in /dev/zero", _edited(_put("/dev/zero", "experiment", "normaliser"))),
    Case("a track of an unknown recording", _edited(_put("nobody", "tracks", 0, "recording"))),
    Case("a window of 1e300", _edited(_put(1e300, "tracks", 0, "window_s")), (0, 2)),
    Case("word times that are texts", _edited(_put("0.5", "references", 0, "words", 0, "start_s"))),
    Case("words that end before they begin", _edited(_put(-5.0, "references", 0, "words", 0, "end_s")), (0, 2)),
    Case("references twice", _edited(lambda content: content["references"].append(content["references"][0])), (0, 2)),
    Case("no references", _edited(_put([], "references"))),
    Case("no tracks", _edited(_put([], "tracks"))),
    Case("a number of calls that is wrong", _edited(_put(1, "calls"))),
    Case("a date that is none", _edited(_put("yesterday", "provenance", "date")), (0, 2)),
    Case("a plan of an unknown backend", _edited(_put("abacus", "experiment", "backends", 0)), (0, 2)),
    Case("a strategy that there is not", _edited(_put("mine", "tracks", 0, "strategy")), (0, 2)),
    Case("markup and escape sequences", _edited(_markup), (0,)),
    Case("a call of track 99", _with_calls(_put(99, 0, "track"))),
    Case("a call of track -1", _with_calls(_put(-1, 0, "track"))),
    Case("a time that is a text", _with_calls(_put("soon", 0, "finish_at_s"))),
    Case("a time that is null", _with_calls(_put(None, 0, "start_at_s"))),
    Case("times of 1e300 s", _with_calls(_put(1e300, 0, "finish_at_s")), (0, 2)),
    Case("calls that end before they begin", _with_calls(_put(-1e9, 0, "finish_at_s")), (0, 2)),
    Case("20,000 words in one call", _with_calls(_put(["one"] * 20_000, 0, "committed")), (0, 2)),
    Case("results that are links to elsewhere", _out_of_folder, (0, 2)),
    Case("the page of a run that is none", lambda folder: ["report", str(folder)]),
    Case("a comparison with itself, torn", lambda folder: ["compare", str(folder), str(folder)]),
    Case("a replay of a run that is none", lambda folder: ["replay", str(folder)]),
    Case("a recommendation from a run that is none", lambda folder: ["recommend", "--from", str(folder), "--streams", "4"]),
]  # fmt: skip
