"""Planted machines: what they can do at best is known, and so is what Whisper takes on them."""

from dataclasses import replace

import pytest
from earspan.backends.errors import InputError
from earspan.backends.gpu.gpu import gpu_backend
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.benchmarks.calibration.here.ceilings import (
    ROWS,
    WIDTH,
    Ceilings,
    Pieces,
    device_file,
    median_of,
    simulated,
)

PEAK, BANDWIDTH = 2e11, 2e10


def planted(peak: float = PEAK, bandwidth: float = BANDWIDTH) -> Ceilings:
    """Return a machine on which nothing but arithmetic and memory costs time."""
    products = tuple(2 * rows * WIDTH**2 / peak for rows in ROWS)
    return Ceilings(products, bandwidth, bandwidth, bandwidth, peak, 1e-12, 1e-7, 1e-6)


def backend_of(ceilings: Ceilings):
    return gpu_backend("planted", simulated(ceilings, threads=2), "torch-cpu")


@pytest.mark.parametrize("size", ["tiny.en", "base"])
def test_decode_steps_of_a_machine_bound_by_memory_read_all_weights_and_keys(size):
    work = Workload(DIMENSIONS[size], decode_tokens=10, dtype="fp32")
    moved = sum(op.count * op.bytes for op in work.decode_ops())
    # choosing a token reads the logits besides: a few hundredths
    assert backend_of(planted(peak=1e15)).time(work).phases["decode"] == pytest.approx(moved / BANDWIDTH, rel=0.05)


@pytest.mark.parametrize("size", ["tiny.en", "base"])
def test_encoders_of_a_machine_bound_by_arithmetic_take_their_flops(size):
    work = Workload(DIMENSIONS[size], batch=4, dtype="fp32")
    flops = sum(op.count * op.flops for op in work.ops() if op.phase == "encode")
    # attention computes whole tiles of 128 queries: 1536 of 1500
    seconds = backend_of(planted(bandwidth=1e13)).time(work).phases["encode"]
    assert seconds == pytest.approx(flops / PEAK, rel=0.03)


def test_calls_are_in_fp32_whatever_the_workload_says_and_halves_of_it_are_refused():
    work = Workload(DIMENSIONS["tiny.en"], decode_tokens=10)
    backend = backend_of(planted())
    assert backend.time(work) == backend.time(replace(work, dtype="fp32"))
    with pytest.raises(InputError, match="fp32 is for all of the model"):
        get_backend("h100-fp32enc")
    assert get_backend("h100-fp32").time(work).seconds > get_backend("h100").time(work).seconds


def test_a_device_file_of_this_machine_is_a_backend(tmp_path):
    path = tmp_path / "cpu.toml"
    path.write_text(device_file(planted(), 2))
    work = Workload(DIMENSIONS["tiny.en"], decode_tokens=10)
    named = get_backend(f"{path}-torch-cpu")
    assert named.time(work).seconds == pytest.approx(backend_of(planted()).time(work).seconds)
    assert named.time(work).provenance == "measured"


def test_larger_products_are_never_faster_whatever_was_measured():
    odd = replace(planted(), product_s=(1e-3, 2e-4, 5e-3, 1e-4, 3e-3, 2e-3, 9e-2))
    device = simulated(odd, 2)  # refused if a factor fell too fast
    rates = [2 * rows * WIDTH**2 / took_s for rows, took_s in zip(ROWS, odd.product_s, strict=True)]
    assert device["fp32_peak"] == pytest.approx(max(rates), rel=1e-5)


def test_medians_are_taken_piece_by_piece():
    found = median_of(
        [planted(peak=peak, bandwidth=bandwidth) for peak, bandwidth in ((1e9, 5e9), (9e9, 1e9), (3e9, 3e9))]
    )
    assert found.weights_bytes_per_s == 3e9
    assert found.peak_flop_per_s == pytest.approx(3e9)


def test_pieces_of_this_machine_are_possible():
    found = Pieces().measure()
    assert all(took_s > 0 for took_s in found.product_s)
    assert 1e8 < found.peak_flop_per_s < 1e14
    assert 1e8 < found.copy_bytes_per_s < 1e13
    assert 0 < found.small_op_s < 0.01
    simulated(found, 1)
