"""A run in an object store: whole or not there, the first writer's, damage found, never another's; nothing outside."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.progress import Silence
from earspan.benchmarks.experiment.records import Imported, Run, files_of
from earspan.benchmarks.experiment.shared import Place, find_leftovers, load_run
from earspan.datasets.objects import Objects

from ..results.planted import planted_run

URL = "s3://bucket/runs/mine"


class Told(Silence):
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def took(wall_s: float) -> Run:
    """The planted run, as a writer has it who took so long: what else it holds is the same."""
    run = planted_run()
    return replace(run, provenance=replace(run.provenance, wall_s=wall_s))


def objects_of(bucket: Path) -> dict[str, bytes]:
    """What the store holds of the run, by name."""
    folder = bucket / "runs" / "mine"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def content_of(bucket: Path) -> set[bytes]:
    """What the files hold that the store says the run consists of."""
    there = objects_of(bucket)
    return {there[f"files/{one['sha256']}"] for one in json.loads(there["files.json"]).values()}


def test_what_one_machine_writes_another_reads(bucket: Path, elsewhere: Callable[[], None]):
    run = took(1.0)
    assert Place(URL).keep(run) == run
    elsewhere()
    there = load_run(URL + "/")
    assert (there.tracks, there.provenance) == (run.tracks, run.provenance)
    Place(URL).add({"results.json": "{}", "report.html": "<p>"})
    elsewhere()
    folder = Place(URL).fetched()
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        **files_of(run), "results.json": "{}", "report.html": "<p>",
    }  # fmt: skip
    assert all(hashlib.sha256(held).hexdigest() in name for name, held in objects_of(bucket).items() if "/" in name)


@pytest.mark.parametrize("harm", ["changed", "cut", "longer", "gone", "no listing", "an older results.json"])
def test_damage_is_said_and_made_anew(bucket: Path, elsewhere: Callable[[], None], harm: str):
    run, told = took(1.0), Told()
    Place(URL).keep(run)
    files, listing = bucket / "runs/mine/files", bucket / "runs/mine/files.json"
    one = files / json.loads(listing.read_text())["calls.jsonl"]["sha256"]
    whole = one.read_bytes()
    if harm == "gone":
        one.unlink()
    elif harm == "no listing":
        listing.write_text('{"run.json": ')
    elif harm == "an older results.json":
        lost = {"sha256": "0" * 64, "bytes": 3}
        listing.write_text(json.dumps({**json.loads(listing.read_text()), "results.json": lost}))
    else:
        one.write_bytes({"changed": whole.replace(b"one", b"two"), "cut": whole[:-9], "longer": whole + b"\n"}[harm])
    elsewhere()
    with pytest.raises(InputError, match=r"^s3://bucket/runs/mine/files.*make the run again$") as caught:
        load_run(URL)
    assert "\n" not in str(caught.value)
    place = Place(URL, told)
    assert not place.has(run.experiment)
    assert len(told.lines) == 1
    assert place.keep(took(2.0)).provenance.wall_s == 2.0
    elsewhere()
    assert load_run(URL).provenance.wall_s == 2.0
    assert Place(URL).has(run.experiment)


def test_an_object_that_was_left_damaged_is_not_taken_for_whole(bucket: Path, elsewhere: Callable[[], None]):
    """By a writer that never came to its end: nothing had found it yet."""
    name = hashlib.sha256(files_of(took(1.0))["calls.jsonl"].encode()).hexdigest()
    Objects(URL).create(f"files/{name}", b"damaged")
    Place(URL).keep(took(1.0))
    elsewhere()
    assert load_run(URL).tracks == took(1.0).tracks


def test_the_first_of_many_writers_counts(bucket: Path):
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda number: Place(URL).keep(took(number)), range(8)))
    assert len({run.provenance.wall_s for run in kept}) == 1
    assert load_run(URL).provenance == kept[0].provenance
    there = Place(URL)
    assert there.has(took(9.0).experiment)


def test_a_writer_that_is_gone_before_the_listing_leaves_no_run(bucket: Path, monkeypatch: pytest.MonkeyPatch):
    create = Objects.create

    def dies(self: Objects, name: str, content: bytes, *, anew: bool = False) -> bool:
        if name == "files.json":
            raise KeyboardInterrupt
        return create(self, name, content, anew=anew)

    with monkeypatch.context() as patched:
        patched.setattr(Objects, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            Place(URL).keep(took(1.0))
    assert len(objects_of(bucket)) == 2
    with pytest.raises(InputError, match="no run there"):
        load_run(URL)
    assert not Place(URL).has(took(1.0).experiment)
    Place(URL).keep(took(1.0))
    assert content_of(bucket) == {text.encode() for text in files_of(took(1.0)).values()}


def test_the_run_of_another_experiment_is_refused(bucket: Path):
    run = took(1.0)
    Place(URL).keep(run)
    before = objects_of(bucket)
    other = replace(run, experiment=replace(run.experiment, seed=7))
    imported = replace(run, imported=Imported("ctm", "a.ctm", "0" * 64, True, True))
    for another in (other, imported):
        with pytest.raises(InputError, match="another experiment"):
            Place(URL).has(another.experiment, another.imported)
        with pytest.raises(InputError, match="another experiment") as caught:
            Place(URL).keep(another)
        held = Path(str(caught.value).rsplit(" ", 1)[1]) / "run.json"
        assert held.read_text() == files_of(another)["run.json"]  # not lost
    assert {**objects_of(bucket), **before} == objects_of(bucket)
    assert load_run(URL).provenance == run.provenance


def test_the_store_says_what_is_there_not_the_copy(bucket: Path):
    Place(URL).keep(took(1.0))
    Place(URL).add({"results.json": "those of the first"})
    for file in (bucket / "runs/mine").rglob("*.json"):
        file.unlink()
    with pytest.raises(InputError, match="no run there"):
        load_run(URL)
    Place(URL).keep(took(2.0))
    assert not (Place(URL).fetched() / "results.json").exists()


FORGED = {"sha256": "0" * 64, "bytes": 1}
BOTH = {"calls.jsonl": FORGED, "run.json": FORGED}


@pytest.mark.parametrize(
    "listing",
    [
        {**BOTH, "../x": FORGED}, {**BOTH, "/etc/x": FORGED}, {**BOTH, "answers": FORGED}, {}, [], {"run.json": FORGED},
        {**BOTH, "run.json": {**FORGED, "sha256": "../x"}}, {**BOTH, "run.json": {**FORGED, "sha256": "0" * 64 + "\n"}},
        {**BOTH, "run.json": {**FORGED, "bytes": -1}}, {**BOTH, "run.json": {**FORGED, "bytes": 1e99}}, BOTH,
    ],
)  # fmt: skip
def test_a_forged_listing_writes_nothing(bucket: Path, tmp_path: Path, listing):
    Objects(URL).create("files.json", json.dumps(listing).encode())
    Objects(URL).create("files/" + "0" * 64, b"x")
    Objects(URL).create("x", b"x")
    before = {file for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="make the run again"):
        load_run(URL)
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/../x", "s3://bucket/./x", "s3://..", "s3://", "s3://bucket//x", "s3://bucket/a b", "s3://bucket/x?y",
        "s3://bucket/x#y", "s3://bucket/%2e%2e", "s3://bucket/x\\y", "s3://bucket/\n", "gs:///x",
    ],
)  # fmt: skip
def test_a_url_that_would_lead_elsewhere_is_refused(bucket: Path, url: str):
    with pytest.raises(InputError, match="expected letters"):
        Place(url)


def test_a_large_object_behind_a_small_listing_is_not_fetched(bucket: Path, tmp_path: Path):
    """A stranger's run must not fill the disk."""
    Place(URL).keep(took(1.0))
    listing = bucket / "runs/mine/files.json"
    one = bucket / "runs/mine/files" / json.loads(listing.read_text())["calls.jsonl"]["sha256"]
    with open(one, "ab") as file:
        file.truncate(1 << 31)
    (Place(URL).folder / "calls.jsonl").unlink()
    with pytest.raises(InputError, match="damaged"):
        load_run(URL)


