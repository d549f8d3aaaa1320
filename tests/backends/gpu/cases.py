"""Devices and workloads for the tests of GPUs."""

from dataclasses import replace

from earspan.backends.devices.files import device_names, load_device
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import strategies as st

LARGE = DIMENSIONS["large-v3"]
GPUS = tuple(name for name in device_names() if load_device(name).kind in ("gpu", "cpu"))


H100 = load_device("h100")


def scale(device, factors):
    """The device with some figures multiplied."""
    figures = {key: replace(f, value=f.value * factors.get(key, 1)) for key, f in device.figures.items()}
    return replace(device, name="made-up", figures=figures)


def ideal(device, **kernel_changes):
    """The device without floors, launches, factors, or any wait for memory."""
    slow = {key: 1e-9 for key, figure in device.figures.items() if figure.quantity == "time"}
    made = scale(device, slow | {"memory_bandwidth": 1e9, "host_bandwidth": 1e9})
    plain = {"compute": None, "depth": None, "memory": None, "floor_s": 0.0} | kernel_changes
    return replace(made, kernels={name: replace(kernel, **plain) for name, kernel in made.kernels.items()})


workloads = st.builds(
    Workload,
    st.sampled_from([DIMENSIONS[name] for name in ("tiny.en", "base", "small", "turbo")]),
    batch=st.integers(1, 8),
    audio_s=st.floats(0.1, 30),
    padding=st.sampled_from(["full", "fit"]),
    decode_tokens=st.integers(0, 200),
    dtype=st.sampled_from(["fp16", "fp32"]),
    weight_dtype=st.sampled_from(["", "int8", "w8a8", "fp8"]),
    decoder_weights=st.sampled_from(["", "int8"]),
    beam=st.sampled_from([1, 5]),
)
