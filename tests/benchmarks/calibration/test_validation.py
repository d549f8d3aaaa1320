import json
import re

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.validation.gpu import BAND, end_to_end, scores
from earspan.backends.validation.lpu import lpu_checks
from earspan.benchmarks.calibration.validation import KernelError, show_validation, validation_rows


def test_rows_are_those_of_the_device_file():
    rows = validation_rows(["h100", "t4"])
    given = load_device("h100").validation
    assert [(row.shapes, row.held_out, row.median) for row in rows] == [
        (row["class"], row["held_out"], row["median"]) for row in given
    ]
    assert {row.device for row in rows} == {"h100"}  # a T4 has no table of its own
    assert [row.bar is not None for row in rows] == [row.shapes == "all" for row in rows]


def test_a_class_that_is_known_to_be_bad_says_why():
    def error(median: float, shapes: str = "cache 1 MB to L2") -> KernelError:
        return KernelError("x", "decode", shapes, 9, median, 0.2, None)

    assert error(0.16).why.startswith("on purpose")
    assert error(0.14).why == ""
    assert error(0.9, "all").why == ""


def test_every_miss_end_to_end_has_a_reason():
    checks = end_to_end()
    assert len(checks) >= 10
    for check in checks:
        assert check.in_band == (BAND[0] <= check.predicted / check.published <= BAND[1])
        assert check.in_band or check.reason
        assert check.source
    # rows that gave a constant are said to be fits, not tests, and are counted as such
    fitted = [check for check in checks if check.fitted_on]
    assert 0 < len(fitted) < len(checks)
    assert sum(score.fitted for score in scores(checks)) == len(fitted)
    assert sum(score.n for score in scores(checks)) == len(checks)


def test_validation_prints_errors_bars_and_anchors(capsys):
    assert show_validation(["h100", "t4"], as_json=False) == 0
    out = capsys.readouterr().out
    for expected in (
        "m 1-17, weights from memory",
        "8% met",
        "borrowed): t4",
        "MLPerf",
        "Open ASR",
        "GPU, end to end: predicted / published (0.85 to 1.15 is in band)",
        "LPU: predicted / published (0.75 to 1.25 is in band)",
    ):
        assert expected in out
    assert show_validation(["h100"], as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {row["device"] for row in answer["kernels"]} == {"h100"}
    assert all(row["ratio"] == row["predicted"] / row["published"] for row in answer["end_to_end"])
    assert all(row["in_band"] == (0.85 <= row["ratio"] <= 1.15) for row in answer["end_to_end"])


def test_validation_prints_every_lpu_figure_with_its_source(capsys):
    assert show_validation(["t4"], as_json=False) == 0
    table = capsys.readouterr().out.split("LPU: predicted")[1].splitlines()
    assert show_validation(["t4"], as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)["lpu"]
    checks = lpu_checks()
    assert len(answer) == len(checks)
    for row, check in zip(answer, checks, strict=True):
        assert (row["name"], row["predicted"], row["published"]) == (check.name, check.predicted, check.published)
        assert (row["fitted_on"], row["reason"], row["source"]) == (check.fitted_on, check.reason, check.source)
        assert row["ratio"] == pytest.approx(check.predicted / check.published)
        assert row["in_band"] == (0.75 <= row["ratio"] <= 1.25)
        (line,) = [line for line in table if line.strip().startswith(check.name + "  ")]
        cells = re.split(r" {2,}", line.strip())
        figures = [f"{check.predicted:.4g}", f"{check.published:.4g}", check.unit, f"{check.ratio:.2f}"]
        assert cells[1:6] == [*figures, "yes" if row["in_band"] else "no"]
        for said in (check.fitted_on, check.reason, check.source):
            assert said in line
