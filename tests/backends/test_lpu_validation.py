import pytest
from earspan.backends.device_file import load_device
from earspan.backends.lpu_chip import Chip
from earspan.backends.lpu_validation import lpu_checks, resnet_cycles

CHECKS = lpu_checks()


def test_what_is_not_an_input_is_within_a_quarter_or_says_why():
    for check in CHECKS:
        assert check.in_band == (0.75 <= check.ratio <= 1.25), check
        assert check.in_band or check.reason, check
    missed = {check.name.split(",")[0] for check in CHECKS if not check.in_band}
    assert missed == {
        "BERT-base",
        "chips for BERT-base",
        "GroqCloud large-v3 speed factor",
        "GroqCloud turbo speed factor",
    }


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
