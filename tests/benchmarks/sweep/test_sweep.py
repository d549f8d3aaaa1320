"""A sweep gives what its experiments give one by one, hears each call once, and goes on where it was."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.records import read_run
from earspan.benchmarks.experiment.run import Session, run
from earspan.benchmarks.experiment.shared import Place
from earspan.benchmarks.sweep import run as sweep_module
from earspan.benchmarks.sweep.grid import Sweep
from earspan.benchmarks.sweep.run import plan_sweep, sweep
from earspan.benchmarks.sweep.worker import Worker

GRID = """
strategy = ["disjoint", "sliding", "prompted"]
window_s = [2, 4]
"""
Study = Callable[..., Path]


class InProcess:
    """One worker, in this process. `order`: as a shuffled cluster might, it answers the last first."""

    def __init__(self, place: str, devices, backwards: bool = False, slots: int = 1) -> None:
        self._worker, self._waiting, self._backwards, self._slots = Worker(place), [], backwards, slots

    def free(self, device: str) -> int:
        return self._slots - len(self._waiting)

    def submit(self, number: int, device: str, message: bytes) -> None:
        self._waiting.append((number, message))

    def collect(self, timeout_s: float):
        number, message = self._waiting.pop(-1 if self._backwards else 0)
        return [(number, self._worker.perform(message))]

    def close(self) -> None:
        self._worker.close()


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch):
    """Has sweeps use one worker of this process; `in_process(backwards=True, slots=3)` in another order."""

    def use(**how):
        monkeypatch.setattr(
            sweep_module, "make_pool", lambda executor, ready, workers: InProcess(ready.place, (), **how)
        )

    return use


def files_of(folder: Path) -> dict[str, bytes]:
    """All that the runs in a folder hold."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.glob("*/*"))}


def test_runs_are_those_of_the_experiments_one_by_one(study: Study, tmp_path: Path, in_process):
    in_process()
    done = sweep(
        study(GRID, overload="coalesce", backends="l4"), tmp_path / "out", place=tmp_path / "store", task_calls=7
    )
    assert len(done.runs) == 6
    assert done.failed == ()
    for name, experiment in Sweep.from_toml(tmp_path / "study.toml").experiments.items():
        alone = run(experiment)
        swept = read_run(done.runs[name])
        assert (swept.tracks, swept.references, swept.plans) == (alone.tracks, alone.references, alone.plans)
        assert (swept.datasets, swept.warnings, swept.failed) == (alone.datasets, alone.warnings, alone.failed)


def test_each_call_is_heard_once_and_nothing_when_runs_are_written(study: Study, tmp_path: Path, in_process):
    in_process()
    path = study('strategy = ["disjoint", "sliding"]\nwindow_s = [2, 4]\nnormaliser = ["whisper", "none"]')
    expected = plan_sweep(path, tmp_path / "out", place=tmp_path / "store")
    done = sweep(path, tmp_path / "out", place=tmp_path / "store")
    # of each recording of 12 s: 6 and 3 chunks; of its sliding windows, a step of 1 s, 12 of each length begin or
    # end at a second, and chunks are among them; at the start a window of 4 s is as long as one of 2 s for 2 calls
    spans = {(max(0, end - w), end) for end in range(1, 13) for w in (2, 4)}
    assert done.computed == expected.calls == 4 * len(spans)
    assert (expected.experiments, expected.written, expected.calls_left) == (8, 0, done.computed)
    assert expected.heard_s == 4 * sum(end - start for start, end in spans)
    again = plan_sweep(path, tmp_path / "out", place=tmp_path / "store")
    assert (again.written, again.calls_left, again.tasks) == (8, 0, 0)


def test_same_bytes_in_any_order_and_number(study: Study, tmp_path: Path, in_process):
    path = study(GRID)
    in_process()
    sweep(path, tmp_path / "a", place=tmp_path / "store a", task_calls=7)
    in_process(backwards=True, slots=5)
    sweep(path, tmp_path / "b", place=tmp_path / "store b", task_calls=7)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_what_is_torn_or_gone_is_made_again_to_the_byte(study: Study, tmp_path: Path, in_process):
    in_process()
    path, out, place = study(GRID), tmp_path / "out", tmp_path / "store"
    runs = list(sweep(path, out, place=place).runs.values())
    before = files_of(out)
    (runs[0] / "calls.jsonl").write_text((runs[1] / "calls.jsonl").read_text())
    (runs[2] / "run.json").unlink()
    (runs[3] / "results.json").unlink()
    objects = sorted((place / "objects").glob("*/*"))
    objects[0].write_bytes(b"damaged")
    objects[1].unlink()
    (place / "index.sqlite").write_text("no database " * 100)
    said: list[str] = []
    progress = sweep_module.Silence()
    progress.say = said.append  # type: ignore[method-assign]
    assert len(sweep(path, out, place=place, progress=progress).runs) == 6
    assert files_of(out) == before
    assert any("index.sqlite" in line for line in said)
    assert any(str(objects[0]) in line for line in said)


def test_killed_workers_lose_nothing(study: Study, tmp_path: Path):
    path, stop = study(GRID), threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not stop.wait(0.4) and len(killed) < 3:
            me = str(os.getpid())
            for status in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields, command = (
                        status.read_text().rsplit(")")[-1].split(),
                        (status.parent / "cmdline").read_bytes(),
                    )
                except OSError:
                    continue
                if fields[1] == me and b"sweep.worker" in command and len(killed) < 3:
                    os.kill(int(status.parent.name), signal.SIGKILL)
                    killed.append(int(status.parent.name))
                    time.sleep(0.1)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        done = sweep(path, tmp_path / "a", place=tmp_path / "a store", task_calls=7, workers=2)
    finally:
        stop.set()
        killer.join()
    assert len(killed) == 3
    assert (len(done.runs), done.failed) == (6, ())
    alone = Session.open(Sweep.from_toml(path).experiments["strategy=prompted,window_s=4"])
    assert read_run(done.runs["strategy=prompted,window_s=4"]).tracks == alone.play(sweep_module.Silence()).tracks


