"""This machine as a backend: how long calls take on it, between the points of its profile.

here                        our engine in fp32 on all cores
here-torch-bf16, here-ct2, here-ct2-int8    another engine, or precision
here-ct2-int8-t1            another number of threads
FILE.json                   a profile kept in a file, also one of another machine
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..timing import CapacityError, Tally, Timing, in_sequence
from ..workload.models import Dimensions
from ..workload.workload import Workload
from .profile import ENGINES, PHASES, Profile, count_cores, profile_path, read_profile, size_name
from .surface import Surface

# what most of the time of a phase goes to on a processor: of a decode step, to reading the weights
_BOUNDS = {"mel": "compute", "encode": "compute", "prefill": "compute", "decode": "memory"}
_PRECISION = {"torch": "fp32", "ct2": "float32"}
_NAME = re.compile(
    rf"here(?:-(?P<engine>{'|'.join(ENGINES)})(?:-(?P<precision>(?!t\d)[a-z]\w*))?)?(?:-t(?P<threads>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """How this machine runs Whisper. engine, precision, threads: as of `Profile`."""

    engine: str = "torch"
    precision: str = "fp32"
    threads: int = field(default_factory=count_cores)

    @property
    def name(self) -> str:
        """What to type for it as a backend."""
        threads = "" if self.threads == count_cores() else f"-t{self.threads}"
        return f"here-{self.engine}-{self.precision}{threads}"

    @property
    def options(self) -> str:
        """What to type for it after `earspan calibrate here`."""
        threads = "" if self.threads == count_cores() else f" --threads {self.threads}"
        return f"--backend {self.name.removesuffix(f'-t{self.threads}')}{threads}" if self != Setting() else ""

    def path(self, dims: Dimensions) -> Path:
        """Return where this machine's profile of a Whisper lies, made or not."""
        return profile_path(dims, self.engine, self.precision, self.threads)

    def read(self, dims: Dimensions) -> Profile:
        """Return this machine's profile of a Whisper. Raises `InputError` where it was not measured."""
        path = self.path(dims)
        if not path.exists():
            size = size_name(dims)
            typed = " ".join(part for part in ("earspan calibrate here --model", size, self.options) if part)
            raise InputError(f"{self.name}: {size} was not measured on this machine; type {typed}")
        return read_profile(path)


def read_setting(name: str) -> Setting:
    """Return the setting that a backend's name such as `here-ct2-int8` asks for. Raises `InputError`."""
    match = _NAME.fullmatch(name)
    if match is None or match["threads"] == "0":
        raise InputError(f"backend {name!r}: expected here, here-torch-bf16, here-ct2-int8, here-ct2-t1 or the like")
    engine = match["engine"] or "torch"
    threads = int(match["threads"]) if match["threads"] else count_cores()
    return Setting(engine, match["precision"] or _PRECISION[engine], threads)


def is_here(name: str) -> bool:
    """Return whether a backend's name speaks of this machine."""
    return name == "here" or name.startswith("here-")


def here_backend(name: str) -> "Here":
    """Return the backend of a name such as `here`, or of the path of a profile. Raises `InputError`."""
    if is_here(name):
        return Here(name, read_setting(name).read)
    profile = read_profile(Path(name))
    return Here(name, lambda dims: _only(profile, dims, name))


def _only(profile: Profile, dims: Dimensions, name: str) -> Profile:
    if profile.dims != dims:
        wanted, had = size_name(dims), size_name(profile.dims)
        raise InputError(f"{name}: holds {had}, {wanted} asked for; name {had} instead, or measure {wanted}: "
                         f"earspan calibrate here --model {wanted}")  # fmt: skip
    return profile


