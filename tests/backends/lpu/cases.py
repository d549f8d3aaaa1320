"""The LPU of the tests, and workloads for it."""

from earspan.backends.devices.files import load_device
from earspan.backends.lpu.chip import Chip
from earspan.backends.lpu.lpu import lpu_backend
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import strategies as st

GROQ = load_device("groq-v1")
CHIP = Chip.of(GROQ)
LARGE, TURBO = DIMENSIONS["large-v3"], DIMENSIONS["turbo"]


def lpu(chips=None, weights="int8"):
    return lpu_backend("groq", GROQ, chips, weights)


workloads = st.builds(
    Workload,
    st.sampled_from([DIMENSIONS[name] for name in ("tiny.en", "small", "turbo")]),
    batch=st.integers(1, 4),
    audio_s=st.floats(0.1, 30),
    padding=st.sampled_from(["full", "fit"]),
    decode_tokens=st.integers(0, 200),
)
