import json
import re

import numpy as np
import pytest
from earspan.backends.devices.files import FOLDER, read_device
from earspan.backends.devices.kernels import soft_maximum
from earspan.backends.validation.gpu import BAND, end_to_end, scores
from earspan.backends.validation.lpu import lpu_checks
from earspan.benchmarks import calibrate_gpu
from earspan.benchmarks.calibrate_gpu import Table, held_out, predicted, score
from earspan.benchmarks.kernel_fit import Problem, fit
from earspan.benchmarks.validation import show_validation

PEAK, BANDWIDTH, STREAMED = 100e12, 1e12, 0.8


def planted(seed):
    """GEMMs whose time follows a formula that is none of the fit's own: whole waves of tiles, and a stream."""
    rng = np.random.default_rng(seed)
    m, n, k = (2.0 ** rng.integers(low, high, 1200) for low, high in ((0, 14), (8, 14), (8, 14)))
    rows = calibrate_gpu._gemm(np.stack([m, n, k], 1).astype(np.float64), 1e6)[0]
    tiles = np.ceil(m / 128) * np.ceil(n / 128)
    compute = np.maximum(tiles, 80) / 80 * 2 * 80 * 128 * 128 * k / (0.8 * PEAK)
    memory = (2 * n * k / 0.85 + 2 * m * (n + k) / STREAMED) / BANDWIDTH
    seconds = 3e-6 + soft_maximum(compute, memory, 3.0)
    return rows, seconds * np.exp(0.02 * rng.standard_normal(len(m)))


@pytest.fixture(scope="module")
def fitted():
    """Rows, seconds, which are known, and the fit to those."""
    rows, seconds = planted(1)
    known = np.arange(len(rows)) % 2 == 0
    problem = Problem("gemm", rows, seconds, known, PEAK, BANDWIDTH, STREAMED)
    return rows, seconds, known, fit(problem, 80, "planted")


def test_the_fit_finds_a_planted_kernel_and_holds_on_shapes_it_has_not_seen(fitted):
    rows, seconds, known, (kernel, floor_us, _, surfaces) = fitted
    table = Table(rows, seconds, ~known, {"all": np.ones(len(rows), bool)})
    [(name, count, median, p90)] = score(table, predicted(kernel, rows, PEAK, BANDWIDTH, STREAMED))
    assert (name, count) == ("all", 600)
    assert median < 0.1
    assert p90 < 0.35
    assert floor_us == pytest.approx(3, rel=0.5)
    # factors of large kernels: 1 / 0.8 for arithmetic, 1 / 0.85 for weights
    assert np.exp(surfaces["compute"].factor[-1, -1]) == pytest.approx(1.25, rel=0.15)
    assert np.exp(surfaces["memory"].factor[-1, 0]) == pytest.approx(1 / 0.85, rel=0.05)


def test_errors_are_those_of_the_shapes_held_out():
    table = Table(
        np.zeros((4, 1)),
        np.array([1.0, 1.0, 2.0, 4.0]),
        np.array([False, True, True, True]),
        {"all": np.ones(4, bool), "last": np.array([False, False, False, True]), "none": np.zeros(4, bool)},
    )
    # off by 10, 50 and 100 % on the three held out; the first shape, off by a factor of 9, does not count
    found = list(score(table, np.array([9.0, 1.1, 3.0, 8.0])))
    assert [(name, count) for name, count, *_ in found] == [("all", 3), ("last", 1)]
    assert [median for *_, median, _ in found] == pytest.approx([0.5, 1.0])
    assert found[0][3] == pytest.approx(0.9)


def test_the_split_is_even_and_does_not_depend_on_order():
    shapes = [(m, n, 64) for m in range(1, 60) for n in range(1, 60)]
    assert np.mean([held_out(shape) for shape in shapes]) == pytest.approx(0.5, abs=0.03)
    assert held_out((1, 1280, 1280)) == held_out((1, 1280, 1280))


def test_what_is_written_is_read_back(tmp_path, fitted):
    rows, _, _, (kernel, floor_us, order, surfaces) = fitted
    head, _, below = (FOLDER / "h100.toml").read_text().partition(calibrate_gpu.MARK)
    other = below[below.index("[kernels.context]") :]
    path = tmp_path / "mine.toml"
    path.write_text(head + calibrate_gpu._kernel_toml("gemm", "planted", floor_us, order, surfaces) + other)
    again = predicted(read_device(path).kernels["gemm"], rows, PEAK, BANDWIDTH, STREAMED)
    assert again == pytest.approx(predicted(kernel, rows, PEAK, BANDWIDTH, STREAMED), rel=1e-3)


@pytest.mark.parametrize("argv", [["h1000"], ["h100", "--systems", "nowhere"]])
def test_bad_input_is_one_line(argv, capsys, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0")
    assert calibrate_gpu.main([*argv] if "--systems" in argv else [*argv, "--systems", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.out == ""


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
