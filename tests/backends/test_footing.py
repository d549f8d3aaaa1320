import pytest
from earspan.backends.footing import list_footings
from earspan.backends.registry import get_backend
from earspan.backends.serving.cost import Price
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

CALL = Workload(DIMENSIONS["large-v3"], decode_tokens=99)


def test_an_lpu_row_says_how_many_chips_hold_what():
    (found,) = list_footings(get_backend("groq-v1"), CALL)
    # 11 chips of 200 MB and 215 W hold 1.54 GB of int8 weights
    assert (found.units, found.weights, found.usd_per_h) == (11, "int8", None)
    assert found.memory_bytes == pytest.approx(2.2e9)
    assert found.left_bytes == pytest.approx(2.2e9 - 1.543e9, rel=0.01)
    assert found.power_w == pytest.approx(11 * 215)
    assert "11 chips" in found.line


def test_a_price_that_is_given_is_said_to_be():
    (found,) = list_footings(get_backend("groq-v1x16"), CALL, {"groq-v1": Price(0.5, 0.4, 0.6, "given by the user")})
    assert found.usd_per_h == pytest.approx(8)
    assert "given by the user" in found.line


@pytest.mark.parametrize(("name", "devices"), [("h100", ["h100"]), ("h100+lp30x16@operator", ["h100", "lp30"])])
def test_every_device_of_a_backend_has_one(name, devices):
    found = list_footings(get_backend(name), CALL)
    assert [one.device for one in found] == devices
    assert all(0 < one.left_bytes < one.memory_bytes for one in found)


def test_a_hybrid_holds_no_weight_twice_but_what_both_need():
    gpu, lpu = list_footings(get_backend("h100+groq-v1x16"), CALL)
    held = [one.memory_bytes - one.left_bytes for one in (gpu, lpu)]
    # 635 M parameters of the encoder in fp16, 905 M of the decoder in int8
    assert held[0] >= 635e6 * 2 * 0.99
    assert held[1] == pytest.approx(905e6, rel=0.05)
