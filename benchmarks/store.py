"""A run on disk: `calls.jsonl` and `run.json` hold what happened, `results.json` what follows from it.

Raw text and raw times are stored; error rates and latencies are derived, so a run can be scored again without
inference. A file appears under its name only when it is whole.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..backends.errors import InputError
from ..datasets.recording import Recording, Word
from ..speech.metrics.latency import Emitted, emitted
from ..speech.streaming.clock import Job

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording as a run keeps it: what was said, without the audio.

    `words` is None where there are no word times. `duration_s` is None in runs of before it was kept.
    """

    id: str
    text: str
    words: tuple[Word, ...] | None
    dataset: str
    speaker: str | None
    duration_s: float | None

    @classmethod
    def of(cls, recording: Recording) -> "Reference":
        """What to keep of `recording`."""
        r = recording
        return cls(r.id, r.text, r.words, r.dataset, r.speaker, r.duration_s)


@dataclass(frozen=True, slots=True)
class Track:
    """One recording as one setting played it: raw calls in order.

    `backend` is None where nothing was timed. `calls` hold times in seconds of the recording, and raw text.
    """

    recording: str
    strategy: str
    window_s: float
    step_s: float | None
    backend: str | None
    calls: list[dict[str, Any]]

    @property
    def emitted(self) -> list[Emitted]:
        """Committed words with the times that belong to each."""
        return emitted(self.calls)

    @property
    def text(self) -> str:
        return " ".join(word for call in self.calls for word in call["committed"])


@dataclass(frozen=True, slots=True)
class Run:
    """All that scoring needs: `meta` (settings, model, planner's rows, ...), references and tracks."""

    meta: dict[str, Any]
    references: dict[str, Reference]  # by the recording's id
    tracks: list[Track]


def track(job: Job, strategy: str, window_s: float, step_s: float | None, backend: str | None) -> Track:
    """The record of a job that has been played."""
    calls = [
        {
            "start_s": played.call.start_s,
            "end_s": played.call.end_s,
            "arrival_at_s": played.arrival_at_s,
            "start_at_s": round(played.start_at_s, 6),
            "finish_at_s": round(played.finish_at_s, 6),
            "prompt_tokens": played.hypothesis.prompt_tokens,
            "decode_tokens": played.hypothesis.decode_tokens,
            "encoder_passes": sum(run.encoded for run in played.hypothesis.runs),
            "decoder_runs": len(played.hypothesis.runs),
            "temperature": played.hypothesis.temperature,
            "cut_off": played.hypothesis.cut_off,
            "text": played.hypothesis.text,
            "committed": list(played.committed),
            "interim": list(played.interim),
        }
        for played in job.played
    ]
    return Track(job.recording.id, strategy, window_s, step_s, backend, calls)


_TRACK_KEYS = ("recording", "strategy", "window_s", "step_s", "backend")


def write_raw(folder: Path, run: Run) -> None:
    """Write `run.json` and `calls.jsonl` into `folder`, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}") from error
    references = [
        {
            "id": r.id,
            "text": r.text,
            "speaker": r.speaker,
            "dataset": r.dataset,
            "duration_s": r.duration_s,
            "words": None if r.words is None else [[w.text, w.start_s, w.end_s] for w in r.words],
        }
        for r in run.references.values()
    ]
    played = [{key: getattr(t, key) for key in _TRACK_KEYS} for t in run.tracks]  # also those without a call
    whole = {"schema": SCHEMA, **run.meta, "references": references, "tracks": played}
    write_whole(folder / "run.json", json.dumps(whole))
    lines = (json.dumps({**keys, **call}) for keys, t in zip(played, run.tracks, strict=True) for call in t.calls)
    write_whole(folder / "calls.jsonl", "".join(line + "\n" for line in lines))


def read_raw(folder: Path) -> Run:
    """The run stored in `folder`. Raises `InputError` if there is none, or it is damaged or of another schema."""
    meta = read_json(folder / "run.json")
    references = {}
    if "benchmark" not in meta or not isinstance(meta.get("settings"), dict):
        raise InputError(f"{folder}: not a whole run (no benchmark or no settings); run the benchmark again")
    try:
        for record in meta.pop("references"):
            words = None if record["words"] is None else tuple(Word(*word) for word in record["words"])
            references[record["id"]] = Reference(
                record["id"], record["text"], words, record["dataset"], record["speaker"], record.get("duration_s")
            )
        played = [tuple(record[key] for key in _TRACK_KEYS) for record in meta.pop("tracks", [])]
        tracks = _read_tracks(folder / "calls.jsonl", played)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: not a whole run ({error!r}); run the benchmark again") from error
    return Run(meta, references, tracks)


def _read_tracks(path: Path, played: list[tuple[Any, ...]]) -> list[Track]:
    """The tracks of `played`, and all others that have a call: runs of before did not list those that were played."""
    tracks = {key: Track(*key, calls=[]) for key in played}
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        try:
            call = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not JSON: {error}") from error
        key = tuple(call.pop(name) for name in _TRACK_KEYS)
        tracks.setdefault(key, Track(*key, calls=[])).calls.append(call)
    return list(tracks.values())


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of this schema. Raises `InputError` for anything else."""
    try:
        content = json.loads(_read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != SCHEMA:
        raise InputError(f"{path}: schema {found!r}; this version of earspan reads schema {SCHEMA}")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; type the folder of a run, for example runs/bench") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all. Raises `InputError` where that is not possible."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def command_typed() -> str:
    """The command line of this process, as it can be typed again."""
    return "earspan " + shlex.join(sys.argv[1:])


def environment(elapsed_wall_s: float) -> dict[str, Any]:
    """What the result was made with."""
    packages = ("earspan", "openai-whisper", "torch", "torchaudio", "jiwer", "numpy", "soundfile")
    return {
        **{name: version(name) for name in packages},
        "git": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_s": round(elapsed_wall_s, 1),
    }


def _git_revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # installed from a wheel
