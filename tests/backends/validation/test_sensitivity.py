import pytest
from earspan.backends.devices.files import FOLDER, load_device, read_device
from earspan.backends.errors import InputError
from earspan.backends.lpu.lpu import lpu_backend
from earspan.backends.validation.sensitivity import sensitivities
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload


def test_each_range_is_tried_at_both_ends():
    device = load_device("lp30")
    rows = sensitivities(device, lambda changed: changed["clock"] + 10 * changed["weight_load"])
    assert {row.figure for row in rows} == {name for name, figure in device.figures.items() if figure.range}
    by_name = {row.figure: row for row in rows}
    assert by_name["clock"].spread == pytest.approx((1800 - 900) * 1e6)
    assert by_name["partner_latency"].spread == 0
    assert rows[0].figure == "clock"


def test_a_call_takes_less_with_more_of_what_is_not_disclosed():
    call = Workload(DIMENSIONS["turbo"], decode_tokens=20)
    rows = sensitivities(load_device("lp30"), lambda device: lpu_backend("lp30", device, 8).time(call).seconds)
    by_name = {row.figure: row for row in rows}
    for name in ("clock", "weight_load", "matrix_units", "link_bandwidth"):
        assert by_name[name].at_largest < by_name[name].at_least
    for name in ("hops_matrix", "delay_vector"):
        assert by_name[name].at_largest > by_name[name].at_least


@pytest.mark.parametrize("bad", ["[3]", "[200, 300]", "5"])
def test_a_range_holds_its_value(tmp_path, bad):
    path = tmp_path / "mine.toml"
    text = (FOLDER / "groq-v1.toml").read_text()
    path.write_text(
        text.replace("range = [150, 220]", f"range = {bad}" if bad != "[200, 300]" else "range = [210, 300]")
    )
    with pytest.raises(InputError, match="sram_usable: range is"):
        read_device(path)
