import numpy as np
import pytest
from earspan.backends.devices.kernels import COLUMNS, Kernel, Surface, read_kernel, rows_of, soft_maximum
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import given
from hypothesis import strategies as st

GRID = Surface(np.array([1.0, 10.0, 1000.0]), np.array([2.0, 8.0]), np.array([[9.0, 4.0], [3.0, 2.0], [1.0, 1.0]]))


def at(surface, x, y):
    return float(np.exp(surface.log(np.array([x]), np.array([y])))[0])


def test_a_surface_is_exact_at_its_knots_and_constant_outside():
    for i, x in enumerate((1, 10, 1000)):
        for j, y in enumerate((2, 8)):
            assert at(GRID, x, y) == pytest.approx([[9, 4], [3, 2], [1, 1]][i][j])
    assert at(GRID, 0.01, 1) == pytest.approx(9)
    assert at(GRID, 1e9, 99) == pytest.approx(1)


def test_between_knots_a_surface_is_linear_in_logarithms():
    # half-way in log x between 3 and 1 at y = 2, and between 2 and 1 at y = 8: roots of the products; then of both
    assert at(GRID, 100, 2) == pytest.approx(3**0.5)
    assert at(GRID, 100, 4) == pytest.approx((3**0.5 * 2**0.5) ** 0.5)


@given(x=st.floats(0.1, 1e5), y=st.floats(0.1, 100), more=st.floats(1, 50))
def test_work_never_falls_along_either_axis(x, y, more):
    assert more * x * at(GRID, more * x, y) >= x * at(GRID, x, y) * (1 - 1e-9)
    assert more * y * at(GRID, x, more * y) >= y * at(GRID, x, y) * (1 - 1e-9)


@given(a=st.floats(0, 1e3), b=st.floats(1e-9, 1e3), order=st.floats(1, 50))
def test_the_soft_maximum_lies_between_the_maximum_and_the_sum(a, b, order):
    value = soft_maximum(np.array([a]), np.array([b]), order)[0]
    assert max(a, b) * (1 - 1e-12) <= value <= (a + b) * (1 + 1e-12)


def test_a_kernel_by_hand():
    surface = Surface(np.array([1.0]), np.array([1.0]), np.array([[2.0]]))
    kernel = Kernel(1e-6, 2.0, "fitted", "made up", compute=surface, memory=surface)
    row = dict.fromkeys(COLUMNS, 1.0) | {"flops": 3e6, "stationary": 4e6, "moving": 1e6}
    floor, compute, memory = kernel.seconds(np.array([[row[name] for name in COLUMNS]]), 1e12, 1e12, 0.5)
    # 3 us at peak, times 2; 4 us of weights, times 2, and 1 us of activations at half of the bandwidth
    assert (floor[0], compute[0], memory[0]) == pytest.approx((1e-6, 6e-6, 10e-6))


def test_features_of_the_operations_of_a_call():
    work = Workload(DIMENSIONS["large-v3"], batch=2, decode_tokens=9, weight_dtype="int8")
    ops = work.ops()
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows_of((op, 1.0) for op in ops)]
    assert sum(row["count"] * row["least_flops"] for row in rows) == sum(op.count * op.flops for op in ops)
    for op, row in zip(ops, rows, strict=True):
        assert row["least_bytes"] == op.bytes
        assert row["stationary"] + row["moving"] >= op.bytes
        assert row["flops"] >= row["least_flops"]
    logits = next(row for op, row in zip(ops, rows, strict=True) if op.kind == "logits" and op.phase == "decode")
    assert (logits["x"], logits["y"], logits["z"]) == (2, 51866, 1280)
    # int8 weights are half of the bytes, each of which takes 1.3 times as long, in as many tiles as in fp16
    assert logits["stationary"] == pytest.approx(1.3 * 51866 * 1280)
    assert logits["u"] == 2 * 51866 * 1280
    encoder = next(row for op, row in zip(ops, rows, strict=True) if op.kind == "attention")
    # 1500 queries are 12 tiles of 128
    assert (encoder["x"], encoder["y"]) == (2 * 20 * 12, 1500)


GOOD = {"basis": "fitted", "source": "made up", "floor_us": 2.0, "order": 2.0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"floor_us": -1}, "floor_us is -1"),
        ({"order": 0.5}, "at least 1"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"compute": {"x": [1, 2], "factor": [1.0, 0.9]}}, "compute: a factor is below 1"),
        ({"compute": {"x": [2, 1], "factor": [1.0, 1.0]}}, "knots must be positive and rise"),
        ({"compute": {"x": [1, 2], "factor": [9.0, 1.0]}}, "larger shapes would be faster"),
        ({"memory": {"x": [1, 2, 3], "factor": [1.0, 1.0]}}, "expected 3 rows of 1"),
        ({"memory": {"factor": [1.0]}}, "memory: 'x'"),
        ({"depth": {"x": [1], "factor": [float("nan")]}}, "positive numbers"),
    ],
)
def test_a_kernel_that_cannot_be_is_refused(change, says):
    assert read_kernel(GOOD).floor_s == 2e-6
    with pytest.raises(ValueError, match=says):
        read_kernel(GOOD | change)


def test_a_kernel_without_its_floor_is_refused():
    with pytest.raises(ValueError, match="floor_us is missing"):
        read_kernel({key: value for key, value in GOOD.items() if key != "floor_us"})
