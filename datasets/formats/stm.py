"""NIST STM, as TED-LIUM has it: stm/TALK.stm beside sph/TALK.sph, a line for each segment."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...backends.errors import InputError
from ...backends.reading import shown
from ..defects import Defects, report_to
from ..recording import Dataset
from .entries import EntryList, inside, seconds
from .folder import AUDIO_SUFFIXES
from .lines import text_lines

# What NIST's scorer leaves out; TED-LIUM marks music, applause and untranscribed speech so.
_NOT_SCORED = "ignore_time_segment_in_scoring"
_AUDIO_FOLDERS = ("sph", "wav", "audio", ".")
_EXPECTED = "stm/TALK.stm and sph/TALK.sph"


@dataclass(frozen=True, slots=True)
class _Segment:
    talk: str
    speaker: str
    start_s: float
    end_s: float
    text: str
    audio: Path
    origin: str


def recognises(path: Path) -> bool:
    """Return whether it is an .stm file or a folder with some."""
    return path.suffix.lower() == ".stm" if path.is_file() else bool(_stm_files(path))


def open_segments(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return each scored segment as a recording; the group is the talk."""
    root, entries = _begin(path, name, defects)
    for segment in _segments(path, root, defects):
        entries.add(
            f"{segment.talk}-{round(100 * segment.start_s):07d}-{round(100 * segment.end_s):07d}",
            inside(root, segment.audio),
            segment.text,
            segment.origin,
            speaker=segment.speaker,
            group=segment.talk,
            offset_s=segment.start_s,
            duration_s=segment.end_s - segment.start_s,
        )
    return entries.dataset_of(path, _EXPECTED)


def open_talks(path: Path, name: str | None = None, defects: Defects = None) -> Dataset:
    """Return each talk as a recording, from its first scored segment to the end of its last, texts joined.

    Segments that are not to be scored are heard all the same where they lie between others.
    """
    root, entries = _begin(path, name, defects)
    talks: dict[str, list[_Segment]] = {}
    for segment in _segments(path, root, defects):
        talks.setdefault(segment.talk, []).append(segment)
    for talk, segments in talks.items():
        segments.sort(key=lambda segment: segment.start_s)
        speakers = {segment.speaker for segment in segments}
        start_s, end_s = segments[0].start_s, max(segment.end_s for segment in segments)
        entries.add(
            talk,
            inside(root, segments[0].audio),
            " ".join(segment.text for segment in segments if segment.text),
            segments[0].origin,
            speaker=speakers.pop() if len(speakers) == 1 else None,
            group=talk,
            offset_s=start_s,
            duration_s=end_s - start_s,
        )
    return entries.dataset_of(path, _EXPECTED)


def _begin(path: Path, name: str | None, defects: Defects) -> tuple[Path, EntryList]:
    stm = _stm_files(path)
    root = path if path.is_dir() else path.parent
    if path.is_file() and root.name == "stm":
        root = root.parent
    if not stm:
        raise InputError(f"{shown(path)}: no .stm file; expected {_EXPECTED}")
    return root, EntryList(root, name or shown(path), defects)


def _stm_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(path.glob("*.stm")) or sorted(path.glob("stm/*.stm"))


def _segments(path: Path, root: Path, defects: Defects) -> Iterator[_Segment]:
    for file in _stm_files(path):
        for number, line in text_lines(file, defects):
            if line.startswith(";;"):
                continue
            segment = None
            with report_to(defects):
                segment = _segment(line, root, f"{shown(file)}:{number}")
            if segment is not None and segment.text != _NOT_SCORED:
                yield segment


def _segment(line: str, root: Path, origin: str) -> _Segment:
    fields = line.split(maxsplit=5)
    if len(fields) < 5:
        raise InputError(f"{origin}: {shown(line[:60])!r}; expected TALK CHANNEL SPEAKER START END [<LABELS>] TEXT")
    talk, _, speaker, start, end, *rest = fields
    text = rest[0] if rest else ""
    if text.startswith("<") and ("," in text.partition(">")[0] or text.partition(">")[0] in ("<NA", "<O")):
        text = text.partition(">")[2].strip()  # labels such as <o,f0,male>; a word such as <unk> stays
    start_s, end_s = seconds(start, f"{origin}: start"), seconds(end, f"{origin}: end")
    if end_s <= start_s:
        raise InputError(f"{origin}: from {start_s:g} s to {end_s:g} s; expected the end after the start")
    return _Segment(talk, speaker, start_s, end_s, text, _audio(root, talk, origin), origin)


def _audio(root: Path, talk: str, origin: str) -> Path:
    for folder in _AUDIO_FOLDERS:
        for suffix in sorted(AUDIO_SUFFIXES, key=lambda suffix: (suffix != ".sph", suffix)):
            if os.path.isfile(path := root / folder / f"{talk}{suffix}"):
                return path
    raise InputError(f"{origin}: no audio for talk {shown(talk)!r}: no sph/{shown(talk)}.sph in {shown(root)}")
