"""What a run holds: where it comes from, what was planned, what was said, and every call as it went."""

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ...backends.errors import InputError
from ...backends.measured.records import Measured
from ...backends.reading import read_lines
from ...datasets.recording import Recording, Word
from ...speech.metrics.calls import CallRecord
from ...speech.metrics.latency import Emitted, emitted
from . import store
from .experiment import Experiment

Slot = tuple[str, str, float, float]  # unit, phase, start and end in microseconds from the start of a call
_PACKAGES = ("earspan", "openai-whisper", "torch", "torchaudio", "jiwer", "numpy", "soundfile")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result comes from.

    command: what was typed, or the program.
    model, sha256, digest, source: the Whisper that was heard, of its file, of its tensors, and who packed it; of an
        endpoint its name there, no digest, and host and path of its URL.
    engine: with its version.
    precision: of its weights.
    timed_as, timed_dtype: the Whisper whose times are simulated, and its arithmetic.
    packages: versions.
    git: revision, None for a wheel.
    date: in UTC.
    wall_s: how long it took.
    calls_computed: transcribed now, not remembered.
    """

    command: str
    model: str
    sha256: str
    digest: str
    source: str
    engine: str
    precision: str
    timed_as: str
    timed_dtype: str
    packages: dict[str, str]
    git: str | None
    python: str
    platform: str
    date: str
    wall_s: float
    calls_computed: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one dataset.

    part: which part, in words; the name where it is all.
    recordings, audio_s, words: that were heard.
    of_recordings, of_audio_s: of the whole dataset.
    digest: over the audio files, texts and segments of the entries.
    """

    name: str
    part: str
    licence: str | None
    recordings: int
    audio_s: float
    words: int
    of_recordings: int
    of_audio_s: float
    digest: str


