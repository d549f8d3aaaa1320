"""The host beside a device: the work it does for every call, and how its times scatter. The same for all devices.

CALL_S: detokenising, cleaning up and handing over one call, on one core. It is what is left of TensorRT-LLM's time for
an utterance in MLPerf Inference v5.1 when the device is taken out (H200 3.4 ms, L40S 3.5 ms; see `validation`).

JITTER: run-to-run scatter of equal calls, host included: the 99th percentile over the median of 126,890 calls of
RetinaNet, one at a time, on an L4 (MLPerf Inference v3.1, closed/NVIDIA/results/L4x1_TRT/retinanet/SingleStream,
mlperf_log_summary.txt: 4.933 ms over 4.705 ms). ResNet-50 on the same card scatters by 2.5 % (354.5 over 345.9 us,
1,716,772 calls), RetinaNet on an Orin by 2.0 % (11.79 over 11.56 ms, 51,838 calls).
"""

from dataclasses import replace

from .timing import Timing

CALL_S = 3.4e-3
JITTER = 0.048


def add_host(timing: Timing, device_jitter: float = 0.0) -> Timing:
    """Return a device's time with the host's work for a call added, which scatters as hosts do.

    device_jitter: the scatter of the device's own part. A host has at least as many cores as a batch has calls, so
    the batch waits for the work of one call; and while the device is busy with one batch, the host prepares the next,
    so the interval between batches does not grow.
    """
    seconds = timing.seconds + CALL_S
    phases = dict(timing.phases) | {"transfer": timing.phases.get("transfer", 0.0) + CALL_S}
    jitter = (timing.seconds * device_jitter + CALL_S * JITTER) / seconds
    interval_s = seconds if timing.interval_s == timing.seconds else timing.interval_s
    return replace(timing, seconds=seconds, interval_s=interval_s, phases=phases, jitter=jitter)
