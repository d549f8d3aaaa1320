import tomllib

import pytest
from earspan.backends.device import BASES, FOLDER, KINDS, device_names, load_device, read_device
from earspan.backends.errors import InputError

WANTED = {"t4", "l4", "l40s", "a100", "h100", "h200", "b200", "groq-v1"}


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
    assert h100["gemm_floor"] == pytest.approx(3.22e-6)
    # 2 planes of 160 x 320 multiply-adds at 900 MHz: the 184 TFLOP/s of the facts; 9.2 TB/s of weights
    units = groq["matrix_depth"] * groq["matrix_width"] * groq["matrix_units"]
    assert 2 * units * groq["clock"] == pytest.approx(184.3e12, rel=1e-3)
    assert groq["weight_load"] * groq["clock"] == pytest.approx(9.2e12, rel=2e-3)


def test_guesses_are_not_passed_off_as_fits():
    gemm = ("gemm_floor", "gemm_compute_efficiency", "gemm_memory_efficiency")
    assert {name: load_device(name).basis(*gemm) for name in ("t4", "l4", "h100")} == {
        "t4": "estimate",
        "l4": "estimate",
        "h100": "fitted",
    }


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
        ('basis = "fitted"', 'basis = "sure"', "gemm_floor", "expected one of published"),
        (
            'source = "NVIDIA data sheet, recalled and not re-read"',
            'source = " "',
            "fp32_peak",
            "source is empty",
        ),
        ("value = 0.82,", "value = 1.2,", "gemm_compute_efficiency", "at most 1"),
        ("value = 0.82,", "value = 0.82, sure = true,", "gemm_compute_efficiency", "unknown field 'sure'"),
        ("memory_bandwidth =", "memory_bandwith =", "memory_bandwith", "did you mean 'memory_bandwidth'"),
        ('kind = "gpu"', 'kind = "cpu"', "kind", "expected one of gpu, lpu"),
        ('kind = "gpu"', 'kind = "gpu"\ncolour = 1', "colour", "unknown key"),
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
    assert f"{path}, line {line}: {key}: " in message
    assert says in message
    assert "\n" not in message


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
