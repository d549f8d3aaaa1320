"""What device models say by themselves: spans and times, without torch and at once."""

import math

from earspan.backends.devices.device import Device
from earspan.backends.devices.files import device_names, load_device
from earspan.backends.registry import get_backend
from earspan.backends.span import TOKENS_PER_S, Span
from earspan.backends.span import span as plan_span
from earspan.backends.timing import Backend, Timing
from earspan.backends.workload.cutting import cutting_of
from earspan.backends.workload.workload import Workload
from earspan.speech.weights.dims import find_dims


def span(
    backend: str | Backend,
    model: str = "large-v3",
    *,
    streams: int = 1,
    step_s: float | None = 1.0,
    strategy: str = "sliding",
    latency_s: float | None = None,
    padding: str = "full",
    decoding: str = "transcribe",
) -> Span:
    """Return the longest window of audio that a backend sustains in live transcription, and what stops it there.

    backend: a name as `earspan devices` lists them, the path of a device file, or a backend of your own.
    model: the Whisper that is timed, an official size or the path of a checkpoint.
    streams: live recordings on the backend.
    step_s: seconds between two calls of a stream where windows slide.
    strategy: how audio is cut, as `earspan strategies --list` has them, but for "offline"; only "sliding" and
        "alignatt" take the step, others set their own.
    latency_s: how late a word may be shown, in seconds; None for any time.
    padding: "full" for calls padded to 30 s, as Whisper pads them; "fit" for calls as long as their audio.
    decoding: as of an experiment; only "greedy" does without second passes of windows that break off. Returns a
        `Span`: `span_s` in seconds (None where no window is sustained), `limited_by`, `timing`. Raises `InputError` for
        what does not exist or makes no sense. The formulas are in docs/timing.md.
    """
    return plan_span(
        _backend_of(backend),
        find_dims(model),
        strategy=strategy,
        streams=streams,
        step_s=step_s if cutting_of(strategy).stepping else None,
        latency_s=latency_s,
        padding=padding,
        continuing=decoding != "greedy",
    )


def time(
    backend: str | Backend,
    model: str = "large-v3",
    *,
    audio_s: float = 30.0,
    batch: int = 1,
    tokens: int | None = None,
    padding: str = "full",
    beam: int = 1,
    dtype: str = "fp16",
) -> Timing:
    """Return how long a backend takes for one batch of Whisper calls, by phase.

    backend, model, padding: as for `span`.
    audio_s: seconds of audio in each call.
    batch: calls served together.
    tokens: decode steps; None for 3.3 per second of audio.
    beam: texts of a beam search.
    dtype: "fp16" or "fp32". Returns a `Timing`: `seconds`, `phases` in seconds by name, `ceiling_s` at peak arithmetic
        and nominal bandwidth, `bound`, `provenance`. Raises `InputError`, or its subclass `CapacityError` where the
        batch does not fit into the memory.
    """
    steps = math.ceil(TOKENS_PER_S * audio_s) if tokens is None else tokens
    work = Workload(find_dims(model), batch, audio_s, padding, decode_tokens=steps, dtype=dtype, beam=beam)
    return _backend_of(backend).time(work)


def devices() -> tuple[Device, ...]:
    """Return every device that can be simulated, with each of its figures, their units and their public sources."""
    return tuple(load_device(name) for name in device_names())


def _backend_of(backend: str | Backend) -> Backend:
    return get_backend(backend) if isinstance(backend, str) else backend
