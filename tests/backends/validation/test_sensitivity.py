import pytest
from earspan.backends.devices.files import FOLDER, read_device
from earspan.backends.errors import InputError
from earspan.backends.registry import get_backend
from earspan.backends.validation.sensitivity import measure_sensitivity
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload

CALL = Workload(DIMENSIONS["turbo"], decode_tokens=20)


def test_a_call_takes_less_with_more_of_what_is_not_disclosed():
    rows = {row.figure: row for row in measure_sensitivity("lp30x8", CALL)}
    for name in ("clock", "weight_load", "matrix_units", "link_bandwidth"):
        assert rows[name].at_largest_s < rows[name].at_least_s
    for name in ("hops_matrix", "delay_vector"):
        assert rows[name].at_largest_s > rows[name].at_least_s
    assert (rows["clock"].least, rows["clock"].value, rows["clock"].largest) == (900, 1465, 1800)


@pytest.mark.parametrize("name", ["groq-v1x16", "rubin", "h100+groq-v1x16@operator"])
def test_every_figure_that_matters_is_tried_alone_and_the_most_sensitive_comes_first(name):
    rows = measure_sensitivity(name, CALL)
    assert [row.spread for row in rows] == sorted((row.spread for row in rows), reverse=True)
    seconds = get_backend(name).time(CALL).seconds
    for row in rows:
        assert row.seconds == seconds
        assert min(row.at_least_s, row.at_largest_s) <= seconds * (1 + 1e-12)
        # price and power cost no time
        assert row.figure not in ("price", "power")


def test_a_figure_at_which_the_batch_does_not_fit_takes_forever():
    (row,) = (row for row in measure_sensitivity("groq-v1x5", CALL) if row.figure == "sram_usable")
    assert row.at_least_s == float("inf")


@pytest.mark.parametrize("bad", ["[3]", "[200, 300]", "5"])
def test_a_range_holds_its_value(tmp_path, bad):
    path = tmp_path / "mine.toml"
    text = (FOLDER / "groq-v1.toml").read_text()
    path.write_text(
        text.replace("range = [150, 220]", f"range = {bad}" if bad != "[200, 300]" else "range = [210, 300]")
    )
    with pytest.raises(InputError, match="sram_usable: range is"):
        read_device(path)
