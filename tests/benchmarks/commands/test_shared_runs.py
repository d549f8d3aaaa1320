"""Commands on runs in an object store; those that write other things refuse its URLs, and make no folder `s3:`."""

import json
from pathlib import Path

import pytest
from earspan.benchmarks.experiment.shared import Place, load_run
from earspan.benchmarks.results.accuracy import read_accuracy

from ..results.planted import one_setting, planted_run

URL = "s3://bucket/runs/mine"
TEXTS = dict.fromkeys("abcd", "green trees are tall")


@pytest.fixture
def there(bucket: Path) -> str:
    """The URL of a run of one setting that nobody has scored yet."""
    Place(URL).keep(one_setting(TEXTS, dict.fromkeys("abcd", "green trees tall")))
    return URL


def test_a_run_that_is_there_is_scored_reported_compared_and_submitted(there: str, earspan, elsewhere, tmp_path: Path):
    code, out, _ = earspan("score", there, "--json")
    assert (code, json.loads(out)["evaluation"]["total"]["wer"]) == (0, 0.25)
    elsewhere()
    assert json.loads((Place(there).fetched() / "results.json").read_text())["evaluation"]["total"]["wer"] == 0.25
    code, out, _ = earspan("score", there)
    assert there in out
    code, page, _ = earspan("report", there)
    assert (code, Path(page.strip()).suffix) == (0, ".html")
    assert Path(page.strip()).read_text() == (Place(there).fetched() / "report.html").read_text()
    code, out, _ = earspan("compare", there, there, "--json")
    found = json.loads(out)
    assert (code, found["a"]) == (0, found["b"])
    code, out, err = earspan("submit", there, "--rows", tmp_path / "rows")
    assert (code, Path(out.strip()).parent.name) == (0, "rows"), err


def test_a_run_that_is_there_says_what_was_measured(bucket: Path, small_folder: Path, earspan, elsewhere, tiny_options):
    cut = ("--strategy", "disjoint", "--window", "4", "--step", "4")
    given = ("evaluate", "--dataset", small_folder, *tiny_options, *cut)
    code, _, err = earspan(*given, "--out", URL)
    assert code == 0, err
    run = load_run(URL)
    elsewhere()
    code, out, err = earspan(*given, "--out", URL)
    assert code == 0, err
    assert "heard already" in err
    assert load_run(URL) == run
    code, _, err = earspan(*given, "--seed", "7", "--out", URL)
    assert (code, err.count("\n")) == (2, 1)
    assert "another experiment" in err
    code, out, err = earspan("replay", URL)
    assert (code, Path(out.strip()).name) == (0, "replay.html"), err
    assert not Path("s3:").exists()


@pytest.mark.parametrize(
    "words",
    [
        "capacity --out URL", "curve --out URL", "measure wlk:ws://127.0.0.1:1 --out URL", "claims --out URL/a.md",
        "convert tiny.en --out URL", "speed engine --out URL", "speed ceiling --out URL", "submit RUN --rows URL",
        "submit RUN --table URL/a.md", "replay RUN --out URL/a.html", "time --backend groq-v1 --schedule URL/a.json",
        "curve --print --page URL/a.md", "curve --print --picture URL/a.svg", "validate-here --out URL/a.json",
    ],
)  # fmt: skip
def test_what_goes_to_no_store_is_refused_and_makes_no_folder(there: str, earspan, words: str):
    code, _, err = earspan(*words.replace("RUN", there).replace("URL", "s3://bucket/others").split())
    assert not Path("s3:").exists()
    assert code == 2
    assert "only runs and sweeps" in err


def test_what_a_run_that_is_there_measured_is_what_hardware_is_chosen_by(
    bucket: Path, earspan, elsewhere, tmp_path: Path
):
    for out in (URL, tmp_path / "mine"):
        Place(out).keep(planted_run())
        assert earspan("score", out)[0] == 0
    elsewhere()
    assert read_accuracy(URL) == read_accuracy(str(tmp_path / "mine"))


def test_another_machine_goes_on_with_what_is_in_the_store(
    bucket: Path, small_folder: Path, earspan, elsewhere, tiny_options
):
    cut = ("--strategy", "disjoint", "--window", "4", "--step", "4", "--store", "s3://bucket/study")
    given = ("evaluate", "--dataset", small_folder, *tiny_options, *cut)
    elsewhere()
    code, _, err = earspan(*given, "--out", f"{URL}/a")
    assert code == 0, err
    elsewhere()
    code, _, err = earspan(*given, "--out", f"{URL}/b")
    assert code == 0, err
    a, b = load_run(f"{URL}/a"), load_run(f"{URL}/b")
    assert a.provenance.calls_computed > b.provenance.calls_computed == 0
    assert a.tracks == b.tracks
    code, _, err = earspan(*given, "--no-cache", "--out", f"{URL}/c")
    assert (code, err.count("\n")) == (2, 1)
