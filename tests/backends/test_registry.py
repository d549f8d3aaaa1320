import shutil

import pytest
from earspan.backends.devices.files import FOLDER, device_names
from earspan.backends.errors import InputError
from earspan.backends.gpu.gpu import Gpu
from earspan.backends.lpu.lpu import Lpu
from earspan.backends.registry import get_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload


def test_every_listed_name_is_a_backend_that_times_a_call():
    for name in device_names():
        backend = get_backend(name)
        assert backend.name == name
        assert backend.time(Workload(DIMENSIONS["tiny.en"])).seconds > 0
        assert "\n" not in backend.describe()


@pytest.mark.parametrize(
    ("name", "chips", "weights"),
    [("groq-v1", None, "int8"), ("groq-v1x16", 16, "int8"), ("groq-v1x18-fp16", 18, "fp16")],
)
def test_lpu_names(name, chips, weights):
    backend = get_backend(name)
    assert isinstance(backend, Lpu)
    assert (backend.chips, backend.weights) == (chips, weights)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("h100", "graph"),
        ("h100-eager", "eager"),
        ("h100-trtllm", "trtllm"),
        ("h100-whisper.cpp", "whisper.cpp"),
        ("geforce-4090-eager", "eager"),
    ],
)
def test_gpu_names(name, mode):
    backend = get_backend(name)
    assert isinstance(backend, Gpu)
    assert backend.mode == mode


def test_a_device_file_is_a_backend(tmp_path):
    path = tmp_path / "mine-fp16x2.toml"
    shutil.copy(FOLDER / "l4.toml", path)
    work = Workload(DIMENSIONS["tiny.en"], decode_tokens=5)
    assert get_backend(str(path)).time(work) == get_backend("l4").time(work)
    shutil.copy(FOLDER / "groq-v1.toml", path)
    assert get_backend(f"{path}x16").time(work) == get_backend("groq-v1x16").time(work)
    other = shutil.copy(path, tmp_path / "other.toml")
    assert get_backend(f"h100+{other}").time(work) == get_backend("h100+groq-v1").time(work)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("h1000", "unknown backend 'h1000'; did you mean 'h100'"),
        ("", "unknown backend"),
        ("groq-v1x0", "expected 1 to"),
        ("groq-v1x16-eager", "are for GPUs"),
        ("h100x8", "type 'h100'"),
        ("h100-fused", "unknown backend"),
        ("groq-v1x16-int8enc", "for GPUs"),
        ("nowhere.toml", "nowhere.toml: no such file"),
    ],
)
def test_names_that_are_no_backend(name, says):
    with pytest.raises(InputError) as caught:
        get_backend(name)
    assert says in str(caught.value)


def test_a_packing_is_part_of_an_lpus_name_only():
    packed = get_backend("groq-v1x64-fp16-groqflow")
    assert isinstance(packed, Lpu)
    assert (packed.chips, packed.weights, packed.packing) == (64, "fp16", "groqflow")
    narrow = get_backend("lp30x16")
    assert isinstance(narrow, Lpu)
    assert narrow.weights == "fp8"
    with pytest.raises(InputError, match="for LPUs"):
        get_backend("h100-groqflow")
