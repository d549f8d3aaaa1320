import re
import tomllib

import pytest
from earspan.backends.devices.device import BASES, KINDS
from earspan.backends.devices.files import FOLDER, device_names, load_device, read_device
from earspan.backends.errors import InputError

WANTED = {"t4", "l4", "l40s", "a100", "h100", "h200", "b200", "geforce-4090", "orin", "tpu-v5e", "tpu-v6e", "groq-v1"}


def test_the_devices_of_the_headline_ship():
    assert set(device_names()) >= WANTED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_number_of_a_shipped_device_has_a_unit_and_a_source(name):
    raw = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    device = load_device(name)
    assert raw["figures"].keys() == device.figures.keys()
    for key, figure in device.figures.items():
        assert figure.value == raw["figures"][key]["value"] > 0
        assert len(figure.source) > 5
        assert figure.basis in BASES


def test_figures_are_in_base_units():
    h100, groq = load_device("h100"), load_device("groq-v1")
    assert h100["fp16_peak"] == 989e12
    assert h100["memory"] == 80 * 2**30
    assert h100["graph_launch"] == pytest.approx(6.1e-6)
    # 2 planes of 160 x 320 multiply-adds at 900 MHz: the 184 TFLOP/s of the facts; 9.2 TB/s of weights
    units = groq["matrix_depth"] * groq["matrix_width"] * groq["matrix_units"]
    assert 2 * units * groq["clock"] == pytest.approx(184.3e12, rel=1e-3)
    assert groq["weight_load"] * groq["clock"] == pytest.approx(9.2e12, rel=2e-3)


def test_borrowed_kernels_are_not_passed_off_as_fits():
    bases = {name: load_device(name).basis("gemm", "context", "decode") for name in ("t4", "l4", "a100", "h100")}
    assert bases == {"t4": "estimate", "l4": "estimate", "a100": "fitted", "h100": "fitted"}
    l4 = load_device("l4")
    assert "borrowed from l40s" in l4.kernels["gemm"].source
    # 58 processors have as much to do with 58 tiles as 142 with 142
    assert l4.shares["gemm"] == pytest.approx(58 / 142)


def test_every_fitted_kernel_has_its_error_on_held_out_shapes():
    for name in ("a100", "h100", "h200", "b200", "l40s"):
        device = load_device(name)
        scored = {row["kernel"]: row for row in device.validation if row["class"] == "all"}
        assert scored.keys() == device.kernels.keys()
        for row in scored.values():
            assert row["held_out"] > 200
            # the project's bars
            assert 0 < row["median"] <= row["bar"]
            assert row["p90"] > row["median"]


def test_rooflines_need_no_kernels():
    tpu = load_device("tpu-v5e")
    assert (tpu["fp16_peak"], tpu["memory_bandwidth"]) == (197e12, 819e9)
    assert not tpu.kernels


GOOD = (FOLDER / "h100.toml").read_text()


