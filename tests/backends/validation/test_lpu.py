from statistics import median

import pytest
from earspan.backends.devices.files import load_device
from earspan.backends.lpu.chip import Chip
from earspan.backends.validation.lpu import lpu_checks, lpu_classes, resnet_cycles
from earspan.backends.validation.served import gemm_s

CHECKS = lpu_checks()


def test_what_is_not_an_input_is_within_a_quarter_or_says_why():
    for check in CHECKS:
        assert check.in_band == (0.75 <= check.ratio <= 1.25), check
        assert check.in_band or check.reason, check
    missed = {check.name.split(",")[0] for check in CHECKS if not check.in_band}
    assert missed <= {"BERT-base", "Llama-2 7B", "Mixtral 8x7B", "GEMM 800x32576x8192 on 100 chips"}


@pytest.mark.parametrize("name", list(lpu_classes()))
def test_the_median_of_every_class_is_within_a_quarter(name):
    tests = [abs(check.ratio - 1) for check in lpu_classes()[name] if not check.fitted_on]
    assert median(tests) <= 0.25


def test_no_constant_is_an_input_twice_for_a_device():
    used = [(check.name.startswith("LP30"), check.fitted_on) for check in CHECKS if check.fitted_on]
    assert len(used) == len(set(used))


def test_every_row_names_its_source():
    assert all(check.source and check.unit and check.published > 0 for check in CHECKS)
    assert len(CHECKS) >= 20


def test_resnet_work_by_hand():
    chip = Chip.of(load_device("groq-v1"), "int8")
    # a block of stage 3: 1x1 of 4 tiles, 3x3 of 8, 1x1 of 4, each of 196 rows over 4 planes, and three fills
    block = (4 + 8 + 4) * 49 + 3 * 150
    assert resnet_cycles(chip, 101) - resnet_cycles(chip, 50) == pytest.approx(17 * block, rel=0.02)


def test_one_product_on_a_node_by_hand():
    chip = Chip.of(load_device("groq-v1"))
    # 1024 columns and all of the depth a chip: 204 tiles of 160 deep, 3.2 of 320 wide, 800 rows each, over 2 planes
    tiles = 204 * 4
    assert gemm_s(chip, 8, 800, 32576, 8192) * 900e6 == pytest.approx(tiles * 800 / 2, rel=0.1)
    times = [gemm_s(chip, chips, 800, 32576, 8192) for chips in (8, 16, 32, 64)]
    assert times == sorted(times, reverse=True)