@dataclass(frozen=True, slots=True)
class _Model:
    """One Whisper as it was measured: its profile, and the seconds of each phase."""

    profile: Profile
    surfaces: dict[str, Surface]

    @property
    def largest_batch(self) -> int:
        return int(min(self.surfaces[phase].batches[-1] for phase in PHASES if phase != "mel"))

    def phases(self, work: Workload) -> dict[str, float]:
        """Return the seconds of each phase."""
        fed, steps = work.prompt_tokens, work.decode_tokens
        lengths = {
            "encode": np.array([work.audio_s]),
            "prefill": np.array([float(fed)]),
            "decode": np.arange(fed + 1.0, fed + steps + 1.0),
        }
        found = {phase: float(self.surfaces[phase].at(work.batch, each).sum()) for phase, each in lengths.items()}
        # spectrograms are made one after another
        mel_s = work.batch * float(self.surfaces["mel"].at(1, np.array([work.audio_s]))[0])
        return {"mel": mel_s, **found}


@dataclass(frozen=True, eq=False, slots=True)
class Here:
    """A backend of measured times. `profile_of` gives the profile of a Whisper, or raises `InputError`."""

    name: str
    profile_of: Callable[[Dimensions], Profile]
    _models: dict[Dimensions, _Model] = field(default_factory=dict)

    def model_of(self, dims: Dimensions) -> _Model:
        """Return a Whisper as it was measured; its file is read once."""
        if dims not in self._models:
            profile = self.profile_of(dims)
            surfaces = {phase: Surface.of(profile.of_phase(phase)) for phase in PHASES}
            self._models[dims] = _Model(profile, surfaces)
        return self._models[dims]

    def profile_path(self, dims: Dimensions) -> Path:
        """Return the file with every value that was measured of a Whisper."""
        return read_setting(self.name).path(dims) if is_here(self.name) else Path(self.name)

    def time(self, workload: Workload) -> Timing:
        """Return how long one batch of calls takes, whatever the workload says of formats: in those of the profile.

        Raises `CapacityError` for a batch larger than those measured, and `InputError` for another Whisper, and for
        work that was not measured: drafts, beams, calls that are not padded to 30 s, decoders that do not exist.
        """
        model = self.model_of(workload.dims)
        self._require_measured(workload)
        if workload.batch > model.largest_batch:
            most = model.largest_batch
            raise CapacityError(f"{self.name}: batch {workload.batch} given; at most {most} calls were measured")
        tally = Tally()
        for phase, seconds in model.phases(workload).items():
            tally.add(phase, _BOUNDS[phase], seconds)
        tally.ceiling_s = tally.seconds  # of this machine, nothing faster is known
        jitter = model.profile.jitter
        return replace(tally.timing("measured"), jitter=jitter, batch=workload.batch)

    def _require_measured(self, work: Workload) -> None:
        if work.beam > 1 or work.pass_tokens > 1 or not work.affine:
            raise InputError(f"{self.name}: beams, drafts and decoders that do not exist were not measured; leave out "
                             "--beam, --draft and --decoder")  # fmt: skip
        if work.positions != work.dims.n_audio_ctx:
            raise InputError(f"{self.name}: pads every call to 30 s, as Whisper does; leave out --padding fit")

    def serve(self, call: Workload, streams: int) -> Timing:
        """Return the time for one call of every stream, in as few equal batches as were measured together."""
        batches = math.ceil(streams / self.model_of(call.dims).largest_batch)
        size, larger = divmod(streams, batches)
        shares = ((size + 1, larger), (size, batches - larger))
        return in_sequence((self.time(replace(call, batch=batch)), times) for batch, times in shares if times)

    def describe(self) -> str:
        """Return one line: what was measured, as far as calls were asked for."""
        read = [model.profile for model in self._models.values()]
        told = "; ".join(_told(profile) for profile in read)
        return f"{self.name}, measured: {told or 'no call was asked for yet'}"


def _told(profile: Profile) -> str:
    machine = profile.machine
    doubtful = f", {len(profile.warnings)} warnings" if profile.warnings else ""
    return (f"{profile.model} by {profile.engine} in {profile.precision} on {profile.threads} threads of "
            f"{machine.cpu or machine.platform}, {machine.date[:10]}{doubtful}")  # fmt: skip