def test_a_task_that_fails_each_time_is_named_and_the_rest_is_done(
    study: Study, tmp_path: Path, in_process, monkeypatch
):
    in_process()
    tried: list[bytes] = []
    perform = Worker.perform

    def fails(self, message: bytes) -> bytes:
        if b'"stage":"play"' in message and b'"units":["2.wav"]' in message:
            tried.append(message)
            return b'{"error": "no luck"}'
        return perform(self, message)

    monkeypatch.setattr(Worker, "perform", fails)
    done = sweep(study(GRID), tmp_path / "out", place=tmp_path / "store", tries=3)
    assert len(tried) == 2 * 3
    assert [line.endswith("given up after 3 tries: no luck") for line in done.failed] == [True, True]
    assert all("'2.wav'" in line for line in done.failed)
    assert len(done.runs) == 6  # what was missing was heard when they were written


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("window_s = 5", "expects a list of values"),
        ("window_s = []", "expects a list of values"),
        ("windows = [5]", r"windows = 5: unknown key 'windows'"),
        ("window_s = [5, 31]", r"window_s = 31: window is 31 s"),
        ('model = ["tiny.en"]', "'model' is given above"),
        ("cache = [true, false]", "leave cache = false out"),
        ('precision = ["fp32", "fastest"]', "precision = 'fastest' is chosen by each machine"),
        ('backends = ["l4", "openai:http://127.0.0.1:1"]', "a sweep times simulated devices"),
    ],
)
def test_a_sweep_that_cannot_be_says_why(study: Study, tmp_path: Path, grid: str, message: str):
    with pytest.raises(InputError, match=message):
        sweep(study(grid), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_stops_it_at_once(study: Study, tmp_path: Path, in_process):
    in_process()
    path = study(GRID)
    path.write_text(path.read_text().replace("planted:Burner", "planted:Absent"))
    with pytest.raises(InputError, match=r"planted:Absent.*cannot be imported"):
        sweep(path, tmp_path / "out")


def test_a_recording_that_cannot_be_read_is_left_out_and_said(study: Study, tmp_path: Path, earspan, in_process):
    in_process()
    path = study('strategy = ["disjoint", "prompted"]\nwindow_s = [4]')
    (tmp_path / "data" / "1.wav").write_bytes(b"RIFF, but no sound")
    code, _, err = earspan("sweep", path, "--out", tmp_path / "out", "--store", tmp_path / "store")
    assert (code, err.count("left out: ")) == (1, 1)
    assert "1.wav" in err
    for folder in (tmp_path / "out").glob("strategy*"):
        assert [failure.recording for failure in read_run(folder).failed] == ["1.wav"]
        assert len(read_run(folder).references) == 3


def test_the_command(study: Study, tmp_path: Path, earspan, in_process):
    in_process()
    path = study('strategy = ["disjoint"]\nwindow_s = [2, 4]')
    code, out, _ = earspan(
        "sweep", path, "--dry-run", "--out", tmp_path / "out", "--store", tmp_path / "store", "--json"
    )
    assert (code, sweep_module.store.decode(out, dict, "out")["calls"]) == (0, 4 * (6 + 3))
    code, out, _ = earspan("sweep", path, "--out", tmp_path / "out", "--store", tmp_path / "store", "--workers", "1")
    assert code == 0
    assert "window_s=4" in out
    assert earspan("score", tmp_path / "out" / "strategy=disjoint,window_s=4")[0] == 0
    code, out, _ = earspan("sweep", path, "--out", tmp_path / "out", "--store", tmp_path / "store", "--json")
    again = sweep_module.store.decode(out, dict, "out")
    assert (code, again["computed"], list(again["runs"])) == (
        0,
        0,
        ["strategy=disjoint,window_s=2", "strategy=disjoint,window_s=4"],
    )
    code, out, err = earspan("sweep", path, "--executor", "slurm")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_sweep_into_an_object_store_is_that_of_a_folder_and_another_machine_goes_on(
    bucket: Path, study: Study, tmp_path: Path, in_process, elsewhere: Callable[[], None], monkeypatch
):
    in_process()
    path, url, place = study(GRID), "s3://bucket/study", tmp_path / "store"
    sweep(path, tmp_path / "out", place=place)
    before, put = files_of(tmp_path / "out"), Place.put

    def dies(self: Place, *given) -> bool:
        if self.url.endswith("strategy=prompted,window_s=2"):
            raise KeyboardInterrupt
        return put(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Place, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            sweep(path, url, place=place)
    written = plan_sweep(path, url, place=place).written
    assert 0 < written < 6
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")  # the sweep's date is that of its beginning
    elsewhere()
    assert plan_sweep(path, url, place=place).written == written
    done = sweep(path, url, place=place)
    assert (len(done.runs), done.computed) == (6, 0)
    elsewhere()
    assert {
        f"{name}/{file.name}": file.read_bytes()
        for name, run in done.runs.items()
        for file in Place(run).fetched().iterdir()
    } == before
    other = Path(str(path).replace("study", "other"))
    other.write_text(path.read_text().replace("large-v3", "base"))
    with pytest.raises(InputError, match=r"^s3://bucket/study/.*another experiment"):
        sweep(other, url, place=place)
