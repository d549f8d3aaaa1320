"""What was measured of one Whisper on one machine: every value that was taken, and the file that keeps them.

A profile is made by `earspan calibrate here` (benchmarks/calibration/here/profile.py) and read by the backend `here`.
Files lie in the user's cache, one for each model, engine, precision, number of threads, and kind of machine.
"""

import hashlib
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..workload.models import DIMENSIONS, Dimensions

SCHEMA = 1
PHASES = ("mel", "encode", "prefill", "decode")
CALLS_FOR_P99 = 100  # of fewer, the 99th percentile is the longest
ENGINES = ("torch", "ct2")  # whose phases can be measured
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the programs that a profile was measured on.

    cpu: model name of the processor.
    cores: how many of them the process may use.
    platform: operating system.
    packages: versions of what computes.
    date: when, ISO 8601, UTC.
    """

    cpu: str
    cores: int
    platform: str
    packages: Mapping[str, str]
    date: str


@dataclass(frozen=True, slots=True)
class Point:
    """One quantity, measured several times.

    phase: "mel" (one call), "encode" and "prefill" (a batch of calls), or "decode" (one step of a batch).
    batch: calls that run together.
    length: of mel and encode, seconds of audio, which is padded to 30 s for the encoder; of prefill, tokens fed; of
        decode, tokens attended to.
    seconds: every value, in the order in which they were taken.
    """

    phase: str
    batch: int
    length: float
    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median of the values."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The standard deviation of the values over their mean; 0 for a single value."""
        return statistics.pstdev(self.seconds) / statistics.fmean(self.seconds)


@dataclass(frozen=True, slots=True)
class Profile:
    """Whisper on one machine, measured.

    schema: of the file.
    model, dims: the Whisper.
    engine, precision: what computes, and how weights are held: "torch" and "fp32", or "ct2" and "int8".
    threads: of a call.
    machine: what it ran on.
    points: phase by phase; of every phase, each length was measured with each batch.
    calls: seconds of whole equal calls of one stream, whose scatter is the jitter.
    warnings: what makes the values doubtful.
    took_s: what measuring took.
    """

    schema: int
    model: str
    dims: Dimensions
    engine: str
    precision: str
    threads: int
    machine: Machine
    points: tuple[Point, ...]
    calls: tuple[float, ...]
    warnings: tuple[str, ...] = ()
    took_s: float = 0.0

    def of_phase(self, phase: str) -> tuple[Point, ...]:
        """Return the points of one phase."""
        return tuple(point for point in self.points if point.phase == phase)

    @property
    def jitter(self) -> float:
        """The 99th percentile of whole calls over their median, less 1; of fewer than `CALLS_FOR_P99`, the longest."""
        ordered = sorted(self.calls)
        return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] / statistics.median(ordered) - 1


def cpu_name() -> str:
    """Return the model name of this machine's processor, or "" where the system does not tell."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def size_name(dims: Dimensions) -> str:
    """Return the name of the official Whisper of these sizes, or what is known of another."""
    named = next((name for name, known in DIMENSIONS.items() if known == dims), None)
    return named or f"a Whisper of width {dims.n_audio_state} with {dims.n_text_layer} decoder layers"


def profile_path(dims: Dimensions, engine: str, precision: str, threads: int) -> Path:
    """Return where the profile of this machine lies, made or not."""
    folder = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "earspan" / "here"
    # a home folder may be shared by several machines
    told = f"{sorted(dims.to_dict().items())} {cpu_name()} {count_cores()}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    return folder / f"{dims.n_audio_state}-{engine}-{precision}-{threads}t-{digest}.json"


def read_profile(path: Path) -> Profile:
    """Return the profile in a file. Raises `InputError`, naming the field, for a file that holds something else."""
    import msgspec  # a part of the start of planning, and only for measured times

    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"profile {path}: {error.strerror}; type earspan calibrate here --out {path}") from error
    try:
        found = msgspec.json.decode(text, type=Profile)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"profile {path}: {error}; make it again with earspan calibrate here") from error
    check_profile(found, str(path))
    return found


def check_profile(profile: Profile, origin: str) -> None:
    """Raise `InputError`, naming `origin`, for a profile that cannot say how long calls take."""
    if profile.schema != SCHEMA:
        raise InputError(f"{origin}: schema {profile.schema}; expected {SCHEMA}: type earspan calibrate here again")
    if not profile.calls or not all(second > 0 for second in profile.calls):
        raise InputError(f"{origin}: calls: expected seconds above 0")
    for point in profile.points:
        if point.phase not in PHASES or point.batch < 1 or not 0 <= point.length < float("inf"):
            raise InputError(f"{origin}: points: {point.phase} of {point.batch} calls, length {point.length:g}")
        if not point.seconds or not all(0 < second < float("inf") for second in point.seconds):
            raise InputError(f"{origin}: points: {point.phase} of {point.batch} calls: expected seconds above 0")
    for phase in PHASES:
        points = profile.of_phase(phase)
        cells = {(point.batch, point.length) for point in points}
        batches, lengths = ({cell[axis] for cell in cells} for axis in (0, 1))
        if not points or len(points) != len(batches) * len(lengths) or len(cells) != len(points):
            raise InputError(f"{origin}: points: of {phase}, expected each length once with each batch")
