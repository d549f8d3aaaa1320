import argparse

import numpy as np
import pytest
from earspan.backends.devices.files import FOLDER, read_device
from earspan.backends.devices.kernels import soft_maximum
from earspan.backends.errors import InputError
from earspan.benchmarks.calibration.fit import Problem, fit_kernel
from earspan.benchmarks.calibration.read import Table, gemm_features, hold_out
from earspan.benchmarks.calibration.validation import KernelError
from earspan.benchmarks.calibration.write import MARK, Fitted, predict_s, score, write_kernels
from earspan.benchmarks.commands import calibrate

PEAK, BANDWIDTH, STREAMED = 100e12, 1e12, 0.8


def planted(seed):
    """GEMMs whose time follows a formula that is none of the fit's own: whole waves of tiles, and a stream."""
    rng = np.random.default_rng(seed)
    m, n, k = (2.0 ** rng.integers(low, high, 1200) for low, high in ((0, 14), (8, 14), (8, 14)))
    rows = gemm_features(np.stack([m, n, k], 1).astype(np.float64), 1e6)[0]
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
    return rows, seconds, known, fit_kernel(problem, 80, "planted")


def test_the_fit_finds_a_planted_kernel_and_holds_on_shapes_it_has_not_seen(fitted):
    rows, seconds, known, kernel = fitted
    table = Table(rows, seconds, ~known, {"all": np.ones(len(rows), bool)})
    [error] = score("l40s", "gemm", table, predict_s(kernel, rows, PEAK, BANDWIDTH, STREAMED))
    assert (error.shapes, error.held_out, error.bar) == ("all", 600, 0.12)
    assert error.median < 0.1
    assert error.p90 < 0.35
    assert kernel.floor_s == pytest.approx(3e-6, rel=0.5)
    # factors of large kernels: 1 / 0.8 for arithmetic, 1 / 0.85 for weights
    assert np.exp(kernel.compute.factor[-1, -1]) == pytest.approx(1.25, rel=0.15)
    assert np.exp(kernel.memory.factor[-1, 0]) == pytest.approx(1 / 0.85, rel=0.05)


def test_errors_are_those_of_the_shapes_held_out():
    table = Table(
        np.zeros((4, 1)),
        np.array([1.0, 1.0, 2.0, 4.0]),
        np.array([False, True, True, True]),
        {"all": np.ones(4, bool), "last": np.array([False, False, False, True]), "none": np.zeros(4, bool)},
    )
    # off by 10, 50 and 100 % on the three held out; the first shape, off by a factor of 9, does not count
    found = list(score("h100", "decode", table, np.array([9.0, 1.1, 3.0, 8.0])))
    assert [(one.shapes, one.held_out, one.bar) for one in found] == [("all", 3, 0.15), ("last", 1, None)]
    assert [one.median for one in found] == pytest.approx([0.5, 1.0])
    assert found[0].p90 == pytest.approx(0.9)


def test_the_split_is_even_and_does_not_depend_on_order():
    shapes = [(m, n, 64) for m in range(1, 60) for n in range(1, 60)]
    assert np.mean([hold_out(shape) for shape in shapes]) == pytest.approx(0.5, abs=0.03)
    assert hold_out((1, 1280, 1280)) == hold_out((1, 1280, 1280))


def test_what_is_written_is_read_back(tmp_path, fitted):
    rows, _, _, kernel = fitted
    head, _, below = (FOLDER / "h100.toml").read_text().partition(MARK)
    path = tmp_path / "mine.toml"
    path.write_text(f"{head}{MARK}\nthis is replaced")
    errors = (
        KernelError("mine", "gemm", "all", 9, 0.05, 0.25, 0.08),
        KernelError("mine", "gemm", "few", 4, 0.5, 1, None),
    )
    write_kernels(path, [Fitted("gemm", kernel, errors)])
    path.write_text(path.read_text() + "\n" + below[below.index("[kernels.context]") :])
    device = read_device(path)
    again = predict_s(device.kernels["gemm"], rows, PEAK, BANDWIDTH, STREAMED)
    assert again == pytest.approx(predict_s(kernel, rows, PEAK, BANDWIDTH, STREAMED), rel=1e-3)
    assert [dict(row) for row in device.validation[:2]] == [
        {"kernel": "gemm", "class": "all", "held_out": 9, "median": 0.05, "p90": 0.25, "bar": 0.08},
        {"kernel": "gemm", "class": "few", "held_out": 4, "median": 0.5, "p90": 1.0},
    ]
    assert path.read_text().startswith(head.rstrip())


@pytest.mark.parametrize(
    ("argv", "problem"), [(["h1000"], "unknown GPU with tables"), (["h100", "--systems", "nowhere"], "no folder data")]
)
def test_bad_input_is_refused(argv, problem, capsys, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0")
    parser = argparse.ArgumentParser()
    calibrate.add_calibrate_arguments(parser)
    args = parser.parse_args(["fit", "--systems", str(tmp_path), *argv])
    with pytest.raises(InputError, match=problem):
        calibrate.run_calibrate(args)
    assert capsys.readouterr().out == ""
