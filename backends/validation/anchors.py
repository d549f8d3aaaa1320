"""Published runs of Whisper on GPUs, with their settings as far as they are known.

`fitted` names the constant that was taken from a row; such a row is no test. Lengths that a source does not give are
assumptions, the same for all rows of a kind: 3.3 text tokens for each second of speech, 110 for a full window of 30 s.
"""

from dataclasses import dataclass

from ..workload.op import LONGEST_S

# MLPerf Inference v5.1, Whisper large-v3, Offline: tokens of an answer in the mean (63.8 words, 1.18 tokens each), and
# of the longest in a batch of so many, as decoded from an accuracy log
MLPERF_TOKENS = 75.3
MLPERF_LONGEST = {32: 110, 64: 113, 256: 120, 320: 121}
_MLPERF = "mlcommons/inference_results_v5.1, mlperf_log_summary.txt of closed/{}; samples/s of LoadGen, by GPUs"
_TRTLLM = "huggingface/open_asr_leaderboard PR 42, TensorRT-LLM, A100 PCIe 80 GB, greedy, batch 64"
_LEADERBOARD = "huggingface/open_asr_leaderboard, scripts/data/en_shortform.csv, 26 Mar 2026; A100 80 GB, batch 64"
# The sets lie sorted by length, so that utterances of a batch are equally long (run_whisper.sh: esb-datasets-test-only-
# sorted). Mean seconds of an utterance: hours over utterances of each test set (ESB paper, arXiv 2210.13352, recalled).
SETS_S = {
    "Earnings22": 7.15,
    "GigaSpeech": 6.4,
    "SPGISpeech": 9.15,
    "TED-LIUM": 8.15,
    "LS clean": 7.4,
    "VoxPopuli": 9.6,
    "AMI": 2.5,
}
UTTERANCE_S, BATCH, TOKENS_PER_S = 7.2, 64, 3.3
# Host seconds of a harness for each utterance, beside the runtime's, each fitted on the row that says so.
TRTLLM_HARNESS_S = 7e-3  # the leaderboard's TensorRT-LLM example: reading audio, log-mel on the CPU
LEADERBOARD_S = 4e-3  # the leaderboard's transformers harness: reading audio, tokenising, normalising
WHISPERX_S = 115e-3  # TensorRT-LLM's example on the host of a V100


@dataclass(frozen=True, slots=True)
class Anchor:
    """One published run of Whisper on a GPU.

    cls: its class, see `validation.gpu.CLASSES`. name: what was run. backend, model: by name. source: where it is from.
    published: the figure; `unit` is "s" for the whole run, "ms" for one batch, "x" for seconds of audio per second,
        "1/s" for calls per second.
    batch, batches: calls of a batch, and batches one after another.
    tokens: of the longest call of a batch. mean_tokens: of all calls; 0 for as many.
    audio_s: of a call, for "x".
    beam, dtype: as of `Workload`.
    phase: "" for the whole batch, else one phase of it; of "decode", one step.
    host_s: seconds of the harness for each call, beside the runtime's.
    fitted: the constant that was taken from this row.
    """

    cls: str
    name: str
    backend: str
    model: str
    published: float
    unit: str
    source: str
    batch: int = 1
    tokens: int = 110
    batches: float = 1
    mean_tokens: float = 0
    audio_s: float = LONGEST_S
    beam: int = 1
    dtype: str = "fp16"
    phase: str = ""
    host_s: float = 0.0
    fitted: str = ""


def _mlperf(device: str, batch: int, rate: float, system: str, fitted: str = "") -> Anchor:
    settings = {"batch": batch, "tokens": MLPERF_LONGEST[batch], "mean_tokens": MLPERF_TOKENS, "fitted": fitted}
    name = f"{device}, {system}"
    return Anchor("MLPerf", name, f"{device}-trtllm", "large-v3", rate, "1/s", _MLPERF.format(system), **settings)


def _set(name: str, factor: float) -> Anchor:
    audio_s = SETS_S[name]
    settings = {"batch": BATCH, "tokens": round(TOKENS_PER_S * audio_s), "audio_s": audio_s}
    fitted = "host of the harness" if name == "LS clean" else ""
    return Anchor("TensorRT-LLM", f"large-v3, {name}", "a100-pcie-trtllm", "large-v3", factor, "x", _TRTLLM, **settings,
                  host_s=TRTLLM_HARNESS_S, fitted=fitted)  # fmt: skip


