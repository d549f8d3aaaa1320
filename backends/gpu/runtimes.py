"""Runtimes by name: how software drives a GPU, and what the host costs beside it.

Each constant says what it was fitted on; all other rows of `backends.validation.anchors` are predictions. Host times
are those of a core of a server's processor; a device whose host is slower says so (`host_slowdown`).
"""

from dataclasses import dataclass

from ..errors import unknown
from ..host import CALL_S

FORMATS = ("fp16", "bf16", "fp32", "int8", "w8a8", "fp8")


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run Whisper on a GPU.

    name: what to type for it. about: one line for --help and tables.
    kernels: which operations become kernels: "eager", "graph", "ggml" or "fused" (see `launches`).
    attention: of several queries: "flash" is one kernel, with "math" the scores pass through memory.
    launch_s: host seconds for each kernel; 0 where a CUDA graph starts all of them.
    step_s, call_s: host seconds for each decode step, and for each batch.
    utterance_s: host seconds for each call of a batch, one after another on one core.
    ended: what becomes of calls that end before their batch: they are "kept" (computed on), "skipped" (their attention
        is spared), or they "leave" the batch.
    batching: "static", or "continuous" where calls join between two decode steps.
    of_host: whether host seconds grow with the `host_slowdown` of the device.
    weights: format of weights and arithmetic, where the name of a backend says none; "" is as the workload says.
    attention_rate: bytes of keys and values that the kernel of a decode step reads on each processor and second, at
        most; 0 for no limit but the memory's.
    fitted_on: the published runs that the host costs are from.
    """

    name: str
    about: str
    kernels: str = "graph"
    attention: str = "flash"
    launch_s: float = 0.0
    step_s: float = 0.0
    call_s: float = 0.0
    utterance_s: float = 0.0
    ended: str = "kept"
    batching: str = "static"
    of_host: bool = True
    weights: str = ""
    attention_rate: float = 0.0
    fitted_on: str = ""

    @property
    def host_bound(self) -> bool:
        """Whether the host launches every kernel."""
        return self.launch_s > 0


RUNTIMES = {
    one.name: one
    for one in (
        Runtime(
            "graph",
            "our own ideal: compiled, in CUDA graphs; the host prepares all calls of a batch at once, on many cores",
            call_s=CALL_S,
            fitted_on="the host's time of a call is that of trtllm",
        ),
        Runtime(
            "trtllm",
            "TensorRT-LLM, static batches as in MLPerf, log-mel on the GPU, no CUDA graphs",
            kernels="fused",
            launch_s=2e-6,
            step_s=0.75e-3,
            utterance_s=CALL_S,
            ended="skipped",
            attention_rate=27e9,
            fitted_on="MLPerf v5.1 (call: H200, L40S; attention: B200), TensorRT-LLM PR 596 (step)",
        ),
        Runtime(
            "vllm",
            "vLLM: continuous batching, CUDA graphs, log-mel on the CPU",
            kernels="fused",
            step_s=3e-3,
            utterance_s=5e-3,
            ended="leave",
            batching="continuous",
            fitted_on="MLPerf v5.1, 8 H200 (call); the step is an assumption, 1 to 5 ms",
        ),
        Runtime(
            "ct2",
            "CTranslate2 as faster-whisper drives it: log-mel in numpy, attention unfused, some four launches a kernel",
            kernels="fused",
            attention="math",
            launch_s=42e-6,
            call_s=100e-3,
            ended="leave",
            of_host=False,
            fitted_on="the ct2 rows of validation, by the median",
        ),
        Runtime(
            "hf",
            "Hugging Face transformers: PyTorch eager, SDPA or FlashAttention, log-mel in numpy",
            kernels="eager",
            launch_s=22e-6,
            step_s=1.2e-3,
            call_s=40e-3,
            utterance_s=14e-3,
            fitted_on="the hf rows of validation, by the median; step over launch: eustlb/distil-large-v3-fr README",
        ),
        Runtime(
            "openai",
            "openai-whisper: PyTorch eager, log-mel on the CPU, Python loops over the texts of a beam",
            kernels="eager",
            launch_s=22e-6,
            step_s=13e-3,
            call_s=100e-3,
            fitted_on="the openai rows of validation",
        ),
        Runtime(
            "whisper.cpp",
            "whisper.cpp: ggml's CUDA kernels in fp32, attention unfused (its default before 2025)",
            kernels="ggml",
            attention="math",
            step_s=0.2e-3,
            call_s=20e-3,
            fitted_on="step, building ggml's graph: tiny on RTX 2060; call, log-mel: an assumption, 10 to 50 ms",
        ),
        Runtime(
            "torch-cpu",
            "Earspan's own engine on a processor: PyTorch in fp32, one operation after another",
            kernels="eager",
            step_s=1e-3,
            weights="fp32",
            fitted_on="nothing: choosing a token is 1 ms times the host_slowdown of the device, measured alone",
        ),
        Runtime(
            "eager",
            "the modules of openai-whisper alone, launched by PyTorch: no host work around them",
            kernels="eager",
            launch_s=10e-6,
            step_s=0.3e-3,
            fitted_on="nothing: assumptions, between 1.8 us for a bare launch (simllm) and 26 us",
        ),
    )
}
DEFAULT = "graph"
# a note for every table of times
NOTE = f"GPUs run in the runtime {DEFAULT} with fp16 weights, unless their name says otherwise"


def runtime_of(name: str) -> Runtime:
    """Return the runtime of this name; `InputError` if there is none."""
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES)
    return RUNTIMES[name]
