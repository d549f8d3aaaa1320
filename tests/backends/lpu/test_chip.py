import math

import pytest
from earspan.backends.lpu.chip import tile
from earspan.backends.lpu.schedule import Schedule
from earspan.backends.workload.workload import Workload

from .cases import CHIP, TURBO, lpu


def test_one_matmul_by_hand():
    # 1500 x 1280 times 1280 x 1280: 8 x 4 tiles over 2 planes = 16 passes of 1500 rows, then the fill of 150
    plan = tile(CHIP, 1500, 1280, 1280)
    assert (plan.passes, plan.rows, plan.load, plan.cycles) == (16, 1500, 20, 16 * 1500)
    # one row: 16 passes, the first tile in place, then 20 cycles each to load 102,400 bytes at 5,120 a cycle
    assert tile(CHIP, 1, 1280, 1280).cycles == 15 * 20 + 1
    # a single tile of many rows goes on both planes, half of the rows on each
    assert tile(CHIP, 3000, 160, 320).cycles == 1500
    # head size 64 fills 64 of 160 rows and 64 of 320 columns; with the left operand in the planes, all columns
    assert tile(CHIP, 1500, 1500, 64).cycles == 10 * 1500 / 2
    assert tile(CHIP, 1500, 1500, 64, either=True).cycles == 10 * 5 * 64 / 2
    assert CHIP.fill == 150
    schedule = Schedule(CHIP)
    schedule.matmul("a", plan, 1, [schedule.given("x", 1)])
    # the first tile has to be loaded first
    assert schedule.block().cycles == 20 + 16 * 1500 + 150


def test_exchange_by_hand():
    # one token: 2560 bytes to all peers at once, one hop of 722 ns; 3.84 MB: in shares, there and back
    assert CHIP.hop == 650
    per_cycle = 12.2 / 0.9
    assert CHIP.exchange_cycles(2560, 8) == 650 + math.ceil(2560 / per_cycle)
    assert CHIP.exchange_cycles(3.84e6, 8) == 2 * (650 + math.ceil(3.84e6 / 8 / per_cycle))
    assert CHIP.exchange_cycles(2560, 1) == 0


def test_gemm_utilisation_is_at_least_80_percent_over_the_published_range():
    # [2304 x 4096] x [4096 x N] at fp16, TSM paper: at least 80 % for N = 1376..3500
    for n in range(1376, 3501, 4):
        cycles = tile(CHIP, 2304, 4096, n, either=True).cycles + CHIP.fill
        assert 0.8 <= 2304 * 4096 * n / cycles / (2 * 160 * 320) <= 1


def test_a_group_wider_than_a_node_takes_three_turns():
    # 256 chips, a small message: three hops of 722 ns (TSM22), and the share of each chip on its way
    small = CHIP.exchange_cycles(32, 256)
    assert 3 * CHIP.hop <= small <= 3 * CHIP.hop + 60
    # 3.28 MB over two nodes: an eighth there and back within the node, half of that eighth each way between
    link, wide = 12.2 / 0.9, 48.8 / 0.9
    eighth = 3.28e6 / 8
    by_hand = 2 * (650 + eighth / link) + min(650 + eighth / wide, 2 * (650 + eighth / 2 / wide))
    assert CHIP.exchange_cycles(3.28e6, 16) == pytest.approx(by_hand, abs=4)


def test_stored_weights_are_made_operands_by_the_vector_unit():
    # a tile of 160 x 320 for each of 2 planes: 102,400 values over 5,120 ALUs, as long as the load takes
    plain, stored = tile(CHIP, 1, 1280, 1280), tile(CHIP, 1, 1280, 1280, convert=1.0)
    assert stored.convert == 32 * 160 * 320 / 5120
    assert stored.load == plain.load == 20
    slow = tile(CHIP, 1, 1280, 1280, convert=2.0)
    assert (slow.load, slow.cycles) == (40, 15 * 40 + 1)
    # with many rows it is hidden
    assert tile(CHIP, 1500, 1280, 1280, convert=2.0).cycles == tile(CHIP, 1500, 1280, 1280).cycles
    call = Workload(TURBO, decode_tokens=99)
    int8, fp16 = (lpu(16, weights).time(call).phases["decode"] for weights in ("int8", "fp16"))
    assert fp16 <= int8 <= 1.2 * fp16
