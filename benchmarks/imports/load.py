"""The record of another program beside a dataset, as a run."""

import hashlib
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ...backends.errors import InputError
from ...datasets.recording import head_id
from ..experiment import store
from ..experiment.experiment import DEFAULT_MODEL, IMPORTED, Experiment
from ..experiment.progress import Progress, Silence
from ..experiment.records import Failure, Imported, Provenance, Reference, Run, Track, describe_machine
from ..experiment.shared import Place
from ..experiment.source import Source
from .answers import Stream, calls_of
from .formats import FORMATS, parse_source

if TYPE_CHECKING:
    from ...speech.asr.transcriber import Transcriber

_SAME_LENGTH_S = 1.0  # a recording whose length the file gives otherwise is another; records round


def import_run(
    source: str,
    *,
    dataset: str | tuple[str, ...] = ("talks-clean",),
    system: str | None = None,
    recordings: int | None = None,
    head_s: float | None = None,
    word_times: str = "none",
    aligner: str = DEFAULT_MODEL,
    normaliser: str = "whisper",
    seed: int = 0,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Return what another system said of a dataset as a run, which is scored and compared like any other.

    source: "FORMAT:FILE"; the formats are `earspan score --help`'s.
    dataset, recordings, head_s: what the system heard, as for `Experiment`; every recording of it must be in the file.
    system: what the system is called; where the file has several, which of them.
    word_times: "none", or "model" to align references that have no word times by the Whisper called `aligner`, since
        latencies need them.
    normaliser, seed: of scoring.
    out: the folder or URL that the run is written to, if it is to be. Raises `InputError` for a file that is not of its
        format, with place and field, and for recordings that are not those of the dataset.
    """
    began_s = time.monotonic()
    name, path = parse_source(source)
    if out is not None:
        store.check_folder(Place(out).folder)
    system, streams = _choose(FORMATS[name][0](path), system or "", path)
    experiment = Experiment(
        model=system,
        dataset=dataset,
        recordings=recordings,
        head_s=head_s,
        word_times=word_times,
        strategy=IMPORTED,
        backends=(system,),
        loads=("1x1",),
        normaliser=normaliser,
        seed=seed,
    )
    heard = Source.open(experiment)
    own = _match(streams, heard, path)
    heard.failed += [Failure(key, stream.failure) for key, stream in own.items() if stream.failure]
    for _ in heard.portions(lambda: _load_aligner(aligner), progress or Silence()):
        pass  # references are kept
    failed = {failure.recording for failure in heard.failed}
    played = {key: stream for key, stream in own.items() if key not in failed}
    tracks = [_track(stream, _reference(heard, key), system) for key, stream in played.items()]
    shown = all(one.at_s is not None for stream in played.values() for one in _timed(stream, None).answers)
    given = all(one.heard_s is not None for stream in played.values() for one in stream.answers)
    run = Run(
        schema=store.SCHEMA,
        experiment=experiment,
        provenance=_provenance(system, name, began_s),
        datasets=heard.heard(),
        plans=(),
        references=tuple(heard.references.values()),
        tracks=tuple(tracks),
        joined=heard.joined(),
        aligned=heard.aligned,
        imported=Imported(name, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), shown, given),
        failed=tuple(heard.failed),
    )
    return run if out is None else Place(out, progress).keep(run)


def _choose(streams: Sequence[Stream], system: str, path: Path) -> tuple[str, list[Stream]]:
    """The system, and its streams where there are those of several."""
    names = sorted({stream.system for stream in streams} - {""})
    if len(names) > 1:
        if system not in names:
            raise InputError(f"{path}: answers of {', '.join(names)}; say which with --system")
        streams = [stream for stream in streams if stream.system == system]
    system = system or "".join(names)
    if not system.strip():
        raise InputError(f"{path}: nothing says what system answered; name it, for example --system nemotron")
    return system, list(streams)


def _match(streams: Sequence[Stream], heard: Source, path: Path) -> dict[str, Stream]:
    """The streams by the recording that they answer, in the order of the dataset."""
    known = [unit.id for unit in heard.units]
    ids = {key: key for key in known} | {shortened: key for key in known if (shortened := _shortened(heard, key))}
    stems = _unique((PurePath(str(key)).stem, key) for key in known)
    found: dict[str, Stream] = {}
    strangers: list[Stream] = []
    for stream in streams:
        pure = PurePath(stream.name)
        key = next((ids[name] for name in (stream.name, pure.name, pure.stem) if name in ids), None)
        key = key or stems.get(pure.stem)
        if key is None:
            strangers.append(stream)
        elif key in found:
            raise InputError(f"{stream.place}: {stream.name!r} for the second time, after {found[key].place}")
        else:
            found[key] = stream
    narrowed = heard.experiment.recordings is not None
    if strangers and not (narrowed and found):
        first = strangers[0]
        raise InputError(
            f"{first.place}: no recording {first.name!r} in {_data(heard)}; its recordings are for example {known[0]!r}"
        )
    if missing := [key for key in known if key not in found]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{path}: no answer to {missing[0]!r}{more} of {_data(heard)}; choose the part that was heard with "
            "--recordings, or add answers without text"
        )
    return {key: found[key] for key in known}


def _shortened(heard: Source, key: str) -> str | None:
    """What a recording is called where only its start is heard."""
    return head_id(key, heard.experiment.head_s) if heard.experiment.head_s else None


def _reference(heard: Source, key: str) -> Reference:
    shortened = _shortened(heard, key)
    return heard.references[shortened if shortened in heard.references else key]


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    twice = set[str]()
    for name, key in pairs:
        twice |= {name} if name in found else set()
        found[name] = key
    return {name: key for name, key in found.items() if name not in twice}


def _data(heard: Source) -> str:
    return ", ".join(dataset.name for dataset in heard.datasets)


def _track(stream: Stream, reference: Reference, system: str) -> Track:
    audio_s = stream.audio_s
    if audio_s is not None and abs(audio_s - reference.duration_s) > _SAME_LENGTH_S:
        raise InputError(
            f"{stream.place}: {audio_s:g} s long, and {reference.id!r} is {reference.duration_s:g} s as heard here; "
            "expected the same audio: is a --head missing, or one too many?"
        )
    calls = calls_of(_timed(stream, reference).answers, reference.duration_s if audio_s is None else audio_s)
    return Track(reference.id, IMPORTED, 0.0, None, system, calls)


def _timed(stream: Stream, reference: Reference | None) -> Stream:
    """The stream, its only answer put behind the end of speech where that is how the file tells its time."""
    if stream.after_speech_s is None:
        return stream
    speech_s = 0.0 if reference is None else reference.words[-1].end_s if reference.words else reference.duration_s
    at_s = max(0.0, speech_s + stream.after_speech_s)
    return replace(stream, answers=tuple(replace(one, at_s=at_s) for one in stream.answers))


def _load_aligner(name: str) -> "Transcriber":
    from ..experiment.run import load_engine  # torch takes seconds

    return load_engine(Experiment(model=name))


def _provenance(system: str, name: str, began_s: float) -> Provenance:
    return store.convert(
        {
            "command": "earspan " + shlex.join(sys.argv[1:]),
            "model": system,
            "sha256": "",
            "digest": "",
            "source": f"imported as {name}",
            "engine": f"imported: {name}",
            "precision": "",
            "timed_as": system,
            "timed_dtype": "",
            "wall_s": round(time.monotonic() - began_s, 1),
            "calls_computed": 0,
            **describe_machine(),
        },
        Provenance,
    )