def test_what_killed_writers_left_is_named_and_deleted_and_no_run_with_it(bucket: Path, elsewhere: Callable[[], None]):
    kept = took(1.0)
    Place(URL).keep(kept)
    Place(URL).add({"results.json": "{}"})
    Place(URL).add({"results.json": "[]"})  # what it held before is of no run any more
    runs = bucket / "runs"
    left = {
        f"mine/files/{hashlib.sha256(b'{}').hexdigest()}": 2,
        f"gone/files/{'a' * 64}": 3,
        f"torn/files/{'b' * 64}": 4,
    }
    for name, size in left.items():
        (runs / name).parent.mkdir(parents=True, exist_ok=True)
        (runs / name).write_bytes(b"{}  "[:size])
    (runs / "torn" / "files.json").write_text("{")  # nobody knows what belongs to it
    (runs / "notes.txt").write_text("not ours")
    (runs / "gone" / "files" / "notes.txt").write_text("not ours")
    young = runs / "gone" / "files" / ("c" * 64)
    for file in runs.rglob("*"):
        os.utime(file, (1e9, 1e9))
    young.write_bytes(b"being written")
    del left[f"torn/files/{'b' * 64}"]
    before = {file for file in runs.rglob("*") if file.is_file()}
    assert find_leftovers("s3://bucket/runs") == left
    assert {file for file in runs.rglob("*") if file.is_file()} == before
    assert find_leftovers("s3://bucket/runs", delete=True) == left
    assert {file for file in runs.rglob("*") if file.is_file()} == before - {runs / name for name in left}
    elsewhere()
    assert load_run(URL).tracks == kept.tracks
    assert find_leftovers("s3://bucket/runs", 0.0) == {f"gone/files/{'c' * 64}": 13}
    with pytest.raises(InputError, match="expected the URL of runs in a store"):
        find_leftovers("runs/mine")