def _board(model: str, factor: float) -> Anchor:
    settings = {"batch": BATCH, "tokens": round(TOKENS_PER_S * UTTERANCE_S), "audio_s": UTTERANCE_S}
    fitted = "host of the harness" if model == "tiny.en" else ""
    return Anchor("Open ASR", model, "a100-hf", model, factor, "x", _LEADERBOARD, **settings, host_s=LEADERBOARD_S,
                  fitted=fitted)  # fmt: skip


_WHISPERX = "m-bain/whisperX issue 624; librispeech_dummy, 73 utterances"
_FASTER = "SYSTRAN/faster-whisper README; 13 minutes"
_CHAT = "Allob/voice-chat-experiments results.md; clip of 2-10 s, 10 tokens assumed"
_INSANE = "insanely-fast-whisper README; 150 minutes"
_PR50 = "huggingface/open_asr_leaderboard PR 50; AMI"
_BLOG = "inferencebench.io blog (secondary)"
_NVIDIA596 = "NVIDIA/TensorRT-LLM PR 596; sample of 5.9 s, 24 tokens assumed"
_CPP = "ggml-org/whisper.cpp PR 2152; flash attention off"
_TRT_ORIN = "NVIDIA-AI-IOT/whisper_trt README; 20 s"

ANCHORS: tuple[Anchor, ...] = (
    _mlperf("l4", 32, 5.504, "Dell", "sustained power of the L4"),
    _mlperf("l40s", 64, 18.264, "Dell", "host of a call"),
    _mlperf("h200", 256, 67.001, "Dell", "host of a call"),
    _mlperf("h200", 256, 67.146, "Google"),
    _mlperf("h200", 256, 67.859, "HPE"),
    _mlperf("h200", 256, 65.718, "Quanta_Cloud_Technology"),
    _mlperf("b200", 320, 89.297, "NVIDIA", "attention_rate"),
    _mlperf("b200", 320, 88.688, "Dell"),
    _mlperf("b200", 320, 87.392, "Lenovo"),
    _mlperf("b200", 320, 86.947, "Supermicro"),
    _mlperf("b200", 320, 85.024, "Oracle"),
    _mlperf("b200", 320, 84.221, "Google"),
    _mlperf("b200", 320, 83.844, "GigaComputing"),
    _mlperf("b200", 320, 82.588, "Broadcom_Supermicro"),
    _set("Earnings22", 244.48),
    _set("GigaSpeech", 210.1),
    _set("SPGISpeech", 289.69),
    _set("TED-LIUM", 255.01),
    _set("LS clean", 245.05),
    _set("VoxPopuli", 305.96),
    Anchor("TensorRT-LLM", "large-v3, one at a time", "v100-trtllm", "large-v3", 22, "s", _WHISPERX, 1, 22, 73,
           host_s=WHISPERX_S, fitted="host of the harness"),
    Anchor("TensorRT-LLM", "large-v3, four at a time", "v100-trtllm", "large-v3", 15, "s", _WHISPERX, 4, 30, 18.25,
           22, host_s=WHISPERX_S),
    Anchor("TensorRT-LLM", "tiny.en, one at a time", "geforce-4090-trtllm", "tiny.en", 0.0151, "s", _NVIDIA596, 1, 24,
           fitted="step"),
    Anchor("ct2", "large-v3, beam 5", "v100-ct2", "large-v3", 38, "s", _WHISPERX, 1, 22, 73, beam=5,
           fitted="host costs"),
    Anchor("ct2", "turbo, beam 5, a clip", "geforce-4090-ct2", "turbo", 0.21, "s", _CHAT, 1, 10, beam=5,
           fitted="host costs"),
    Anchor("ct2", "large-v2, beam 5", "geforce-3070ti-ct2", "large-v2", 63, "s", _FASTER, 1, 110, 27, beam=5,
           fitted="host costs"),
    Anchor("ct2", "large-v3, beam 5", "geforce-2080ti-ct2", "large-v3", 52, "s", "SYSTRAN/faster-whisper issue 1030", 1,
           110, 27, beam=5, fitted="host costs"),
    Anchor("ct2", "large-v3, 120 s", "t4-ct2", "large-v3", 7.7, "s", "sanchit-gandhi/whisper-jax issue 186", 1, 110,
           4.5, beam=5, fitted="host costs"),
    Anchor("ct2", "large-v2, beam 1", "a100-ct2", "large-v2", 563, "s", _INSANE, 1, 113, 300, fitted="host costs"),
    Anchor("hf", "tiny.en, fp32", "geforce-4090-hf", "tiny.en", 0.06083, "s", _NVIDIA596, 1, 24, dtype="fp32",
           fitted="host costs"),
    Anchor("hf", "turbo, a clip", "geforce-4090-hf", "turbo", 0.092, "s", _CHAT, 1, 10, fitted="host costs"),
    Anchor("hf", "distil-large-v3, 100 minutes", "geforce-3090-hf", "distil-large-v3", 137, "s",
           "huggingface.co/distil-whisper/distil-large-v3 discussion 40", 1, 110, 300, fitted="host costs"),
    Anchor("hf", "large-v3, batch 24, 150 minutes", "a100-hf", "large-v3", 98, "s", _INSANE, 24, 130, 18.75,
           fitted="host costs"),
    Anchor("hf", "large-v3, AMI, batch 32", "geforce-4080-hf", "large-v3", 53.76, "x", _PR50, 32, 9, audio_s=2.5,
           fitted="host costs"),
    Anchor("openai", "large-v2, beam 5, 2023", "v100-openai", "large-v2", 270, "s", _FASTER, 1, 110, 27, beam=5,
           fitted="host costs"),
    Anchor("openai", "large-v2, beam 5", "geforce-3070ti-openai", "large-v2", 143, "s", _FASTER, 1, 110, 27, beam=5,
           fitted="host costs"),
    Anchor("vllm", "MLPerf, 8 H200, RedHat", "h200-vllm", "large-v3", 60.7, "1/s", _MLPERF.format("RedHat"), 256, 120,
           mean_tokens=MLPERF_TOKENS, fitted="host of a call"),
    Anchor("vllm", "large-v3, 30 at a time, 478 tokens/s", "t4-vllm", "large-v3", 478 / 99, "1/s",
           "vllm-project/vllm issue 25172; 99 tokens a call assumed", 30, 99),
    Anchor("hf, secondary", "turbo, 120 s in four chunks", "h100-hf", "turbo", 0.201, "s", _BLOG, 4, 99),
    Anchor("hf, secondary", "turbo, batch 32", "h100-hf", "turbo", 404, "x", _BLOG, 32, 99),
    Anchor("vllm", "large-v3, AMI, batch 128", "geforce-4080-vllm", "large-v3", 63.56, "x", _PR50, 43, 9, audio_s=2.5),
    *(Anchor("whisper.cpp encoder", f"{model}", "geforce-2060-whisper.cpp", model, ms, "ms", _CPP, 1, 0, phase="encode")
      for model, ms in (("tiny", 12.54), ("base", 24.14), ("medium", 200.69))),
    *(Anchor("decode step", f"{model}", "geforce-2060-whisper.cpp", model, ms, "ms", _CPP, 1, 60, phase="decode",
             fitted="step" if model == "tiny" else "")
      for model, ms in (("tiny", 0.93), ("base", 1.28), ("medium", 6.46))),
    Anchor("Orin", "tiny.en, whisper_trt", "orin-nano-trtllm", "tiny.en", 0.64, "s", _TRT_ORIN, 1, 66),
    Anchor("Orin", "base.en, whisper_trt", "orin-nano-trtllm", "base.en", 0.86, "s", _TRT_ORIN, 1, 66),
    Anchor("Orin", "base.en, openai-whisper", "orin-nano-openai", "base.en", 2.55, "s", _TRT_ORIN, 1, 66),
    _board("tiny.en", 348),
    _board("base.en", 321),
    _board("small.en", 269),
    _board("medium.en", 182),
    _board("large-v2", 144),
    _board("large-v3", 145.5),
    _board("turbo", 200),
    _board("distil-large-v3", 214),
)  # fmt: skip