def _line(key):
    return next(n for n, line in enumerate(GOOD.splitlines(), 1) if line.startswith(key))


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("value = 3350,", "value = -3350,", "memory_bandwidth", "positive"),
        ("value = 3350,", 'value = "fast",', "memory_bandwidth", "positive"),
        ("value = 3350,", "value = nan,", "memory_bandwidth", "positive"),
        ("value = 3350,", "value = true,", "memory_bandwidth", "positive"),
        ('value = 3350, unit = "GB/s",', "value = 3350,", "memory_bandwidth", "unit is missing"),
        ('value = 3350, unit = "GB/s",', 'value = 3350, unit = "Gbit",', "memory_bandwidth", "GB/s or TB/s"),
        ('density = "dense", ', "", "fp16_peak", "density is missing"),
        ('density = "dense"', 'density = "sparse"', "fp16_peak", "dense peak"),
        ('basis = "estimate"', 'basis = "sure"', "fp32_peak", "expected one of published"),
        (
            'source = "NVIDIA data sheet, recalled and not re-read"',
            'source = " "',
            "fp32_peak",
            "source is empty",
        ),
        ("value = 0.858,", "value = 1.2,", "memory_efficiency", "at most 1"),
        ("value = 0.858,", "value = 0.858, sure = true,", "memory_efficiency", "unknown field 'sure'"),
        ("memory_bandwidth =", "memory_bandwith =", "memory_bandwith", "did you mean 'memory_bandwidth'"),
        ('kind = "gpu"', 'kind = "dsp"', "kind", "expected one of gpu"),
        ("value = 3350,", "value = 3350000,", "memory_bandwidth", "check the unit"),
        ("value = 3350,", "value = 3.35,", "memory_bandwidth", "check the unit"),
        ("value = 64,", "value = 64000,", "host_bandwidth", "check the unit"),
        ("value = 989,", "value = 0.989,", "fp16_peak", "check the unit"),
        ("value = 989,", "value = 1979,", "fp16_peak", "looks like the peak for sparse matrices"),
        ("value = 66.9,", "value = 990,", "fp32_peak", "check the unit"),
        ("value = 132,", "value = 12,", "fp16_peak", "make it"),
        ('value = 6.1, unit = "us"', 'value = 6.1, unit = "ms"', "graph_launch", "check the unit"),
        ("floor_us", "floor_ms", "[kernels.gemm]", "unknown key 'floor_ms'"),
        ("[kernels.gemm.compute]", "[kernels.gemm.computing]", "[kernels.gemm]", "unknown key 'computing'"),
        ("p90 =", "p99 =", "[[validation]]", "p90 is missing"),
        ('kind = "gpu"', 'kind = "gpu"\ncolour = 1', "colour", "unknown key"),
        ('kind = "gpu"', 'kind = ["gpu"]', "kind", "expected one of gpu"),
        ('value = 3350, unit = "GB/s",', 'value = 3350, unit = ["GB/s"],', "memory_bandwidth", "GB/s or TB/s"),
        ("value = 3350,", f"value = 3350{'0' * 400},", "memory_bandwidth", "positive"),
        ("value = 3350,", 'value = 3350, range = ["a", "b"],', "memory_bandwidth", "expected [least, largest]"),
        ("value = 3350,", "value = 3350, range = [-1, 4000],", "memory_bandwidth", "expected [least, largest]"),
        ("value = 3350,", "value = 3350, range = [0.0, inf],", "memory_bandwidth", "expected [least, largest]"),
        ('basis = "fitted"', 'basis = "foo"', "[kernels.gemm]", "basis is 'foo'; expected one of published"),
    ],
)
def test_a_malformed_file_is_refused_with_file_line_and_key(tmp_path, old, new, key, says):
    path = tmp_path / "mine.toml"
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    path.write_text(text)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if row.startswith(key))
    with pytest.raises(InputError) as caught:
        read_device(path)
    message = str(caught.value)
    assert f"{path}, line {line}: {key.strip('[]')}: " in message
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ("kernels = 3", "kernels: 3 given"),
        ("borrowed = 3", "borrowed: 3 given"),
        ("validation = 3", "validation: 3 given"),
        ("validation = [3]", "validation: 3 given; expected a table"),
        ("[borrowed]\ngemm = { device = 3, reason = 'x' }", "gemm: unknown device '3'"),
        ("[borrowed]\ngemm = { device = 'mine.toml', reason = 'x' }", "gemm: unknown device 'mine.toml'"),
    ],
)
def test_tables_of_another_kind_are_refused(tmp_path, tables, says):
    # without the tables that it stands for
    blocks = re.split(r"(?m)^(?=\[)", GOOD)
    dropped = ("[[validation]]",) if tables.startswith("validation") else ("[kernels", "[[validation]]")
    top, *rest = [block for block in blocks if not block.startswith(dropped)]
    path = tmp_path / "mine.toml"
    path.write_text("".join([top, *rest, tables] if tables.startswith("[") else [top, tables, "\n", *rest]))
    with pytest.raises(InputError, match=r"mine\.toml") as caught:
        read_device(path)
    assert says in str(caught.value)


def test_every_required_figure_is_missed_when_absent(tmp_path):
    path = tmp_path / "mine.toml"
    for key in KINDS["gpu"].figures.keys() - KINDS["gpu"].optional:
        path.write_text("\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{key} =")))
        with pytest.raises(InputError, match=f"{key}: missing"):
            read_device(path)


def test_optional_figures_may_be_absent(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(line for line in GOOD.splitlines() if not line.startswith("price")))
    assert "price" not in read_device(path).figures


@pytest.mark.parametrize("content", [None, b"value = = 3", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_device(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_device_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'h100'"):
        load_device("h1000")
