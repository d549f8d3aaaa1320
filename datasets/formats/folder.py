"""Plain audio with transcripts beside it: `x.wav` + `x.txt`, one pair or a folder of them."""

import os
from pathlib import Path

import soundfile

from ...backends.errors import InputError
from ...backends.reading import shown
from ..audio import audio_duration_s
from ..defects import Defects, report_to, tell_first
from ..recording import Dataset, Entry
from .entries import stated_licence
from .lines import text_lines

AUDIO_SUFFIXES = (
    frozenset(f".{name.lower()}" for name in soundfile.available_formats())
    | {".aif", ".aifc", ".oga", ".opus", ".snd", ".sph"}
    # libsndfile does not read these; as recordings, their load() says how to convert them.
    | {".aac", ".amr", ".m4a", ".mp4", ".webm", ".wma"}
)


def open_folder(path: str | os.PathLike[str], name: str | None = None, defects: Defects = None) -> Dataset:
    """Return the pairs `x.wav` + `x.txt` in a folder and below it; ids are paths inside the folder, without suffix.

    Hidden files are left out. Raises `InputError` for a recording without transcript, a transcript without
    recording (licences and readmes are none), two recordings of one name, and a link that leaves the folder; or
    adds them to `defects` and leaves those recordings out.
    """
    root = Path(path)
    audio: dict[Path, Path] = {}
    texts: set[Path] = set()
    for found in visible_files(root, defects):
        suffix, stem = found.suffix.lower(), found.with_suffix("")
        if suffix in AUDIO_SUFFIXES:
            with report_to(defects):
                if stem in audio:
                    raise InputError(f"{shown(found)}: same name as {audio[stem].name!r}; each recording needs its own")
                audio[stem] = found
        elif suffix == ".txt" and not found.name.upper().startswith(("LICENSE", "LICENCE", "README")):
            texts.add(stem)
    if not audio:
        expected = "expected x.wav + x.txt pairs or manifest.jsonl"
        raise InputError(f"{shown(root)}: no audio in this folder; {expected}{tell_first(defects)}")
    with report_to(defects):
        _require_none(root, "without a transcript (x.txt beside x.wav)", audio.keys() - texts)
    with report_to(defects):
        _require_none(root, "transcripts without a recording", texts - audio.keys())
    dataset = name or shown(root)
    entries = []
    for stem in sorted(audio.keys() & texts):
        with report_to(defects):
            entries.append(_entry(stem.relative_to(root).as_posix(), audio[stem], _transcript(stem), dataset))
    if not entries and defects:
        raise InputError(f"{shown(root)}: no recordings{tell_first(defects)}")
    return Dataset(dataset, root, tuple(entries), stated_licence(root))


def open_recording(path: str | os.PathLike[str], name: str | None = None) -> Dataset:
    """Return a dataset of one audio file with its transcript beside it. Raises `InputError` if there is none."""
    audio_path = Path(path)
    if audio_path.suffix.lower() not in AUDIO_SUFFIXES:
        raise InputError(f"{shown(audio_path)}: expected an audio file, a .jsonl manifest or a folder of either")
    transcript = _transcript(audio_path.with_suffix(""))
    if not transcript.is_file():
        raise InputError(f"{shown(audio_path)}: no transcript; write what is said in it to {shown(transcript)}")
    dataset = name or shown(audio_path)
    entry = _entry(audio_path.stem, audio_path, transcript, dataset)
    return Dataset(dataset, audio_path, (entry,), stated_licence(audio_path.parent))


def visible_files(root: Path, defects: Defects = None) -> list[Path]:
    """Return the files in a folder and below, without hidden ones. A link that leaves the folder is an `InputError`."""

    def stop(error: OSError) -> None:
        raise InputError(f"{shown(error.filename)}: {error.strerror}") from error

    found = []
    real_root = os.path.realpath(root)
    for folder, folders, files in os.walk(root, onerror=stop):
        for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            path = Path(folder, name)
            if name.startswith("."):
                continue
            target = os.path.realpath(path)
            with report_to(defects):
                if not Path(target).is_relative_to(real_root):
                    raise InputError(f"{shown(path)}: a link to {shown(target)}, outside the dataset's folder")
                found.append(path)
        folders[:] = [name for name in folders if not name.startswith(".")]
    return found


def _transcript(stem: Path) -> Path:
    return stem.with_name(stem.name + ".txt")


def _require_none(root: Path, what: str, stems: set[Path]) -> None:
    if stems:
        names = [stem.relative_to(root).as_posix() for stem in sorted(stems)]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise InputError(f"{shown(root)}: {what}: {', '.join(map(shown, names[:5]))}{more}")


def _entry(entry_id: str, audio_path: Path, transcript: Path, dataset: str) -> Entry:
    try:
        duration_s = audio_duration_s(audio_path)
    except InputError:
        duration_s = 0.0  # Entry.load() says why
    return Entry(
        id=shown(entry_id),
        audio_path=audio_path,
        text=" ".join(line for _, line in text_lines(transcript)),
        words=None,
        duration_s=duration_s,
        offset_s=None,
        speaker=None,
        dataset=dataset,
        origin=shown(transcript),
    )
