"""Rows of the leaderboard: what they hold of a planted run, what is refused, and the page of them all."""

from dataclasses import replace
from pathlib import Path

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.experiment.records import Failure, Imported, Run, Track, read_run, write_run
from earspan.benchmarks.leaderboard.entry import make_entry, read_entries, write_entry
from earspan.benchmarks.leaderboard.page import write_page

from ..results.planted import planted_run


def one_row(tmp_path: Path, backend: str = "l4", strategy: str = "disjoint") -> Run:
    """A stored run of one setting."""
    whole = planted_run()
    experiment = replace(whole.experiment, play="span", backends=(backend,), windows_s={}, strategy=strategy)
    tracks = tuple(one for one in whole.tracks if (one.backend, one.strategy) == (backend, strategy))
    plans = tuple(plan for plan in whole.plans if plan.backend == backend)
    write_run(tmp_path / "run", replace(whole, experiment=experiment, plans=plans, tracks=tracks))
    return read_run(tmp_path / "run")


def test_a_row_holds_what_the_run_says_and_can_be_read_again(tmp_path: Path):
    run = one_row(tmp_path)
    entry = make_entry(run, by="someone")
    assert (entry.wer, entry.wer_ci95, entry.words, entry.times, entry.times_are) == (
        0.5, (0.5, 0.5), 8, "simulated", "estimate",
    )  # fmt: skip
    assert (entry.calls_sha256, entry.dataset_digest) == (run.calls_sha256, "0" * 64)
    path = write_entry(tmp_path / "rows", entry)
    assert path.name == "planted-m-l4-disjoint-2s-someone.json"
    assert read_entries(tmp_path / "rows") == [entry]
    path.rename(path.with_name("other.json"))
    with pytest.raises(InputError, match="rename it"):
        read_entries(tmp_path / "rows")


def test_times_of_another_program_are_called_imported(tmp_path: Path):
    run = one_row(tmp_path)
    imported = Imported("events", "theirs.jsonl", "f" * 64, shown=True, given=False)
    entry = make_entry(replace(run, imported=imported, plans=()))
    assert (entry.times, entry.timed_as, entry.file_sha256) == ("imported", "", "f" * 64)
    assert make_entry(replace(run, imported=replace(imported, shown=False), plans=())).times == "none"
    assert make_entry(replace(run, imported=replace(imported, format="measure"), plans=())).times == "measured"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"calls_sha256": ""}, "was not stored"),
        ({"failed": (Failure("c", "no audio"),)}, "1 recordings failed"),
        ({"datasets": ()}, "0 datasets"),
        ({"tracks": ()}, "no word error rate in this run"),
    ],
)
def test_what_cannot_be_ranked_is_refused(tmp_path: Path, changes: dict, expected: str):
    with pytest.raises(InputError, match=expected):
        make_entry(replace(one_row(tmp_path), **changes))


def test_one_recording_or_unknown_weights_or_data_are_refused(tmp_path: Path):
    run = one_row(tmp_path)
    with pytest.raises(InputError, match="no interval"):
        make_entry(replace(run, tracks=run.tracks[:1]))
    with pytest.raises(InputError, match="which weights"):
        make_entry(replace(run, provenance=replace(run.provenance, digest="")))
    with pytest.raises(InputError, match="data has no digest"):
        make_entry(replace(run, datasets=(replace(run.datasets[0], digest=""),)))
    with pytest.raises(InputError, match="did you mean 'l4'"):
        make_entry(run, backend="l40")
    more = tuple(Track(one.recording, "sliding", 9.0, None, None, one.calls) for one in run.tracks)
    with pytest.raises(InputError, match="2 rows in this run"):
        make_entry(replace(run, tracks=run.tracks + more))


def test_a_run_that_was_changed_is_no_row(tmp_path: Path, earspan):
    one_row(tmp_path)
    calls = tmp_path / "run/calls.jsonl"
    calls.write_text(calls.read_text().replace("three", "two"))
    code, out, err = earspan("submit", tmp_path / "run", "--rows", tmp_path / "rows")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "rows").exists()


def test_ours_come_first_and_texts_are_shown_as_they_are(tmp_path: Path):
    ours = make_entry(one_row(tmp_path))
    better = replace(ours, by="a|b <i>", wer=0.1, backend="x")
    other = replace(ours, dataset_digest="1" * 64)
    page = write_page([better, other, ours])
    tables = page.split("\n## ")[1:]
    assert [table.count("leaderboard/") for table in tables] == [2, 1]
    assert tables[0].index("| earspan |") < tables[0].index("a\\|b \\<i>")
    assert "simulated (estimate), of t" in tables[0]
    theirs = replace(ours, system="theirs", backend="theirs", strategy="imported", times="measured", window_s=None)
    assert "| theirs | its own | its own | measured |" in write_page([theirs])


def test_the_command_writes_row_and_page(tmp_path: Path, earspan):
    one_row(tmp_path)
    code, out, _ = earspan("submit", tmp_path / "run", "--rows", "rows", "--table", "page.md")
    assert (code, out) == (0, "rows/planted-m-l4-disjoint-2s-earspan.json\npage.md\n")
    assert (tmp_path / "page.md").read_text() == write_page(read_entries(tmp_path / "rows"))
    assert earspan("submit")[0] == 2
    assert "no rows" in earspan("submit", "--table", "--rows", "nowhere")[2]


def test_the_page_of_this_project_is_that_of_its_rows():
    docs = Path(__file__).parents[3] / "docs"
    assert (docs / "leaderboard.md").read_text(encoding="utf-8") == write_page(read_entries(docs / "leaderboard"))