@dataclass(frozen=True, slots=True)
class AlignedWords:
    """How many recordings got their word times from the model that heard them, because they had none.

    recordings, words: that were timed.
    found: words that the model heard; the others were put between those.
    """

    by: str
    recordings: int
    words: int
    found: int

    @property
    def note(self) -> str:
        """What a reader has to know of such times."""
        return (
            f"The word times of {self.recordings} recordings are no truth: {self.by} itself aligned them, with 30 s of "
            f"context; it heard {self.found} of {self.words} words, and the others were put between those."
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """The file of another program that a run was read from.

    format, file: by name.
    sha256: of the file.
    shown: whether it says when words were shown, computing included.
    given: whether it says how much audio the system had been given by then.
    """

    format: str
    file: str
    sha256: str
    shown: bool
    given: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that was not heard, and why."""

    recording: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the planner found for one backend under one load.

    backend, describe: its name, and what it is.
    device_sha256: of its device files.
    model: the Whisper that is timed.
    load: as "16x0.25".
    strategy, step_s: how audio is cut.
    span_s: the longest window it sustains, None if it sustains none.
    limited_by: what stops it there.
    sustainable: whether there is a span.
    service_s: seconds for one call of every stream at the span, or at the shortest window; None if it cannot hold them.
    interval_s: until it can begin the next.
    ceiling_s: the same at peak arithmetic and nominal bandwidth.
    speed_factor: seconds of audio handled for each second.
    phases: service time by phase.
    schedule: what an LPU's units do, for the load that is played.
    provenance: what the times are.
    footing: devices, weights, memory, price and power, a line each.
    """

    backend: str
    describe: str
    model: str
    load: str
    strategy: str
    step_s: float | None
    span_s: float | None
    limited_by: str
    sustainable: bool
    service_s: float | None
    interval_s: float | None
    ceiling_s: float | None
    speed_factor: float | None
    provenance: str | None
    phases: dict[str, float] = field(default_factory=dict)
    schedule: tuple[Slot, ...] = ()
    footing: tuple[str, ...] = ()
    device_sha256: dict[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> float | None:
        """Service time over the time there is for it; above 1 the backend falls behind."""
        due_s = self.step_s or self.span_s
        return self.service_s / due_s if self.service_s is not None and due_s else None


@dataclass(frozen=True, slots=True)
class Reference:
    """What was said in a recording, without the audio.

    words: None where there are no word times.
    """

    id: str
    text: str
    words: tuple[Word, ...] | None
    dataset: str
    speaker: str | None
    duration_s: float

    @classmethod
    def of(cls, recording: Recording) -> "Reference":
        """Return what a run keeps of a recording."""
        r = recording
        return cls(r.id, r.text, r.words, r.dataset, r.speaker, r.duration_s)

    @property
    def said(self) -> list[str]:
        """The reference's words: those with times, else the text's."""
        return self.text.split() if self.words is None else [word.text for word in self.words]


@dataclass(frozen=True, slots=True)
class Track:
    """One recording as it was played in one setting.

    window_s: 0 where another system played it, whose window is not known.
    backend: None on infinitely fast hardware.
    calls: in order.
    """

    recording: str
    strategy: str
    window_s: float
    step_s: float | None
    backend: str | None
    calls: tuple[CallRecord, ...] = ()

    @property
    def emitted(self) -> list[Emitted]:
        """Committed words with their times."""
        return emitted(self.calls)

    @property
    def text(self) -> str:
        """All committed words."""
        return " ".join(word for call in self.calls for word in call.committed)

    @property
    def setting(self) -> tuple[str | None, str, float, float | None]:
        """What recordings that were played alike have in common."""
        return self.backend, self.strategy, self.window_s, self.step_s


@dataclass(frozen=True, slots=True)
class Run:
    """A run: everything that scoring needs, and nothing that follows from the rest.

    experiment: what was asked for.
    plans: for every load and backend.
    references: what was said, by recording.
    joined: of which recordings each stream was made.
    imported: the file that it was read from, if it was not heard here.
    measured: of each endpoint, every call as it went.
    calls_sha256, calls: of the calls that belong to it.
    """

    schema: int
    experiment: Experiment
    provenance: Provenance
    datasets: tuple[Heard, ...]
    plans: tuple[Plan, ...]
    references: tuple[Reference, ...]
    tracks: tuple[Track, ...]
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aligned: AlignedWords | None = None
    imported: Imported | None = None
    failed: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    calls: int = 0
    calls_sha256: str = ""

    @property
    def by_id(self) -> dict[str, Reference]:
        """References by the recording's id."""
        return {reference.id: reference for reference in self.references}

    def texts(self, tracks: Sequence[Track]) -> tuple[list[str], list[str]]:
        """Return what was said and what was heard in each of `tracks`."""
        said = self.by_id
        return [said[track.recording].text for track in tracks], [track.text for track in tracks]


@dataclass(frozen=True, slots=True)
class _Line(CallRecord):
    """A line of calls.jsonl: a call, and the number of its track."""

    track: int = 0


def files_of(run: Run) -> dict[str, str]:
    """Return what the files of a run hold, by name: `calls.jsonl`, and then `run.json`."""
    lines = [
        store.encode({"track": number, **store.plain(call)}) + "\n"
        for number, track in enumerate(run.tracks)
        for call in track.calls
    ]
    bare = tuple(replace(track, calls=()) for track in run.tracks)
    whole = replace(run, tracks=bare, calls=len(lines), calls_sha256=store.digest_of(lines))
    return {"calls.jsonl": "".join(lines), "run.json": store.encode(whole)}


def write_run(folder: Path, run: Run) -> None:
    """Write `calls.jsonl` and then `run.json` into `folder`, which is made if need be. Raises `InputError`."""
    for name, text in files_of(run).items():
        store.write_whole(folder / name, text)


def read_run(folder: str | Path) -> Run:
    """Return the run in `folder`. Raises `InputError` if there is none, or it is torn, damaged or of another schema."""
    folder = Path(folder)
    run = store.read_record(folder / "run.json", Run)
    path = folder / "calls.jsonl"
    if store.digest_of(line + b"\n" for _, line in read_lines(path)) != run.calls_sha256:
        raise InputError(f"{path}: not the {run.calls} calls of run.json beside it; run it again to mend it")
    calls: list[list[CallRecord]] = [[] for _ in run.tracks]
    for number, line in read_lines(path):  # again, so that all lines never lie in memory at once
        one = store.decode(line, _Line, f"{path}:{number}")
        if not 0 <= one.track < len(calls):
            raise InputError(f"{path}:{number}: no track {one.track} in run.json; run it again to mend it")
        calls[one.track].append(CallRecord(*(getattr(one, name) for name in CallRecord.__dataclass_fields__)))
    if sum(map(len, calls)) != run.calls:
        raise InputError(f"{folder}/run.json: says {run.calls} calls; {path} has others; run it again to mend it")
    if missing := _find_missing(run):
        raise InputError(f"{folder}/run.json: no {missing}; run it again to mend it")
    return replace(run, tracks=tuple(replace(t, calls=tuple(c)) for t, c in zip(run.tracks, calls, strict=True)))


def _find_missing(run: Run) -> str:
    """What a track refers to and the run does not have; empty if there is nothing."""
    said, timed = run.by_id, {None, *(plan.backend for plan in run.plans)}
    grid = run.experiment.grid if run.experiment.play == "grid" else None
    played: dict[tuple, list[str]] = {}
    for track in run.tracks:
        played.setdefault(track.setting, []).append(track.recording)
        if track.recording not in said:
            return f"reference of {track.recording!r}"
        if grid is not None and not (track.strategy in grid and track.backend in timed):
            return f"plan of {track.strategy!r} on {track.backend!r}"
        if not 0 <= track.window_s < float("inf") or (grid is not None and not track.window_s):
            return f"window of {track.window_s:g} s"
    everywhere = sorted(next(iter(played.values()), []))
    for (backend, strategy, window_s, _), names in played.items():
        if sorted(names) != everywhere:
            return f"track of every recording for {strategy}, {window_s:g} s, on {backend}"
    return ""


def describe_machine() -> dict[str, object]:
    """Return what a result was made with: packages, git, python, platform and date, by the names of `Provenance`."""
    return {
        "packages": {name: version(name) for name in _PACKAGES},
        "git": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "date": datetime.fromtimestamp(_now_s(), UTC).isoformat(timespec="seconds"),
    }


def _now_s() -> float:
    """The time, or the one that is stated so that a result can be made again to the byte (reproducible-builds.org)."""
    stated = os.getenv("SOURCE_DATE_EPOCH", "")
    return float(stated) if stated.isdecimal() else time.time()


def _git_revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # installed from a wheel
