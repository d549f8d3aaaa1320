"""lhotse CutSets: as lhotse reads them, compressed, and with values that cannot be."""

import gzip
import json
from pathlib import Path

import pytest
from earspan.datasets import open_dataset

from .trees import lhotse


def test_compressed_cuts_are_the_same(tmp_path: Path):
    lhotse(tmp_path)
    plain = open_dataset(tmp_path / "cuts.jsonl")
    (tmp_path / "cuts.jsonl.gz").write_bytes(gzip.compress((tmp_path / "cuts.jsonl").read_bytes()))
    assert open_dataset(tmp_path / "cuts.jsonl.gz").digest() == plain.digest()


def test_cuts_are_read_as_lhotse_reads_them(tmp_path: Path):
    reader = pytest.importorskip("lhotse", reason="needs lhotse (pip install 'earspan[lhotse]')")
    lhotse(tmp_path)
    theirs = {cut.id: cut for cut in reader.CutSet.from_file(tmp_path / "cuts.jsonl")}
    for entry in open_dataset(tmp_path / "cuts.jsonl"):
        cut = theirs[entry.id]
        text = " ".join(supervision.text for supervision in cut.supervisions)
        assert (entry.offset_s, entry.duration_s, entry.text) == (cut.start, cut.duration, text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda cut: cut | {"duration": float("nan")}, "NaN is not a JSON number"),
        (lambda cut: cut | {"start": 10**400}, "start is 'inf'"),
        (lambda cut: cut | {"supervisions": [{"start": 10**400, "text": ["a"]}]}, "$.supervisions[0]"),
        (lambda cut: cut | {"id": "\ud800"}, "id is '\\ud800', which is not valid Unicode"),
    ],
)
def test_numbers_and_text_that_cannot_be(change, said: str, tmp_path: Path):
    lhotse(tmp_path)
    cuts = [json.loads(line) for line in (tmp_path / "cuts.jsonl").read_text().splitlines()]
    (tmp_path / "cuts.jsonl").write_text("".join(json.dumps(cut) + "\n" for cut in [change(cuts[0]), *cuts[1:]]))
    defects: list[str] = []
    assert len(open_dataset(tmp_path / "cuts.jsonl", defects)) == 2
    assert said in defects[0]


def test_speakers_that_are_numbers_are_names(tmp_path: Path):
    lhotse(tmp_path)
    text = (tmp_path / "cuts.jsonl").read_text()
    (tmp_path / "cuts.jsonl").write_text(text.replace('"speaker": "sa"', '"speaker": 7'))
    assert next(iter(open_dataset(tmp_path / "cuts.jsonl"))).speaker == "7"
