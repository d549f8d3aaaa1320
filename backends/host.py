"""What a call costs beside the accelerator, whichever that is: the server's own work, its scatter, and the network.

One set of figures for every device: a row for an LPU carries what a row for a GPU carries.
"""

# Taking in the audio of an utterance, tidying up its text and handing it on, in one thread: what is left of 7 rows of
# MLPerf Inference v5.1 (whisper-large-v3, Offline, TensorRT) once the GPU's own time is taken away; fitted on those.
UTTERANCE_S = 3e-3

# Excess of the 99th percentile over the predicted time where the chips themselves have none: 24,240 runs of BERT-Large
# on 4 GroqChips keep within 2 % of the compiler's figure, and what scatters is the transfers from and to the host
# (A Software-defined Tensor Streaming Multiprocessor, ISCA 2022, doi 10.1145/3470496.3527405, figure 17).
TRANSFER_JITTER = 0.02

# A public service's own time for a request: a least-squares line through four published latencies of GroqCloud's Whisper
# (alpha.hashtagplus.com, secondary: 5 s of audio 180 ms, 15 s 210, 30 s 260, 60 s 380), network, upload and queue, and the
# chips' own time, included. Another client's slope is 8 times as steep, so the range is wide; nothing else is fitted on it.
REQUEST_S, REQUEST_PER_AUDIO_S = 0.157, 3.7e-3


def utterances_s(batch: int, threads: int = 1) -> float:
    """Seconds of the server's own work on a batch of utterances, one thread for each card or node of chips."""
    return -(-batch // threads) * UTTERANCE_S


def request_s(audio_s: float) -> float:
    """Seconds that a request to a public service takes beside its windows, as far as it is known."""
    return REQUEST_S + REQUEST_PER_AUDIO_S * audio_s
